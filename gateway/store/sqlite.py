"""The embedded store: one SQLite file in WAL mode, written by one thread. This is the event loop's side of it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gateway.control import Control
from gateway.store import sqlite_control, sqlite_drift, sqlite_ledger, sqlite_prune
from gateway.store.base import (
    ALL_SHARDS,
    Appended,
    Backlog,
    Count,
    DestinationRow,
    DriftSample,
    Page,
    Run,
    Settlement,
    SourceRow,
    StoreError,
    StoreUnavailable,
    Submission,
)
from gateway.store.gathering import Gathering
from gateway.store.ledger import Account, Cutoffs, Pruned, Volume
from gateway.store.listener import Listener
from gateway.store.sqlite_file import LockedFile, Quota, explanation, open_database
from gateway.store.sqlite_worker import Append, Call, Settle, Turn, Worker

T = TypeVar("T")

SETTLE_AFTER_S = 0.01
"""Settlements wait this long for company; a crash meanwhile repeats those deliveries, with unchanged ids."""
SETTLE_AT = 128


class SqliteStore:
    """Implements gateway.store.base.Store. `synchronous` is SQLite's pragma; FULL is durable through power loss.
    `size` is how many bytes the file may have; None for no limit.
    """

    def __init__(self, path: Path, *, synchronous: str = "FULL", size: int | None = None) -> None:
        self.party_key = b""
        self._file = LockedFile(path)
        self._synchronous = synchronous
        self._size = size
        self._listener: Listener | None = None
        self._settlements: list[Settlement] = []
        self._waits: list[tuple[int, int]] = []
        self._flush_handle: asyncio.TimerHandle | None = None
        self._unsettled = 0
        self._open = False

    async def open(self) -> None:
        """Raises StoreError where the file is not ours, damaged, newer, locked or not writable."""
        self._loop = asyncio.get_running_loop()
        self._file.lock()
        path = self._file.path
        try:
            self._database = await asyncio.to_thread(open_database, path, self._synchronous)
            self._begin(path)
        except BaseException:
            self._file.unlock()
            raise
        self._appends: Gathering[Append] = Gathering(self._loop, self._send_appends)
        self._open = True
        self._worker.start()

    def _begin(self, path: Path) -> None:
        """The first look at what is in the file: damage may show here."""
        try:
            self._worker = Worker(self._database, Quota(self._database, path, self._size), self._report)
            self.party_key = self._worker.reader.party_key()
        except sqlite3.Error as error:
            self._database.close()
            raise StoreError(explanation(path, error)) from error

    async def attend(self, listener: Listener) -> None:
        self._listener = listener
        self._worker.watching = True
        await listener.gained(ALL_SHARDS)
        listener.replicas(1, current=True)

    def retire(self) -> None:
        """Nobody else is there."""

    async def close(self) -> None:
        """Write down what is left, and close. Settlements that the disk refuses are lost: their deliveries repeat."""
        if not self._open:
            return
        self._appends.flush()
        with contextlib.suppress(StoreUnavailable):
            await self.flush()
        self._open = False
        self._appends.flush()  # what came meanwhile
        await asyncio.to_thread(self._worker.stop)
        self._database.close()
        self._file.unlock()

    # What comes in, and what becomes of it

    def append(self, submission: Submission) -> asyncio.Future[Appended]:
        self._check_open()
        future: asyncio.Future[Appended] = self._loop.create_future()
        self._appends.add(Append(submission, future))
        return future

    def settle(self, settlement: Settlement) -> None:
        self._settlements.append(settlement)
        self._unsettled += 1
        if len(self._settlements) >= SETTLE_AT:
            self._send_settlements()
        else:
            self._send_soon()

    def wait(self, destination: int, event: int, lane: int) -> None:
        self._waits.append((event, destination))
        self._send_soon()

    async def flush(self) -> None:
        self._check_open()
        future: asyncio.Future[None] = self._loop.create_future()
        self._worker.put(self._take_settlements(future))
        await future

    @property
    def unsettled(self) -> int:
        return self._unsettled

    def holds(self, destination: int, lane: int) -> bool:
        return True  # nobody else delivers from this file

    # Names and controls

    async def register_sources(self, sources: Sequence[SourceRow]) -> list[int]:
        return await self._change(lambda: sqlite_control.register_sources(self._database, sources))

    async def register_destinations(self, destinations: Sequence[DestinationRow]) -> list[int]:
        return await self._change(lambda: sqlite_control.register_destinations(self._database, destinations))

    async def controls(self) -> list[Control]:
        return await self._call(lambda: sqlite_control.controls(self._database))

    async def change(self, destination: int, change: Callable[[Control], Control]) -> Control:
        return await self._change(lambda: sqlite_control.change(self._database, destination, change))

    async def runs(self) -> list[Run]:
        return await self._change(lambda: sqlite_control.runs(self._database))

    async def hurry(self, destination: int, now_ms: int) -> None:
        await self._change(lambda: sqlite_control.hurry(self._database, destination, now_ms))

    # What is to be delivered

    async def backlog(self, shards: frozenset[int], destination: int | None = None) -> dict[int, Backlog]:
        return await self._call(lambda: self._worker.reader.backlog(destination))

    async def queued(self, destination: int, after: int, limit: int) -> Page:
        return await self._call(lambda: self._worker.reader.queued(destination, after, limit))

    async def waiting(self, destination: int, lane: int, limit: int) -> Page:
        return await self._call(lambda: self._worker.reader.waiting(destination, lane, limit))

    async def due(self, destination: int, now_ms: int, limit: int) -> tuple[Page, int | None]:
        return await self._call(lambda: self._worker.reader.due(destination, now_ms, limit))

    async def body(self, receipt: int) -> bytes:
        return await self._call(lambda: self._worker.reader.body(receipt))

    # The ledger and retention

    async def counts(self) -> list[Count]:
        return await self._look(sqlite_ledger.counts)

    async def accounts(self, *, recount: bool = True) -> list[Account]:
        return await self._look(sqlite_ledger.accounts if recount else sqlite_ledger.quick_accounts)

    async def volume(self) -> Volume:
        return await self._look(sqlite_ledger.volume)

    async def prune(self, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
        return await self._change(lambda: sqlite_prune.prune(self._database, cutoffs, after, limit))

    async def expire(self, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
        return await self._change(lambda: sqlite_prune.expire(self._database, destination, before_ms, now_ms, limit))

    # Drift, health

    async def keep_drift(self, samples: Sequence[DriftSample]) -> None:
        await self._change(lambda: sqlite_drift.keep(self._database, samples))

    async def drift_samples(self) -> list[DriftSample]:
        return await self._call(lambda: sqlite_drift.kept(self._database))

    async def refusal(self) -> str | None:
        try:
            await self._call(self._worker.probe)
        except StoreUnavailable as error:
            return str(error)
        return None

    # Between the loop and the thread

    def _check_open(self) -> None:
        if not self._open:
            raise StoreUnavailable("the store is closed")

    async def _change(self, work: Callable[[], T]) -> T:
        """Work that writes, and that a full store has to do all the same."""
        return await self._call(work, writes=True)

    async def _call(self, work: Callable[[], T], *, writes: bool = False) -> T:
        self._check_open()
        future: asyncio.Future[T] = self._loop.create_future()
        self._worker.put([*self._take_settlements(), Call(work, future, writes)])
        return await future

    async def _look(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """On a connection of its own: with millions of rows it takes a while, and commits must not wait for it."""
        self._check_open()
        return await asyncio.to_thread(sqlite_ledger.look, self._file.path, read)

    def _send_appends(self, appends: list[Append]) -> None:
        self._worker.put([*self._take_settlements(), *appends])

    def _send_soon(self) -> None:
        if self._flush_handle is None:
            self._flush_handle = self._loop.call_later(SETTLE_AFTER_S, self._send_settlements)

    def _send_settlements(self) -> None:
        if settle := self._take_settlements():
            self._worker.put(settle)

    def _take_settlements(self, future: asyncio.Future[None] | None = None) -> list[Settle]:
        """What has been settled since, if anything has, or somebody waits for it."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        if not (self._settlements or self._waits or future is not None):
            return []
        settle = Settle(self._settlements, self._waits, future)
        self._settlements, self._waits = [], []
        return [settle]

    def _report(self, turn: Turn) -> None:
        """In the thread."""
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
            self._loop.call_soon_threadsafe(self._resolve, turn)

    def _resolve(self, turn: Turn) -> None:
        """On the loop: tell the listener first, then wake who waits, in the order of the operations.

        Hints come before the deliveries of the same turn: what was in doubt is older than these.
        """
        self._unsettled -= turn.settled
        if self._listener is not None:
            self._tell(self._listener, turn)
        for future, value in turn.results:
            if future is None or future.done():
                continue
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)

    def _tell(self, listener: Listener, turn: Turn) -> None:
        if turn.news:
            listener.changed()
        if turn.hints:
            listener.hinted(turn.hints)
        deliveries = [one for _, value in turn.results if isinstance(value, Appended) for one in value.deliveries]
        if deliveries:
            listener.committed(deliveries)
