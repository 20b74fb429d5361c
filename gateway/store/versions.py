"""Which migrations a store lacks, without changing it."""

from __future__ import annotations

import asyncio

from gateway.config.values import StoreUrl
from gateway.store.migrate import Migration, outstanding
from gateway.store.postgres_schema import schema_version as version_of_postgres
from gateway.store.sqlite_file import schema_version as version_of_sqlite


async def outstanding_of(url: StoreUrl) -> list[Migration]:
    """In order. Raises StoreError for a store that cannot be read, or that a newer program wrote."""
    if url.kind == "sqlite":
        return outstanding("sqlite", await asyncio.to_thread(version_of_sqlite, url.path), url)
    return outstanding("postgres", await version_of_postgres(url.url.get_secret_value()), url)
