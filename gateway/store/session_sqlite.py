"""A session on a SQLite file: a connection of its own, in a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from gateway.store import sqlite_control, sqlite_ledger, sqlite_prune
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.ledger import Account, Cutoffs, Pruned
from gateway.store.session import Row, check_version
from gateway.store.sqlite_file import APPLICATION_ID, explanation

T = TypeVar("T")

BUSY_S = 10.0
"""How long a commit waits for that of a gateway, which takes milliseconds."""
LOG_PAGES = 128
"""Pages of the write-ahead log after which they are carried over, so that it stays at a MiB or two: what makes room has
to work where there is little."""
PAUSE_S = 0.02
"""Between commits, and no less than the last one took: a gateway that waits for its turn looks up only now and then."""


class SqliteSession:
    """Implements gateway.store.session.Session."""

    sharded = False
    gone, parked = sqlite_control.GONE, sqlite_control.PARKED
    held = ""  # who is in a transaction is alone
    next_event = (
        "(SELECT 1 + max(coalesce((SELECT max(seq) FROM events), 0), "
        "coalesce((SELECT value FROM meta WHERE name = 'last_events'), 0)))"
    )

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database
        self._thread = ThreadPoolExecutor(1, "session")
        self._next = 0.0

    @classmethod
    async def open(cls, path: Path, *, write: bool) -> SqliteSession:
        """Raises StoreError where there is no store of this program's version."""
        return cls(path, await asyncio.to_thread(_open, path, write))

    async def fetch(self, sql: str, **parameters: Any) -> list[Row]:
        return await self._run(lambda: self._database.execute(sql, parameters).fetchall())

    async def execute(self, sql: str, **parameters: Any) -> int:
        return await self._run(lambda: self._database.execute(sql, parameters).rowcount)

    async def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        await self._run(lambda: self._database.executemany(sql, rows))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await asyncio.sleep(self._next - time.monotonic())
        began = time.monotonic()
        try:
            async with self._between("BEGIN IMMEDIATE"):
                yield
        finally:
            ended = time.monotonic()
            self._next = ended + max(PAUSE_S, ended - began)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        async with self._between("BEGIN"):
            yield

    async def accounts(self) -> list[Account]:
        return await self._run(lambda: sqlite_ledger.accounts(self._database))

    async def prune(self, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
        return await self._step(lambda: sqlite_prune.prune(self._database, cutoffs, after, limit))

    async def expire(self, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
        return await self._step(lambda: sqlite_prune.expire(self._database, destination, before_ms, now_ms, limit))

    async def close(self) -> None:
        await self._run(self._database.close)
        self._thread.shutdown()

    @asynccontextmanager
    async def _between(self, begin: str) -> AsyncIterator[None]:
        await self.execute(begin)
        try:
            yield
            await self.execute("COMMIT")
        except BaseException:
            await self._run(self._database.rollback)
            raise

    async def _step(self, step: Callable[[], T]) -> T:
        """What begins and commits by itself, and leaves it to others to roll back."""
        try:
            return await self._run(step)
        except BaseException:
            await self._run(self._database.rollback)
            raise

    async def _run(self, work: Callable[[], T]) -> T:
        """One thing after another: what follows a cancelled one waits until that has ended."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except asyncio.CancelledError:
            self._database.interrupt()
            raise
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{explanation(self._path, error)}{_advice(error)}") from error


def _open(path: Path, write: bool) -> sqlite3.Connection:
    if not path.exists():
        raise StoreError(f"there is no store at {path} yet: it comes with the first `wa-gateway run`")
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'rw' if write else 'ro'}", uri=True, timeout=BUSY_S,
            isolation_level=None, check_same_thread=False,
        )  # fmt: skip
        try:
            _check(database, path)
            database.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise StoreError(f"{explanation(path, error)}{_advice(error)}") from error
    return database


def _advice(error: sqlite3.Error) -> str:
    """Even readers write beside the file: who reads, and how far."""
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return ". Run this as the user of the gateway, who may write in that directory"
    return ""


def _check(database: sqlite3.Connection, path: Path) -> None:
    if database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(f"{path} is no store of wa-gateway")
    check_version("sqlite", database.execute("PRAGMA user_version").fetchone()[0], path)
