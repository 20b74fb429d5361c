"""Counting deliveries on a connection of its own: with millions of them it takes a while, and commits must not wait."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from gateway.store.base import Count, State, StoreUnavailable

_INDEXES = {
    "deliveries_queued": "state = 0",
    "deliveries_due": "state IN (1, 3)",
    "deliveries_waiting": "state = 2",
    "deliveries_dead": "state = 5",
}
"""The partial indexes hold what is counted, and nothing else."""

_COUNT = """
SELECT t.tenant, t.name, c.state, c.n,
       (SELECT r.received_ms FROM events e JOIN receipts r ON r.seq = e.receipt WHERE e.seq = c.oldest)
FROM (SELECT destination, state, count(*) AS n, min(event) AS oldest FROM deliveries INDEXED BY {index}
      WHERE {states} GROUP BY destination, state) c
JOIN destinations t ON t.id = c.destination
"""


def count_deliveries(path: Path) -> list[Count]:
    """Pending and dead deliveries by destination and state. Raises StoreUnavailable."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            return [
                Count(tenant, name, State(state), number, oldest)
                for index, states in _INDEXES.items()
                for tenant, name, state, number, oldest in database.execute(_COUNT.format(index=index, states=states))
            ]
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
