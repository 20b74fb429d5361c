"""What became of deliveries, on its way into the database: gathered, fenced, and tried again while it is away.

The statement changes only what this process may settle: rows of shards that it leases, as the replica that it was when
it made the attempt. It locks its own row in `replicas` so that nobody takes its leases meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from gateway.store.base import Settlement, State, StoreUnavailable
from gateway.store.postgres_link import Connection, Link, end

SETTLE_AFTER_S = 0.02
"""Settlements wait this long for company; a crash meanwhile repeats those deliveries, with unchanged ids."""
SETTLE_AT = 128
BATCH = 1000
RETRY_S = 0.5
"""Between tries while the database is away."""

_SETTLE = """
WITH me AS MATERIALIZED (
    SELECT id FROM replicas WHERE id = $1 FOR KEY SHARE
), s AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::integer[], $4::smallint[], $5::bigint[], $6::boolean[], $7::bigint[],
                         $8::smallint[], $9::text[], $10::bigint[], $11::integer[]{array})
         AS u(event, destination, state, now_ms, attempted, due_ms, status, error, tried_ms, took_ms{gap})
), settled AS (
    UPDATE deliveries d SET
        state = s.state,
        attempts = d.attempts + s.attempted::integer,
        due_ms = CASE WHEN s.attempted OR s.due_ms > 0 THEN s.due_ms ELSE d.due_ms END,
        settled_ms = CASE WHEN s.state = 2 THEN d.settled_ms ELSE s.now_ms END,
        tried_since_ms = CASE WHEN s.attempted AND d.tried_since_ms = 0 THEN s.tried_ms ELSE d.tried_since_ms END,
        last_status = CASE WHEN s.attempted THEN s.status ELSE d.last_status END,
        last_error = CASE WHEN s.attempted THEN s.error ELSE d.last_error END
    FROM me CROSS JOIN s
    WHERE d.event = s.event AND d.destination = s.destination
    AND EXISTS (SELECT FROM leases l WHERE l.shard = d.shard AND l.owner = me.id)
    AND CASE s.state WHEN 2 THEN d.state = 0 WHEN 4 THEN d.state <> 4 ELSE d.state < 4 END
    RETURNING d.event, d.destination, d.attempts, s.state, s.now_ms, s.took_ms, s.status, s.error, s.attempted{settled}
){gaps}
INSERT INTO attempts (event, destination, number, at_ms, took_ms, status, error)
SELECT event, destination, attempts, now_ms, took_ms, status, error FROM settled WHERE attempted AND state <> 4
ON CONFLICT DO NOTHING
"""
_GAPS = """, opened AS (
    INSERT INTO gaps (destination, lane, since_ms)
    SELECT destination, lane, now_ms FROM settled WHERE gap AND state = 5
    ON CONFLICT (destination, lane) DO UPDATE SET since_ms = excluded.since_ms
), told AS (
    DELETE FROM gaps g USING settled WHERE settled.gap AND settled.state = 4
    AND g.destination = settled.destination AND g.lane = settled.lane
)"""
SETTLE = _SETTLE.format(array="", gap="", settled="", gaps="")
SETTLE_GAPS = _SETTLE.format(array=", $12::boolean[]", gap=", gap", settled=", d.lane, s.gap", gaps=_GAPS)
"""Where something was given up, or is the first to tell of it: rare, and the usual statement has no part in it."""


class Settler:
    """`done` is told which deliveries are settled, or refused for good; `owner` says which replica this is."""

    def __init__(self, link: Link, owner: Callable[[], bytes], done: Callable[[Sequence[Settlement]], None]) -> None:
        self._link = link
        self._owner = owner
        self._done = done
        self._pending: list[tuple[bytes, Settlement]] = []
        self._settled = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="settle")

    async def close(self) -> None:
        """What the database does not take now is lost: those deliveries repeat."""
        if self._task is None:
            return
        with contextlib.suppress(StoreUnavailable):
            await self.flush()
        self._closing = True
        await end(self._task)
        self._refuse("the store is closed")

    @property
    def unsettled(self) -> int:
        return len(self._pending)

    def settle(self, settlement: Settlement) -> None:
        self._pending.append((self._owner(), settlement))
        self._wake.set()
        if len(self._pending) >= SETTLE_AT:
            self._hurry.set()

    async def flush(self) -> None:
        """Wait until all so far is durable. Raises StoreUnavailable when the next try fails."""
        if not self._pending:
            return
        if self._closing:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((self._settled + len(self._pending), future))
        self._hurry.set()
        await future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_AFTER_S):
                    await self._hurry.wait()
            try:
                await self._write()
            except Exception as error:  # whatever it is: they are kept, and tried again
                self._refuse(str(error))
                self._hurry.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await self._hurry.wait()

    async def _write(self) -> None:
        owner, batch = self._next_batch()
        await self._link.run(lambda connection: settle(connection, owner, batch))
        del self._pending[: len(batch)]
        self._settled += len(batch)
        if not self._pending:
            self._wake.clear()
        if len(self._pending) < SETTLE_AT and not self._waiting_on():
            self._hurry.clear()
        self._done(batch)

    def _waiting_on(self) -> bool:
        """Wake those whose settlements are durable. Whether others wait."""
        while self._waiters and self._waiters[0][0] <= self._settled:
            _, future = self._waiters.pop(0)
            if not future.done():
                future.set_result(None)
        return bool(self._waiters)

    def _next_batch(self) -> tuple[bytes, list[Settlement]]:
        """The first of them: of one owner, and none twice of one delivery, nor of one lane's gap, since a statement
        changes a row once."""
        owner = self._pending[0][0]
        batch: list[Settlement] = []
        seen: set[tuple[int, int]] = set()
        gaps: set[tuple[int, int]] = set()
        for its_owner, settlement in self._pending[:BATCH]:
            key = (settlement.event, settlement.destination)
            if its_owner != owner or key in seen:
                break
            if settlement.gap:
                lane = (settlement.destination, settlement.lane)
                if lane in gaps:
                    break
                gaps.add(lane)
            seen.add(key)
            batch.append(settlement)
        return owner, batch

    def _refuse(self, reason: str) -> None:
        waiters, self._waiters = self._waiters, []
        for _, future in waiters:
            if not future.done():
                future.set_exception(StoreUnavailable(reason))


async def settle(connection: Connection, owner: bytes, settlements: Sequence[Settlement]) -> None:
    """In the order of rows, so that two that settle wait for one another in the same order."""
    ordered = sorted(settlements, key=lambda one: (one.event, one.destination))
    columns: list[list[Any]] = [
        [one.event for one in ordered],
        [one.destination for one in ordered],
        [int(one.state) for one in ordered],
        [one.now_ms for one in ordered],
        [one.attempted for one in ordered],
        [one.due_ms for one in ordered],
        [one.status for one in ordered],
        [_clean(one.error) for one in ordered],
        [one.tried_ms for one in ordered],
        [one.took_ms for one in ordered],
    ]
    gaps = [one.gap for one in ordered]
    if any(gaps):
        await connection.execute(SETTLE_GAPS, owner, *columns, gaps)
    else:
        await connection.execute(SETTLE, owner, *columns)


def _clean(text: str | None) -> str | None:
    """What PostgreSQL takes as text."""
    return None if text is None else text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def waits(destination: int, event: int, lane: int) -> Settlement:
    """The mark of a queued delivery whose lane waits, as a settlement."""
    return Settlement(destination, event, lane, State.WAITING, 0, attempted=False)
