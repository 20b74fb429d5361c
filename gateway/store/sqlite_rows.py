"""The SQL of the SQLite store: rows in, rows out. Runs in the store's thread, inside its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from gateway.store.base import (
    PAGE_BYTES,
    Appended,
    Backlog,
    Delivery,
    DestinationRow,
    HeldLane,
    Page,
    Settlement,
    SourceRow,
    State,
    StoredEvent,
    Submission,
)

T = TypeVar("T")

CARRIED_BODY = 16 * 1024
"""Bodies up to this size travel with their deliveries; larger ones are read again when raw is wanted."""

_ROWS = 16
_MAX_ROWS = 128

_RECEIPT = "INSERT INTO receipts (seq, id, source, received_ms, outcome, headers, body) VALUES "
_EVENT = "INSERT INTO events (seq, id, receipt, type, time_ms, partial, lane, party, pointer, head, data) VALUES "
_DELIVERY = "INSERT INTO deliveries (event, destination, lane) VALUES "

_LOADED = """
SELECT d.destination, d.lane, d.state, d.attempts, d.tried_since_ms,
       e.seq, e.id, e.revision, e.type, r.received_ms, e.partial, e.pointer, e.head, e.data, e.receipt
FROM deliveries d JOIN events e ON e.seq = d.event JOIN receipts r ON r.seq = e.receipt
WHERE d.destination = ? AND """


def chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces of a few sizes (1 to 15, or a multiple of 16), so that few statements are prepared, and kept."""
    start = 0
    while start < len(rows):
        left = len(rows) - start
        size = min(left - left % _ROWS, _MAX_ROWS) or left
        yield rows[start : start + size]
        start += size


def _insert(database: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for piece in chunks(rows):
        placeholders = "(" + ",".join("?" * len(piece[0])) + ")"
        database.execute(statement + ",".join([placeholders] * len(piece)), [value for row in piece for value in row])


class Writer:
    """Writes. Numbers rows itself: it is the only one."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._receipt = self._last("receipts")
        self._event = self._last("events")

    def _last(self, table: str) -> int:
        return int(self._database.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()[0])  # noqa: S608

    def append(self, submissions: Sequence[Submission]) -> list[Appended]:
        """Insert what is new. Raises sqlite3.Error; then the caller rolls back, and numbers may have gaps."""
        known = self._known([event.id for submission in submissions for event in submission.events])
        receipts: list[tuple[Any, ...]] = []
        events: list[tuple[Any, ...]] = []
        appended = []
        for submission in submissions:
            self._receipt += 1
            receipt = submission.receipt
            receipts.append(
                (self._receipt, receipt.id, receipt.source, receipt.received_ms, receipt.outcome,
                 receipt.headers, receipt.body)
            )  # fmt: skip
            appended.append(self._append_events(submission, known, events))
        _insert(self._database, _RECEIPT, receipts)
        _insert(self._database, _EVENT, events)
        _insert(
            self._database,
            _DELIVERY,
            [
                (delivery.event.seq, delivery.destination, delivery.lane)
                for one in appended
                for delivery in one.deliveries
            ],
        )
        return appended

    def _append_events(self, submission: Submission, known: set[bytes], rows: list[tuple[Any, ...]]) -> Appended:
        receipt = submission.receipt
        body = receipt.body if len(receipt.body) <= CARRIED_BODY else None
        deliveries = []
        stored = []
        for event, destinations in zip(submission.events, submission.destinations, strict=True):
            new = event.id not in known
            stored.append(new)
            if not new:
                continue
            known.add(event.id)
            self._event += 1
            rows.append(
                (self._event, event.id, self._receipt, event.type, event.time_ms, event.partial, event.lane,
                 event.party, event.pointer, event.head, event.data)
            )  # fmt: skip
            if destinations:
                loaded = StoredEvent(
                    self._event, event.id, 1, event.type, receipt.received_ms, event.partial, event.pointer,
                    event.head, event.data, self._receipt, body,
                )  # fmt: skip
                deliveries += [Delivery(loaded, destination, event.lane) for destination in destinations]
        return Appended(stored, deliveries)

    def _known(self, ids: list[bytes]) -> set[bytes]:
        known: set[bytes] = set()
        for piece in chunks(ids):
            marks = ",".join("?" * len(piece))
            known.update(
                row[0]
                for row in self._database.execute(f"SELECT id FROM events WHERE id IN ({marks})", piece)  # noqa: S608
            )
        return known

    def settle(self, settlements: Sequence[Settlement], waiting: Sequence[tuple[int, int]]) -> None:
        """Write new states. One delivery may be in twice: then the later state counts, and delivered is final.

        Plain successes, the many, go by destination and status after all others.
        """
        for settlement in settlements:
            if settlement.state is not State.DELIVERED:
                self._settle_one(settlement)
        delivered = sorted((one for one in settlements if one.state is State.DELIVERED), key=_by_outcome)
        for (destination, status), group in groupby(delivered, key=_by_outcome):
            rows = list(group)
            for piece in chunks(rows):
                marks = ",".join("?" * len(piece))
                self._database.execute(
                    "UPDATE deliveries SET state = 4, attempts = attempts + 1, settled_ms = ?, last_status = ?, "  # noqa: S608
                    f"last_error = NULL WHERE destination = ? AND event IN ({marks})",
                    [piece[0].now_ms, status, destination, *(row.event for row in piece)],
                )
        self._database.executemany(
            "UPDATE deliveries SET state = 2 WHERE event = ? AND destination = ? AND state = 0", waiting
        )

    def _settle_one(self, one: Settlement) -> None:
        if one.attempted:
            self._database.execute(
                "UPDATE deliveries SET state = ?, attempts = attempts + 1, due_ms = ?, settled_ms = ?, "
                "tried_since_ms = CASE WHEN tried_since_ms = 0 THEN ? ELSE tried_since_ms END, "
                "last_status = ?, last_error = ? WHERE event = ? AND destination = ? AND state < 4",
                (one.state, one.due_ms, one.now_ms, one.now_ms, one.status, one.error, one.event, one.destination),
            )
        else:
            self._database.execute(
                "UPDATE deliveries SET state = ?, settled_ms = ?, due_ms = CASE WHEN ? > 0 THEN ? ELSE due_ms END "
                "WHERE event = ? AND destination = ? AND state < 4",
                (one.state, one.now_ms, one.due_ms, one.due_ms, one.event, one.destination),
            )

    def register_sources(self, sources: Sequence[SourceRow]) -> list[int]:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(
            "INSERT INTO sources (tenant, name, uid, provider) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, name) "
            "DO UPDATE SET uid = excluded.uid, provider = excluded.provider",
            sources,
        )
        return self._numbers("sources", sources)

    def register_destinations(self, destinations: Sequence[DestinationRow]) -> list[int]:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT OR IGNORE INTO destinations (tenant, name) VALUES (?, ?)", destinations)
        return self._numbers("destinations", destinations)

    def _numbers(self, table: str, rows: Sequence[SourceRow | DestinationRow]) -> list[int]:
        known = self._database.execute(f"SELECT tenant, name, id FROM {table}").fetchall()  # noqa: S608
        self._database.execute("COMMIT")
        numbers = {(tenant, name): number for tenant, name, number in known}
        return [numbers[row.tenant, row.name] for row in rows]

    def probe(self) -> None:
        """Raises sqlite3.Error where a commit is not possible."""
        self._database.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', zeroblob(64))")


class Reader:
    """Reads of the store's thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def party_key(self) -> bytes:
        return bytes(self._database.execute("SELECT value FROM meta WHERE name = 'party_key'").fetchone()[0])

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

    def backlog(self, destination: int) -> Backlog:
        execute = self._database.execute
        held = execute(
            "SELECT lane, event, tried_since_ms FROM deliveries "
            "WHERE destination = ? AND state IN (1, 3) AND state = 1",
            (destination,),
        )
        held_lanes = [HeldLane(*row) for row in held]
        waiting = execute("SELECT DISTINCT lane FROM deliveries WHERE destination = ? AND state = 2", (destination,))
        waiting_lanes = [row[0] for row in waiting]
        beside = execute(
            "SELECT lane FROM deliveries WHERE destination = ? AND state IN (1, 3) AND state = 3", (destination,)
        )
        beside_lanes = [row[0] for row in beside]
        next_due = execute(
            "SELECT min(due_ms) FROM deliveries WHERE destination = ? AND state IN (1, 3)", (destination,)
        ).fetchone()[0]
        return Backlog(held_lanes, waiting_lanes, beside_lanes, next_due)


def _by_outcome(settlement: Settlement) -> tuple[int, int]:
    return settlement.destination, settlement.status or 0
