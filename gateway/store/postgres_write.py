"""The SQL of what comes in. A batch of submissions is one statement, unless some of its statuses may come late.

The numbers of events rise in the order of the batch, while the rows are inserted in the order of their ids: two
batches that share events then wait for one another in the same order, and cannot lock one another out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.stamp import Event
from gateway.store.base import (
    Appended,
    Delivery,
    Receipt,
    Route,
    State,
    StoredEvent,
    Submission,
    lane_of,
    shard_of,
)
from gateway.store.ledger import DAY_MS
from gateway.store.postgres_link import Connection, Row

CARRIED_BODY = 16 * 1024
"""Bodies up to this size travel with their deliveries; larger ones are read again when raw is wanted."""

_STORE = """
WITH r AS MATERIALIZED (
    SELECT ord, nextval('receipts_seq') AS seq FROM generate_series(1, cardinality($2::bytea[])) AS ord
), e AS MATERIALIZED (
    SELECT ord, nextval('events_seq') AS seq FROM generate_series(1, cardinality($8::bytea[])) AS ord
), receipt AS (
    INSERT INTO receipts (seq, id, source, received_ms, outcome, headers, body)
    SELECT r.seq, u.id, u.source, u.received_ms, u.outcome, u.headers, u.body
    FROM unnest($2::bytea[], $3::integer[], $4::bigint[], $5::text[], $6::bytea[], $7::bytea[])
         WITH ORDINALITY AS u(id, source, received_ms, outcome, headers, body, ord)
    JOIN r ON r.ord = u.ord
), event AS (
    INSERT INTO events (seq, id, receipt, type, time_ms, partial, lane, party, pointer, head, data)
    SELECT e.seq, u.id, r.seq, u.type, u.time_ms, u.partial, u.lane, u.party, u.pointer, u.head, u.data
    FROM unnest($8::bytea[], $9::integer[], $10::text[], $11::bigint[], $12::boolean[], $13::bigint[], $14::bytea[],
                $15::text[], $16::bytea[], $17::bytea[])
         WITH ORDINALITY AS u(id, receipt, type, time_ms, partial, lane, party, pointer, head, data, ord)
    JOIN e ON e.ord = u.ord JOIN r ON r.ord = u.receipt
    ORDER BY u.id
    ON CONFLICT (id) DO NOTHING
    RETURNING seq, receipt, octet_length(head) + octet_length(data) AS bytes
), fresh AS MATERIALIZED (
    SELECT e.ord, e.seq, event.receipt, event.bytes FROM event JOIN e ON e.seq = event.seq
), volume AS (
    INSERT INTO volumes (source, shard, bytes)
    SELECT source, $1::smallint, sum(bytes) FROM (
        SELECT u.source, octet_length(u.body) AS bytes FROM unnest($3::integer[], $7::bytea[]) AS u(source, body)
        UNION ALL
        SELECT u.source, fresh.bytes FROM fresh
        JOIN unnest($18::integer[]) WITH ORDINALITY AS u(source, ord) ON u.ord = fresh.ord
    ) AS stored GROUP BY source ORDER BY source
    ON CONFLICT (source, shard) DO UPDATE SET bytes = volumes.bytes + excluded.bytes
)"""

_PLACED = """, placed AS MATERIALIZED (
    SELECT fresh.seq AS event, u.destination, u.shard, u.lane, u.day, 0::smallint AS state, 0::bigint AS settled_ms
    FROM unnest($19::integer[], $20::integer[], $21::smallint[], $22::bigint[], $23::integer[])
         AS u(ord, destination, shard, lane, day)
    JOIN fresh ON fresh.ord = u.ord
)"""

_DELIVER = """, delivery AS (
    INSERT INTO deliveries (event, destination, shard, lane, state, settled_ms)
    SELECT event, destination, shard, lane, state, settled_ms FROM placed
), tally AS (
    INSERT INTO tallies (destination, day, shard, matched)
    SELECT destination, day, $1::smallint, count(*) FROM placed GROUP BY destination, day ORDER BY destination, day
    ON CONFLICT (destination, day, shard) DO UPDATE SET matched = tallies.matched + excluded.matched
)"""

_FRESH = "\nSELECT ord, seq, receipt FROM fresh"

STORE_AND_DELIVER = _STORE + _PLACED + _DELIVER + _FRESH
STORE = _STORE + _FRESH
DELIVER = f"""
WITH placed AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::integer[], $4::smallint[], $5::bigint[], $6::integer[], $7::smallint[],
                         $8::bigint[]) AS u(event, destination, shard, lane, day, state, settled_ms)
){_DELIVER}
SELECT
"""  # noqa: S608

LOCK_RANKS = """
INSERT INTO ranks (key, rank, seen_ms)
SELECT key, 0, max(seen_ms) FROM unnest($1::bigint[], $2::bigint[]) AS u(key, seen_ms) GROUP BY key ORDER BY key
ON CONFLICT (key) DO UPDATE SET seen_ms = greatest(ranks.seen_ms, excluded.seen_ms)
RETURNING key, rank
"""
RAISE_RANKS = """
UPDATE ranks SET rank = u.rank FROM unnest($1::bigint[], $2::smallint[]) AS u(key, rank)
WHERE ranks.key = u.key AND ranks.rank < u.rank
"""


class _Place(NamedTuple):
    """An event of the batch, and where it is in it."""

    submission: int
    position: int
    event: Event
    receipt: Receipt
    routes: Sequence[Route]

    @property
    def ranked(self) -> bool:
        return self.event.rank > 0 and any(route.monotonic for route in self.routes)


class _Row(NamedTuple):
    """A delivery as it is inserted. `event` is its number in the store, or its place in the batch from 1 on."""

    event: int
    destination: int
    shard: int
    lane: int
    day: int
    state: State
    settled_ms: int


class Batch:
    """Submissions of one transaction. An event that is in it twice counts once: the first."""

    def __init__(self, submissions: Sequence[Submission]) -> None:
        self._submissions = submissions
        self._places: list[_Place] = []
        seen: set[bytes] = set()
        for number, submission in enumerate(submissions):
            for position, event in enumerate(submission.events):
                if event.id not in seen:
                    seen.add(event.id)
                    routes = submission.routes[position]
                    self._places.append(_Place(number, position, event, submission.receipt, routes))

    async def write(self, connection: Connection, slot: int) -> list[Appended]:
        """Commit; `slot` is the writer's, so that writers do not wait for one another's tallies."""
        if not any(place.ranked for place in self._places):
            wanted = [row for number, place in enumerate(self._places, 1) for row in _rows(number, place, late=False)]
            arrays = _columns(wanted, 5)
            return self._appended(await connection.fetch(STORE_AND_DELIVER, slot, *self._stored(), *arrays))[0]
        async with connection.transaction():
            fresh = await connection.fetch(STORE, slot, *self._stored())
            ranks = await self._lock_ranks(connection, [row[0] for row in fresh])
            appended, rows = self._appended(fresh, ranks)
            await connection.execute(RAISE_RANKS, list(ranks), list(ranks.values()))
            await connection.execute(DELIVER, slot, *_columns(rows, 7))
        return appended

    def _stored(self) -> list[list[Any]]:
        receipts = [submission.receipt for submission in self._submissions]
        events = [place.event for place in self._places]
        return [
            [one.id for one in receipts],
            [one.source for one in receipts],
            [one.received_ms for one in receipts],
            [one.outcome for one in receipts],
            [one.headers for one in receipts],
            [one.body for one in receipts],
            [one.id for one in events],
            [place.submission + 1 for place in self._places],
            [one.type for one in events],
            [one.time_ms for one in events],
            [one.partial for one in events],
            [one.lane for one in events],
            [one.party for one in events],
            [one.pointer for one in events],
            [one.head for one in events],
            [one.data for one in events],
            [place.receipt.source for place in self._places],
        ]

    async def _lock_ranks(self, connection: Connection, fresh: Sequence[int]) -> dict[int, int]:
        """The highest rank so far of each message that somebody wants to see in order; nobody changes it meanwhile."""
        ranked = [place for place in (self._places[number - 1] for number in fresh) if place.ranked]
        keys = [place.event.rank_key for place in ranked]
        rows = await connection.fetch(LOCK_RANKS, keys, [place.receipt.received_ms for place in ranked])
        return dict(rows)

    def _appended(self, fresh: Sequence[Row], ranks: dict[int, int] | None = None) -> tuple[list[Appended], list[_Row]]:
        """What the commit makes of the submissions, and its deliveries as rows. Raises the ranks as it goes."""
        appended = [Appended([False] * len(one.events), []) for one in self._submissions]
        rows: list[_Row] = []
        for number, seq, receipt in sorted(tuple(row) for row in fresh):
            place = self._places[number - 1]
            into = appended[place.submission]
            into.stored[place.position] = True
            if place.routes:
                stored = _stored_event(seq, receipt, place)
                made = _rows(seq, place, late=ranks is not None and _comes_late(place, ranks))
                rows += made
                into.deliveries.extend(
                    Delivery(stored, row.destination, row.lane) for row in made if row.state is State.QUEUED
                )
        return appended, rows


def _rows(event: int, place: _Place, *, late: bool) -> list[_Row]:
    received_ms = place.receipt.received_ms
    rows = []
    for route in place.routes:
        lane = lane_of(place.event, route)
        state, settled_ms = (State.SUPPRESSED, received_ms) if late and route.monotonic else (State.QUEUED, 0)
        shard = shard_of(route.destination, lane)
        rows.append(_Row(event, route.destination, shard, lane, received_ms // DAY_MS, state, settled_ms))
    return rows


def _columns(rows: Sequence[_Row], count: int) -> list[Sequence[Any]]:
    """As many columns of them, for unnest."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    return columns[:count] or [()] * count


def _comes_late(place: _Place, ranks: dict[int, int]) -> bool:
    """Whether a higher status of its message was there before."""
    if not place.ranked:
        return False
    key, rank = place.event.rank_key, place.event.rank
    highest = ranks[key]
    ranks[key] = max(highest, rank)
    return rank < highest


def _stored_event(seq: int, receipt: int, place: _Place) -> StoredEvent:
    event = place.event
    body = place.receipt.body if len(place.receipt.body) <= CARRIED_BODY else None
    return StoredEvent(
        seq, event.id, 1, event.type, place.receipt.received_ms, event.partial, event.pointer,
        event.head, event.data, receipt, body,
    )  # fmt: skip
