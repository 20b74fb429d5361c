"""The store's port: what the gateway asks of an engine, and the records that pass through it.

Promises that every engine keeps:

- `append` returns after its commit is durable. Receipt, events and deliveries are one commit; an event whose id is
  already stored is left out, inside that commit.
- Sequence numbers rise in commit order within a store that has one writer.
- Operations take effect in the order in which they were called: a page asked for after a settlement shows it.
- An operation that cannot be carried out raises StoreUnavailable, and nothing of it has happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from gateway.stamp import Event


class State(IntEnum):
    """States of a delivery; those up to BESIDE are pending. The migrations explain them."""

    QUEUED = 0
    HELD = 1
    WAITING = 2
    BESIDE = 3
    DELIVERED = 4
    DEAD = 5


PENDING = (State.QUEUED, State.HELD, State.WAITING, State.BESIDE)


class StoreError(Exception):
    """The store cannot be opened as it is; the message says what to do."""


class StoreUnavailable(Exception):
    """The store cannot commit now: disk full, connection lost, shutting down. Try again later."""


class SourceRow(NamedTuple):
    tenant: str
    name: str
    uid: str
    provider: str


class DestinationRow(NamedTuple):
    tenant: str
    name: str


@dataclass(slots=True)
class Receipt:
    """A request as it is stored. `source` is the store's number of the source."""

    id: bytes
    source: int
    received_ms: int
    outcome: str
    headers: bytes
    body: bytes


@dataclass(slots=True)
class Submission:
    """One request on its way into the store; `destinations` has, for each event, the destinations that want it."""

    receipt: Receipt
    events: Sequence[Event]
    destinations: Sequence[Sequence[int]]


@dataclass(slots=True)
class StoredEvent:
    """What sending an event needs. `body` is its receipt's body, where a destination may want raw from it."""

    seq: int
    id: bytes
    revision: int
    type: str
    received_ms: int
    partial: bool
    pointer: str
    head: bytes
    data: bytes
    receipt: int
    body: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return len(self.head) + len(self.data) + len(self.body or b"")


@dataclass(slots=True)
class Delivery:
    """One event for one destination, as loaded for an attempt. `attempts` counts those already made."""

    event: StoredEvent
    destination: int
    lane: int
    state: State = State.QUEUED
    attempts: int = 0
    tried_since_ms: int = 0


class Appended(NamedTuple):
    """What a commit made of a submission: for each event whether it is new, and the new ones' deliveries in order."""

    stored: list[bool]
    deliveries: list[Delivery]


class Page(NamedTuple):
    """Some of the deliveries asked for; `more` where limit or PAGE_BYTES left others out."""

    deliveries: list[Delivery]
    more: bool


PAGE_BYTES = 4 * 1024 * 1024
"""Bytes of events after which a page ends, once it has one delivery."""


class Settlement(NamedTuple):
    """A delivery's new state after an attempt, or after its lane moved on (`attempted` false)."""

    destination: int
    event: int
    state: State
    now_ms: int
    attempted: bool = True
    due_ms: int = 0
    status: int | None = None
    error: str | None = None


class HeldLane(NamedTuple):
    """A lane that waits for its head, as found at start."""

    lane: int
    event: int
    tried_since_ms: int


class Backlog(NamedTuple):
    """What a destination's lanes looked like when the process stopped."""

    held: list[HeldLane]
    waiting_lanes: list[int]
    beside_lanes: list[int]
    next_due_ms: int | None


class Count(NamedTuple):
    """Deliveries of a destination in one state; `oldest_ms` is when the oldest of them was received."""

    tenant: str
    destination: str
    state: State
    deliveries: int
    oldest_ms: int | None


class DriftSample(NamedTuple):
    """Something that an adapter did not know: how often it was seen, and its shape as masked JSON."""

    provider: str
    kind: str
    name: str
    first_ms: int
    last_ms: int
    seen: int
    sample: bytes | None


class Store(Protocol):
    """The port. `party_key` keys the hashes that stand for people."""

    party_key: bytes

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def register_sources(self, sources: Sequence[SourceRow]) -> list[int]:
        """Their numbers, the same at each start; all in one commit."""
        ...

    async def register_destinations(self, destinations: Sequence[DestinationRow]) -> list[int]: ...

    async def append(self, submission: Submission) -> Appended:
        """Commit. Raises StoreUnavailable."""
        ...

    def settle(self, settlement: Settlement) -> None:
        """Write down soon, together with others; kept and tried again while the store is unavailable."""
        ...

    def wait(self, destination: int, event: int) -> None:
        """Mark a queued delivery as waiting behind its lane's held head."""
        ...

    async def flush(self) -> None:
        """Wait until every settlement so far is durable. Raises StoreUnavailable."""
        ...

    async def backlog(self, destination: int) -> Backlog: ...

    async def queued(self, destination: int, after: int, limit: int) -> Page:
        """Queued deliveries with a sequence above `after`, in order."""
        ...

    async def waiting(self, destination: int, lane: int, limit: int) -> Page:
        """Waiting deliveries of a lane, in order."""
        ...

    async def due(self, destination: int, now_ms: int, limit: int) -> tuple[Page, int | None]:
        """Held and beside deliveries whose time has come, longest due first; and when the next one is due."""
        ...

    async def body(self, receipt: int) -> bytes:
        """The body of a receipt. Raises LookupError where there is none."""
        ...

    async def counts(self) -> list[Count]:
        """Pending and dead deliveries. Never keeps commits waiting, however many there are."""
        ...

    async def keep_drift(self, samples: Sequence[DriftSample]) -> None:
        """Add counts to what is known of these things; the first sample of a thing stays. Keeps the latest 1,000."""
        ...

    async def drift_samples(self) -> list[DriftSample]:
        """Those last seen first."""
        ...

    async def writable(self) -> bool:
        """Whether a commit succeeds right now."""
        ...

    @property
    def unsettled(self) -> int:
        """Settlements that are not durable yet."""
        ...
