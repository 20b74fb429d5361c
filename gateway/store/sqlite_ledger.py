"""Counting what is in a file, on a connection of its own that only reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from gateway.store.base import PENDING, Count, State, StoreUnavailable
from gateway.store.ledger import Account, Volume
from gateway.store.sqlite_control import PARKED
from gateway.store.sqlite_file import explanation

T = TypeVar("T")

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

_TALLIED = """
SELECT t.tenant, t.name, sum(matched), sum(delivered), sum(dead), sum(suppressed), sum(expired)
FROM tallies JOIN destinations t ON t.id = tallies.destination GROUP BY 1, 2
"""
_RETAINED = """
SELECT t.tenant, t.name, c.state, sum(c.n)
FROM (SELECT destination, state, count(*) AS n FROM deliveries {index} WHERE {states} GROUP BY 1, 2) c
JOIN destinations t ON t.id = c.destination GROUP BY 1, 2, 3
"""
_EVERY_ROW = _RETAINED.format(index="NOT INDEXED", states="state >= 0")
_ALL_BUT_DELIVERED = [
    _RETAINED.format(index=f"INDEXED BY {index}", states=states)
    for index, states in {**_INDEXES, "deliveries_aside": "state IN (6, 7)"}.items()
]
_PARKED = f"SELECT b.tenant, b.name FROM destinations b WHERE b.run = 0 AND {PARKED}"  # noqa: S608


def look(path: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    """Read from one consistent view. Raises StoreUnavailable."""
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as database:
            database.execute("BEGIN")
            return read(database)
    except sqlite3.Error as error:
        raise StoreUnavailable(explanation(path, error)) from error


def counts(database: sqlite3.Connection) -> list[Count]:
    """Pending and dead deliveries, runs with their destinations."""
    found: dict[tuple[str, str, State], Count] = {}
    for index, states in _INDEXES.items():
        for tenant, name, number, deliveries, oldest in database.execute(_COUNT.format(index=index, states=states)):
            state = State(number)
            count = Count(tenant, name, state, deliveries, oldest)
            earlier = found.get((tenant, name, state))
            found[tenant, name, state] = count if earlier is None else _joined(earlier, count)
    return list(found.values())


def _joined(one: Count, other: Count) -> Count:
    ages = [age for age in (one.oldest_ms, other.oldest_ms) if age is not None]
    return one._replace(deliveries=one.deliveries + other.deliveries, oldest_ms=min(ages, default=None))


def accounts(database: sqlite3.Connection) -> list[Account]:
    """Every retained delivery is counted: it takes a second or so for each few million of them."""
    return _accounts(database, [_EVERY_ROW])


def quick_accounts(database: sqlite3.Connection) -> list[Account]:
    """What was delivered is what remains when all else is counted."""
    quick = _accounts(database, _ALL_BUT_DELIVERED)
    return [one._replace(delivered=one.delivered + one.missing) for one in quick]


def _accounts(database: sqlite3.Connection, retained: Sequence[str]) -> list[Account]:
    tallied = {(tenant, name): sums for tenant, name, *sums in database.execute(_TALLIED)}
    states: dict[tuple[str, str], dict[State, int]] = {}
    for statement in retained:
        for tenant, name, state, deliveries in database.execute(statement):
            states.setdefault((tenant, name), {})[State(state)] = deliveries
    parked = set(database.execute(_PARKED))
    return [
        _account(place, tallied.get(place, [0] * 5), states.get(place, {}), parked=place in parked)
        for place in sorted(tallied.keys() | states.keys())
    ]


def _account(place: tuple[str, str], tallied: list[int], states: dict[State, int], *, parked: bool) -> Account:
    matched, delivered, dead, suppressed, expired = tallied
    pending = sum(states.get(state, 0) for state in PENDING)
    return Account(
        *place,
        matched=matched,
        delivered=delivered + states.get(State.DELIVERED, 0),
        pending=0 if parked else pending,
        parked=pending if parked else 0,
        dead=dead + states.get(State.DEAD, 0),
        suppressed=suppressed + states.get(State.SUPPRESSED, 0),
        expired=expired + states.get(State.EXPIRED, 0),
    )


def volume(database: sqlite3.Connection) -> Volume:
    def number(pragma: str) -> int:
        return int(database.execute(f"PRAGMA {pragma}").fetchone()[0])

    used = (number("page_count") - number("freelist_count")) * number("page_size")
    tenants = database.execute(
        "SELECT s.tenant, sum(v.bytes) FROM volumes v JOIN sources s ON s.id = v.source GROUP BY s.tenant"
    )
    return Volume(used, dict(tenants.fetchall()))
