"""What queues work with, and what the queues at one destination share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.clock import Clock
from gateway.delivering.breaker import Breaker
from gateway.delivering.policy import Outcome
from gateway.store.base import Delivery, State, Store

Members = Sequence[tuple[Delivery, bool]]
"""Deliveries of one request, and whether something earlier of their lane is missing."""
Send = Callable[[Members], Coroutine[Any, Any, Outcome]]
Report = Callable[[Sequence[tuple[Delivery, State]], Outcome], None]
"""What became of the deliveries of one request."""


@dataclass(frozen=True, slots=True)
class Means:
    """What every queue works with. `shards` gives those that this process delivers."""

    store: Store
    clock: Clock
    dice: Callable[[], float]
    shards: Callable[[], frozenset[int]]


class Queue(Protocol):
    """As much of a queue as its gate knows."""

    number: int

    @property
    def hungry(self) -> bool:
        """Whether there is something to send."""
        ...

    def pump(self) -> None: ...


class Gate(Protocol):
    """What the queues at a destination share. Waits are milliseconds: 0 where it may begin now, None where `pump`
    will be called when it may."""

    breaker: Breaker
    probing: bool

    @property
    def idle(self) -> bool: ...

    def tried_ms(self, now_ms: int) -> int:
        """The destination's clock of tried time."""
        ...

    def probe_wait_ms(self) -> int | None: ...

    def wait_ms(self, queue: Queue) -> int | None: ...

    def began(self, queue: Queue) -> None: ...

    def ended(self, queue: Queue) -> None: ...

    async def next_request(self) -> None:
        """A further request within an attempt: may begin when this returns."""
        ...

    def choose(self, due: list[Delivery]) -> list[Delivery]: ...

    def found(self, lanes: Sequence[int], outcome: Outcome, now_ms: int) -> None:
        """What came of an attempt with events of these lanes."""
        ...
