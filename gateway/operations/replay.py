"""Replay: deliver again what is in the store, in lanes of its own behind what is live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from gateway.operations import runs
from gateway.operations.runs import CHUNK, NewDelivery, Run
from gateway.operations.selection import FINAL, Criteria, Key, joined, where
from gateway.store.base import State, lane_alone
from gateway.store.session import Row, Session

PAGE = 5_000
"""Deliveries that are looked up at a time; they are written CHUNK by CHUNK."""


class Group(NamedTuple):
    """Deliveries of a plan that have these in common; when the first and the last of them were received."""

    tenant: str
    destination: str
    type: str
    deliveries: int
    oldest_ms: int
    newest_ms: int


class Plan(NamedTuple):
    """What a replay would do. `pruned` and `unknown` are ids that were asked for and cannot be replayed; `elsewhere`
    are deliveries that are left out, since another run has made them."""

    criteria: Criteria
    groups: list[Group]
    first: int
    last: int
    elsewhere: int = 0
    pruned: int = 0
    unknown: int = 0

    @property
    def deliveries(self) -> int:
        return sum(group.deliveries for group in self.groups)


async def plan(session: Session, criteria: Criteria) -> Plan:
    """Where no state is asked for: any, of events that are named; of others those that are over."""
    if not criteria.states and not criteria.ids:
        criteria = replace(criteria, states=FINAL)
    conditions, parameters = where(session, criteria)
    rows = await session.fetch(
        "SELECT n.tenant, n.name, e.type, count(*), min(r.received_ms), max(r.received_ms), min(e.seq), max(e.seq), "
        f"{_elsewhere(criteria)} AS elsewhere {joined(_order(criteria, 'redsnb'))} {conditions} AND n.run = 0 "
        "GROUP BY n.tenant, n.name, e.type, elsewhere ORDER BY n.tenant, n.name, e.type",
        **parameters,
    )
    wanted = [row for row in rows if not row[8]]
    pruned, unknown = await _lacking(session, criteria)
    return Plan(
        criteria,
        [Group(*row[:6]) for row in wanted],
        first=min((row[6] for row in wanted), default=0),
        last=max((row[7] for row in wanted), default=0),
        elsewhere=sum(row[3] for row in rows if row[8]),
        pruned=pruned,
        unknown=unknown,
    )


async def start(session: Session, made: Plan, now_ms: int) -> Run:
    """A run for the plan; nothing of it is made yet."""
    number = await runs.create(
        session, "replay", made.criteria, first=made.first, last=made.last, planned=made.deliveries, now_ms=now_ms
    )
    return await runs.find(session, number)


async def fill(session: Session, run: Run, unordered: Callable[[Key], bool]) -> AsyncIterator[int]:
    """Make the run's deliveries; yields how many were made with each commit.

    Ends when all are, or when the run was paused or cancelled, or is filled by another process.
    """
    after = run.cursor
    async for chunk in _chunks(session, run):
        async with session.transaction():
            there = await _still_there(session, chunk)
            if not await runs.advance(session, run.id, after=after, cursor=chunk[-1].event, made=len(there)):
                return
            numbers = await runs.destinations(session, run.id, {one.key for one in there})
            await runs.make(
                session,
                [NewDelivery(one.event, numbers[one.key], _lane(one, unordered), one.received_ms) for one in there],
            )
        after = chunk[-1].event
        yield len(there)
    await runs.filled(session, run.id)


async def _still_there(session: Session, chunk: Sequence[_Selected]) -> list[_Selected]:
    """Those whose events were not pruned since they were read; now they cannot be."""
    numbers = {f"event{place}": number for place, number in enumerate(sorted({one.event for one in chunk}))}
    rows = await session.fetch(
        f"SELECT seq FROM events WHERE seq IN ({', '.join(f':{name}' for name in numbers)}) AND receipt > 0 "  # noqa: S608
        f"ORDER BY seq {session.held}",
        **numbers,
    )
    there = {row[0] for row in rows}
    return [one for one in chunk if one.event in there]


class _Selected(NamedTuple):
    event: int
    key: Key
    id: bytes
    lane: int
    received_ms: int


def _lane(one: _Selected, unordered: Callable[[Key], bool]) -> int:
    return lane_alone(one.id) if unordered(one.key) else one.lane


async def _chunks(session: Session, run: Run) -> AsyncIterator[list[_Selected]]:
    """Whole events, in order."""
    chunk: list[_Selected] = []
    async for event in _events(session, run):
        chunk += event
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _events(session: Session, run: Run) -> AsyncIterator[list[_Selected]]:
    """Event by event, the deliveries that are to be made."""
    conditions, parameters = where(session, run.criteria)
    order = _order(run.criteria, "ersdnb")
    after, page = run.cursor, PAGE
    while True:
        rows = await session.fetch(
            f"SELECT e.seq, n.tenant, n.name, e.id, e.lane, r.received_ms {joined(order)} {conditions} "
            f"AND n.run = 0 AND NOT {_elsewhere(run.criteria, run.id)} AND e.seq > :after AND d.event > :after "
            "AND e.seq <= :last ORDER BY e.seq, n.id LIMIT :page",
            after=after, last=run.last, page=page, **parameters,
        )  # fmt: skip
        events = [list(map(_selected, group)) for _, group in groupby(rows, itemgetter(0))]
        if more := len(rows) == page:
            events.pop()  # there may be more of it
            page = page * 2 if not events else PAGE
        for event in events:
            yield event
            after = event[0].event
        if not more:
            return


def _selected(row: Row) -> _Selected:
    return _Selected(row[0], (row[1], row[2]), bytes(row[3]), row[4], row[5])


def _order(criteria: Criteria, otherwise: str) -> str:
    """Tables in the order of the search: few are dead, and those have an index."""
    if criteria.ids:
        return "ersdnb"
    return "ndbers" if criteria.wanted_states == (State.DEAD,) else otherwise


def _elsewhere(criteria: Criteria, but: int = 0) -> str:
    """SQL of whether a run, `but` this one, has the delivery too, delivered or pending: `d` itself stays as it was.

    That matters where deliveries are chosen by their state, unless delivered ones are wanted.
    """
    if criteria.ids or not criteria.states or State.DELIVERED in criteria.wanted_states:
        return "false"
    return (
        "EXISTS (SELECT 1 FROM deliveries x JOIN destinations m ON m.id = x.destination "  # noqa: S608
        f"WHERE x.event = d.event AND x.state <= {State.DELIVERED:d} "
        f"AND m.tenant = n.tenant AND m.name = n.name AND m.run NOT IN (0, {but}))"
    )


async def _lacking(session: Session, criteria: Criteria) -> tuple[int, int]:
    """Of the ids that are asked for: those whose events have been pruned, and those that nobody knows."""
    if not criteria.ids:
        return 0, 0
    conditions, parameters = where(session, Criteria(ids=criteria.ids))
    rows = await session.fetch(f"SELECT length(e.head) FROM events e WHERE 1 = 1 {conditions}", **parameters)  # noqa: S608
    return sum(row[0] == 0 for row in rows), len(set(criteria.ids)) - len(rows)
