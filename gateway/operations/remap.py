"""Remap: parse stored receipts again with today's adapters, and deliver what that changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from gateway.config import Config
from gateway.operations import runs
from gateway.operations.mapping import Change, Kept, Mapper, Remapped, StoredReceipt
from gateway.operations.runs import NewDelivery, Run
from gateway.operations.selection import Criteria, joined, where
from gateway.stamp import Event
from gateway.store.base import State, lane_alone
from gateway.store.session import Session

PAGE = 200
"""Receipts that are read, and written, together."""
PAGE_BYTES = 4 * 1024 * 1024
"""Of bodies: above it a page ends, once it has one receipt."""
IDS = 500


class Plan(NamedTuple):
    """Receipts that are to be parsed again, by source, and how many of them could not be read."""

    criteria: Criteria
    groups: list[tuple[str, str, int, int]]
    first: int
    last: int

    @property
    def receipts(self) -> int:
        return sum(group[2] for group in self.groups)


class Done(NamedTuple):
    """What came of some receipts. `live` and `again` are deliveries: of new events, and of those with other bytes."""

    receipts: int
    new: int
    revised: int
    live: int
    again: int
    unreadable: Counter[str]
    example: Change | None = None

    def plus(self, more: Done) -> Done:
        return Done(
            receipts=self.receipts + more.receipts,
            new=self.new + more.new,
            revised=self.revised + more.revised,
            live=self.live + more.live,
            again=self.again + more.again,
            unreadable=self.unreadable + more.unreadable,
            example=self.example or more.example,
        )


NOTHING = Done(0, 0, 0, 0, 0, Counter())


async def mapper(session: Session, config: Config) -> Mapper:
    key = await session.fetch("SELECT value FROM meta WHERE name = 'party_key'")
    return Mapper(config, bytes(key[0][0]))


async def plan(session: Session, criteria: Criteria) -> Plan:
    conditions, parameters = where(session, criteria)
    rows = await session.fetch(
        "SELECT s.tenant, s.name, count(*), sum(CASE WHEN r.outcome = 'unmapped' THEN 1 ELSE 0 END), "
        f"min(r.seq), max(r.seq) {joined('rs')} {conditions} GROUP BY s.tenant, s.name ORDER BY s.tenant, s.name",
        **parameters,
    )
    return Plan(
        criteria,
        [(tenant, name, int(count), int(unmapped)) for tenant, name, count, unmapped, *_ in rows],
        first=min((row[4] for row in rows), default=0),
        last=max((row[5] for row in rows), default=0),
    )


async def start(session: Session, made: Plan, now_ms: int) -> Run:
    number = await runs.create(
        session, "remap", made.criteria, first=made.first, last=made.last, planned=made.receipts, now_ms=now_ms
    )
    return await runs.find(session, number)


async def survey(session: Session, mapper: Mapper, made: Plan) -> AsyncIterator[Done]:
    """What a remap would do, page by page; nothing is changed."""
    async for page in _pages(session, mapper, made.criteria, made.first - 1, made.last):
        yield _expected(mapper, page)


async def fill(session: Session, mapper: Mapper, run: Run) -> AsyncIterator[Done]:
    """Do it, page by page, each a commit.

    Ends when all is done, or when the run was paused or cancelled, or is filled by another process.
    """
    after = run.cursor
    async for page in _pages(session, mapper, run.criteria, run.cursor, run.last):
        last = page[-1].receipt.seq
        async with session.transaction():
            if not await runs.advance(session, run.id, after=after, cursor=last, made=len(page)):
                return
            done = await _Writing(session, mapper, run.id).write(page)
        after = last
        yield done
    await runs.filled(session, run.id)


class _Writing:
    """A page of receipts, within one transaction."""

    def __init__(self, session: Session, mapper: Mapper, run: int) -> None:
        self._session = session
        self._mapper = mapper
        self._run = run
        self._live: list[NewDelivery] = []
        self._again: list[NewDelivery] = []
        self._bytes = Counter[int]()
        self._new = self._revised = 0

    async def write(self, page: Sequence[Remapped]) -> Done:
        for remapped in page:
            if not remapped.nothing and await self._still_there(remapped):
                for event in remapped.new:
                    await self._insert(remapped.receipt, event)
                for change in remapped.changes:
                    await self._update(remapped.receipt, change)
        await runs.make(self._session, [*self._live, *self._again])
        await self._session.execute_many(
            "INSERT INTO volumes (source, shard, bytes) VALUES (:source, 0, :bytes) "
            "ON CONFLICT (source, shard) DO UPDATE SET bytes = volumes.bytes + excluded.bytes",
            [{"source": source, "bytes": count} for source, count in sorted(self._bytes.items())],
        )
        return Done(len(page), self._new, self._revised, len(self._live), len(self._again), _unreadable(page))

    async def _still_there(self, remapped: Remapped) -> bool:
        """Not pruned meanwhile; now it cannot be."""
        changed = await self._session.execute(
            "UPDATE receipts SET outcome = :outcome WHERE seq = :seq", outcome=remapped.outcome,
            seq=remapped.receipt.seq,
        )  # fmt: skip
        return changed == 1

    async def _insert(self, receipt: StoredReceipt, event: Event) -> None:
        rows = await self._session.fetch(
            "INSERT INTO events (seq, id, receipt, type, time_ms, partial, lane, party, pointer, head, data) "  # noqa: S608
            f"VALUES ({self._session.next_event}, :id, :receipt, :type, :time_ms, :partial, :lane, :party, :pointer, "
            ":head, :data) ON CONFLICT (id) DO NOTHING RETURNING seq",
            receipt=receipt.seq, **_columns(event),
        )  # fmt: skip
        if not rows:  # received again meanwhile
            return
        self._new += 1
        self._bytes[receipt.source] += len(event.head) + len(event.data)
        wanting = {
            name: destination
            for name, destination in self._mapper.destinations(receipt.tenant).items()
            if destination.wants(event.type, receipt.source_name)
        }
        numbers = await runs.destinations(self._session, 0, ((receipt.tenant, name) for name in wanting))
        late = event.rank > 0 and await self._is_late(event, receipt)
        for name, destination in wanting.items():
            state = State.SUPPRESSED if late and destination.statuses == "monotonic" else State.QUEUED
            lane = event.lane if destination.ordering == "conversation" else lane_alone(event.id)
            number = numbers[receipt.tenant, name]
            self._live.append(NewDelivery(rows[0][0], number, lane, receipt.received_ms, state))

    async def _is_late(self, event: Event, receipt: StoredReceipt) -> bool:
        """Whether a higher status of its message came before."""
        found = await self._session.fetch("SELECT rank FROM ranks WHERE key = :key", key=event.rank_key)
        highest: int = max([event.rank, *(row[0] for row in found)])
        await self._session.execute(
            "INSERT INTO ranks (key, rank, seen_ms) VALUES (:key, :rank, :seen_ms) "
            "ON CONFLICT (key) DO UPDATE SET rank = excluded.rank",
            key=event.rank_key, rank=highest, seen_ms=receipt.received_ms,
        )  # fmt: skip
        return highest > event.rank

    async def _update(self, receipt: StoredReceipt, change: Change) -> None:
        kept, event = change.kept, change.event
        changed = await self._session.execute(
            "UPDATE events SET type = :type, time_ms = :time_ms, partial = :partial, lane = :lane, party = :party, "
            "pointer = :pointer, head = :head, data = :data, revision = revision + :more "
            "WHERE id = :id AND revision = :revision",
            more=int(change.revised), revision=kept.revision, **_columns(event),
        )  # fmt: skip
        if not changed or not change.revised:
            return
        self._revised += 1
        self._bytes[receipt.source] += len(event.head) + len(event.data) - len(kept.head) - len(kept.data)
        destinations = self._mapper.destinations(receipt.tenant)
        numbers = await runs.destinations(
            self._session, self._run, ((receipt.tenant, name) for name in change.receivers)
        )
        for name in change.receivers:
            lane = event.lane if destinations[name].ordering == "conversation" else lane_alone(event.id)
            self._again.append(NewDelivery(kept.seq, numbers[receipt.tenant, name], lane, receipt.received_ms))


def _expected(mapper: Mapper, page: Sequence[Remapped]) -> Done:
    changes = [change for remapped in page for change in remapped.changes if change.revised]
    live = sum(
        destination.wants(event.type, remapped.receipt.source_name)
        for remapped in page
        for event in remapped.new
        for destination in mapper.destinations(remapped.receipt.tenant).values()
    )
    return Done(
        len(page),
        sum(len(remapped.new) for remapped in page),
        len(changes),
        live,
        sum(len(change.receivers) for change in changes),
        _unreadable(page),
        next(iter(changes), None),
    )


def _unreadable(page: Iterable[Remapped]) -> Counter[str]:
    return Counter(remapped.unreadable for remapped in page if remapped.unreadable)


def _columns(event: Event) -> dict[str, object]:
    return {
        "id": event.id, "type": event.type, "time_ms": event.time_ms, "partial": event.partial, "lane": event.lane,
        "party": event.party, "pointer": event.pointer, "head": event.head, "data": event.data,
    }  # fmt: skip


async def _pages(
    session: Session, mapper: Mapper, criteria: Criteria, after: int, last: int
) -> AsyncIterator[list[Remapped]]:
    """Receipts in order, parsed."""
    while receipts := await _receipts(session, criteria, after, last):
        yield await _page(session, mapper, receipts)
        after = receipts[-1].seq


async def _page(session: Session, mapper: Mapper, receipts: Sequence[StoredReceipt]) -> list[Remapped]:
    kept = await _kept(session, (receipt.seq for receipt in receipts))
    readings = [await asyncio.to_thread(mapper.read, receipt, kept.get(receipt.seq, [])) for receipt in receipts]
    owner = {event.id: receipt for receipt, events in kept.items() for event in events}
    for event_id in await _known(
        session, {event.id for reading in readings for event in reading.events} - owner.keys()
    ):
        owner[event_id] = 0
    page = []
    for reading in readings:
        elsewhere = {event_id for event_id, receipt in owner.items() if receipt != reading.receipt.seq}
        page.append(mapper.compare(reading, elsewhere))
        owner |= {event.id: reading.receipt.seq for event in page[-1].new}
    return page


async def _receipts(session: Session, criteria: Criteria, after: int, last: int) -> list[StoredReceipt]:
    """The next ones, with no more bodies than fit into a page."""
    conditions, parameters = where(session, criteria)
    rows = await session.fetch(
        "SELECT r.seq, r.id, r.source, s.tenant, s.name, r.received_ms, r.outcome, r.headers, length(r.body) "
        f"{joined('rs')} {conditions} AND r.seq > :after AND r.seq <= :last ORDER BY r.seq LIMIT :page",
        after=after, last=last, page=PAGE, **parameters,
    )  # fmt: skip
    receipts: list[StoredReceipt] = []
    size = 0
    for seq, id_, source, tenant, name, received_ms, outcome, headers, length in rows:
        size += length
        if receipts and size > PAGE_BYTES:
            break
        body = await session.fetch("SELECT body FROM receipts WHERE seq = :seq", seq=seq)
        if body:
            receipts.append(
                StoredReceipt(
                    seq, bytes(id_), source, tenant, name, received_ms, outcome, bytes(headers), bytes(body[0][0])
                )
            )
    return receipts


async def _kept(session: Session, receipts: Iterable[int]) -> dict[int, list[Kept]]:
    """The events of these receipts, with whom they were for."""
    of_them = f"e.receipt IN ({', '.join(map(str, receipts))})"
    receivers: dict[int, set[str]] = {}
    for event, name in await session.fetch(f"SELECT d.event, n.name {joined('edn')} AND {of_them}"):
        receivers.setdefault(event, set()).add(name)
    kept: dict[int, list[Kept]] = {}
    for receipt, seq, id_, revision, type_, time_ms, partial, lane, party, pointer, head, data in await session.fetch(
        "SELECT e.receipt, e.seq, e.id, e.revision, e.type, e.time_ms, e.partial, e.lane, e.party, e.pointer, e.head, "  # noqa: S608
        f"e.data FROM events e WHERE {of_them} ORDER BY e.seq"
    ):
        event = Kept(
            seq, bytes(id_), revision, type_, time_ms, bool(partial), lane, None if party is None else bytes(party),
            pointer, bytes(head), bytes(data), receivers.get(seq, set()),
        )  # fmt: skip
        kept.setdefault(receipt, []).append(event)
    return kept


async def _known(session: Session, ids: Iterable[bytes]) -> list[bytes]:
    """Those that are in the store."""
    known: list[bytes] = []
    wanted = [event_id.hex() for event_id in ids]
    for start in range(0, len(wanted), IDS):
        conditions, parameters = where(session, Criteria(ids=tuple(wanted[start : start + IDS])))
        rows = await session.fetch(f"SELECT e.id FROM events e WHERE 1 = 1 {conditions}", **parameters)  # noqa: S608
        known += [bytes(row[0]) for row in rows]
    return known
