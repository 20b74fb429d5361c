"""Connections to PostgreSQL: opened when they are needed, opened again when they broke, and errors by what to do.

Whatever goes wrong with a connection closes it: what its session was doing is then rolled back by the server, and the
next user gets a fresh one. While the server is away, attempts to reach it are spaced, however many ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gateway.store.base import StoreError, StoreUnavailable

T = TypeVar("T")

Row = Sequence[Any]


class Connection(Protocol):
    """What is used of asyncpg's connections; the library itself has no types that can be checked."""

    async def fetch(self, query: str, *arguments: Any) -> list[Any]: ...

    async def fetchrow(self, query: str, *arguments: Any) -> Any: ...

    async def fetchval(self, query: str, *arguments: Any) -> Any: ...

    async def execute(self, query: str, *arguments: Any) -> str: ...

    async def executemany(self, command: str, args: Iterable[Row]) -> None: ...

    def transaction(self, *, isolation: str = ..., readonly: bool = ...) -> AbstractAsyncContextManager[Any]: ...

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...

    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...

    def get_server_version(self) -> Any: ...

    def is_closed(self) -> bool: ...

    async def close(self, *, timeout: float) -> None: ...  # noqa: ASYNC109 - theirs

    def terminate(self) -> None: ...


CONNECT_S = 3.0
STATEMENT_S = 5.0
"""How long a statement may take, unless it says otherwise; waiting for a connection included."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 1.0
"""Between attempts to connect, while they fail."""
BACK_S = 1.0
"""Without a failure the database counts as back: one that takes some connections and refuses others is not."""
END_AGAIN_S = 0.5
PLANS_KEPT = "statement_cache_size"
REPEATS = 5
"""So often a transaction is tried that lost against another one."""

SETTINGS = {
    "synchronous_commit": "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
    "ELSE current_setting('synchronous_commit') END",
    "statement_timeout": "'10s'",
    # A process that is stopped in the middle of a transaction must not keep its locks
    "idle_in_transaction_session_timeout": "'5s'",
    # Plans are kept, and a queue is empty in one moment and full in the next: only indexes are right at both
    "enable_seqscan": "'off'",
    "jit": "'off'",
}
"""Of each session, as SQL."""
BY_INDEX = {"enable_hashjoin": "'off'", "enable_mergejoin": "'off'"}
"""For what looks up a few rows of large tables."""
BY_HASH = {"enable_nestloop": "'off'"}
"""For what joins the rows of a statement with one another."""
ONE_PLAN = {"plan_cache_mode": "'force_generic_plan'"}
"""For statements that are planned alike whatever they are given; PostgreSQL would make a new plan each time, since it
takes the lengths of arrays for what matters."""


def driver() -> Any:
    """The module asyncpg. Raises StoreError where it is not installed."""
    try:
        import asyncpg  # noqa: PLC0415 - an extra
    except ImportError:
        raise StoreError("PostgreSQL needs the asyncpg package: pip install 'wa-gateway[postgres]'") from None
    return asyncpg


def arguments_of(url: str) -> dict[str, Any]:
    """For asyncpg.connect, which would take `statement_cache_size` in a URL for a setting of the server."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    arguments: dict[str, Any] = {name: int(value) for name, value in options if name == PLANS_KEPT}
    rest = urlencode([option for option in options if option[0] != PLANS_KEPT])
    return {"dsn": urlunsplit(parts._replace(query=rest)), **arguments}


async def end(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel them until they are over: some libraries swallow a cancellation that comes at the wrong moment."""
    left = {task for task in tasks if task is not None}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=END_AGAIN_S)


class Links:
    """Makes connections to one database. `reached` is told when it cannot be reached any more, and why; with None, when
    it can be again."""

    def __init__(self, url: str, reached: Callable[[str | None], None] = lambda error: None) -> None:
        self._asyncpg = driver()
        self._reached = reached
        self._away = False
        self._failed_s = 0.0
        self._arguments = arguments_of(url)
        self.pooled = self._arguments.get(PLANS_KEPT) == 0
        """A pooler may give each transaction another session: nothing may be expected of one after the other."""
        self._pause_s = 0.0
        self._not_before = 0.0
        self._error = ""

    async def connect(self, settings: Mapping[str, str]) -> Connection:
        """Raises what asyncpg raises, or StoreUnavailable soon after that failed."""
        if time.monotonic() < self._not_before:
            raise StoreUnavailable(self._error)
        try:
            connection = await self._asyncpg.connect(**self._arguments, timeout=CONNECT_S)
        except (OSError, TimeoutError, self._asyncpg.PostgresError, self._asyncpg.InterfaceError) as error:
            self._pause_s = min(LAST_PAUSE_S, self._pause_s * 2 or FIRST_PAUSE_S)
            self._not_before = time.monotonic() + self._pause_s
            self._error = f"{type(error).__name__}: {error}"
            raise
        self._pause_s = self._not_before = 0.0
        try:
            await self._configure(connection, settings)
        except BaseException:
            connection.terminate()
            raise
        return connection  # type: ignore[no-any-return]

    async def _configure(self, connection: Connection, settings: Mapping[str, str]) -> None:
        """Settings are kept only where the session is ours alone, and help only where statements are kept."""
        if self.pooled:
            return
        for name, value in {**SETTINGS, **settings}.items():
            with contextlib.suppress(self._asyncpg.PostgresError):  # compatible databases lack some
                await connection.execute(f"SELECT set_config('{name}', {value}, false)")

    def note(self, error: BaseException | None) -> None:
        """How a statement ended: what it says of the database. It is back once none has failed for a while."""
        if error is not None:
            self._failed_s = time.monotonic()
            if not self._away:
                self._away = True
                self._reached(f"{type(error).__name__}: {error}")
        elif self._away and time.monotonic() - self._failed_s >= BACK_S:
            self._away = False
            self._reached(None)

    def is_lost(self, error: BaseException) -> bool:
        """Whether it says that the server or the connection is gone, or not the one to write to."""
        exceptions = self._asyncpg.exceptions
        return isinstance(
            error,
            StoreUnavailable
            | OSError
            | TimeoutError
            | exceptions.PostgresConnectionError
            | exceptions.OperatorInterventionError
            | exceptions.ReadOnlySQLTransactionError
            | exceptions.InsufficientResourcesError,
        )

    def is_conflict(self, error: BaseException) -> bool:
        """Whether trying again may do: another transaction was in the way."""
        exceptions = self._asyncpg.exceptions
        return isinstance(error, exceptions.TransactionRollbackError | exceptions.LockNotAvailableError)

    def knows(self, error: BaseException) -> bool:
        """Whether it is the database's, or the way to it."""
        exceptions = self._asyncpg.exceptions
        known = exceptions.PostgresError | exceptions.InterfaceError | exceptions.InternalClientError
        return isinstance(error, known | OSError | TimeoutError)


class Link:
    """One connection, used by one at a time."""

    def __init__(self, links: Links, settings: Mapping[str, str] = BY_INDEX) -> None:
        self._links = links
        self._settings = settings
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self.lost = False

    async def run(self, work: Callable[[Connection], Awaitable[T]], limit_s: float = STATEMENT_S) -> T:
        """Carry out; again where another transaction was in the way. Raises StoreUnavailable; `lost` then tells
        whether the server was out of reach."""
        try:
            async with asyncio.timeout(limit_s), self._lock:
                return await self._repeated(work)
        except TimeoutError as error:
            self.lost = True
            refusal = StoreUnavailable(f"PostgreSQL did not answer within {limit_s:g} s")
            self._links.note(refusal)
            raise refusal from error

    async def _repeated(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        for left in reversed(range(REPEATS)):
            try:
                done = await self._once(work)
                self._links.note(None)
                return done
            except Exception as error:
                self.lost = self._links.is_lost(error)
                if self.lost:
                    self._links.note(error)
                if left and self._links.is_conflict(error):
                    continue
                if self._links.knows(error):
                    raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
                raise
        raise AssertionError

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        if self._connection is None or self._connection.is_closed():
            self._connection = None
            self._connection = await self._links.connect(self._settings)
        try:
            if not self._links.pooled:
                return await work(self._connection)
            async with self._connection.transaction():
                return await work(self._connection)
        except BaseException as error:
            if not self._links.knows(error) or self._links.is_lost(error):
                self.drop()
            raise

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=1.0)
            except Exception:  # it is going either way
                connection.terminate()


class Pool:
    """A few links, for what may run beside one another."""

    def __init__(self, links: Links, size: int, settings: Mapping[str, str] = BY_INDEX) -> None:
        self._all = [Link(links, settings) for _ in range(size)]
        self._free = asyncio.LifoQueue[Link]()
        for link in self._all:
            self._free.put_nowait(link)

    async def run(self, work: Callable[[Connection], Awaitable[T]], limit_s: float = STATEMENT_S) -> T:
        async with self._taken(limit_s) as link:
            return await link.run(work, limit_s)

    @contextlib.asynccontextmanager
    async def _taken(self, limit_s: float) -> AsyncIterator[Link]:
        try:
            async with asyncio.timeout(limit_s):
                link = await self._free.get()
        except TimeoutError as error:
            raise StoreUnavailable(f"PostgreSQL kept all connections busy for {limit_s:g} s") from error
        try:
            yield link
        finally:
            self._free.put_nowait(link)

    async def close(self) -> None:
        for link in self._all:
            await link.close()
