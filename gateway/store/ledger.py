"""The ledger's records: what was to be delivered and what became of it, what the store holds, what retention takes."""

from __future__ import annotations

from typing import NamedTuple

DAY_MS = 86_400_000
"""Tallies are kept by day of receipt, in UTC."""


class Account(NamedTuple):
    """The ledger of one destination, runs included. Retained rows by state, and what was matched and pruned.

    It balances when `matched` is the sum of all others. `parked` is what is pending while the destination is paused,
    disabled, or gone from the configuration; then `pending` is 0.
    """

    tenant: str
    destination: str
    matched: int
    delivered: int
    pending: int
    parked: int
    dead: int
    suppressed: int
    expired: int

    @property
    def missing(self) -> int:
        """How many of the matched deliveries are nowhere; below zero, how many there are too many."""
        return self.matched - sum(self[3:])

    @property
    def balances(self) -> bool:
        return self.missing == 0


class Cutoffs(NamedTuple):
    """What retention may take. Times are milliseconds since 1970 UTC.

    Receipts received before `receipts_before_ms` go, once all their deliveries are final. Ids of events received
    since `ids_since_ms` are kept even then, so that duplicates of them are still recognized.
    """

    receipts_before_ms: int
    ids_since_ms: int


class Pruned(NamedTuple):
    """What a step of pruning took; `more` where it ended before all was looked through."""

    receipts: int
    events: int
    deliveries: int
    more: bool


class Volume(NamedTuple):
    """What the store holds. `used_bytes` is what is taken on disk, without what is free for reuse.

    `tenants` has the stored bytes of each tenant's receipts: bodies, heads and data.
    """

    used_bytes: int
    tenants: dict[str, int]
