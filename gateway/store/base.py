"""The store's port: what the gateway asks of an engine, and the records that pass through it.

Promises that every engine keeps:

- `append` returns after its commit is durable. Receipt, events, deliveries and tallies are one commit; an event whose
  id is already stored is left out, inside that commit.
- If one append was over before another began, in whatever process, its sequence numbers are smaller.
- Operations of a process take effect in the order in which they were called: a page asked for after a settlement
  shows it.
- An operation that cannot be carried out raises StoreUnavailable, and nothing of it has happened.
- Processes that share a store share its deliveries by shards. Whose lease of a shard is over can settle nothing in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway.control import Control
from gateway.stamp import Event
from gateway.store.ledger import Account, Cutoffs, Pruned, Volume

if TYPE_CHECKING:
    from gateway.store.listener import Listener


class State(IntEnum):
    """States of a delivery; those up to BESIDE are pending. The migrations explain them."""

    QUEUED = 0
    HELD = 1
    WAITING = 2
    BESIDE = 3
    DELIVERED = 4
    DEAD = 5
    SUPPRESSED = 6
    EXPIRED = 7

    @property
    def word(self) -> str:
        """In commands, logs and metrics."""
        return _WORDS[self]


_WORDS = {state: state.name.lower() for state in State}

PENDING = (State.QUEUED, State.HELD, State.WAITING, State.BESIDE)

SHARDS = 256
ALL_SHARDS = frozenset(range(SHARDS))


def shard_of(destination: int, lane: int) -> int:
    """Which of the SHARDS a lane is in at a destination. Stored with deliveries: never to be changed."""
    return (lane ^ destination * 0x9E3779B1) % SHARDS


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


class Route(NamedTuple):
    """A destination that wants an event. Unordered: each event is a lane of its own. Monotonic: a status that comes
    after a higher one of its message is kept back."""

    destination: int
    ordered: bool = True
    monotonic: bool = False


@dataclass(slots=True)
class Submission:
    """One request on its way into the store; `routes` has, for each event, the destinations that want it."""

    receipt: Receipt
    events: Sequence[Event]
    routes: Sequence[Sequence[Route]]

    @property
    def size(self) -> int:
        """Bytes that are stored, but for keys."""
        return len(self.receipt.body) + sum(len(event.head) + len(event.data) for event in self.events)


def lane_of(event: Event, route: Route) -> int:
    """The event's lane at a destination: a signed 64-bit number."""
    return event.lane if route.ordered else lane_alone(event.id)


def lane_alone(event_id: bytes) -> int:
    """The lane of an event that has one to itself."""
    return int.from_bytes(event_id[-8:], "big", signed=True)


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
    size: int = field(init=False)
    """Bytes in memory, about."""

    def __post_init__(self) -> None:
        self.size = len(self.head) + len(self.data) + len(self.body or b"")


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
    """A delivery's new state after an attempt, or after its lane moved on (`attempted` false).

    `tried_ms` is the attempt's time on the destination's clock of tried time (gateway/control.py); the first one stays
    as the delivery's `tried_since_ms`. `gap`, of a dead one: the next in its lane tells that it is missing; the lane is
    in the backlog until then. Of a delivered one: it has told that.
    """

    destination: int
    event: int
    lane: int
    state: State
    now_ms: int
    attempted: bool = True
    due_ms: int = 0
    status: int | None = None
    error: str | None = None
    tried_ms: int = 0
    took_ms: int = 0
    gap: bool = False


class HeldLane(NamedTuple):
    """A lane that waits for its head, as found in the store."""

    lane: int
    event: int
    tried_since_ms: int


class Backlog(NamedTuple):
    """What is pending at a destination, as its lanes were left. `queued` says whether there are queued deliveries;
    `gaps` are lanes whose next delivery tells that an earlier one is missing, whether or not it is there yet."""

    queued: bool = True
    held: Sequence[HeldLane] = ()
    waiting_lanes: Sequence[int] = ()
    beside_lanes: Sequence[int] = ()
    next_due_ms: int | None = None
    gaps: Sequence[int] = ()


class Run(NamedTuple):
    """A replay or remap that is under way, at one destination: its deliveries have a destination number of their own.

    `destination` is the number of the real one. `kind` is replay or remap.
    """

    number: int
    destination: int
    id: int
    kind: str


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

    async def open(self) -> None:
        """Run outstanding migrations, and be ready. Raises StoreError."""
        ...

    async def attend(self, listener: Listener) -> None:
        """Begin to call the listener. Where nobody shares the store it gains all shards before this returns."""
        ...

    def retire(self) -> None:
        """This process is about to stop: others may take over what it does not do any more."""
        ...

    async def close(self) -> None:
        """Write down what is left, give leases back."""
        ...

    async def register_sources(self, sources: Sequence[SourceRow]) -> list[int]:
        """Their numbers, the same at each start; all in one commit."""
        ...

    async def register_destinations(self, destinations: Sequence[DestinationRow]) -> list[int]:
        """Their numbers, the same at each start. What is not among them counts as gone from the configuration, once
        no process runs any more whose set is older."""
        ...

    def append(self, submission: Submission) -> Awaitable[Appended]:
        """Commit. Raises StoreUnavailable, at once or when it is awaited."""
        ...

    def settle(self, settlement: Settlement) -> None:
        """Write down soon, together with others; kept and tried again while the store is unavailable."""
        ...

    def wait(self, destination: int, event: int, lane: int) -> None:
        """Mark a queued delivery as waiting behind its lane's held head."""
        ...

    async def flush(self) -> None:
        """Wait until every settlement so far is durable. Raises StoreUnavailable."""
        ...

    def holds(self, destination: int, lane: int) -> bool:
        """Whether this process may write to a downstream for this lane right now, by its own monotonic clock."""
        ...

    async def backlog(self, shards: frozenset[int], destination: int | None = None) -> dict[int, Backlog]:
        """What is pending in these shards, and what it misses, by destination; those without anything are left out.

        Reading of queued deliveries begins anew for them: `queued` gives again what it gave before.
        """
        ...

    async def queued(self, destination: int, after: int, limit: int) -> Page:
        """Queued deliveries in order. A store that nobody else writes to gives those with a sequence above `after`;
        another one those that it has not given yet, since there what comes later may have a lower number."""
        ...

    async def waiting(self, destination: int, lane: int, limit: int) -> Page:
        """Waiting deliveries of a lane, in order."""
        ...

    async def due(self, destination: int, now_ms: int, limit: int) -> tuple[Page, int | None]:
        """Held and beside deliveries whose time has come, longest due first; and when the next one is due."""
        ...

    async def hurry(self, destination: int, now_ms: int) -> None:
        """Held and beside deliveries are due now: the destination is back."""
        ...

    async def body(self, receipt: int) -> bytes:
        """The body of a receipt. Raises LookupError where there is none."""
        ...

    async def controls(self) -> list[Control]:
        """Of the destinations that were ever paused, disabled or open."""
        ...

    async def change(self, destination: int, change: Callable[[Control], Control]) -> Control:
        """Read, change and write a destination's control in one transaction. Other processes are told."""
        ...

    async def runs(self) -> list[Run]:
        """Replays and remaps that are not over, by destination."""
        ...

    async def counts(self) -> list[Count]:
        """Pending and dead deliveries, runs included. Never keeps commits waiting, however many there are."""
        ...

    async def accounts(self, *, recount: bool = True) -> list[Account]:
        """The ledger, from one consistent view. Never keeps commits waiting; may take long.

        Without `recount` what was delivered is not counted but taken to be the rest, which costs little and proves
        nothing.
        """
        ...

    async def volume(self) -> Volume: ...

    async def prune(self, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
        """A step of retention: look at so many receipts with a sequence above `after`. Returns where it ended."""
        ...

    async def expire(self, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
        """Parked deliveries of events received before then are expired; returns how many."""
        ...

    async def keep_drift(self, samples: Sequence[DriftSample]) -> None:
        """Add counts to what is known of these things; the first sample of a thing stays. Keeps the latest 1,000."""
        ...

    async def drift_samples(self) -> list[DriftSample]:
        """Those last seen first."""
        ...

    async def refusal(self) -> str | None:
        """Why nothing can be stored right now; None where it can."""
        ...

    @property
    def unsettled(self) -> int:
        """Settlements that are not durable yet."""
        ...
