"""The SQL of retention: what is over goes, in small steps, each a commit of its own. One process at a time does it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store.base import State
from gateway.store.ledger import DAY_MS, Cutoffs, Pruned
from gateway.store.postgres_control import PARKED
from gateway.store.postgres_link import Connection

STEP_EVENTS = 2000
"""A step ends after so many events, once it has one receipt: a receipt may hold thousands."""
PRUNER = -1
"""The pruner's own rows in tallies and volumes, so that those who store need not wait for it."""

_TAKE_TURN = """
INSERT INTO meta (name, value) VALUES ('pruning', ''::bytea) ON CONFLICT (name) DO NOTHING
"""
_MY_TURN = "SELECT true FROM meta WHERE name = 'pruning' FOR UPDATE SKIP LOCKED"

_SEEN = """
SELECT seq, received_ms, coalesce(
    sum((SELECT count(*) FROM events e WHERE e.receipt = r.seq)) OVER (
        ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
    + (SELECT count(*) FROM events e WHERE e.receipt = r.seq)
FROM (SELECT seq, received_ms FROM receipts WHERE seq > $1 ORDER BY seq LIMIT $2) AS r ORDER BY seq
"""
_NEXT = """
SELECT min(seq) FROM receipts WHERE received_ms < $1 AND seq > $2
"""
# Who makes deliveries of stored events locks those FOR KEY SHARE: either these are seen below, or the events are gone
_LOCK_EVENTS = "SELECT FROM events WHERE receipt = ANY($1::bigint[]) ORDER BY seq FOR UPDATE"
_OVER = """
SELECT seq FROM unnest($1::bigint[]) AS r(seq) WHERE NOT EXISTS (
    SELECT FROM events e JOIN deliveries d ON d.event = e.seq WHERE e.receipt = r.seq AND d.state < 4)
"""
_MORE = """
ON CONFLICT (destination, day, shard) DO UPDATE SET
    delivered = tallies.delivered + excluded.delivered, dead = tallies.dead + excluded.dead,
    suppressed = tallies.suppressed + excluded.suppressed, expired = tallies.expired + excluded.expired"""
_TALLY = f"""
WITH gone AS (
    DELETE FROM deliveries d USING events e, receipts r
    WHERE r.seq = ANY($1::bigint[]) AND e.receipt = r.seq AND d.event = e.seq
    RETURNING d.destination, r.received_ms / {DAY_MS} AS day, d.state
), tally AS (
    INSERT INTO tallies (destination, day, shard, delivered, dead, suppressed, expired)
    SELECT destination, day, {PRUNER}, count(*) FILTER (WHERE state = 4), count(*) FILTER (WHERE state = 5),
           count(*) FILTER (WHERE state = 6), count(*) FILTER (WHERE state = 7)
    FROM gone GROUP BY destination, day ORDER BY destination, day
    {_MORE}
)
SELECT count(*) FROM gone
"""  # noqa: S608
_DROP_ATTEMPTS = """
DELETE FROM attempts a USING events e WHERE e.receipt = ANY($1::bigint[]) AND a.event = e.seq
"""
_VOLUME = f"""
INSERT INTO volumes (source, shard, bytes)
SELECT r.source, {PRUNER}, -sum(octet_length(r.body) + (
    SELECT coalesce(sum(octet_length(e.head) + octet_length(e.data)), 0) FROM events e WHERE e.receipt = r.seq))
FROM receipts r WHERE r.seq = ANY($1::bigint[]) GROUP BY r.source ORDER BY r.source
ON CONFLICT (source, shard) DO UPDATE SET bytes = volumes.bytes + excluded.bytes
"""  # noqa: S608
_DROP_EVENTS = """
DELETE FROM events e USING receipts r WHERE r.seq = ANY($1::bigint[]) AND e.receipt = r.seq AND r.received_ms < $2
"""
# The id stays, to know duplicates by; time_ms is from now on when it was received
_EMPTY_EVENTS = """
UPDATE events e SET receipt = 0, time_ms = r.received_ms, party = NULL, pointer = '', head = '', data = ''
FROM receipts r WHERE r.seq = ANY($1::bigint[]) AND e.receipt = r.seq
"""
_DROP_RECEIPTS = "DELETE FROM receipts WHERE seq = ANY($1::bigint[])"

_LEFTOVERS = (
    "DELETE FROM events WHERE time_ms < $1 AND seq IN (SELECT seq FROM events WHERE receipt = 0 ORDER BY seq LIMIT $2)",
    "DELETE FROM ranks WHERE key IN (SELECT key FROM ranks WHERE seen_ms < $1 ORDER BY seen_ms LIMIT $2)",
    "DELETE FROM gaps WHERE (destination, lane) IN (SELECT destination, lane FROM gaps WHERE since_ms < $1 LIMIT $2)",
)
_RUNS_OVER = """
SELECT runs.id FROM runs WHERE state NOT IN ('filling', 'paused') AND created_ms < $1 AND NOT EXISTS (
    SELECT FROM destinations t JOIN tallies y ON y.destination = t.id WHERE t.run = runs.id
    GROUP BY t.id HAVING sum(y.matched) <> sum(y.delivered + y.dead + y.suppressed + y.expired))
"""
_JOIN_RUNS = f"""
INSERT INTO tallies (destination, day, shard, matched, delivered, dead, suppressed, expired)
SELECT real.id, y.day, {PRUNER}, sum(y.matched), sum(y.delivered), sum(y.dead), sum(y.suppressed), sum(y.expired)
FROM destinations own JOIN tallies y ON y.destination = own.id
JOIN destinations real ON real.tenant = own.tenant AND real.name = own.name AND real.run = 0
WHERE own.run = ANY($1::integer[]) GROUP BY real.id, y.day ORDER BY real.id, y.day
{_MORE}, matched = tallies.matched + excluded.matched
"""  # noqa: S608
_DROP_RUNS = (
    "DELETE FROM tallies WHERE destination IN (SELECT id FROM destinations WHERE run = ANY($1::integer[]))",
    "DELETE FROM destinations WHERE run = ANY($1::integer[])",
    "DELETE FROM runs WHERE id = ANY($1::integer[])",
)

_IS_PARKED = f"SELECT true FROM destinations b WHERE b.id = $1 AND b.run = 0 AND {PARKED} FOR UPDATE"  # noqa: S608
_EXPIRE = """
UPDATE deliveries SET state = $1, settled_ms = $2 WHERE (event, destination) IN (
    SELECT d.event, d.destination
    FROM deliveries d JOIN events e ON e.seq = d.event JOIN receipts r ON r.seq = e.receipt
    WHERE d.destination = $3 AND d.state {states} AND d.event <= $6 AND r.received_ms < $4
    LIMIT $5 FOR UPDATE OF d SKIP LOCKED)
RETURNING true
"""
_NEWEST = """
SELECT coalesce(max(seq), 0) FROM events WHERE receipt = (
    SELECT max(receipt) FROM events WHERE receipt <= (
        SELECT seq FROM receipts WHERE received_ms < $1 ORDER BY received_ms DESC LIMIT 1))
"""
"""The newest event of the receipts until then, so that younger deliveries are passed over in their index."""
_EXPIRABLE_STATES = ("= 0", "IN (1, 3)", "= 2")
"""As the partial indexes have them."""


async def prune(connection: Connection, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
    """One step; the last one of a round also takes what is left over of earlier ones. Nothing while another process
    is at it."""
    await connection.execute(_TAKE_TURN)
    async with connection.transaction():
        if not await connection.fetchval(_MY_TURN):
            return Pruned(0, 0, 0, more=False), after
        seen = await connection.fetch(_SEEN, after, limit)
        old = [
            seq
            for position, (seq, received_ms, events) in enumerate(seen)
            if received_ms < cutoffs.receipts_before_ms and (events <= STEP_EVENTS or not position)
        ]
        if old:
            return await _take(connection, old, cutoffs), old[-1]
        if seen:
            upcoming = await connection.fetchval(_NEXT, cutoffs.receipts_before_ms, seen[-1][0])
            if upcoming is not None:
                return Pruned(0, 0, 0, more=True), upcoming - 1
        return Pruned(0, 0, 0, more=await _take_leftovers(connection, cutoffs, limit)), after


async def _take(connection: Connection, receipts: Sequence[int], cutoffs: Cutoffs) -> Pruned:
    """Those of which nothing is pending."""
    await connection.execute(_LOCK_EVENTS, receipts)
    over = [row[0] for row in await connection.fetch(_OVER, receipts)]
    await connection.execute(_DROP_ATTEMPTS, over)
    deliveries = await connection.fetchval(_TALLY, over)
    await connection.execute(_VOLUME, over)
    events = _changed(await connection.execute(_DROP_EVENTS, over, cutoffs.ids_since_ms))
    events += _changed(await connection.execute(_EMPTY_EVENTS, over))
    await connection.execute(_DROP_RECEIPTS, over)
    return Pruned(len(over), events, int(deliveries), more=True)


async def _take_leftovers(connection: Connection, cutoffs: Cutoffs, limit: int) -> bool:
    """Emptied events, ranks and gaps that are too old to matter, and runs of which nothing is left. Whether there may
    be more."""
    taken = [_changed(await connection.execute(step, cutoffs.ids_since_ms, limit)) for step in _LEFTOVERS]
    runs = [row[0] for row in await connection.fetch(_RUNS_OVER, cutoffs.receipts_before_ms)]
    if runs:
        await connection.execute(_JOIN_RUNS, runs)
        for step in _DROP_RUNS:
            await connection.execute(step, runs)
    return any(taken)


async def expire(connection: Connection, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
    """Nothing of a destination that is not parked, whoever asks."""
    async with connection.transaction():
        if not await connection.fetchval(_IS_PARKED, destination):
            return 0
        newest = await connection.fetchval(_NEWEST, before_ms)
        expired = 0
        for states in _EXPIRABLE_STATES:
            rows = await connection.fetch(
                _EXPIRE.format(states=states),
                int(State.EXPIRED),
                now_ms,
                destination,
                before_ms,
                limit - expired,
                newest,
            )
            expired += len(rows)
        return expired


def _changed(status: str) -> int:
    """Rows, as a statement's status tells them."""
    return int(status.rpartition(" ")[2])
