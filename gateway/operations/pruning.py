"""Retention by hand: what is older than it has to be kept, and what is parked and not wanted any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from gateway.operations.runs import CHUNK, NotPossible
from gateway.operations.selection import Key, in_states
from gateway.store.base import PENDING
from gateway.store.ledger import Cutoffs, Pruned
from gateway.store.session import Session

STEP = 50
"""Receipts that a step looks at. What is deleted goes through a file's log first, for which room may be scarce."""

_OVER = f"""
SELECT count(*), coalesce(sum(length(r.body)), 0) FROM receipts r WHERE r.received_ms < :before_ms AND NOT EXISTS (
    SELECT 1 FROM events e JOIN deliveries d ON d.event = e.seq WHERE e.receipt = r.seq AND {in_states(PENDING)})
"""  # noqa: S608
_WAITING = f"""
SELECT count(*) FROM deliveries d JOIN events e ON e.seq = d.event JOIN receipts r ON r.seq = e.receipt
WHERE d.destination = :destination AND {in_states(PENDING)} AND r.received_ms < :before_ms
"""  # noqa: S608


class Expected(NamedTuple):
    """Receipts that a round would take now, and the bytes of their bodies."""

    receipts: int
    body_bytes: int


async def expected(session: Session, cutoffs: Cutoffs) -> Expected:
    [row] = await session.fetch(_OVER, before_ms=cutoffs.receipts_before_ms)
    return Expected(int(row[0]), int(row[1]))


async def prune(session: Session, cutoffs: Cutoffs) -> AsyncIterator[Pruned]:
    """One round, step by step."""
    after, more = 0, True
    while more:
        pruned, after = await session.prune(cutoffs, after, STEP)
        yield pruned
        more = pruned.more


async def parked(session: Session, key: Key, before_ms: int) -> int:
    """How many deliveries `expire_parked` would expire. Raises NotPossible."""
    [row] = await session.fetch(_WAITING, destination=await _parked_destination(session, key), before_ms=before_ms)
    return int(row[0])


async def expire_parked(session: Session, key: Key, before_ms: int, now_ms: int) -> AsyncIterator[int]:
    """Expire what is parked at a destination and was received before then, chunk by chunk. Raises NotPossible."""
    destination = await _parked_destination(session, key)
    expired = CHUNK
    while expired == CHUNK:
        expired = await session.expire(destination, before_ms, now_ms, CHUNK)
        yield expired


async def _parked_destination(session: Session, key: Key) -> int:
    tenant, name = key
    rows = await session.fetch(
        "SELECT b.id FROM destinations b "  # noqa: S608
        f"WHERE b.tenant = :tenant AND b.name = :name AND b.run = 0 AND {session.parked}",
        tenant=tenant, name=name,
    )  # fmt: skip
    if not rows:
        raise NotPossible(f"nothing is parked at {tenant}/{name}: pause or disable it first")
    return int(rows[0][0])
