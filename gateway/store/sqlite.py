"""The embedded store: one SQLite file in WAL mode, one connection, one thread, group commit.

Everything that arrives while a commit is under way becomes the next commit, so that under load many requests share
one fsync and alone a request waits for nobody. Writes of a batch are one transaction; reads of the batch follow it
and so see it. Rows go in by multi-row INSERT: a statement gives up the interpreter lock once, however many its rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.store import sqlite_drift
from gateway.store.base import (
    Appended,
    Backlog,
    Count,
    Delivery,
    DestinationRow,
    DriftSample,
    Page,
    Settlement,
    SourceRow,
    StoreUnavailable,
    Submission,
)
from gateway.store.sqlite_counts import count_deliveries
from gateway.store.sqlite_file import LockedFile, open_database
from gateway.store.sqlite_rows import Reader, Writer

T = TypeVar("T")

BATCH = 256
"""Operations that share one transaction at most."""
GATHER_S = 0.001
"""While operations come in company, a commit waits so long for more of them. One that comes alone does not wait."""
COMPANY = 3
SETTLE_AFTER_S = 0.01
"""Settlements wait this long for company; a crash meanwhile repeats those deliveries, with unchanged ids."""
SETTLE_AT = 128
RETRY_S = 1.0
"""How often settlements are tried again while the disk refuses them."""


@dataclass(slots=True)
class _Append:
    submission: Submission
    future: asyncio.Future[Appended]


@dataclass(slots=True)
class _Settle:
    settlements: list[Settlement]
    waiting: list[tuple[int, int]]
    future: asyncio.Future[None] | None


@dataclass(slots=True)
class _Call:
    work: Callable[[], Any]
    future: asyncio.Future[Any]


_Operation = _Append | _Settle | _Call
_Result = tuple[asyncio.Future[Any] | None, Any]


class SqliteStore:
    """Implements gateway.store.base.Store. `synchronous` is SQLite's pragma; FULL is durable through power loss."""

    def __init__(
        self,
        path: Path,
        *,
        synchronous: str = "FULL",
        on_deliveries: Callable[[list[Delivery]], None] = lambda deliveries: None,
    ) -> None:
        self.party_key = b""
        self.on_deliveries = on_deliveries
        self._file = LockedFile(path)
        self._synchronous = synchronous
        self._operations: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._settlements: list[Settlement] = []
        self._waits: list[tuple[int, int]] = []
        self._flush_handle: asyncio.TimerHandle | None = None
        self._refused: list[_Settle] = []
        self._unsettled = 0
        self._in_company = False
        self._open = False

    # The loop's side

    async def open(self) -> None:
        """Raises StoreError where the file is not ours, damaged, newer, locked or not writable."""
        self._loop = asyncio.get_running_loop()
        self._file.lock()
        try:
            self._database = await asyncio.to_thread(open_database, self._file.path, self._synchronous)
        except BaseException:
            self._file.unlock()
            raise
        self._writer = Writer(self._database)
        self._reader = Reader(self._database)
        self.party_key = self._reader.party_key()
        self._open = True
        self._thread.start()

    async def close(self) -> None:
        """Write down what is left, and close. Settlements that the disk refuses are lost: their deliveries repeat."""
        if not self._open:
            return
        with contextlib.suppress(StoreUnavailable):
            await self.flush()
        self._open = False
        self._operations.put(None)
        await asyncio.to_thread(self._thread.join)
        self._database.close()
        self._file.unlock()

    async def append(self, submission: Submission) -> Appended:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[Appended] = self._loop.create_future()
        self._send_settlements()
        self._operations.put(_Append(submission, future))
        return await future

    def settle(self, settlement: Settlement) -> None:
        self._settlements.append(settlement)
        self._unsettled += 1
        if len(self._settlements) >= SETTLE_AT:
            self._send_settlements()
        else:
            self._send_soon()

    def wait(self, destination: int, event: int) -> None:
        self._waits.append((event, destination))
        self._send_soon()

    async def flush(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._send_settlements(future)
        await future

    @property
    def unsettled(self) -> int:
        return self._unsettled

    async def register_sources(self, sources: Sequence[SourceRow]) -> list[int]:
        return await self._call(lambda: self._writer.register_sources(sources))

    async def register_destinations(self, destinations: Sequence[DestinationRow]) -> list[int]:
        return await self._call(lambda: self._writer.register_destinations(destinations))

    async def backlog(self, destination: int) -> Backlog:
        return await self._call(lambda: self._reader.backlog(destination))

    async def queued(self, destination: int, after: int, limit: int) -> Page:
        return await self._call(lambda: self._reader.queued(destination, after, limit))

    async def waiting(self, destination: int, lane: int, limit: int) -> Page:
        return await self._call(lambda: self._reader.waiting(destination, lane, limit))

    async def due(self, destination: int, now_ms: int, limit: int) -> tuple[Page, int | None]:
        return await self._call(lambda: self._reader.due(destination, now_ms, limit))

    async def body(self, receipt: int) -> bytes:
        return await self._call(lambda: self._reader.body(receipt))

    async def counts(self) -> list[Count]:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        return await asyncio.to_thread(count_deliveries, self._file.path)

    async def keep_drift(self, samples: Sequence[DriftSample]) -> None:
        await self._call(lambda: sqlite_drift.keep(self._database, samples))

    async def drift_samples(self) -> list[DriftSample]:
        return await self._call(lambda: sqlite_drift.kept(self._database))

    async def writable(self) -> bool:
        try:
            await self._call(self._writer.probe)
        except StoreUnavailable:
            return False
        return True

    async def _call(self, work: Callable[[], T]) -> T:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._send_settlements()
        self._operations.put(_Call(work, future))
        return await future

    def _send_soon(self) -> None:
        if self._flush_handle is None:
            self._flush_handle = self._loop.call_later(SETTLE_AFTER_S, self._send_settlements)

    def _send_settlements(self, future: asyncio.Future[None] | None = None) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        if self._settlements or self._waits or future is not None:
            self._operations.put(_Settle(self._settlements, self._waits, future))
            self._settlements, self._waits = [], []

    def _resolve(self, results: list[_Result], settled: int) -> None:
        """On the loop: hand new deliveries over first, then wake who waits, in the order of the operations."""
        self._unsettled -= settled
        for _, value in results:
            if isinstance(value, Appended) and value.deliveries:
                self.on_deliveries(value.deliveries)
        for future, value in results:
            if future is None or future.done():
                continue
            if isinstance(value, Exception):
                future.set_exception(value)
            else:
                future.set_result(value)

    # The thread's side

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            closing = batch is None
            results, settled = self._carry_out(batch or [])
            if results or settled:
                with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                    self._loop.call_soon_threadsafe(self._resolve, results, settled)
            if closing:
                return

    def _next_batch(self) -> list[_Operation] | None:
        """Everything that is there now; None to stop. Wakes by itself while refused settlements are left."""
        try:
            operation = self._operations.get(timeout=RETRY_S if self._refused else None)
        except queue.Empty:
            return []
        if self._in_company:
            time.sleep(GATHER_S)
        batch = []
        while operation is not None:
            batch.append(operation)
            if len(batch) >= BATCH or self._operations.empty():
                self._in_company = len(batch) >= COMPANY
                return batch
            operation = self._operations.get()
        if batch:
            self._operations.put(None)
            return batch
        return None

    def _carry_out(self, batch: list[_Operation]) -> tuple[list[_Result], int]:
        appends = [operation for operation in batch if isinstance(operation, _Append)]
        settles = [*self._refused, *(operation for operation in batch if isinstance(operation, _Settle))]
        self._refused = []
        results, settled = self._write(appends, settles)
        for operation in batch:
            if isinstance(operation, _Call):
                results.append((operation.future, self._attempt(operation.work)))
        return results, settled

    def _write(self, appends: list[_Append], settles: list[_Settle]) -> tuple[list[_Result], int]:
        if not appends and not settles:
            return [], 0
        outcome = self._attempt(lambda: self._commit(appends, settles))
        if not isinstance(outcome, Exception):
            settled = sum(len(settle.settlements) for settle in settles)
            return [
                *zip((append.future for append in appends), outcome, strict=True),
                *((settle.future, None) for settle in settles),
            ], settled
        if len(appends) + len(settles) > 1:  # one rotten operation must not take the others with it
            return self._write_one_by_one(appends, settles)
        self._refused = settles
        for settle in settles:
            future, settle.future = settle.future, None
            if future is not None:
                return [(future, outcome)], 0
        return [(append.future, outcome) for append in appends], 0

    def _write_one_by_one(self, appends: list[_Append], settles: list[_Settle]) -> tuple[list[_Result], int]:
        results: list[_Result] = []
        settled = 0
        refused: list[_Settle] = []
        singles: list[_Append | _Settle] = [*appends, *settles]
        for single in singles:
            if isinstance(single, _Append):
                more, count = self._write([single], [])
            elif refused:  # settlements stay in order: this one waits behind those
                if single.future is not None:
                    results.append((single.future, StoreUnavailable("earlier settlements were refused")))
                    single.future = None
                refused.append(single)
                continue
            else:
                more, count = self._write([], [single])
            results += more
            settled += count
            refused += self._refused
            self._refused = []
        self._refused = refused
        return results, settled

    def _commit(self, appends: list[_Append], settles: list[_Settle]) -> list[Appended]:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        for settle in settles:
            self._writer.settle(settle.settlements, settle.waiting)
        appended = self._writer.append([append.submission for append in appends])
        database.execute("COMMIT")
        return appended

    def _attempt(self, work: Callable[[], T]) -> T | Exception:
        """The thread must live whatever happens: without it every request would wait for ever."""
        try:
            return work()
        except Exception as error:
            if self._database.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
            return error if isinstance(error, LookupError) else StoreUnavailable(f"{type(error).__name__}: {error}")
