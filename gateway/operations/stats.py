"""The ledger: what was matched is delivered, pending, parked, dead, suppressed or expired; nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.operations.selection import PARKED, Key
from gateway.store.base import PENDING, Account, State
from gateway.store.session import Session

_TALLIED = """
SELECT n.tenant, n.name, sum(t.matched), sum(t.delivered), sum(t.dead), sum(t.suppressed), sum(t.expired)
FROM tallies t JOIN destinations n ON n.id = t.destination GROUP BY n.tenant, n.name
"""
_RETAINED = """
SELECT n.tenant, n.name, c.state, sum(c.deliveries)
FROM (SELECT destination, state, count(*) AS deliveries FROM deliveries GROUP BY destination, state) c
JOIN destinations n ON n.id = c.destination GROUP BY n.tenant, n.name, c.state
"""
_PARKED = f"SELECT b.tenant, b.name FROM destinations b WHERE b.run = 0 AND {PARKED}"  # noqa: S608


async def ledger(session: Session) -> list[Account]:
    """Of each destination, runs included, from one view of the store. Counts every row that is retained."""
    async with session.snapshot():
        tallied = {(tenant, name): tuple(map(int, sums)) for tenant, name, *sums in await session.fetch(_TALLIED)}
        retained: dict[Key, dict[State, int]] = {}
        for tenant, name, state, deliveries in await session.fetch(_RETAINED):
            retained.setdefault((tenant, name), {})[State(state)] = int(deliveries)
        parked = {(tenant, name) for tenant, name in await session.fetch(_PARKED)}
    return [
        _account(key, tallied.get(key, (0,) * 5), retained.get(key, {}), parked=key in parked)
        for key in sorted(tallied.keys() | retained.keys())
    ]


def total(accounts: Sequence[Account], tenant: str = "", destination: str = "") -> Account:
    """Their sums, under these names."""
    sums = [sum(values) for values in zip(*(account[2:] for account in accounts), strict=True)] or [0] * 7
    return Account(tenant, destination, *sums)


def difference(account: Account) -> int:
    """How many of the matched deliveries are missing; below zero, how many there are too many."""
    return account.matched - sum(account[3:])


def _account(key: Key, tallied: Sequence[int], retained: dict[State, int], *, parked: bool) -> Account:
    matched, delivered, dead, suppressed, expired = tallied
    pending = sum(retained.get(state, 0) for state in PENDING)
    return Account(
        *key,
        matched=matched,
        delivered=delivered + retained.get(State.DELIVERED, 0),
        pending=0 if parked else pending,
        parked=pending if parked else 0,
        dead=dead + retained.get(State.DEAD, 0),
        suppressed=suppressed + retained.get(State.SUPPRESSED, 0),
        expired=expired + retained.get(State.EXPIRED, 0),
    )
