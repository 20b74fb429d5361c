"""Opening the SQLite file: lock, checks, migrations. Says plainly what is wrong, and never deletes anything."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from gateway.store.base import StoreError
from gateway.store.migrate import outstanding

APPLICATION_ID = 0x57414757  # "WAGW": marks the file as ours
CACHE_KIB = 16 * 1024


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
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    except sqlite3.Error as error:
        raise StoreError(f"cannot open {path}: {error}") from error
    try:
        _prepare(database, path, synchronous)
    except sqlite3.Error as error:
        database.close()
        raise StoreError(_explanation(path, error)) from error
    except StoreError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path, synchronous: str) -> None:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    empty = not database.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    if not empty and application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program: give `store` another path")
    todo = outstanding("sqlite", database.execute("PRAGMA user_version").fetchone()[0], path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    database.execute("PRAGMA journal_size_limit = 67108864")
    database.execute("PRAGMA temp_store = MEMORY")
    for migration in todo:
        database.executescript(
            f"BEGIN IMMEDIATE;\n{migration.sql}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {migration.number};\nCOMMIT;"
        )
    database.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('party_key', ?)", (os.urandom(32),))


def _explanation(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return (
            f"{path} is damaged or no SQLite database ({error}). Nothing was changed or deleted: move it away and "
            "restore a backup, or recover it with `sqlite3 FILE .recover`"
        )
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return f"cannot write {path} ({error}): check the permissions of the file and its directory"
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return f"cannot write {path} ({error}): is the disk full?"
    return f"cannot open {path}: {error}"
