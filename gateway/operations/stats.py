"""The ledger: what was matched is delivered, pending, parked, dead, suppressed or expired; nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store.ledger import Account
from gateway.store.session import Session


async def ledger(session: Session) -> list[Account]:
    """Of each destination, runs included, from one view of the store. Counts every row that is retained."""
    async with session.snapshot():
        return await session.accounts()


def total(accounts: Sequence[Account]) -> Account:
    """Their sums, under no name."""
    sums = [sum(values) for values in zip(*(account[2:] for account in accounts), strict=True)] or [0] * 7
    return Account("", "", *sums)
