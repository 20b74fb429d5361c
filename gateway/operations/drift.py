"""What adapters did not know, as the store keeps it."""

from __future__ import annotations

from gateway.store.base import DriftSample
from gateway.store.session import Session


async def samples(session: Session) -> list[DriftSample]:
    """Last seen first."""
    rows = await session.fetch(
        "SELECT provider, kind, name, first_ms, last_ms, seen, sample FROM drift "
        "ORDER BY last_ms DESC, provider, kind, name"
    )
    return [DriftSample(*row) for row in rows]
