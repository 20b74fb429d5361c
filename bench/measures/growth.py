"""Whether inserting stays as cheap as it was: the writer's time for an event at 10 thousand and at 10 million rows."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Row, spread
from bench.machine import SERVER_CORE, pinned
from bench.messages import APP_SECRET, text_message
from bench.runs import Bench, LeftOut
from gateway.stamp import SourceStamp, new_receipt_id, stamp
from gateway.store.base import DestinationRow, Receipt, Route, SourceRow, Submission
from gateway.store.sqlite import SqliteStore
from providers import RawRequest, load_adapters

SMALL = 10_000
CONCURRENT = 64
ROW_BYTES = 1_000
"""More than an event of the filling takes on disk, with what the log takes meanwhile."""
_DAYS_MS = 8 * 86_400_000
"""The rows that are there already are spread over so many days before now."""

# Rows as delivering leaves them: their deliveries are settled. Short bodies, so that millions are there in seconds;
# what could make inserting dearer, the number of keys in the trees, is as it would be.
_FILL = (
    "INSERT INTO receipts (seq, id, source, received_ms, outcome, headers, body) "
    "SELECT n, randomblob(16), 1, :start + n * :step, 'parsed', x'7b7d', zeroblob(40) FROM numbers",
    "INSERT INTO events (seq, id, receipt, type, time_ms, partial, lane, party, pointer, head, data) "
    "SELECT n, unhex(printf('%08x', (:start + n * :step) / 1000)) || randomblob(12), n, 'whatsapp.message.received', "
    ":start + n * :step, 0, random(), randomblob(16), '', zeroblob(40), zeroblob(40) FROM numbers",
    "INSERT INTO deliveries (event, destination, lane, state) SELECT n, 1, random(), 4 FROM numbers",
)
_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows) "


@dataclass
class _Cost:
    """Microseconds for an event: of the writer's processor time, and of the clock."""

    cpu: float
    wall: float


def rows(bench: Bench) -> list[Row]:
    large = bench.size(10_000_000, quick=200_000)
    free = shutil.disk_usage(bench.directory).free
    if free < large * ROW_BYTES:
        raise LeftOut(f"{bench.directory} has {free / 1e9:.0f} GB free, not {large * ROW_BYTES / 1e9:.0f}: --directory")
    with bench.new_directory() as name, pinned((SERVER_CORE,)):
        return [asyncio.run(_measure(Path(name), large, rounds=bench.size(8, quick=4), appends=2_000))]


async def _measure(directory: Path, large: int, *, rounds: int, appends: int) -> Row:
    stores = {}
    for rows in (SMALL, large):
        stores[rows] = await _filled(directory / f"{rows}.db", rows)
    work = _Submissions()
    costs: dict[int, list[_Cost]] = {SMALL: [], large: []}
    for turn in range(rounds + 1):
        for rows, (store, thread) in stores.items():
            cost = await _cost(store, thread, work.take(appends))
            if turn:  # the first turn warms the caches
                costs[rows].append(cost)
    for store, _ in stores.values():
        await store.close()
    return _row(large, costs[SMALL], costs[large])


def _row(large: int, before: list[_Cost], after: list[_Cost]) -> Row:
    ratios = [one.cpu / other.cpu for one, other in zip(after, before, strict=True)]
    ratio = statistics.median(ratios)
    cpu_before, cpu_after = (statistics.median(cost.cpu for cost in costs) for costs in (before, after))
    wall_before, wall_after = (statistics.median(cost.wall for cost in costs) for costs in (before, after))
    return Row(
        "growth", f"{cpu_after:.1f} µs", f"{cpu_before:.1f} µs", spread(ratios), ratio,
        at_most=1.3, unit=" ×", cpu=f"{cpu_after:.0f} vs {cpu_before:.0f}",
        note=f"the writer's CPU for an event at {large:,} rows against {SMALL:,}; "
        f"by the clock {wall_after:.0f} vs {wall_before:.0f} µs",
        figures={"rows": large, "before": [vars(one) for one in before], "after": [vars(one) for one in after]},
    )  # fmt: skip


async def _filled(path: Path, rows: int) -> tuple[SqliteStore, threading.Thread]:
    """A store with so many events, and the thread that writes to it."""
    store = SqliteStore(path)
    await store.open()  # makes the schema
    await store.register_sources([SourceRow("bench", "cloud", "bench/cloud", "cloud_api")])
    await store.register_destinations([DestinationRow("bench", "sink")])
    await store.close()
    await asyncio.to_thread(_fill, path, rows)
    others = set(threading.enumerate())
    store = SqliteStore(path)
    await store.open()
    thread = next(one for one in threading.enumerate() if one not in others and one.name == "store")
    return store, thread


def _fill(path: Path, rows: int) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    if sqlite3.sqlite_version_info < (3, 41):
        database.create_function("unhex", 1, bytes.fromhex, deterministic=True)
    database.execute("PRAGMA synchronous = OFF")
    parameters = {"rows": rows, "start": int(time.time() * 1000) - _DAYS_MS, "step": _DAYS_MS // rows}
    for statement in _FILL:
        insert, select = statement.split("SELECT", 1)
        database.execute(f"{insert}{_NUMBERS}SELECT{select}", parameters)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


async def _cost(store: SqliteStore, thread: threading.Thread, submissions: list[Submission]) -> _Cost:
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    left = iter(submissions)

    async def work() -> None:
        for submission in left:
            await store.append(submission)

    cpu, wall = time.clock_gettime(clock), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONCURRENT)))
    cpu, wall = time.clock_gettime(clock) - cpu, time.perf_counter() - wall
    return _Cost(cpu / len(submissions) * 1e6, wall / len(submissions) * 1e6)


class _Submissions:
    """Text messages of about now, each for one destination, ready to be stored."""

    def __init__(self) -> None:
        adapter = load_adapters()["cloud_api"]
        self._adapter = adapter(adapter.Settings.model_validate({"app_secret": APP_SECRET, "verify_token": "bench"}))
        self._source = SourceStamp(tenant="bench", source="cloud", provider="cloud_api")
        self._numbers = itertools.count(1)
        self._party_key = os.urandom(32)

    def take(self, count: int) -> list[Submission]:
        return list(self._some(count))

    def _some(self, count: int) -> Iterator[Submission]:
        for number in itertools.islice(self._numbers, count):
            now_ms = time.time_ns() // 1_000_000
            body = text_message(number, now_ms // 1000)
            receipt_id = new_receipt_id(now_ms)
            request = RawRequest(headers={}, body=body, received_at=datetime.fromtimestamp(now_ms / 1000, UTC))
            events = stamp(
                self._source, self._adapter.parse(request),
                receipt_id=receipt_id, received_ms=now_ms, party_key=self._party_key,
            )  # fmt: skip
            yield Submission(Receipt(receipt_id, 1, now_ms, "parsed", b"{}", body), events, [(Route(1),)])
