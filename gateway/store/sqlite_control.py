"""The SQL of sources, destinations, their controls and runs. Runs in the store's thread."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from gateway.control import Control, Mode
from gateway.store.base import DestinationRow, Run, SourceRow
from gateway.store.runs import FINISH_RUNS

_CONTROL = "id, mode, reason, mode_since_ms, open_since_ms, idle_ms, idle_since_ms"

GONE = "(b.generation < (SELECT coalesce(max(number), 0) FROM generations))"
"""Of a destination's own row `b`: whether it is gone from the configuration of the process that runs, or else of the
last that did."""
PARKED = f"(b.mode <> 'active' OR {GONE})"
"""Of the same: whether what is pending there is parked. It is paused, disabled, or gone."""


def register_sources(database: sqlite3.Connection, sources: Sequence[SourceRow]) -> list[int]:
    database.execute("BEGIN IMMEDIATE")
    database.executemany(
        "INSERT INTO sources (tenant, name, uid, provider) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, name) "
        "DO UPDATE SET uid = excluded.uid, provider = excluded.provider",
        sources,
    )
    known = database.execute("SELECT tenant, name, id FROM sources").fetchall()
    database.execute("COMMIT")
    return _numbers(known, sources)


def register_destinations(database: sqlite3.Connection, destinations: Sequence[DestinationRow]) -> list[int]:
    """They are of the newest generation from now on; others are gone from the configuration."""
    database.execute("BEGIN IMMEDIATE")
    generation = _generation(database, destinations)
    known = set(database.execute("SELECT tenant, name FROM destinations WHERE run = 0"))
    database.executemany(  # and no upsert: each would use up a number
        "INSERT INTO destinations (tenant, name) VALUES (?, ?)",
        [row for row in dict.fromkeys(destinations) if row not in known],
    )
    database.executemany(
        "UPDATE destinations SET generation = ? WHERE tenant = ? AND name = ? AND run = 0 AND generation <> ?",
        [(generation, *row, generation) for row in destinations],
    )
    numbers = database.execute("SELECT tenant, name, id FROM destinations WHERE run = 0").fetchall()
    database.execute("COMMIT")
    return _numbers(numbers, destinations)


def _generation(database: sqlite3.Connection, destinations: Sequence[DestinationRow]) -> int:
    """The number of this set. With one process at a time only the latest set is of interest."""
    digest = hashlib.sha256(repr(sorted(set(destinations))).encode()).digest()
    latest = database.execute("SELECT digest, number FROM generations ORDER BY number DESC LIMIT 1").fetchone()
    if latest is not None and latest[0] == digest:
        return int(latest[1])
    number = 1 + (latest[1] if latest else 0)
    database.execute("DELETE FROM generations")
    database.execute("INSERT INTO generations (digest, number) VALUES (?, ?)", (digest, number))
    return number


def _numbers(known: list[tuple[str, str, int]], rows: Sequence[SourceRow | DestinationRow]) -> list[int]:
    numbers = {(tenant, name): number for tenant, name, number in known}
    return [numbers[row.tenant, row.name] for row in rows]


def controls(database: sqlite3.Connection) -> list[Control]:
    rows = database.execute(
        f"SELECT {_CONTROL} FROM destinations "  # noqa: S608
        "WHERE run = 0 AND (mode <> 'active' OR mode_since_ms <> 0 OR open_since_ms <> 0 OR idle_ms <> 0)"
    )
    return [_control(row) for row in rows]


def change(database: sqlite3.Connection, destination: int, step: Callable[[Control], Control]) -> Control:
    """Raises LookupError where there is no such destination."""
    database.execute("BEGIN IMMEDIATE")
    row = database.execute(f"SELECT {_CONTROL} FROM destinations WHERE id = ?", (destination,)).fetchone()  # noqa: S608
    if row is None:
        raise LookupError(f"destination {destination} is not in the store")
    before = _control(row)
    after = step(before)
    if after != before:
        database.execute(
            "UPDATE destinations SET mode = ?, reason = ?, mode_since_ms = ?, open_since_ms = ?, idle_ms = ?, "
            "idle_since_ms = ? WHERE id = ?",
            (
                after.mode, after.reason, after.mode_since_ms, after.open_since_ms, after.idle_ms,
                after.idle_since_ms, destination,
            ),
        )  # fmt: skip
    database.execute("COMMIT")
    return after


def _control(row: Sequence[Any]) -> Control:
    number, mode, *rest = row
    return Control(number, Mode(mode), *rest)


def runs(database: sqlite3.Connection) -> list[Run]:
    """Those whose deliveries are to be made: neither paused nor over."""
    database.execute(FINISH_RUNS)
    rows = database.execute(
        "SELECT own.id, real.id, runs.id, runs.kind FROM runs JOIN destinations own ON own.run = runs.id "
        "JOIN destinations real ON real.tenant = own.tenant AND real.name = own.name AND real.run = 0 "
        "WHERE runs.state IN ('filling', 'running') ORDER BY runs.id, own.id"
    )
    return [Run(*row) for row in rows]


def hurry(database: sqlite3.Connection, destination: int, now_ms: int) -> None:
    database.execute(
        "UPDATE deliveries SET due_ms = ? WHERE destination = ? AND state IN (1, 3) AND due_ms > ?",
        (now_ms, destination, now_ms),
    )
