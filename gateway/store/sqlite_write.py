"""The SQL that writes: what comes in, and what becomes of deliveries. Runs in the store's thread, in its transactions.

Rows go in by multi-row INSERT: a statement gives up the interpreter lock once, however many its rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from gateway.stamp import Event
from gateway.store.base import (
    Appended,
    Delivery,
    Route,
    Settlement,
    State,
    StoredEvent,
    Submission,
    lane_of,
)
from gateway.store.ledger import DAY_MS

T = TypeVar("T")
_Routed = tuple[Event, Sequence[Route]]

CARRIED_BODY = 16 * 1024
"""Bodies up to this size travel with their deliveries; larger ones are read again when raw is wanted."""

_ROWS = 16
_MAX_ROWS = 128


class Rows:
    """Rows on their way into a table, one after another in a flat list. `tail` says what becomes of conflicts."""

    def __init__(self, table: str, columns: str, tail: str = "") -> None:
        self.width = columns.count(",") + 1
        self._begin = f"INSERT INTO {table} ({columns}) VALUES "  # noqa: S608
        self._row = f"({marks(self.width)})"
        self._tail = tail
        self._statements: dict[int, str] = {}

    def insert(self, database: sqlite3.Connection, values: list[Any]) -> int:
        """How many went in."""
        width, inserted, start = self.width, 0, 0
        for size in sizes(len(values) // width):
            end = start + size * width
            inserted += database.execute(self._statement(size), values[start:end]).rowcount
            start = end
        return inserted

    def _statement(self, rows: int) -> str:
        statement = self._statements.get(rows)
        if statement is None:
            statement = self._statements[rows] = self._begin + ",".join([self._row] * rows) + self._tail
        return statement


def sizes(count: int) -> Iterator[int]:
    """Pieces of a few sizes (1 to 15, or a multiple of 16), so that few statements are prepared, and kept."""
    while count:
        size = min(count - count % _ROWS, _MAX_ROWS) or count
        yield size
        count -= size


def chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    start = 0
    for size in sizes(len(rows)):
        yield rows[start : start + size]
        start += size


def marks(count: int) -> str:
    return ",".join("?" * count)


_RECEIPTS = Rows("receipts", "seq, id, source, received_ms, outcome, headers, body")
_EVENTS = Rows(
    "events",
    "seq, id, receipt, type, time_ms, partial, lane, party, pointer, head, data",
    " ON CONFLICT (id) DO NOTHING",
)
_DELIVERIES = Rows("deliveries", "event, destination, lane")
_SUPPRESSED = Rows("deliveries", "event, destination, lane, state, settled_ms")
_TALLIES = Rows(
    "tallies", "destination, day, shard, matched", " ON CONFLICT DO UPDATE SET matched = matched + excluded.matched"
)
VOLUMES = Rows("volumes", "source, shard, bytes", " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes")
_RANKS = Rows(
    "ranks",
    "key, rank, seen_ms",
    " ON CONFLICT DO UPDATE SET rank = max(rank, excluded.rank), seen_ms = max(seen_ms, excluded.seen_ms)",
)


class Writer:
    """Numbers rows itself. Another process that did the same makes an insert fail: then `renumber`, and again."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.renumber()

    def renumber(self) -> None:
        self._receipt = last_number(self._database, "receipts")
        self._event = last_number(self._database, "events")

    def append(self, submissions: Sequence[Submission]) -> list[Appended]:
        """Insert what is new. Raises sqlite3.Error; then the caller rolls back, and numbers may have gaps."""
        database = self._database
        first = self._receipt + 1
        numbers, ranked = self._insert(submissions)
        batch = _Batch(numbers, self._ranks(ranked) if ranked else {})
        appended = [batch.add(receipt, submission) for receipt, submission in enumerate(submissions, first)]
        _DELIVERIES.insert(database, batch.deliveries)
        _SUPPRESSED.insert(database, batch.suppressed)
        _TALLIES.insert(database, [value for key, count in batch.matched.items() for value in (*key, 0, count)])
        VOLUMES.insert(database, [value for source, size in batch.bytes.items() for value in (source, 0, size)])
        _RANKS.insert(database, [value for key, seen in batch.ranked.items() for value in (key, *seen)])
        return appended

    def _insert(self, submissions: Sequence[Submission]) -> tuple[dict[bytes, int], list[_Routed]]:
        """Receipts, and events that are new: their numbers by id; and which of all have a rank."""
        receipt, event_number = self._receipt, self._event
        receipts: list[Any] = []
        events: list[Any] = []
        numbers: dict[bytes, int] = {}
        ranked: list[_Routed] = []
        for submission in submissions:
            one = submission.receipt
            receipt += 1
            receipts += (receipt, one.id, one.source, one.received_ms, one.outcome, one.headers, one.body)
            for event, routes in zip(submission.events, submission.routes, strict=True):
                if event.id in numbers:
                    continue
                event_number += 1
                numbers[event.id] = event_number
                events += (
                    event_number, event.id, receipt, event.type, event.time_ms, event.partial, event.lane,
                    event.party, event.pointer, event.head, event.data,
                )  # fmt: skip
                if event.rank:
                    ranked.append((event, routes))
        self._receipt, self._event = receipt, event_number
        _RECEIPTS.insert(self._database, receipts)
        if events and (known := len(numbers) - _EVENTS.insert(self._database, events)):
            self._forget(known, numbers)
        return numbers, ranked

    def _forget(self, known: int, numbers: dict[bytes, int]) -> None:
        """Leave those that are in the store under the numbers that they were given just now."""
        new = len(numbers) - known
        for piece in chunks(list(numbers)):
            found = self._database.execute(f"SELECT id, seq FROM events WHERE id IN ({marks(len(piece))})", piece)  # noqa: S608
            for event_id, number in found:
                if numbers[event_id] != number:
                    del numbers[event_id]
        if len(numbers) != new:
            raise sqlite3.IntegrityError("another process has given an event the same number")

    def _ranks(self, ranked: Sequence[_Routed]) -> dict[int, int]:
        """The highest ranks so far, where somebody wants to know."""
        keys = {event.rank_key for event, routes in ranked if any(route.monotonic for route in routes)}
        ranks: dict[int, int] = {}
        for piece in chunks(list(keys)):
            ranks.update(
                self._database.execute(f"SELECT key, rank FROM ranks WHERE key IN ({marks(len(piece))})", piece)  # noqa: S608
            )
        return ranks

    def settle(self, settlements: Sequence[Settlement], waiting: Sequence[tuple[int, int]]) -> None:
        """Write new states. One delivery may be in twice: then the later state counts, and delivered is final.

        Plain successes, the many, go by destination and status after all others.
        """
        delivered: dict[tuple[int, int | None], list[Settlement]] = {}
        for settlement in settlements:
            if settlement.state is State.DELIVERED:
                delivered.setdefault((settlement.destination, settlement.status), []).append(settlement)
            else:
                self._settle_one(settlement)
        for (destination, status), rows in delivered.items():
            for piece in chunks(rows):
                self._database.execute(
                    "UPDATE deliveries SET state = 4, attempts = attempts + 1, settled_ms = ?, last_status = ?, "  # noqa: S608
                    f"last_error = NULL WHERE destination = ? AND state <> 4 AND event IN ({marks(len(piece))})",
                    [piece[0].now_ms, status, destination, *(row.event for row in piece)],
                )
        self._database.executemany(
            "UPDATE deliveries SET state = 2 WHERE event = ? AND destination = ? AND state = 0", waiting
        )
        for settlement in [one for one in settlements if one.gap]:
            self._keep_gap(settlement)

    def _settle_one(self, one: Settlement) -> None:
        if not one.attempted:
            self._database.execute(
                "UPDATE deliveries SET state = ?, settled_ms = ?, due_ms = CASE WHEN ? > 0 THEN ? ELSE due_ms END "
                "WHERE event = ? AND destination = ? AND state < 4",
                (one.state, one.now_ms, one.due_ms, one.due_ms, one.event, one.destination),
            )
            return
        place = (one.event, one.destination)
        self._database.execute(
            "INSERT INTO attempts (event, destination, number, at_ms, took_ms, status, error) "
            "SELECT event, destination, attempts + 1, ?, ?, ?, ? FROM deliveries "
            "WHERE event = ? AND destination = ? AND state < 4",
            (one.now_ms, one.took_ms, one.status, one.error, *place),
        )
        self._database.execute(
            "UPDATE deliveries SET state = ?, attempts = attempts + 1, due_ms = ?, settled_ms = ?, "
            "tried_since_ms = CASE WHEN tried_since_ms = 0 THEN ? ELSE tried_since_ms END, "
            "last_status = ?, last_error = ? WHERE event = ? AND destination = ? AND state < 4",
            (one.state, one.due_ms, one.now_ms, one.tried_ms, one.status, one.error, *place),
        )

    def _keep_gap(self, one: Settlement) -> None:
        """In the order of settling: a lane's gap is told, and the next one opens."""
        if one.state is State.DELIVERED:
            self._database.execute("DELETE FROM gaps WHERE destination = ? AND lane = ?", (one.destination, one.lane))
            return
        self._database.execute(
            "INSERT INTO gaps (destination, lane, since_ms) SELECT destination, lane, settled_ms FROM deliveries "
            "WHERE event = ? AND destination = ? AND state = 5 ON CONFLICT DO UPDATE SET since_ms = excluded.since_ms",
            (one.event, one.destination),
        )

    def probe(self) -> None:
        """Raises sqlite3.Error where nothing more can be committed."""
        self._database.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', zeroblob(64))")


class _Batch:
    """What follows from the new events of one transaction. `numbers` are theirs, and are used up: what comes twice
    is new once."""

    def __init__(self, numbers: dict[bytes, int], ranks: dict[int, int]) -> None:
        self._numbers = numbers
        self._ranks = ranks
        self.deliveries: list[int] = []
        self.suppressed: list[int] = []
        self.matched: dict[tuple[int, int], int] = {}
        self.bytes: dict[int, int] = {}
        self.ranked: dict[int, tuple[int, int]] = {}

    def add(self, number: int, submission: Submission) -> Appended:
        receipt = submission.receipt
        size = len(receipt.body)
        body = receipt.body if size <= CARRIED_BODY else None
        stored: list[bool] = []
        deliveries: list[Delivery] = []
        for event, routes in zip(submission.events, submission.routes, strict=True):
            seq = self._numbers.pop(event.id, None)
            stored.append(seq is not None)
            if seq is None:
                continue
            size += len(event.head) + len(event.data)
            if routes:
                loaded = StoredEvent(
                    seq, event.id, 1, event.type, receipt.received_ms, event.partial, event.pointer,
                    event.head, event.data, number, body,
                )  # fmt: skip
                self._route(event, loaded, routes, deliveries)
        self.bytes[receipt.source] = self.bytes.get(receipt.source, 0) + size
        return Appended(stored, deliveries)

    def _route(self, event: Event, loaded: StoredEvent, routes: Sequence[Route], deliveries: list[Delivery]) -> None:
        seq, received_ms, matched = loaded.seq, loaded.received_ms, self.matched
        day = received_ms // DAY_MS
        late = event.rank > 0 and self._comes_late(event, received_ms, routes)
        for route in routes:
            destination = route.destination
            key = (destination, day)
            matched[key] = matched.get(key, 0) + 1
            lane = event.lane if route.ordered else lane_of(event, route)
            if late and route.monotonic:
                self.suppressed += (seq, destination, lane, State.SUPPRESSED, received_ms)
                continue
            self.deliveries += (seq, destination, lane)
            deliveries.append(Delivery(loaded, destination, lane))

    def _comes_late(self, event: Event, received_ms: int, routes: Sequence[Route]) -> bool:
        """Whether a higher status of its message was there before; keeps the highest for those that follow."""
        if not any(route.monotonic for route in routes):
            return False
        highest = self._ranks.get(event.rank_key, 0)
        self._ranks[event.rank_key] = max(highest, event.rank)
        self.ranked[event.rank_key] = (max(highest, event.rank), received_ms)
        return event.rank < highest


def last_number(database: sqlite3.Connection, table: str) -> int:
    """The highest number that a row of the table ever had: pruning keeps it, so that numbers never come again."""
    row = database.execute(
        f"SELECT max((SELECT coalesce(max(seq), 0) FROM {table}), "  # noqa: S608 - tables of ours
        "(SELECT coalesce(max(value), 0) FROM meta WHERE name = ?))",
        (f"last_{table}",),
    ).fetchone()
    return int(row[0])
