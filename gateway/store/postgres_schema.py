"""Opening a PostgreSQL database: is it one that can be used, and is its schema up to date? Says plainly what to do."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gateway.store.base import StoreError
from gateway.store.migrate import outstanding
from gateway.store.postgres_link import CONNECT_S, Connection, arguments_of, driver

T = TypeVar("T")

OLDEST = 14
MIGRATION_S = 3600.0

_META = "CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value bytea NOT NULL)"
_KEEP = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
_LOCK_VERSION = "SELECT value FROM meta WHERE name = 'version' FOR UPDATE"

_ADVICE = {
    "28": "the server refuses this user or password: check them in `store`, and the server's pg_hba.conf",
    "3D000": "there is no such database: make it with `createdb`, or correct its name in `store`",
    "42501": "this user may not create tables there: GRANT CREATE ON SCHEMA public, or make it the database's owner",
    "25006": "the server is read-only: `store` must name the primary, not a replica",
    "53300": "the server has no connection left: raise its max_connections, or give this program a pooler",
    "42P07": "there are tables of another program: give the gateway a database or a schema of its own",
}
"""What to do, by SQLSTATE, or its class."""


def place_of(url: str) -> str:
    """The URL without what is secret in it, for messages."""
    parts = urlsplit(url)
    user = parts.username or ""
    host = parts.netloc.rpartition("@")[2]
    found = re.search(r"(?:^|&)host=([^&]*)", parts.query)
    return f"postgresql://{user}{'@' if user else ''}{host or (found[1] if found else '')}{parts.path}"


async def prepare(url: str) -> bytes:
    """Run outstanding migrations; several processes may do so at once. Returns the party key. Raises StoreError."""
    return await _visit(url, _migrate)


async def schema_version(url: str) -> int:
    """The number of the last migration, 0 where there was none. Changes nothing. Raises StoreError."""
    return await _visit(url, lambda connection, place: version_of(connection))


async def connect(url: str, **settings: str) -> Connection:
    """A connection of one's own to a server that can be used, with these of its settings. Raises StoreError."""
    asyncpg = driver()
    try:
        connection: Connection = await asyncpg.connect(
            **arguments_of(url), timeout=3 * CONNECT_S, server_settings=settings
        )
    except Exception as error:
        raise StoreError(explanation(error, url)) from None
    major = connection.get_server_version().major
    if major < OLDEST:
        connection.terminate()
        raise StoreError(f"{place_of(url)} is PostgreSQL {major}: the gateway needs {OLDEST} or newer")
    return connection


async def _visit(url: str, work: Callable[[Connection, str], Awaitable[T]]) -> T:
    connection = await connect(url)
    try:
        return await work(connection, place_of(url))
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(explanation(error, url)) from None
    finally:
        connection.terminate()


async def _migrate(connection: Connection, place: str) -> bytes:
    version = await version_of(connection)
    if not version or outstanding("postgres", version, place):
        await _bring_up(connection, place)
    return bytes(await connection.fetchval("SELECT value FROM meta WHERE name = 'party_key'"))


async def version_of(connection: Connection) -> int:
    """The number of the last migration, 0 where there was none."""
    if await connection.fetchval("SELECT to_regclass('meta')::text") is None:
        return 0
    found = await connection.fetchval("SELECT value FROM meta WHERE name = 'version'")
    return int(found or 0)


async def _bring_up(connection: Connection, place: str) -> None:
    """All that is outstanding is one transaction, under a lock: who comes second finds it done."""
    with contextlib.suppress(*_made_by_another()):
        await connection.execute(_META)
    await connection.execute(_KEEP, "version", b"0")
    async with connection.transaction():
        await connection.execute(f"SET LOCAL statement_timeout = {int(MIGRATION_S * 1000)}")
        version = int(await connection.fetchval(_LOCK_VERSION))
        await connection.execute(_KEEP, "party_key", os.urandom(32))
        for migration in outstanding("postgres", version, place):
            await connection.execute(migration.sql)
            await connection.execute(
                "UPDATE meta SET value = $1 WHERE name = 'version'", str(migration.number).encode()
            )


def _made_by_another() -> tuple[type[Exception], ...]:
    """Even with IF NOT EXISTS, of two that make a table at once one is told so."""
    asyncpg: Any = driver()
    return asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError


def explanation(error: Exception, url: str) -> str:
    """What is wrong, and what to do about it; without a password."""
    told = str(error)
    for secret in _passwords(url):
        told = told.replace(secret, "***")
    code = getattr(error, "sqlstate", None) or ""
    if isinstance(error, TimeoutError):
        told = "it does not answer: is its address right, and does a firewall let us through?"
    elif isinstance(error, OSError):
        told = f"cannot connect ({told}): is the server running, and its address right?"
    for known, advice in _ADVICE.items():
        if code.startswith(known):
            told = f"{advice} ({told})"
    return f"cannot use {place_of(url)}: {told}"


def _passwords(url: str) -> list[str]:
    """As they may stand in an error: some of asyncpg's repeat the URL."""
    parts = urlsplit(url)
    written = [parts.password or "", *parse_qs(parts.query).get("password", [])]
    return [text for password in written if password for text in (password, unquote(password), quote(password))]
