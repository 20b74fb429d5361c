"""The SQL of drift samples. Runs in the store's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.store.base import DriftSample

KEPT = 1000
"""Samples in the store; those not seen for longest go first."""


def keep(database: sqlite3.Connection, samples: Sequence[DriftSample]) -> None:
    """Add to what is known of them, in one transaction; a sample that is there stays."""
    database.execute("BEGIN IMMEDIATE")
    database.executemany(
        "INSERT INTO drift (provider, kind, name, first_ms, last_ms, seen, sample) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (provider, kind, name) DO UPDATE SET last_ms = max(last_ms, excluded.last_ms), "
        "seen = seen + excluded.seen, sample = coalesce(sample, excluded.sample)",
        samples,
    )
    database.execute(
        "DELETE FROM drift WHERE (provider, kind, name) IN "
        "(SELECT provider, kind, name FROM drift ORDER BY last_ms DESC LIMIT -1 OFFSET ?)",
        (KEPT,),
    )
    database.execute("COMMIT")


def kept(database: sqlite3.Connection) -> list[DriftSample]:
    """All of them, last seen first."""
    rows = database.execute(
        "SELECT provider, kind, name, first_ms, last_ms, seen, sample FROM drift "
        "ORDER BY last_ms DESC, provider, kind, name"
    )
    return [DriftSample(*row) for row in rows]
