"""The SQLite engine's own: the file, its lock, its faults, its query plans."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.store.base import DestinationRow, Settlement, SourceRow, State, StoreError, StoreUnavailable
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_rows import chunks
from tests.support import NOW_MS, event, submission


async def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


async def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.db"
    store = await opened(path)
    key = store.party_key
    [source] = await store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")])
    [destination] = await store.register_destinations([DestinationRow("a", "d")])
    appended = await store.append(submission(source, [event(1), event(2)], (destination,)))
    store.settle(Settlement(destination, appended.deliveries[0].event.seq, State.DELIVERED, NOW_MS, status=200))
    await store.close()
    store = await opened(path)
    assert store.party_key == key
    assert len(key) == 32
    assert [d.event.seq for d in (await store.queued(destination, 0, 10)).deliveries] == [2]
    assert (await store.append(submission(source, [event(1)], (destination,)))).stored == [False]
    assert (await store.append(submission(source, [event(3)], (destination,)))).deliveries[0].event.seq == 3
    await store.close()


async def test_one_gateway_for_one_file(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    with pytest.raises(StoreError, match="another wa-gateway uses"):
        await opened(tmp_path / "store.db")
    await store.close()
    await (await opened(tmp_path / "store.db")).close()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(lambda path: path.write_bytes(b"not a database at all" * 100), "damaged", id="rubbish"),
        pytest.param(lambda path: _damaged(path), "damaged", id="damaged"),
        pytest.param(lambda path: _execute(path, "CREATE TABLE t (x)"), "of another program", id="foreign"),
        pytest.param(
            lambda path: _execute(path, "PRAGMA application_id = 1463899991", "PRAGMA user_version = 999"),
            "run the newer wa-gateway", id="newer",
        ),
        pytest.param(lambda path: path.mkdir(), "cannot", id="directory"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_and_left_alone(tmp_path: Path, prepare: Any, message: str) -> None:
    path = tmp_path / "store.db"
    prepare(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=message) as refusal:
        asyncio.run(_make(path))
    assert str(path) in str(refusal.value)
    if before is not None:
        assert path.read_bytes() == before


def _execute(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def _damaged(path: Path) -> None:
    asyncio.run(_make(path))
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(4000))


async def _make(path: Path) -> None:
    await (await opened(path)).close()


async def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """SQLite's own page limit makes the disk full: the very error code that a full disk gives (SQLITE_FULL)."""
    store = await opened(tmp_path / "store.db")
    [source] = await store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")])
    [destination] = await store.register_destinations([DestinationRow("a", "d")])
    first = await store.append(submission(source, [event(1)], (destination,)))
    pages = await store._call(lambda: store._database.execute("PRAGMA page_count").fetchone()[0])
    await store._call(lambda: store._database.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    big = submission(source, [event(2)], (destination,), body=b"x" * 1_000_000)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.append(big)
    store.settle(Settlement(destination, first.deliveries[0].event.seq, State.DELIVERED, NOW_MS, status=200))
    await store._call(lambda: store._database.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert (await store.append(big)).stored == [True]
    assert [d.event.seq for d in (await store.queued(destination, 0, 10)).deliveries] != [first.deliveries[0].event.seq]
    assert store.unsettled == 0
    await store.close()


async def test_one_rotten_submission_does_not_take_its_batch_along(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    [source] = await store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")])
    rotten = submission(source, [event(1)])
    rotten.events[0].time_ms = 2**80  # no SQLite integer
    good = [submission(source, [event(number)]) for number in (2, 3)]
    results = await asyncio.gather(*(store.append(one) for one in (good[0], rotten, good[1])), return_exceptions=True)
    assert isinstance(results[1], StoreUnavailable)
    assert [getattr(result, "stored", None) for result in (results[0], results[2])] == [[True], [True]]
    await store.close()


async def test_settlements_are_kept_until_the_disk_takes_them(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    [source] = await store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")])
    [destination] = await store.register_destinations([DestinationRow("a", "d")])
    appended = await store.append(submission(source, [event(1)], (destination,)))
    await store._call(lambda: store._database.execute("PRAGMA query_only = ON"))
    store.settle(Settlement(destination, appended.deliveries[0].event.seq, State.DELIVERED, NOW_MS, status=200))
    with pytest.raises(StoreUnavailable):
        await store.flush()
    assert store.unsettled == 1
    assert await store.writable() is False
    await store._call(lambda: store._database.execute("PRAGMA query_only = OFF"))
    await store.flush()
    assert store.unsettled == 0
    assert await store.counts() == []
    await store.close()


async def test_hot_queries_use_their_indexes(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    plans: dict[str, str] = {}

    def record(statement: str) -> None:
        if statement.startswith("SELECT"):
            plans.setdefault(statement, "")

    def watch() -> None:
        store._database.set_trace_callback(lambda statement: record(statement.strip()))

    await store._call(watch)
    await store.queued(1, 0, 10)
    await store.waiting(1, 2, 10)
    await store.due(1, 5, 10)
    await store.backlog(1)
    await store.counts()
    await store._call(lambda: store._database.set_trace_callback(None))

    def explain() -> None:
        for statement in plans:
            rows = store._database.execute("EXPLAIN QUERY PLAN " + statement).fetchall()
            plans[statement] = "; ".join(row[3] for row in rows)

    await store._call(explain)
    await store.close()
    assert len(plans) >= 8
    for statement, plan in plans.items():
        assert "SCAN d" not in plan or "USING" in plan, (statement, plan)
        assert "TEMP B-TREE FOR ORDER BY" not in plan, (statement, plan)
        assert "deliveries_" in plan, (statement, plan)


def test_chunks_are_of_few_sizes_and_lose_nothing() -> None:
    sizes = set()
    for count in range(600):
        rows = list(range(count))
        pieces = list(chunks(rows))
        assert [row for piece in pieces for row in piece] == rows
        sizes |= {len(piece) for piece in pieces}
    assert len(sizes) <= 15 + 8
    assert max(sizes) == 128


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys, pathlib\n"
        "from gateway.store.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = SqliteStore(pathlib.Path(sys.argv[1])); await store.open()\n"
        "    print('open', flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "store.db")], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with pytest.raises(StoreError, match="another wa-gateway"):
        asyncio.run(_make(tmp_path / "store.db"))
    process.kill()
    process.wait()
    process.stdout.close()
    asyncio.run(_make(tmp_path / "store.db"))
