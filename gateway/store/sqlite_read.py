"""The SQL that reads deliveries to be made. Runs in the store's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.store.base import PAGE_BYTES, Backlog, Delivery, HeldLane, Page, State, StoredEvent

_LOADED = """
SELECT d.destination, d.lane, d.state, d.attempts, d.tried_since_ms,
       e.seq, e.id, e.revision, e.type, r.received_ms, e.partial, e.pointer, e.head, e.data, e.receipt
FROM deliveries d JOIN events e ON e.seq = d.event JOIN receipts r ON r.seq = e.receipt
WHERE d.destination = ? AND """

_DISTINCT = """
WITH RECURSIVE found(value) AS (
    SELECT min({column}) FROM deliveries WHERE {condition}
    UNION ALL
    SELECT (SELECT min({column}) FROM deliveries WHERE {condition} AND {column} > found.value)
    FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL
"""
"""One step in an index for each value, however many rows have it."""

_QUEUED = _DISTINCT.format(column="destination", condition="state = 0")
_RETRIED = _DISTINCT.format(column="destination", condition="state IN (1, 3)")
_WAITED = _DISTINCT.format(column="destination", condition="state = 2")
_GAPS = """
SELECT destination, lane FROM gaps WHERE :destination IS NULL OR destination = :destination ORDER BY since_ms
"""
_WAITING_LANES = _DISTINCT.format(column="lane", condition="destination = :destination AND state = 2")


class Reader:
    """Reads of the store's thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def party_key(self) -> bytes:
        return bytes(self._database.execute("SELECT value FROM meta WHERE name = 'party_key'").fetchone()[0])

    def version(self) -> int:
        """Another number whenever another connection has committed something."""
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def queued(self, destination: int, after: int, limit: int) -> Page:
        return self._page("d.state = 0 AND d.event > ? ORDER BY d.event LIMIT ?", destination, after, limit)

    def waiting(self, destination: int, lane: int, limit: int) -> Page:
        return self._page("d.state = 2 AND d.lane = ? ORDER BY d.event LIMIT ?", destination, lane, limit)

    def due(self, destination: int, now_ms: int, limit: int) -> tuple[Page, int | None]:
        page = self._page("d.state IN (1, 3) AND d.due_ms <= ? ORDER BY d.due_ms LIMIT ?", destination, now_ms, limit)
        upcoming = self._database.execute(
            "SELECT min(due_ms) FROM deliveries WHERE destination = ? AND state IN (1, 3) AND due_ms > ?",
            (destination, now_ms),
        ).fetchone()[0]
        return page, upcoming

    def _page(self, condition: str, *parameters: int) -> Page:
        """The last parameter is the limit."""
        deliveries: list[Delivery] = []
        size = 0
        for (
            destination, lane, state, attempts, tried_since, seq, id_, revision, type_, received, partial, pointer,
            head, data, receipt,
        ) in self._database.execute(_LOADED + condition, parameters):  # fmt: skip
            event = StoredEvent(seq, id_, revision, type_, received, bool(partial), pointer, head, data, receipt)
            deliveries.append(Delivery(event, destination, lane, State(state), attempts, tried_since))
            size += event.size
            if size > PAGE_BYTES:
                return Page(deliveries, more=True)
        return Page(deliveries, more=len(deliveries) == parameters[-1])

    def body(self, receipt: int) -> bytes:
        row = self._database.execute("SELECT body FROM receipts WHERE seq = ?", (receipt,)).fetchone()
        if row is None:
            raise LookupError(f"receipt {receipt} is not in the store")
        return bytes(row[0])

    def queued_destinations(self) -> set[int]:
        return {row[0] for row in self._database.execute(_QUEUED)}

    def backlog(self, destination: int | None) -> dict[int, Backlog]:
        """Of one destination, or of all that have something pending."""
        queued = self.queued_destinations()
        retried = {row[0] for row in self._database.execute(_RETRIED)}
        waited = {row[0] for row in self._database.execute(_WAITED)}
        gaps: dict[int, list[int]] = {}
        for number, lane in self._database.execute(_GAPS, {"destination": destination}):
            gaps.setdefault(number, []).append(lane)
        found = queued | retried | waited | gaps.keys()
        return {
            number: self._backlog(number, number in queued, number in retried, number in waited, gaps.get(number, ()))
            for number in (found if destination is None else found & {destination})
        }

    def _backlog(self, destination: int, queued: bool, retried: bool, waited: bool, gaps: Sequence[int]) -> Backlog:
        held: list[HeldLane] = []
        beside: list[int] = []
        next_due_ms = None
        waiting: list[int] = []
        if retried:
            for lane, event, tried_since_ms, state, due_ms in self._database.execute(
                "SELECT lane, event, tried_since_ms, state, due_ms FROM deliveries "
                "WHERE destination = ? AND state IN (1, 3) ORDER BY due_ms DESC",
                (destination,),
            ):
                next_due_ms = due_ms
                if state == State.HELD:
                    held.append(HeldLane(lane, event, tried_since_ms))
                else:
                    beside.append(lane)
        if waited:
            waiting = [row[0] for row in self._database.execute(_WAITING_LANES, {"destination": destination})]
        return Backlog(queued, held, waiting, beside, next_due_ms, gaps)
