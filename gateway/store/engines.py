"""Which engine keeps a store: chosen by its URL."""

from __future__ import annotations

from collections.abc import Callable

from gateway.config.values import StoreUrl
from gateway.store.base import Store
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore

_ENGINES: dict[str, Callable[[StoreUrl, int | None], Store]] = {
    "sqlite": lambda url, size: SqliteStore(url.path, size=size),
    "postgresql": lambda url, size: PostgresStore(url.url.get_secret_value()),
}


def store_of(url: StoreUrl, size: int | None = None) -> Store:
    """Not open yet. A file grows to `size` bytes and no further; of a database, retention alone sees to that."""
    return _ENGINES[url.kind](url, size)
