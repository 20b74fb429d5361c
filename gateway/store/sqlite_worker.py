"""The store's thread: group commit on one connection.

Everything that arrives while a commit is under way becomes the next commit, so that under load many requests share
one fsync. Writes of a batch are one transaction; reads of the batch follow it and so see it.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.store.base import Appended, Settlement, StoreUnavailable, Submission
from gateway.store.sqlite_file import Quota
from gateway.store.sqlite_read import Reader
from gateway.store.sqlite_write import Writer

T = TypeVar("T")

BATCH = 256
"""Once a transaction has so many operations, the next ones wait for another."""
IDLE_S = 0.5
"""How often an idle thread tries refused settlements again, and looks whether another process committed something."""
NEWS_S = 0.1
"""How often a busy one looks, at most: where something was committed, all that is queued is looked for."""


class _Busy(StoreUnavailable):
    """Another process holds the file: that would be so for each of a batch's operations, and each would wait."""


@dataclass(slots=True)
class Append:
    submission: Submission
    future: asyncio.Future[Appended]


@dataclass(slots=True)
class Settle:
    settlements: list[Settlement]
    waiting: list[tuple[int, int]]
    future: asyncio.Future[None] | None


@dataclass(slots=True)
class Call:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    writes: bool


Operation = Append | Settle | Call
Result = tuple[asyncio.Future[Any] | None, Any]


@dataclass(slots=True)
class Turn:
    """What came of a batch. `hints` are destinations with deliveries that nobody was handed; `news` that another
    process changed something."""

    results: list[Result] = field(default_factory=list)
    settled: int = 0
    hints: set[int] = field(default_factory=set)
    news: bool = False

    def __bool__(self) -> bool:
        return bool(self.results or self.settled or self.hints or self.news)


class Worker:
    """`report` is called in the thread. What comes in keeps to the quota; what makes room again may use its reserve."""

    def __init__(self, database: sqlite3.Connection, quota: Quota, report: Callable[[Turn], None]) -> None:
        self.writer = Writer(database)
        self.reader = Reader(database)
        self.watching = False
        self._database = database
        self._quota = quota
        self._report = report
        self._operations: queue.SimpleQueue[Sequence[Operation] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._refused: list[Settle] = []
        self._version = self.reader.version()
        self._looked_s = 0.0
        self._doubtful: set[int] = set()

    def start(self) -> None:
        self._thread.start()

    def put(self, operations: Sequence[Operation]) -> None:
        """Those that write go into one transaction."""
        self._operations.put(operations)

    def probe(self) -> None:
        """A call's work that fails where nothing more can be stored."""
        self._quota.check()
        self.writer.probe()

    def stop(self) -> None:
        """Carry out what was put before, and end. Blocks."""
        self._operations.put(None)
        self._thread.join()

    # The thread's side

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            closing = batch is None
            turn = self._carry_out(batch or [])
            if turn:
                self._report(turn)
            if closing:
                return

    def _next_batch(self) -> list[Operation] | None:
        """Everything that is there now; None to stop. Wakes by itself where there is something to look after."""
        try:
            operations = self._operations.get(timeout=IDLE_S if self._refused or self.watching else None)
        except queue.Empty:
            return []
        batch: list[Operation] = []
        while operations is not None:
            batch += operations
            if len(batch) >= BATCH or self._operations.empty():
                return batch
            operations = self._operations.get()
        if batch:
            self._operations.put(None)
            return batch
        return None

    def _carry_out(self, batch: list[Operation]) -> Turn:
        appends = [operation for operation in batch if isinstance(operation, Append)]
        settles = [*self._refused, *(operation for operation in batch if isinstance(operation, Settle))]
        self._refused = []
        turn = Turn()
        if appends or settles:
            self._write(appends, settles, turn)
        for operation in batch:
            if isinstance(operation, Call):
                turn.results.append((operation.future, self._attempt(operation.work, reserve=operation.writes)))
        if self.watching:
            self._attempt(lambda: self._look_around(turn))
        return turn

    def _look_around(self, turn: Turn) -> None:
        """What is in the store and was handed to nobody: commits of others, and of our own that were in doubt."""
        turn.hints |= self._doubtful
        self._doubtful = set()
        now_s = time.monotonic()
        if now_s - self._looked_s < NEWS_S:
            return
        self._looked_s = now_s
        version = self.reader.version()
        if version != self._version:
            self._version, turn.news = version, True
            turn.hints |= self.reader.queued_destinations()

    def _write(self, appends: list[Append], settles: list[Settle], turn: Turn) -> None:
        outcome = self._attempt(lambda: self._commit(appends, settles), appends, reserve=not appends)
        if not isinstance(outcome, Exception):
            turn.settled += sum(len(settle.settlements) for settle in settles)
            turn.results += zip((append.future for append in appends), outcome, strict=True)
            turn.results += ((settle.future, None) for settle in settles if settle.future is not None)
        elif len(appends) + len(settles) > 1 and not isinstance(outcome, _Busy):
            # one rotten operation must not take the others with it
            self._write_one_by_one(appends, settles, turn)
        else:
            turn.results += ((append.future, outcome) for append in appends)
            for settle in settles:
                self._refuse(settle, outcome, turn)

    def _write_one_by_one(self, appends: list[Append], settles: list[Settle], turn: Turn) -> None:
        for settle in settles:
            if self._refused:  # settlements stay in order: this one waits behind those
                self._refuse(settle, StoreUnavailable("earlier settlements were refused"), turn)
            else:
                self._write([], [settle], turn)
        for append in appends:
            self._write([append], [], turn)

    def _refuse(self, settle: Settle, error: Exception, turn: Turn) -> None:
        """To be tried again; who waits for it is told."""
        if settle.future is not None:
            turn.results.append((settle.future, error))
            settle.future = None
        self._refused.append(settle)

    def _commit(self, appends: list[Append], settles: list[Settle]) -> list[Appended]:
        if appends:
            self._quota.check_disk()
        try:
            return self._transact(appends, settles)
        except sqlite3.IntegrityError:  # another process has taken the next numbers
            self._database.execute("ROLLBACK")
            self.writer.renumber()
            return self._transact(appends, settles)

    def _transact(self, appends: list[Append], settles: list[Settle]) -> list[Appended]:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _Busy(f"{type(error).__name__}: {error}") from error
        for settle in settles:
            self.writer.settle(settle.settlements, settle.waiting)
        appended = self.writer.append([append.submission for append in appends]) if appends else []
        try:
            database.execute("COMMIT")
        except sqlite3.Error:  # it may have taken effect all the same: then these wait where nobody would look
            self._doubtful |= {delivery.destination for one in appended for delivery in one.deliveries}
            raise
        return appended

    def _attempt(
        self, work: Callable[[], T], appends: Sequence[Append] = (), *, reserve: bool = False
    ) -> T | Exception:
        """The thread must live whatever happens: without it every request would wait for ever."""
        try:
            if not reserve:
                return work()
            with self._quota.with_reserve():
                return work()
        except Exception as error:
            if self._database.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
            if isinstance(error, (LookupError, StoreUnavailable)):
                return error
            if isinstance(error, sqlite3.Error):
                return self._quota.refusal(error, sum(append.submission.size for append in appends))
            return StoreUnavailable(f"{type(error).__name__}: {error}")
