"""The SQL that reads deliveries to be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.store.base import PAGE_BYTES, Backlog, Delivery, HeldLane, Page, State, StoredEvent, shard_of
from gateway.store.postgres_link import Connection
from gateway.store.postgres_queued import Probe, Row

_EVENT = "e.seq, e.id, e.revision, e.type, r.received_ms, e.partial, e.pointer, e.head, e.data, e.receipt"
_BOUNDED = """
SELECT {columns}, {event}
FROM (
    SELECT f.*, coalesce(sum(octet_length(s.head) + octet_length(s.data)) OVER (
        ORDER BY f.ord ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM ({found}) AS f JOIN events s ON s.seq = f.event
) AS f
JOIN events e ON e.seq = f.event JOIN receipts r ON r.seq = e.receipt
WHERE f.before <= {page_bytes}
ORDER BY f.ord
"""
"""Loads the events of what is found, until they are PAGE_BYTES together; only those are read in full."""

_DELIVERY = "f.destination, f.lane, f.state, f.attempts, f.tried_since_ms"


def _deliveries(condition: str, order: str) -> str:
    found = (
        f"SELECT row_number() OVER (ORDER BY {order}, event) AS ord, found.* FROM (SELECT event, destination, lane, "  # noqa: S608
        f"state, attempts, tried_since_ms, due_ms FROM deliveries WHERE {condition}) AS found"
    )
    return _BOUNDED.format(columns=_DELIVERY, event=_EVENT, found=found, page_bytes=PAGE_BYTES)


WAITING = _deliveries("destination = $1 AND state = 2 AND lane = $2 ORDER BY event LIMIT $3", "event")

_DUE_FOUND = """
SELECT row_number() OVER (ORDER BY due_ms, event) AS ord, found.* FROM (
    SELECT d.* FROM unnest($3::smallint[]) AS s(shard)
    CROSS JOIN LATERAL (
        SELECT event, destination, lane, state, attempts, tried_since_ms, due_ms FROM deliveries
        WHERE destination = $1 AND shard = s.shard AND state IN (1, 3) AND due_ms <= $2 ORDER BY due_ms LIMIT $4
    ) AS d ORDER BY d.due_ms LIMIT $5
) AS found"""
DUE = _BOUNDED.format(columns=_DELIVERY, event=_EVENT, found=_DUE_FOUND, page_bytes=PAGE_BYTES)
NEXT_DUE = """
SELECT min(d.due_ms) FROM unnest($3::smallint[]) AS s(shard)
CROSS JOIN LATERAL (
    SELECT due_ms FROM deliveries
    WHERE destination = $1 AND shard = s.shard AND state IN (1, 3) AND due_ms > $2 ORDER BY due_ms LIMIT 1
) AS d
"""
DUE_ROWS = 4096

SMALL, SMALL_BYTES = 64, 16 * 1024
"""So many events come with the rows of a probe, if they are no larger: mostly all that others have just committed."""
PROBE = f"""
WITH found AS (
    SELECT q.*, q.event <> ALL ($6::bigint[]) AND row_number() OVER (PARTITION BY q.event) = 1 AS wanted
    FROM unnest($1::integer[], $2::smallint[], $3::integer[]) AS p(destination, shard, rows)
    CROSS JOIN LATERAL (
        SELECT destination, event, shard, lane, attempts, tried_since_ms FROM deliveries
        WHERE destination = p.destination AND shard = p.shard AND state = 0 ORDER BY event LIMIT p.rows
    ) AS q
    WHERE (q.destination, q.event) NOT IN (SELECT * FROM unnest($4::integer[], $5::bigint[]))
)
SELECT f.destination, f.event, f.shard, f.lane, f.attempts, f.tried_since_ms, {_EVENT}
FROM (SELECT *, count(*) FILTER (WHERE wanted) OVER (ORDER BY event ROWS UNBOUNDED PRECEDING) AS nth FROM found) AS f
LEFT JOIN (events e JOIN receipts r ON r.seq = e.receipt)
    ON e.seq = CASE WHEN f.wanted AND f.nth <= {SMALL} THEN f.event END
    AND octet_length(e.head) + octet_length(e.data) <= {SMALL_BYTES}
ORDER BY f.event
"""  # noqa: S608
EVENTS = _BOUNDED.format(
    columns="f.ord",
    event=_EVENT,
    found="SELECT u.event, u.ord FROM unnest($1::bigint[]) WITH ORDINALITY AS u(event, ord)",
    page_bytes=PAGE_BYTES,
)

_SKIP = """
WITH RECURSIVE found AS (
    (SELECT {columns} FROM deliveries WHERE {condition} ORDER BY {columns} LIMIT 1)
    UNION ALL
    SELECT n.* FROM found CROSS JOIN LATERAL (
        SELECT {columns} FROM deliveries WHERE {condition} AND ({columns}) > ({last})
        ORDER BY {columns} LIMIT 1
    ) AS n
)
SELECT {columns} FROM found
"""
"""Distinct values: one step in an index for each, however many rows have it."""


def _skip(condition: str, *columns: str) -> str:
    return _SKIP.format(
        columns=", ".join(columns), condition=condition, last=", ".join(f"found.{column}" for column in columns)
    )


QUEUED_DESTINATIONS = _skip("state = 0", "destination")
QUEUED_SHARDS = f"""
SELECT u.destination, f.shard FROM unnest($1::integer[]) AS u(destination)
CROSS JOIN LATERAL ({_skip("state = 0 AND destination = u.destination", "shard")}) AS f
"""  # noqa: S608
WAITING_DESTINATIONS = _skip("state = 2", "destination")
WAITING_LANES = f"""
SELECT u.destination, f.lane FROM unnest($1::integer[]) AS u(destination)
CROSS JOIN LATERAL ({_skip("state = 2 AND destination = u.destination", "lane")}) AS f
"""  # noqa: S608
GAPS = "SELECT destination, lane FROM gaps WHERE $1::integer IS NULL OR destination = $1 ORDER BY since_ms"
RETRIED = """
SELECT destination, shard, lane, event, tried_since_ms, state, due_ms FROM deliveries
WHERE state IN (1, 3) AND ($1::integer IS NULL OR destination = $1) AND shard = ANY($2::smallint[])
"""


_ROW = len(Row._fields)


def _event(row: Sequence[Any]) -> StoredEvent:
    return StoredEvent(*row)


def _page(rows: Sequence[Sequence[Any]], limit: int) -> Page:
    deliveries = [Delivery(_event(row[5:]), row[0], row[1], State(row[2]), row[3], row[4]) for row in map(tuple, rows)]
    size = sum(delivery.event.size for delivery in deliveries)
    return Page(deliveries, len(deliveries) >= limit or size > PAGE_BYTES)


async def waiting(connection: Connection, destination: int, lane: int, limit: int) -> Page:
    return _page(await connection.fetch(WAITING, destination, lane, limit), limit)


async def due(
    connection: Connection, destination: int, now_ms: int, shards: Sequence[int], limit: int
) -> tuple[Page, int | None]:
    if not shards:
        return Page([], more=False), None
    each = max(1, min(limit, DUE_ROWS // len(shards)))
    page = _page(await connection.fetch(DUE, destination, now_ms, shards, each, limit), limit)
    return page, await connection.fetchval(NEXT_DUE, destination, now_ms, shards)


async def probe(
    connection: Connection, probes: Sequence[Probe], given: Iterable[tuple[int, Iterable[int]]], known: Sequence[int]
) -> tuple[dict[int, list[Row]], dict[int, StoredEvent]]:
    """What several probes find, by destination, in order; without what was given out. With it come some of its events,
    by number; none that is known."""
    places = [
        (one.destination, shard, limit) for one in probes for shard, limit in zip(one.shards, one.limits, strict=True)
    ]
    pairs = [(destination, event) for destination, events in given for event in events]
    found: dict[int, list[Row]] = {one.destination: [] for one in probes}
    loaded: dict[int, StoredEvent] = {}
    for row in await connection.fetch(
        PROBE,
        [place[0] for place in places],
        [place[1] for place in places],
        [place[2] for place in places],
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        known,
    ):
        found[row[0]].append(Row(*row[:_ROW]))
        if row[_ROW] is not None:
            loaded[row[1]] = _event(row[_ROW:])
    return found, loaded


async def events(connection: Connection, numbers: Sequence[int]) -> dict[int, StoredEvent]:
    """These events, as far as they fit into a page."""
    rows = await connection.fetch(EVENTS, numbers)
    return {row[1]: _event(tuple(row)[1:]) for row in rows}


async def queued_shards(connection: Connection, wanted: Callable[[int], bool]) -> list[tuple[int, int]]:
    """Destinations and shards with queued deliveries."""
    numbers = [row[0] for row in await connection.fetch(QUEUED_DESTINATIONS) if wanted(row[0])]
    return [(row[0], row[1]) for row in await connection.fetch(QUEUED_SHARDS, numbers)] if numbers else []


async def backlog(
    connection: Connection, shards: frozenset[int], destination: int | None
) -> dict[int, tuple[Backlog, list[int]]]:
    """What is pending in these shards and what it misses, by destination, and the shards with queued deliveries."""

    def wanted(number: int) -> bool:
        return destination in (None, number)

    queued: dict[int, list[int]] = {}
    for number, shard in await queued_shards(connection, wanted):
        if shard in shards:
            queued.setdefault(number, []).append(shard)
    waited = [row[0] for row in await connection.fetch(WAITING_DESTINATIONS) if wanted(row[0])]
    lanes = _lanes(await connection.fetch(WAITING_LANES, waited) if waited else (), shards)
    retried: dict[int, list[Sequence[int]]] = {}
    for row in await connection.fetch(RETRIED, destination, sorted(shards)):
        retried.setdefault(row[0], []).append(tuple(row))
    gaps = _lanes(await connection.fetch(GAPS, destination), shards)
    return {
        number: (
            _backlog(number in queued, retried.get(number, ()), lanes.get(number, ()), gaps.get(number, ())),
            queued.get(number, []),
        )
        for number in queued.keys() | lanes.keys() | retried.keys() | gaps.keys()
    }


def _lanes(rows: Iterable[Sequence[int]], shards: frozenset[int]) -> dict[int, list[int]]:
    """Lanes in these shards, by destination."""
    lanes: dict[int, list[int]] = {}
    for number, lane in rows:
        if shard_of(number, lane) in shards:
            lanes.setdefault(number, []).append(lane)
    return lanes


def _backlog(queued: bool, retried: Sequence[Sequence[int]], lanes: Sequence[int], gaps: Sequence[int]) -> Backlog:
    return Backlog(
        queued,
        [HeldLane(lane, event, since) for _, _, lane, event, since, state, _ in retried if state == State.HELD],
        lanes,
        [lane for _, _, lane, _, _, state, _ in retried if state == State.BESIDE],
        min((row[6] for row in retried), default=None),
        gaps,
    )


async def body(connection: Connection, receipt: int) -> bytes:
    found = await connection.fetchval("SELECT body FROM receipts WHERE seq = $1", receipt)
    if found is None:
        raise LookupError(f"receipt {receipt} is not in the store")
    return bytes(found)
