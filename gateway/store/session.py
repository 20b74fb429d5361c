"""What operators' verbs ask of a store: a connection of their own, beside the gateway's.

Queries are written once, in SQL that both engines take, with :name for each parameter. It works whether or not a
gateway runs on the store; one that runs notices what is committed here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from gateway.config.values import StoreUrl
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.ledger import Account, Cutoffs, Pruned
from gateway.store.migrate import outstanding

Row = Sequence[Any]


class StoreAway(StoreUnavailable):
    """The store cannot be reached: a session that is opened later may do."""


class Session(Protocol):
    """One connection. Every operation raises StoreUnavailable where it cannot be carried out."""

    sharded: bool
    """Whether deliveries have their shard stored: where processes share them."""
    next_event: str
    """SQL of the sequence number of an event that is inserted."""
    gone: str
    """SQL of whether a destination is gone from the configuration, as the processes have it and not as a file says;
    `b` is the destination's own row."""
    parked: str
    """SQL of whether what is pending there is parked: it is gone, paused or disabled."""
    held: str
    """SQL behind a SELECT of events in a transaction: nobody deletes them before the commit."""

    async def fetch(self, sql: str, **parameters: Any) -> list[Row]: ...

    async def execute(self, sql: str, **parameters: Any) -> int:
        """How many rows were changed."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """The same statement for each row of parameters."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """One commit, which gateways notice. Keep it short: others wait for it."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """One view of the store for all reads within. Nobody waits for it."""
        ...

    async def accounts(self) -> list[Account]:
        """As the store's own, within a snapshot. Every delivery that is retained is counted."""
        ...

    async def prune(self, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
        """As the store's own."""
        ...

    async def expire(self, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
        """As the store's own."""
        ...

    async def close(self) -> None: ...


@asynccontextmanager
async def open_session(store: StoreUrl, *, write: bool = False) -> AsyncIterator[Session]:
    """A session of a store whose schema is this program's. Nothing is created, and without `write` nothing changed.

    Raises StoreError, or StoreAway.
    """
    session = await _connect(store, write)
    try:
        yield session
    finally:
        await session.close()


async def _connect(store: StoreUrl, write: bool) -> Session:
    if store.kind == "sqlite":
        from gateway.store.session_sqlite import SqliteSession  # noqa: PLC0415 - a session needs one engine

        return await SqliteSession.open(store.path, write=write)
    from gateway.store.session_postgres import PostgresSession  # noqa: PLC0415

    return await PostgresSession.open(store.url.get_secret_value(), write=write)


def check_version(engine: str, version: int, store: object) -> None:
    """Refuse a store of another schema. Raises StoreError."""
    if lacking := outstanding(engine, version, store):
        raise StoreError(
            f"{store} is at schema version {version}, and this program works with {lacking[-1].number}: "
            "run `wa-gateway migrate`, or start the gateway, which does it as well"
        )
