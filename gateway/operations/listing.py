"""Events, deliveries and attempts as operators read them. Long lists are read in pages, and never held as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from gateway.operations.paging import END, paged
from gateway.operations.selection import Criteria, in_states, indexed, joined, where
from gateway.store.base import State
from gateway.store.session import Row, Session

LOOK_BACK = 1_000
"""Sequence numbers below the last one seen in which a commit that overlapped with it may show up late."""


class ListedEvent(NamedTuple):
    """An event without what it says. `id` is hex."""

    id: str
    sequence: int
    revision: int
    type: str
    tenant: str
    source: str
    provider: str
    received_ms: int
    time_ms: int


class ListedDelivery(NamedTuple):
    """An event on its way to a destination; `run` is the replay or remap that it belongs to, or 0.

    `due_ms` is when it is tried next, where that is planned; `settled_ms` when its state last changed.
    """

    id: str
    sequence: int
    type: str
    tenant: str
    destination: str
    run: int
    state: str
    parked: bool
    attempts: int
    status: int | None
    error: str | None
    received_ms: int
    due_ms: int
    settled_ms: int


class Attempt(NamedTuple):
    """One try. `status` is the answer's, None where there was none; `error` says why."""

    tenant: str
    destination: str
    run: int
    number: int
    at_ms: int
    took_ms: int | None
    status: int | None
    error: str | None


class ShownEvent(NamedTuple):
    """All that is kept of an event. Its texts are JSON; of a pruned one only the id is left."""

    event: ListedEvent
    head: bytes
    data: bytes
    pointer: str
    partial: bool
    headers: bytes
    body: bytes
    outcome: str

    @property
    def pruned(self) -> bool:
        return not self.head


_EVENT = "e.id, e.seq, e.revision, e.type, s.tenant, s.name, s.provider, r.received_ms, e.time_ms"


def _delivery(session: Session) -> str:
    return (
        f"e.id, d.event, e.type, n.tenant, n.name, n.run, d.state, CASE WHEN {session.parked} THEN 1 ELSE 0 END, "
        "d.attempts, d.last_status, d.last_error, r.received_ms, d.due_ms, d.settled_ms, d.destination, r.seq"
    )


async def events(session: Session, criteria: Criteria, limit: int | None = None) -> AsyncIterator[ListedEvent]:
    """Those received last come first."""
    conditions, parameters = where(session, criteria)
    sql = (
        f"SELECT {_EVENT}, r.seq {joined('res')} {conditions} AND r.received_ms <= :before_ms "
        "AND (r.received_ms, r.seq, e.seq) < (:before_ms, :before_receipt, :before_event) "
        "ORDER BY r.received_ms DESC, r.seq DESC, e.seq DESC"
    )
    cursor = {"before_ms": END, "before_receipt": END, "before_event": END}
    async for row in paged(session, sql, parameters, cursor, _after_event, limit):
        yield _listed_event(row)


class Follower:
    """New events, as they come. Commits that overlap may show up with a lower number than what was seen already.

    Each look may be by another session; one that fails changes nothing.
    """

    def __init__(self, criteria: Criteria) -> None:
        self._criteria = criteria
        self._first = self._position = -1
        self._seen: set[int] = set()

    async def next(self, session: Session) -> tuple[list[ListedEvent], bool]:
        """The next ones in order, and whether there are more right now."""
        top = int((await session.fetch("SELECT coalesce(max(seq), 0) FROM events"))[0][0])
        if self._first < 0:
            self._first = self._position = await self._begin(session, top)
        conditions, parameters = where(session, self._criteria)
        rows = await session.fetch(
            f"SELECT {_EVENT} {joined('ers')} {conditions} AND e.seq > :after AND e.seq <= :top "
            "ORDER BY e.seq LIMIT :limit",
            after=max(self._first, self._position - LOOK_BACK), top=top, limit=LOOK_BACK * 2, **parameters,
        )  # fmt: skip
        more = len(rows) == LOOK_BACK * 2
        self._position = rows[-1][1] if more else top
        found = [event for event in map(_listed_event, rows) if event.sequence not in self._seen]
        self._seen |= {event.sequence for event in found}
        self._seen = {sequence for sequence in self._seen if sequence > self._position - LOOK_BACK}
        return found, more

    async def _begin(self, session: Session, top: int) -> int:
        """The number before the first one that is wanted."""
        if self._criteria.since_ms is None:
            return top
        rows = await session.fetch(
            "SELECT min(e.seq) FROM receipts r JOIN events e ON e.receipt = r.seq WHERE r.received_ms >= :since_ms",
            since_ms=self._criteria.since_ms,
        )
        return top if rows[0][0] is None else int(rows[0][0]) - 1


async def deliveries(session: Session, criteria: Criteria, limit: int | None = None) -> AsyncIterator[ListedDelivery]:
    """Where all wanted states have an index they come by state and destination, else by time of receipt; the
    latest first."""
    groups = indexed(criteria)
    if not groups:
        async for delivery in _deliveries_by_time(session, criteria, limit):
            yield delivery
    left = limit
    for group in groups:
        async for delivery in _deliveries_of(session, criteria, group, left):
            yield delivery
            left = None if left is None else left - 1


async def deliveries_of(session: Session, event_id: str) -> list[ListedDelivery]:
    """Of one event, runs included, in the order in which its destinations became known."""
    found = [delivery async for delivery in deliveries(session, Criteria(ids=(event_id,)))]
    return sorted(found, key=lambda delivery: (delivery.run, delivery.tenant, delivery.destination))


async def attempts(session: Session, event_id: str) -> list[Attempt]:
    """All attempts of an event: those that failed, and the one that its destination took. By destination, in order."""
    failed = await session.fetch(
        "SELECT n.tenant, n.name, n.run, a.number, a.at_ms, a.took_ms, a.status, a.error "
        "FROM events e JOIN attempts a ON a.event = e.seq JOIN destinations n ON n.id = a.destination WHERE e.id = :id",
        id=bytes.fromhex(event_id),
    )
    through = await session.fetch(
        "SELECT n.tenant, n.name, n.run, d.attempts, d.settled_ms, d.last_status FROM events e "
        "JOIN deliveries d ON d.event = e.seq JOIN destinations n ON n.id = d.destination "
        "WHERE e.id = :id AND d.state = :delivered",
        delivered=State.DELIVERED,
        id=bytes.fromhex(event_id),
    )
    found = [Attempt(*row) for row in failed]
    found += [
        Attempt(tenant, name, run, number, settled_ms, None, status, None)
        for tenant, name, run, number, settled_ms, status in through
    ]
    return sorted(found, key=lambda attempt: (attempt.run, attempt.tenant, attempt.destination, attempt.number))


async def show(session: Session, event_id: str) -> ShownEvent | None:
    """None where there is no such event."""
    rows = await session.fetch(
        "SELECT e.id, e.seq, e.revision, e.type, coalesce(s.tenant, ''), coalesce(s.name, ''), "
        "coalesce(s.provider, ''), coalesce(r.received_ms, 0), e.time_ms, e.head, e.data, e.pointer, e.partial, "
        "r.headers, r.body, r.outcome "
        "FROM events e LEFT JOIN receipts r ON r.seq = e.receipt LEFT JOIN sources s ON s.id = r.source "
        "WHERE e.id = :id",
        id=bytes.fromhex(event_id),
    )
    if not rows:
        return None
    head, data, pointer, partial, headers, body, outcome = rows[0][9:]
    return ShownEvent(
        _listed_event(rows[0]), bytes(head), bytes(data), pointer, bool(partial),
        bytes(headers or b"{}"), bytes(body or b""), outcome or "",
    )  # fmt: skip


async def _deliveries_by_time(session: Session, criteria: Criteria, limit: int | None) -> AsyncIterator[ListedDelivery]:
    conditions, parameters = where(session, criteria)
    sql = (
        f"SELECT {_delivery(session)} {joined('ersdnb' if criteria.ids else 'redsnb')} {conditions} "
        "AND r.received_ms <= :before_ms "
        "AND (r.received_ms, r.seq, e.seq, n.id) < (:before_ms, :before_receipt, :before_event, :before_destination) "
        "ORDER BY r.received_ms DESC, r.seq DESC, e.seq DESC, n.id DESC"
    )
    cursor = {"before_ms": END, "before_receipt": END, "before_event": END, "before_destination": 2**31 - 1}
    async for row in paged(session, sql, parameters, cursor, _after_delivery, limit):
        yield _listed_delivery(row)


async def _deliveries_of(
    session: Session, criteria: Criteria, group: tuple[State, ...], limit: int | None
) -> AsyncIterator[ListedDelivery]:
    conditions, parameters = where(session, criteria)
    sql = (
        f"SELECT {_delivery(session)} {joined('nbders')} {conditions} AND {in_states(group)} "
        "AND n.id >= :destination_id AND (n.id > :destination_id OR d.event < :before_event) "
        "ORDER BY n.id, d.event DESC"
    )
    cursor = {"destination_id": 0, "before_event": END}
    async for row in paged(session, sql, parameters, cursor, _after_in_destination, limit):
        yield _listed_delivery(row)


def _after_event(row: Row) -> dict[str, int]:
    return {"before_ms": row[7], "before_receipt": row[9], "before_event": row[1]}


def _after_delivery(row: Row) -> dict[str, int]:
    return {"before_ms": row[11], "before_receipt": row[15], "before_event": row[1], "before_destination": row[14]}


def _after_in_destination(row: Row) -> dict[str, int]:
    return {"destination_id": row[14], "before_event": row[1]}


def _listed_event(row: Row) -> ListedEvent:
    event = ListedEvent(*row[:9])
    return event._replace(id=bytes(row[0]).hex())


def _listed_delivery(row: Row) -> ListedDelivery:
    delivery = ListedDelivery(*row[:14])
    state = State(row[6])
    return delivery._replace(id=bytes(row[0]).hex(), state=state.word, parked=bool(row[7]) and state <= State.BESIDE)
