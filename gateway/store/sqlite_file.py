"""Opening the SQLite file: lock, checks, migrations. Says plainly what is wrong, and never deletes anything."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.migrate import outstanding

APPLICATION_ID = 0x57414757  # "WAGW": marks the file as ours
CACHE_KIB = 16 * 1024
BUSY_S = 10.0
"""How long a commit waits for one of the operator's commands, which take milliseconds."""


FILE_PAGE_BYTES = 8192
"""Of new files. Events of a kilobyte or two leave less of a page empty than in the 4096 bytes that are usual, and
a busy gateway spends a tenth less on each; a quiet one writes a little more for a commit."""
RESERVE = 1 / 16
DISK_RESERVE = 32 * 1024**2
"""Of the disk: room for the write-ahead log, several times over, since even deleting is written there first."""
ROOM = 16
"""Pages without which nothing more is taken to fit."""


class Quota:
    """What of the disk is for what comes in; `size` is how many bytes the file may have, None for no limit.

    What is settled and pruned may go beyond it by a sixteenth, and use up the disk, which what comes in may not:
    without that a full store would stay full for ever.
    """

    def __init__(self, database: sqlite3.Connection, path: Path, size: int | None) -> None:
        self._database = database
        self._path = path
        self._size = size
        self._page_bytes = self._number("page_size")
        self._pages = None if size is None else max(1, size // self._page_bytes)
        if self._pages is not None:
            self._limit(self._pages)

    def check(self) -> None:
        """Raises StoreUnavailable where nothing more may come in."""
        self.check_size()
        self.check_disk()

    def check_size(self, incoming: int = 0) -> None:
        """Raises StoreUnavailable where the file has no room for so many bytes, with as much again for indexes."""
        room = self._number("freelist_count") + self._number("max_page_count") - self._number("page_count")
        if self._size is not None and room < ROOM + 2 * incoming // self._page_bytes:
            raise StoreUnavailable(
                f"{self._path} has reached retention.size ({self._size / 1024**2:g} MiB): where what is done with "
                "makes too little room, see `wa-gateway destinations list` for what is pending or parked, or raise "
                "retention.size"
            )

    def check_disk(self) -> None:
        """Raises StoreUnavailable where little more than the reserve is left. What is free in the file counts."""
        disk = os.statvfs(self._path.parent)
        left = disk.f_bavail * disk.f_frsize
        if left >= DISK_RESERVE or not disk.f_blocks:  # some file systems do not tell
            return
        if left + self._number("freelist_count") * self._page_bytes < DISK_RESERVE:
            raise StoreUnavailable(
                f"the disk of {self._path} has {left / 1024**2:.1f} MiB left, and the last "
                f"{DISK_RESERVE // 1024**2} MiB are for delivering and pruning: make room there, or `wa-gateway prune`"
            )

    def refusal(self, error: sqlite3.Error, incoming: int) -> StoreUnavailable:
        """What to say where so many bytes could not be written."""
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            try:
                self.check_size(incoming)
            except StoreUnavailable as reached:
                return reached
            except sqlite3.Error:  # it cannot even tell its size
                pass
        return StoreUnavailable(explanation(self._path, error))

    @contextmanager
    def with_reserve(self) -> Iterator[None]:
        if self._pages is None:
            yield
            return
        self._limit(int(self._pages * (1 + RESERVE)) + 1)
        try:
            yield
        finally:
            self._limit(self._pages)

    def _number(self, pragma: str) -> int:
        return int(self._database.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _limit(self, pages: int) -> None:
        """Or the present size, where that is more."""
        self._database.execute(f"PRAGMA max_page_count = {pages}").fetchone()


class LockedFile:
    """One gateway per file: two would each deliver everything. The lock goes with the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def lock(self) -> None:
        lock_path = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot write {lock_path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StoreError(
                f"another wa-gateway uses {self.path}: stop it, or give this one a `store` of its own"
            ) from None
        self._descriptor = descriptor

    def unlock(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def open_database(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection with the schema up to date. Raises StoreError."""
    _create(path)
    try:
        database = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise StoreError(f"cannot open {path}: {error}") from error
    try:
        _prepare(database, path, synchronous)
    except sqlite3.Error as error:
        database.close()
        raise StoreError(explanation(path, error)) from error
    except StoreError:
        database.close()
        raise
    return database


def _create(path: Path) -> None:
    """What people wrote is nobody else's, whatever the umask. SQLite gives the files beside it the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def schema_version(path: Path) -> int:
    """The number of the last migration, 0 where there was none. Changes nothing. Raises StoreError."""
    if not path.exists():
        return 0
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        try:
            return _version(database, path)
        finally:
            database.close()
    except sqlite3.Error as error:
        raise StoreError(explanation(path, error)) from error


def _version(database: sqlite3.Connection, path: Path) -> int:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    empty = not database.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    if not empty and application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program: give `store` another path")
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _prepare(database: sqlite3.Connection, path: Path, synchronous: str) -> None:
    todo = outstanding("sqlite", _version(database, path), path)
    if not database.execute("PRAGMA page_count").fetchone()[0]:  # the second writes, though there it has no effect
        database.execute(f"PRAGMA page_size = {FILE_PAGE_BYTES}")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    database.execute("PRAGMA journal_size_limit = 67108864")
    for migration in todo:
        database.executescript(
            f"BEGIN IMMEDIATE;\n{migration.sql}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {migration.number};\nCOMMIT;"
        )
    database.execute("PRAGMA temp_store = MEMORY")  # not before: a migration may sort millions of rows
    database.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('party_key', ?)", (os.urandom(32),))


def explanation(path: Path, error: sqlite3.Error) -> str:
    """What is wrong with the file, and what to do."""
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return (
            f"{path} is damaged or no SQLite database ({error}). Nothing of it is deleted: move it away "
            "and restore a backup, or recover it with `sqlite3 FILE .recover`"
        )
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return f"cannot write {path} ({error}): check the permissions of the file and its directory"
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"cannot write {path} ({error}): is the disk full? Even deleting needs some MiB there first"
    return f"cannot use {path}: {error}"
