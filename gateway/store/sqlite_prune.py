"""The SQL of retention: what is over goes, in small steps, each a commit of its own. Runs in the store's thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.store.base import State
from gateway.store.ledger import DAY_MS, Cutoffs, Pruned
from gateway.store.runs import FINISH_RUNS
from gateway.store.sqlite_control import PARKED
from gateway.store.sqlite_write import VOLUMES, Rows, last_number

STEP_EVENTS = 2000
"""A step ends after so many events, once it has one receipt: a receipt may hold thousands."""
GIVEN_PAGES = 128
"""Pages that are given back to the system in a step."""

_THESE = "(SELECT value FROM json_each(?))"
_SEEN = """
SELECT seq, received_ms, (SELECT count(*) FROM events e WHERE e.receipt = r.seq)
FROM receipts r WHERE seq > ? ORDER BY seq LIMIT ?
"""
_NEXT = "SELECT min(seq) FROM receipts INDEXED BY receipts_received WHERE received_ms < ? AND seq > ?"
_PENDING = f"""
SELECT DISTINCT e.receipt FROM events e CROSS JOIN deliveries d ON d.event = e.seq
WHERE e.receipt IN {_THESE} AND d.state < 4
"""  # noqa: S608
_PRUNED = f"""
SELECT d.destination, r.received_ms / {DAY_MS}, 0, sum(d.state = 4), sum(d.state = 5), sum(d.state = 6),
       sum(d.state = 7)
FROM receipts r CROSS JOIN events e ON e.receipt = r.seq CROSS JOIN deliveries d ON d.event = e.seq
WHERE r.seq IN {_THESE} GROUP BY 1, 2
"""  # noqa: S608
_VOLUMES = f"""
SELECT source, 0, -sum(length(body) + (
    SELECT coalesce(sum(length(head) + length(data)), 0) FROM events e WHERE e.receipt = r.seq))
FROM receipts r WHERE seq IN {_THESE} GROUP BY source
"""  # noqa: S608
_EVENTS_OF = f"(SELECT seq FROM events WHERE receipt IN {_THESE})"  # noqa: S608
_DROP_ATTEMPTS = f"DELETE FROM attempts WHERE event IN {_EVENTS_OF}"  # noqa: S608
_DROP_DELIVERIES = f"DELETE FROM deliveries WHERE event IN {_EVENTS_OF}"  # noqa: S608
_KEPT = f"""
SELECT e.seq, e.id, 0, e.type, r.received_ms, e.partial, e.lane, '', x'', x''
FROM receipts r CROSS JOIN events e ON e.receipt = r.seq WHERE r.received_ms >= ? AND r.seq IN {_THESE}
"""  # noqa: S608
_EMPTIED = Rows("events", "seq, id, receipt, type, time_ms, partial, lane, pointer, head, data")
"""Of an event that is still known by its id; time_ms is from now on when it was received. Taken out and put in again:
rows that become smaller in their place leave their pages as they are, and nothing would be gained."""
_DROP_EVENTS = f"DELETE FROM events WHERE receipt IN {_THESE}"  # noqa: S608
_DROP_RECEIPTS = f"DELETE FROM receipts WHERE seq IN {_THESE}"  # noqa: S608
_MORE = (
    " ON CONFLICT DO UPDATE SET delivered = delivered + excluded.delivered, dead = dead + excluded.dead, "
    "suppressed = suppressed + excluded.suppressed, expired = expired + excluded.expired"
)
_TALLIES = Rows("tallies", "destination, day, shard, delivered, dead, suppressed, expired", _MORE)
_KEEP_NUMBER = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"

_LEFTOVERS = (
    "DELETE FROM events WHERE time_ms < ? AND seq IN (SELECT seq FROM events WHERE receipt = 0 ORDER BY seq LIMIT ?)",
    "DELETE FROM ranks WHERE key IN (SELECT key FROM ranks WHERE seen_ms < ? ORDER BY seen_ms LIMIT ?)",
    "DELETE FROM gaps WHERE (destination, lane) IN (SELECT destination, lane FROM gaps WHERE since_ms < ? LIMIT ?)",
)
_RUNS_OVER = """
SELECT runs.id FROM runs WHERE state NOT IN ('filling', 'paused') AND created_ms < ? AND NOT EXISTS (
    SELECT 1 FROM destinations t JOIN tallies y ON y.destination = t.id WHERE t.run = runs.id
    GROUP BY t.id HAVING sum(y.matched) <> sum(y.delivered + y.dead + y.suppressed + y.expired))
"""
_JOIN_RUN = (
    f"""
INSERT INTO tallies (destination, day, shard, matched, delivered, dead, suppressed, expired)
SELECT real.id, y.day, y.shard, y.matched, y.delivered, y.dead, y.suppressed, y.expired
FROM destinations own JOIN tallies y ON y.destination = own.id
JOIN destinations real ON real.tenant = own.tenant AND real.name = own.name AND real.run = 0
WHERE own.run = ?{_MORE}, matched = matched + excluded.matched
""",  # noqa: S608
    "DELETE FROM tallies WHERE destination IN (SELECT id FROM destinations WHERE run = ?)",
    "DELETE FROM destinations WHERE run = ?",
    "DELETE FROM runs WHERE id = ?",
)
"""A run's tallies become those of its destinations, and the run goes."""


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Where it fails, the store's thread rolls back."""
    database.execute("BEGIN IMMEDIATE")
    yield
    database.execute("COMMIT")


def prune(database: sqlite3.Connection, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
    """One step; the last one of a round also takes what is left over of earlier ones."""
    with _transaction(database):
        seen = database.execute(_SEEN, (after, limit)).fetchall()
        old = _bounded([row for row in seen if row[1] < cutoffs.receipts_before_ms])
        if old:
            return _take(database, old, cutoffs), old[-1]
        upcoming = seen and database.execute(_NEXT, (cutoffs.receipts_before_ms, seen[-1][0])).fetchone()[0]
        if upcoming:
            return Pruned(0, 0, 0, more=True), upcoming - 1
        more = _take_leftovers(database, cutoffs, limit)
    return Pruned(0, 0, 0, more=_give_pages_back(database) or more), after


def _bounded(receipts: Sequence[tuple[int, int, int]]) -> list[int]:
    """The first of them, with no more than STEP_EVENTS events together."""
    taken: list[int] = []
    total = 0
    for receipt, _, events in receipts:
        total += events
        if total > STEP_EVENTS and taken:
            break
        taken.append(receipt)
    return taken


def _take(database: sqlite3.Connection, receipts: list[int], cutoffs: Cutoffs) -> Pruned:
    """Those of which nothing is pending."""
    pending = {row[0] for row in database.execute(_PENDING, (json.dumps(receipts),))}
    over = [receipt for receipt in receipts if receipt not in pending]
    if not over:
        return Pruned(0, 0, 0, more=True)
    these = json.dumps(over)
    for table in ("receipts", "events"):
        database.execute(_KEEP_NUMBER, (f"last_{table}", last_number(database, table)))
    _TALLIES.insert(database, [value for row in database.execute(_PRUNED, (these,)) for value in row])
    VOLUMES.insert(database, [value for row in database.execute(_VOLUMES, (these,)) for value in row])
    database.execute(_DROP_ATTEMPTS, (these,))
    deliveries = database.execute(_DROP_DELIVERIES, (these,)).rowcount
    kept = [value for row in database.execute(_KEPT, (cutoffs.ids_since_ms, these)) for value in row]
    events = database.execute(_DROP_EVENTS, (these,)).rowcount
    _EMPTIED.insert(database, kept)
    database.execute(_DROP_RECEIPTS, (these,))
    return Pruned(len(over), events, deliveries, more=True)


def _take_leftovers(database: sqlite3.Connection, cutoffs: Cutoffs, limit: int) -> bool:
    """Emptied events, ranks and gaps that are too old to matter, and runs of which nothing is left. Whether there may
    be more."""
    taken = [database.execute(statement, (cutoffs.ids_since_ms, limit)).rowcount for statement in _LEFTOVERS]
    database.execute(FINISH_RUNS)
    for run in database.execute(_RUNS_OVER, (cutoffs.receipts_before_ms,)).fetchall():
        for statement in _JOIN_RUN:
            database.execute(statement, run)
    return any(taken)


def _give_pages_back(database: sqlite3.Connection) -> bool:
    """To the system, where most of the file is free; the rest is for what comes. Whether there may be more."""
    free, pages = _free_pages(database)
    if free < max(pages // 2, GIVEN_PAGES):
        return False
    database.executescript(f"PRAGMA incremental_vacuum({GIVEN_PAGES})")  # `execute` would take one page
    return _free_pages(database)[0] < free


def _free_pages(database: sqlite3.Connection) -> tuple[int, int]:
    """How many are free, and how many there are."""
    free, pages = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    return free, pages


_IS_PARKED = f"SELECT 1 FROM destinations b WHERE b.id = ? AND b.run = 0 AND {PARKED}"  # noqa: S608
_EXPIRABLE = """
SELECT d.event FROM deliveries d CROSS JOIN events e ON e.seq = d.event CROSS JOIN receipts r ON r.seq = e.receipt
WHERE d.destination = :destination AND d.state {states} AND d.event <= :newest AND r.received_ms < :before
LIMIT :limit
"""
_EXPIRABLE_STATES = ("= 0", "IN (1, 3)", "= 2")
"""As the partial indexes have them."""


def expire(database: sqlite3.Connection, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
    """Nothing of a destination that is not parked, whoever asks."""
    with _transaction(database):
        if database.execute(_IS_PARKED, (destination,)).fetchone() is None:
            return 0
        newest = _newest_event(database, before_ms)
        expired = 0
        for states in _EXPIRABLE_STATES:
            rows = database.execute(
                _EXPIRABLE.format(states=states),
                {"destination": destination, "newest": newest, "before": before_ms, "limit": limit - expired},
            ).fetchall()
            database.executemany(
                "UPDATE deliveries SET state = ?, settled_ms = ? WHERE event = ? AND destination = ?",
                [(State.EXPIRED, now_ms, event, destination) for (event,) in rows],
            )
            expired += len(rows)
    return expired


def _newest_event(database: sqlite3.Connection, before_ms: int) -> int:
    """The newest event of the receipts until then, so that younger deliveries are passed over in their index."""
    receipt = database.execute(
        "SELECT seq FROM receipts WHERE received_ms < ? ORDER BY received_ms DESC LIMIT 1", (before_ms,)
    ).fetchone()
    if receipt is None:
        return 0
    [newest] = database.execute(
        "SELECT max(seq) FROM events WHERE receipt = (SELECT max(receipt) FROM events WHERE receipt <= ?)", receipt
    ).fetchone()
    return int(newest or 0)
