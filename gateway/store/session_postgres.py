"""A session on a PostgreSQL database: one connection of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.store import postgres_control, postgres_ledger, postgres_prune
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.ledger import Account, Cutoffs, Pruned
from gateway.store.postgres_link import CONNECT_S, driver
from gateway.store.postgres_notices import NOTIFY
from gateway.store.postgres_schema import place_of, schema_version
from gateway.store.session import Row, check_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")


class PostgresSession:
    """Implements gateway.store.session.Session."""

    sharded = True
    next_event = "DEFAULT"
    parked = postgres_control.PARKED
    held = "FOR KEY SHARE"

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection
        self._errors = _errors()

    @classmethod
    async def open(cls, url: str, *, write: bool) -> PostgresSession:
        """Raises StoreError where there is no store of this program's version."""
        version, place = await schema_version(url), place_of(url)
        if not version:
            raise StoreError(f"there is no store at {place} yet: it comes with the first `wa-gateway run`")
        check_version("postgres", version, place)
        settings = {"application_name": "wa-gateway operator"}
        if not write:
            settings["default_transaction_read_only"] = "on"
        try:
            return cls(await driver().connect(url, timeout=CONNECT_S * 3, server_settings=settings))
        except _errors() as error:
            raise StoreError(f"cannot use {place}: {type(error).__name__}") from error

    async def fetch(self, sql: str, **parameters: Any) -> list[Row]:
        statement = _translated(sql)
        with self._translating_errors():
            rows: list[Row] = await self._connection.fetch(statement.sql, *statement.values(parameters))
            return rows

    async def execute(self, sql: str, **parameters: Any) -> int:
        statement = _translated(sql)
        with self._translating_errors():
            status = await self._connection.execute(statement.sql, *statement.values(parameters))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        statement = _translated(sql)
        with self._translating_errors():
            await self._connection.executemany(statement.sql, [statement.values(row) for row in rows])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self._translating_errors():
            async with self._connection.transaction():
                yield
        with suppress(*self._errors):  # not every database has notices; who hears none finds out by itself
            await self._connection.execute(NOTIFY, ["changed", "queued"])

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        with self._translating_errors():
            async with self._connection.transaction(isolation="repeatable_read", readonly=True):
                yield

    async def accounts(self) -> list[Account]:
        with self._translating_errors():
            return await postgres_ledger.accounts(self._connection)

    async def prune(self, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
        with self._translating_errors():
            return await postgres_prune.prune(self._connection, cutoffs, after, limit)

    async def expire(self, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
        with self._translating_errors():
            return await postgres_prune.expire(self._connection, destination, before_ms, now_ms, limit)

    async def close(self) -> None:
        self._connection.terminate()

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


def _errors() -> tuple[type[Exception], ...]:
    """The database's, and those of the way to it."""
    asyncpg = driver()
    return asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError


class _Statement(NamedTuple):
    sql: str
    names: tuple[str, ...]

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        return [parameters[name] for name in self.names]


@lru_cache(maxsize=256)
def _translated(sql: str) -> _Statement:
    """:name becomes $1, the same one everywhere."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return _Statement(_PARAMETER.sub(number, sql), tuple(names))
