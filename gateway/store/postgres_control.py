"""The SQL of sources, destinations, their controls and runs, drift and health."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from gateway.control import Control, Mode
from gateway.store.base import DestinationRow, DriftSample, Run, SourceRow
from gateway.store.postgres_link import Connection, Row
from gateway.store.runs import FINISH_RUNS

KEPT_DRIFT = 1000
"""Samples of drift in the store; those not seen for longest go first."""

_SOURCES = """
INSERT INTO sources (tenant, name, uid, provider)
SELECT u.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(tenant, name, uid, provider)
ORDER BY u.tenant, u.name
ON CONFLICT (tenant, name) DO UPDATE SET uid = excluded.uid, provider = excluded.provider
WHERE (sources.uid, sources.provider) <> (excluded.uid, excluded.provider)
"""
_DESTINATIONS = """
INSERT INTO destinations (tenant, name, generation)
SELECT u.tenant, u.name, $3::integer FROM unnest($1::text[], $2::text[]) AS u(tenant, name) ORDER BY u.tenant, u.name
ON CONFLICT (tenant, name, run) DO UPDATE SET generation = excluded.generation
WHERE destinations.generation < excluded.generation
"""
_LATEST = "SELECT coalesce(max(number), 0) FROM generations"
_NUMBER = """
INSERT INTO generations (digest, number) VALUES ($1, $2) ON CONFLICT (digest) DO UPDATE SET number = excluded.number
"""
_NEWEST_ALIVE = "SELECT coalesce(max(generation), 0) FROM replicas WHERE expires > now()"

GONE = """(b.generation < (
    SELECT coalesce((SELECT min(generation) FROM replicas WHERE expires > now() AND generation >= 0), max(number), 0)
    FROM generations))"""
"""Of a destination's own row `b`: whether it is gone from the configuration of every process that runs, or else of the
last that did."""
PARKED = f"(b.mode <> 'active' OR {GONE})"
"""Of the same: whether what is pending there is parked. It is paused, disabled, or gone."""

_CONTROL = "id, mode, reason, mode_since_ms, open_since_ms, idle_ms, idle_since_ms"
_CONTROLS = f"""
SELECT {_CONTROL} FROM destinations
WHERE run = 0 AND (mode <> 'active' OR mode_since_ms <> 0 OR open_since_ms <> 0 OR idle_ms <> 0)
ORDER BY id
"""  # noqa: S608
_RUNS = """
SELECT own.id, real.id, runs.id, runs.kind FROM runs JOIN destinations own ON own.run = runs.id
JOIN destinations real ON real.tenant = own.tenant AND real.name = own.name AND real.run = 0
WHERE runs.state IN ('filling', 'running') ORDER BY runs.id, own.id
"""
_HURRY = """
UPDATE deliveries SET due_ms = $2 WHERE (event, destination) IN (
    SELECT event, destination FROM deliveries WHERE destination = $1 AND state IN (1, 3) AND due_ms > $2
    ORDER BY event LIMIT $3 FOR UPDATE SKIP LOCKED)
"""
HURRIED = 2000

_KEEP_DRIFT = """
INSERT INTO drift AS d (provider, kind, name, first_ms, last_ms, seen, sample) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (provider, kind, name) DO UPDATE SET last_ms = greatest(d.last_ms, excluded.last_ms),
seen = d.seen + excluded.seen, sample = coalesce(d.sample, excluded.sample)
"""
_DROP_DRIFT = """
DELETE FROM drift WHERE (provider, kind, name) IN (
    SELECT provider, kind, name FROM drift ORDER BY last_ms DESC OFFSET $1)
"""
_DRIFT = """
SELECT provider, kind, name, first_ms, last_ms, seen, sample FROM drift ORDER BY last_ms DESC, provider, kind, name
"""
_PROBE = """
INSERT INTO meta (name, value) VALUES ('probe', ''::bytea) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


async def register_sources(connection: Connection, sources: Sequence[SourceRow]) -> list[int]:
    async with connection.transaction():
        await connection.execute(_SOURCES, *zip(*sorted(set(sources)), strict=True)) if sources else None
        return await _numbers(connection, "SELECT tenant, name, id FROM sources", sources)


async def register_destinations(
    connection: Connection, destinations: Sequence[DestinationRow]
) -> tuple[list[int], int]:
    """Their numbers, and that of their set."""
    rows = sorted(set(destinations))
    async with connection.transaction():
        await connection.execute("LOCK TABLE generations IN EXCLUSIVE MODE")
        generation = await _generation(connection, rows)
        await connection.execute(_DESTINATIONS, [row.tenant for row in rows], [row.name for row in rows], generation)
        numbers = await _numbers(connection, "SELECT tenant, name, id FROM destinations WHERE run = 0", destinations)
    return numbers, generation


async def _generation(connection: Connection, rows: Sequence[DestinationRow]) -> int:
    """A set that is new is the newest. So is one that comes back, once no process of a newer one runs any more."""
    digest = hashlib.sha256(repr(rows).encode()).digest()
    known = await connection.fetchval("SELECT number FROM generations WHERE digest = $1", digest)
    latest = await connection.fetchval(_LATEST)
    if known is not None and (known == latest or known < await connection.fetchval(_NEWEST_ALIVE)):
        return int(known)
    await connection.execute(_NUMBER, digest, latest + 1)
    return int(latest) + 1


async def _numbers(connection: Connection, query: str, rows: Sequence[SourceRow | DestinationRow]) -> list[int]:
    numbers = {(tenant, name): number for tenant, name, number in await connection.fetch(query)}
    return [numbers[row.tenant, row.name] for row in rows]


async def controls(connection: Connection) -> list[Control]:
    return [_control(row) for row in await connection.fetch(_CONTROLS)]


async def change(connection: Connection, destination: int, step: Callable[[Control], Control]) -> tuple[Control, bool]:
    """The control as it is then, and whether it was changed. Raises LookupError where there is no such destination."""
    async with connection.transaction():
        row = await connection.fetchrow(f"SELECT {_CONTROL} FROM destinations WHERE id = $1 FOR UPDATE", destination)  # noqa: S608
        if row is None:
            raise LookupError(f"destination {destination} is not in the store")
        before = _control(row)
        after = step(before)
        if after != before:
            await connection.execute(
                "UPDATE destinations SET mode = $2, reason = $3, mode_since_ms = $4, open_since_ms = $5, "
                "idle_ms = $6, idle_since_ms = $7 WHERE id = $1",
                destination, after.mode, after.reason, after.mode_since_ms, after.open_since_ms, after.idle_ms,
                after.idle_since_ms,
            )  # fmt: skip
    return after, after != before


def _control(row: Row) -> Control:
    number, mode, *rest = row
    return Control(number, Mode(mode), *rest)


async def runs(connection: Connection) -> list[Run]:
    await connection.execute(FINISH_RUNS)
    return [Run(*row) for row in await connection.fetch(_RUNS)]


async def hurry(connection: Connection, destination: int, now_ms: int) -> None:
    """Those that are being settled right now get their time from that."""
    while (await connection.execute(_HURRY, destination, now_ms, HURRIED)) == f"UPDATE {HURRIED}":
        pass


async def keep_drift(connection: Connection, samples: Sequence[DriftSample]) -> None:
    async with connection.transaction():
        await connection.executemany(_KEEP_DRIFT, sorted(samples))
        await connection.execute(_DROP_DRIFT, KEPT_DRIFT)


async def drift_samples(connection: Connection) -> list[DriftSample]:
    return [DriftSample(*row) for row in await connection.fetch(_DRIFT)]


async def probe(connection: Connection) -> None:
    """A commit."""
    await connection.execute(_PROBE)
