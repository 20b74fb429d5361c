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
    "42501": "this user may not use the gateway's tables: name their owner in `store`, or GRANT SELECT, INSERT, "
    "UPDATE, DELETE ON ALL TABLES and USAGE ON ALL SEQUENCES IN SCHEMA public",
    "25006": "the server is read-only: `store` must name the primary, not a replica, and there "
    "default_transaction_read_only must be off",
    "53300": "the server has no connection left: raise its max_connections, or give this program a pooler",
    "42P07": "there are tables of another program: give the gateway a database or a schema of its own",
}
"""What to do, by SQLSTATE, or its class."""
_MAKING = "this user may not create tables there: GRANT CREATE ON SCHEMA public, or make it the database's owner"
_CHANGING = "only their owner may change the gateway's tables: run `wa-gateway migrate` as that user"
_AWAY = ("08", "53300", "57P01", "57P02", "57P03", "57P05")
"""SQLSTATEs of a server that goes, comes, or has no connection left; all others stay until somebody does something."""
SHORT = 4
"""Letters of a password that words may have in them by chance."""


class Unreachable(StoreError):
    """The server is out of reach. Trying again later may do."""


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
        raise _refusal(error, url) from None
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
        raise _refusal(error, url) from None
    finally:
        connection.terminate()


async def _migrate(connection: Connection, place: str) -> bytes:
    version = await version_of(connection)
    if not version or outstanding("postgres", version, place):
        await _bring_up(connection, place)
    return bytes(await connection.fetchval("SELECT value FROM meta WHERE name = 'party_key'"))


async def version_of(connection: Connection) -> int:
    """The number of the last migration, 0 where there was none."""
    if not await _has_tables(connection):
        return 0
    found = await connection.fetchval("SELECT value FROM meta WHERE name = 'version'")
    return int(found or 0)


async def _has_tables(connection: Connection) -> bool:
    return await connection.fetchval("SELECT to_regclass('meta')::text") is not None


async def _bring_up(connection: Connection, place: str) -> None:
    """All that is outstanding is one transaction, under a lock: who comes second finds it done."""
    try:
        await _run_outstanding(connection, place)
    except driver().InsufficientPrivilegeError as error:
        advice = _CHANGING if await _has_tables(connection) else _MAKING
        raise StoreError(f"cannot use {place}: {advice} ({error})") from None


async def _run_outstanding(connection: Connection, place: str) -> None:
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


def is_away(error: Exception) -> bool:
    """Whether the server is out of reach, and may be back later."""
    return isinstance(error, OSError | TimeoutError) or _code(error).startswith(_AWAY)


def _refusal(error: Exception, url: str) -> StoreError:
    return (Unreachable if is_away(error) else StoreError)(explanation(error, url))


def _code(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or ""


def explanation(error: Exception, url: str) -> str:
    """What is wrong, and what to do about it; without a password."""
    told = _masked(str(error), url)
    code = _code(error)
    if isinstance(error, TimeoutError):
        told = "it does not answer: is its address right, and does a firewall let us through?"
    elif isinstance(error, OSError):
        told = f"cannot connect ({told}): is the server running, and its address right?"
    for known, advice in _ADVICE.items():
        if code.startswith(known):
            told = f"{advice} ({told})"
    return f"cannot use {place_of(url)}: {told}"


def _masked(told: str, url: str) -> str:
    """Short passwords are looked for as words of their own: those are letters of others."""
    for secret in _passwords(url):
        edges = (r"(?<!\w)", r"(?!\w)") if len(secret) < SHORT else ("", "")
        told = re.sub(re.escape(secret).join(edges), "***", told)
    return told


def _passwords(url: str) -> list[str]:
    """As they may stand in an error: some of asyncpg's repeat the URL."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    written = [parts.password or "", *options.get("password", []), *options.get("sslpassword", [])]
    return [text for password in written if password for text in (password, unquote(password), quote(password))]
