"""A session on a PostgreSQL database: one connection of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gateway.store import postgres_control, postgres_ledger, postgres_prune
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.ledger import Account, Cutoffs, Pruned
from gateway.store.postgres_link import PLANS_KEPT, arguments_of, driver
from gateway.store.postgres_notices import NOTIFY
from gateway.store.postgres_schema import Unreachable, connect, explanation, is_away, place_of, version_of
from gateway.store.session import Row, StoreAway, check_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

T = TypeVar("T")

_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")


class PostgresSession:
    """Implements gateway.store.session.Session."""

    sharded = True
    next_event = "DEFAULT"
    gone, parked = postgres_control.GONE, postgres_control.PARKED
    held = "FOR KEY SHARE"

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], url: str, *, write: bool) -> None:
        self._connection = connection
        self._url = url
        self._write = write
        self._pooled = arguments_of(url).get(PLANS_KEPT) == 0
        self._errors = _errors()

    @classmethod
    async def open(cls, url: str, *, write: bool) -> PostgresSession:
        """Raises StoreError where there is no store of this program's version, StoreAway where it is out of reach."""
        try:
            connection: Any = await connect(url, application_name="wa-gateway operator")
        except Unreachable as error:
            raise StoreAway(str(error)) from None
        session = cls(connection, url, write=write)
        try:
            await session._begin()
        except BaseException:
            connection.terminate()
            raise
        return session

    async def _begin(self) -> None:
        version, place = await self._carry_out(version_of), place_of(self._url)
        if not version:
            raise StoreError(f"there is no store at {place} yet: it comes with the first `wa-gateway run`")
        check_version("postgres", version, place)
        if not self._write and not self._pooled:
            await self.execute("SET default_transaction_read_only = on")

    async def _carry_out(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """In a transaction where a pooler gives each one another session."""
        with self._translating_errors():
            if not self._pooled or self._connection.is_in_transaction():
                return await work(self._connection)
            async with self._connection.transaction(readonly=not self._write):
                return await work(self._connection)

    async def fetch(self, sql: str, **parameters: Any) -> list[Row]:
        statement = _translated(sql)
        values = statement.values(parameters)
        return await self._carry_out(lambda connection: connection.fetch(statement.sql, *values))

    async def execute(self, sql: str, **parameters: Any) -> int:
        statement = _translated(sql)
        values = statement.values(parameters)
        status: str = await self._carry_out(lambda connection: connection.execute(statement.sql, *values))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        statement = _translated(sql)
        values = [statement.values(row) for row in rows]
        await self._carry_out(lambda connection: connection.executemany(statement.sql, values))

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
        return await self._carry_out(postgres_ledger.accounts)

    async def prune(self, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
        return await self._carry_out(lambda connection: postgres_prune.prune(connection, cutoffs, after, limit))

    async def expire(self, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
        return await self._carry_out(
            lambda connection: postgres_prune.expire(connection, destination, before_ms, now_ms, limit)
        )

    async def close(self) -> None:
        self._connection.terminate()

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            away = self._connection.is_closed() or is_away(error)
            raise (StoreAway if away else StoreUnavailable)(explanation(error, self._url)) from error


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
