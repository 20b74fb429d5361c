"""The SQLite engine's own: the file, its lock, its faults, its query plans."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from gateway.config.values import StoreUrl
from gateway.control import Mode
from gateway.store import gathering, sqlite_file, sqlite_ledger
from gateway.store.base import (
    ALL_SHARDS,
    Appended,
    Delivery,
    DestinationRow,
    Settlement,
    SourceRow,
    State,
    StoreError,
    StoreUnavailable,
)
from gateway.store.ledger import Account, Cutoffs
from gateway.store.migrate import migrations
from gateway.store.session import open_session
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_file import APPLICATION_ID, FILE_PAGE_BYTES, Quota, schema_version
from gateway.store.sqlite_write import sizes
from tests.listening import Listening, numbers
from tests.support import NOW_MS, event, submission, until


async def opened(path: Path, **options: Any) -> SqliteStore:
    store = SqliteStore(path, **options)
    await store.open()
    return store


async def registered(store: SqliteStore) -> tuple[int, int]:
    [source] = await store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")])
    [destination] = await store.register_destinations([DestinationRow("a", "d")])
    return source, destination


def done(delivery: Delivery) -> Settlement:
    return Settlement(delivery.destination, delivery.event.seq, delivery.lane, State.DELIVERED, NOW_MS, status=200)


class Handed(Listening):
    """What the engine would have been told, in order."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store)
        self.log: list[tuple[str, list[int]]] = []

    def committed(self, deliveries: list[Delivery]) -> None:
        self.log.append(("committed", numbers(deliveries)))

    def hinted(self, destinations: Collection[int]) -> None:
        self.log.append(("hinted", sorted(destinations)))

    def changed(self) -> None:
        self.log.append(("changed", []))


class Breaking(sqlite3.Connection):
    """A connection whose next statements of a kind fail: before they are done, or after."""

    before: ClassVar[list[str]] = []
    after: ClassVar[list[str]] = []

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement in self.before:
            self.before.remove(statement)
            raise sqlite3.OperationalError("disk I/O error")
        cursor = super().execute(statement, *parameters)
        if statement in self.after:
            self.after.remove(statement)
            raise sqlite3.OperationalError("disk I/O error")
        return cursor


async def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.db"
    store = await opened(path)
    key = store.party_key
    source, destination = await registered(store)
    appended = await store.append(submission(source, [event(1), event(2)], (destination,)))
    store.settle(done(appended.deliveries[0]))
    await store.close()
    store = await opened(path)
    assert store.party_key == key
    assert len(key) == 32
    assert [d.event.seq for d in (await store.queued(destination, 0, 10)).deliveries] == [2]
    assert (await store.append(submission(source, [event(1)], (destination,)))).stored == [False]
    assert (await store.append(submission(source, [event(3)], (destination,)))).deliveries[0].event.seq > 2
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


async def test_a_file_that_has_reached_its_size_refuses_and_recovers(tmp_path: Path) -> None:
    """SQLite's own limit gives the very error code that a full disk gives."""
    store = await opened(tmp_path / "store.db", size=4_000_000)
    source, destination = await registered(store)
    appended: list[Appended] = []

    async def fill() -> None:
        for number in range(1000):
            one = submission(source, [event(number)], (destination,), body=b"x" * 50_000)
            appended.append(await store.append(one))

    with pytest.raises(StoreUnavailable, match=r"store\.db has reached retention\.size \(3\.8147 MiB\)"):
        await fill()
    assert "has reached retention.size" in str(await store.refusal())
    volume = await store.volume()
    assert 3_900_000 < volume.used_bytes <= 4_000_000
    assert volume.tenants == {"a": sum(50_000 + len(event(n).head) + len(event(n).data) for n in range(len(appended)))}
    # what makes room is not refused: failures are written down, what is over goes
    for one in appended:
        store.settle(done(one.deliveries[0])._replace(state=State.DEAD, error="x" * 500))
    await store.flush()
    pruned, _ = await store.prune(Cutoffs(NOW_MS + 1, NOW_MS + 1), 0, 20)
    assert pruned.receipts == 20
    assert await store.refusal() is None
    again = await store.append(submission(source, [event(2000)], (destination,), body=b"x" * 50_000))
    assert again.stored == [True]
    [account] = await store.accounts()
    assert (account.matched, account.dead, account.balances) == (len(appended) + 1, len(appended), True)
    await store.close()


async def test_the_last_of_the_disk_is_for_what_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    bodies = [submission(source, [event(n)], (destination,), body=b"x" * 50_000) for n in range(21)]
    appended = [await store.append(one) for one in bodies[:20]]
    monkeypatch.setattr(sqlite_file, "DISK_RESERVE", 900_000)
    left = 899_000

    def statvfs(path: Path) -> Any:
        assert path == tmp_path
        return SimpleNamespace(f_blocks=10**6, f_bavail=left // 1000, f_frsize=1000)

    monkeypatch.setattr(os, "statvfs", statvfs)
    with pytest.raises(StoreUnavailable, match=r"the disk of .*store\.db has 0\.9 MiB left.*`wa-gateway prune`"):
        await store.append(bodies[20])
    assert "MiB left" in str(await store.refusal())
    store.settle(done(appended[0].deliveries[0]))
    await store.change(destination, lambda control: control.with_mode(Mode.PAUSED, "", NOW_MS))
    await store.flush()
    await store.prune(Cutoffs(NOW_MS + 1, NOW_MS + 1), 0, 20)
    assert await store.refusal() is None, "what is free in the file is room"
    assert (await store.append(bodies[20])).stored == [True]
    left = 0
    for one in appended[1:]:
        store.settle(done(one.deliveries[0]))
    await store.flush()
    assert "the disk of" in str(await store.refusal())
    await store.prune(Cutoffs(NOW_MS + 1, NOW_MS + 1), 0, 20)
    assert await store.refusal() is None
    await store.close()


async def test_disk_use_levels_off(tmp_path: Path) -> None:
    """Rounds of the same load, each pruned after it was delivered: ids of some rounds are kept all the time."""
    path = tmp_path / "store.db"
    store = await opened(path, synchronous="OFF")
    source, destination = await registered(store)
    sizes_of_file = []
    for round_ in range(16):
        time_ms = NOW_MS + round_ * 1000
        submissions = [
            submission(
                source,
                [event(round_ * 1000 + n, lane=n)],
                (destination,),
                b"x" * 900 * (1 + n % 4),
                received_ms=time_ms,
            )
            for n in range(200)
        ]
        for appended in await asyncio.gather(*map(store.append, submissions)):
            failed = done(appended.deliveries[0])._replace(state=State.HELD)
            store.settle(failed)
            store.settle(done(appended.deliveries[0]))
        await store.flush()
        after, more = 0, True
        while more:
            pruned, after = await store.prune(Cutoffs(time_ms - 2000, time_ms - 4000), after, 50)
            more = pruned.more
        sizes_of_file.append(path.stat().st_size)
    await store.close()
    size = path.stat().st_size
    assert size <= sizes_of_file[7] * 1.02, sizes_of_file
    [account] = await accounts_of(path)
    assert (account.matched, account.delivered, account.balances) == (3200, 3200, True)


async def accounts_of(path: Path) -> list[Account]:
    store = await opened(path)
    try:
        return await store.accounts()
    finally:
        await store.close()


async def test_most_of_a_file_that_is_free_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await opened(path)
    source, _ = await registered(store)
    for _ in range(40):
        await store.append(submission(source, [], body=b"x" * 100_000))
    after, more = 0, True
    while more:
        pruned, after = await store.prune(Cutoffs(NOW_MS + 1, NOW_MS + 1), after, 10)
        more = pruned.more
    await store.close()
    assert path.stat().st_size < 2_500_000


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
    source, destination = await registered(store)
    appended = await store.append(submission(source, [event(1)], (destination,)))
    await store._call(lambda: store._database.execute("PRAGMA query_only = ON"))
    store.settle(done(appended.deliveries[0]))
    with pytest.raises(StoreUnavailable):
        await store.flush()
    assert store.unsettled == 1
    assert "cannot write" in str(await store.refusal())
    await store._call(lambda: store._database.execute("PRAGMA query_only = OFF"))
    await store.flush()
    assert store.unsettled == 0
    assert await store.counts() == []
    await store.close()


async def test_hot_queries_use_their_indexes(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    appended = await store.append(submission(source, [event(n, lane=n) for n in range(1, 4)], (destination,)))
    first, second, third = appended.deliveries
    plans: dict[str, str] = {}

    def record(statement: str) -> None:
        if "deliveries" in statement:
            plans.setdefault(statement.strip(), "")

    await store._call(lambda: store._database.set_trace_callback(record))
    store.settle(done(first))
    store.settle(done(second)._replace(state=State.HELD))
    store.wait(destination, third.event.seq, third.lane)
    await store.queued(destination, 0, 10)
    await store.waiting(destination, 2, 10)
    await store.due(destination, 5, 10)
    await store.hurry(destination, 5)
    await store.backlog(ALL_SHARDS)
    await store.runs()
    await store._call(lambda: store._database.set_trace_callback(None))

    def explain() -> None:
        for statement in plans:
            rows = store._database.execute("EXPLAIN QUERY PLAN " + statement).fetchall()
            plans[statement] = "; ".join(row[3] for row in rows)

    await store._call(explain)
    await store.close()
    assert len(plans) >= 12
    for statement, plan in plans.items():
        assert not re.search(r"SCAN (d|deliveries)\b(?! USING)", plan), (statement, plan)
        assert "TEMP B-TREE FOR ORDER BY" not in plan, (statement, plan)


def test_statements_are_of_few_sizes() -> None:
    found = set()
    for count in range(600):
        pieces = list(sizes(count))
        assert sum(pieces) == count
        found.update(pieces)
    assert len(found) <= 15 + 8
    assert max(found) == 128


# A commit that fails


async def test_what_a_failed_commit_has_stored_all_the_same_is_not_left_lying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, handed, destination, source = await breaking(tmp_path, monkeypatch)
    monkeypatch.setattr(Breaking, "after", ["COMMIT"])
    with pytest.raises(StoreUnavailable, match="disk I/O"):
        await store.append(submission(source, [event(1)], (destination,)))
    await store.append(submission(source, [event(2)], (destination,)))
    assert handed.log == [("hinted", [destination]), ("committed", [2])]
    assert numbers((await store.queued(destination, 0, 10)).deliveries) == [1, 2]
    repeated = await store.append(submission(source, [event(1)], (destination,)))
    assert repeated.stored == [False]
    await store.close()


async def test_many_in_a_commit_that_fails_are_each_told_what_came_of_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is repeated one by one; what had been stored is known then, and hinted."""
    store, handed, destination, source = await breaking(tmp_path, monkeypatch)
    monkeypatch.setattr(Breaking, "after", ["COMMIT"])
    appends = [store.append(submission(source, [event(n)], (destination,))) for n in range(20)]
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert not any(isinstance(result, Exception) for result in results[1:])
    await store.flush()
    assert ("hinted", [destination]) in handed.log
    assert numbers((await store.queued(destination, 0, 100)).deliveries) == list(range(20))
    await store.close()


async def test_a_commit_that_never_happened_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _, destination, source = await breaking(tmp_path, monkeypatch)
    monkeypatch.setattr(Breaking, "before", ["COMMIT"])
    with pytest.raises(StoreUnavailable, match="disk I/O"):
        await store.append(submission(source, [event(1)], (destination,)))
    assert (await store.append(submission(source, [event(1)], (destination,)))).stored == [True]
    [account] = await store.accounts()
    assert (account.matched, account.pending) == (1, 1)
    await store.close()


async def breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SqliteStore, Handed, int, int]:
    connect = sqlite3.connect
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Breaking, **options))
        store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    handed = Handed(store)
    await store.attend(handed)
    return store, handed, destination, source


# Others on the same file


async def test_deliveries_are_handed_over_in_order_and_before_the_answer(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    await store.append(submission(source, [event(1)], (destination,)))  # nobody listens yet
    handed = Handed(store)
    await store.attend(handed)
    assert handed.told == [("gained", ALL_SHARDS)]
    assert handed.count == 1
    await store.append(submission(source, [event(2), event(3)], (destination,)))
    assert handed.log == [("committed", [2, 3])]
    assert store.holds(destination, 1)
    await asyncio.gather(*(store.append(submission(source, [event(n)], (destination,))) for n in range(10, 60)))
    assert [number for _, numbers_ in handed.log[1:] for number in numbers_] == list(range(10, 60))
    await store.close()


async def test_commits_of_another_process_are_noticed_while_nothing_happens(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    [delivery] = (await store.append(submission(source, [event(1)], (destination,)))).deliveries
    store.settle(done(delivery))
    await store.flush()
    handed = Handed(store)
    await store.attend(handed)
    _execute(store._file.path, "UPDATE destinations SET mode = 'paused'")
    await until(lambda: handed.log, "news of another process")
    assert handed.log == [("changed", []), ("hinted", [])][: len(handed.log)]
    _execute(store._file.path, "UPDATE deliveries SET state = 0")
    await until(lambda: ("hinted", [destination]) in handed.log, "a hint")
    own = len(handed.log)
    await store.change(destination, lambda control: control.opened(NOW_MS))
    await store.append(submission(source, [event(2)], (destination,)))
    await asyncio.sleep(0)
    assert handed.log[own:] == [("committed", [2])], "what this process does itself is no news"
    await store.close()


async def test_numbers_that_another_process_took_are_not_given_again(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    first = await store.append(submission(source, [event(1)], (destination,)))
    columns = "id, receipt, type, time_ms, partial, lane, pointer, head, data"
    for number in (2, 3):  # the second has an id that is just coming in as well
        values = f"x'{event(number).id.hex()}', 1, 't', 0, 0, 1, '', x'', x''"
        _execute(store._file.path, f"INSERT INTO events ({columns}) VALUES ({values})")
    _execute(store._file.path, "INSERT INTO receipts VALUES (2, x'', 1, 0, 'parsed', x'', x'')")
    appended = await asyncio.gather(*(store.append(submission(source, [event(n)], (destination,))) for n in (3, 4)))
    assert [one.stored for one in appended] == [[False], [True]]
    [later] = appended[1].deliveries
    assert later.event.seq > first.deliveries[0].event.seq + 2
    assert later.event.receipt > 2
    [found] = (await store.queued(destination, later.event.seq - 1, 10)).deliveries
    assert found.event.id == event(4).id
    await store.close()


async def test_what_is_appended_while_the_store_closes_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    flush, late = store.flush, []

    async def flush_late() -> None:
        await flush()
        late.append(asyncio.ensure_future(store.append(submission(source, [event(1)], (destination,)))))

    monkeypatch.setattr(store, "flush", flush_late)
    monkeypatch.setattr(gathering, "QUIET_TURNS", 1_000_000)
    monkeypatch.setattr(gathering, "LIMIT_S", 3600.0)
    await store.close()
    assert (await asyncio.wait_for(late[0], 10)).stored == [True]
    with pytest.raises(StoreUnavailable):
        await store.append(submission(source, [event(2)], (destination,)))


async def test_a_commit_waits_for_that_of_another_process(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    other = sqlite3.connect(store._file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    append = asyncio.ensure_future(store.append(submission(source, [event(1)], (destination,))))
    done_, _ = await asyncio.wait([append], timeout=0.2)
    assert not done_
    other.execute("COMMIT")
    other.close()
    assert (await append).stored == [True]
    await store.close()


async def test_a_file_that_another_process_holds_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.3)
    store = await opened(tmp_path / "store.db")
    source, destination = await registered(store)
    [delivery] = (await store.append(submission(source, [event(100)], (destination,)))).deliveries
    other = sqlite3.connect(store._file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.settle(done(delivery))
    began = time.monotonic()
    appends = [store.append(submission(source, [event(n)], (destination,))) for n in range(40)]
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert time.monotonic() - began < 40 * 0.3 / 4
    assert all(isinstance(result, StoreUnavailable) and "locked" in str(result) for result in results)
    assert store.unsettled == 1
    other.execute("ROLLBACK")
    other.close()
    await store.flush()
    assert (await store.append(submission(source, [event(1)], (destination,)))).stored == [True]
    assert [(one.matched, one.delivered) for one in await store.accounts()] == [(2, 1)]
    await store.close()


# The file


def test_new_files_have_large_pages_and_can_shrink(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert schema_version(path) == 0
    assert not path.exists()
    asyncio.run(_make(path))
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA page_size").fetchone() == (FILE_PAGE_BYTES,)
    assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    database.close()
    assert schema_version(path) == len(migrations("sqlite"))


async def test_a_file_of_the_version_before_the_ledger_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = sqlite3.connect(path)
    for migration in migrations("sqlite")[:2]:
        database.executescript(migration.sql)
    database.executescript(
        f"""
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = 2;
        INSERT INTO meta VALUES ('party_key', x'07');
        INSERT INTO sources VALUES (3, 'a', 's', 'a/s', 'cloud_api');
        INSERT INTO destinations VALUES (5, 'a', 'd'), (9, 'a', 'gone');
        """
    )
    for number in range(1, 40):
        database.execute(
            "INSERT INTO receipts VALUES (?, x'00', 3, ?, 'parsed', x'7b7d', x'31323334')",
            (number, NOW_MS + number * 10_000_000),
        )
        database.execute(
            "INSERT INTO events (seq, id, receipt, type, time_ms, partial, lane, pointer, head, data) "
            "VALUES (?, ?, ?, 't', 0, 0, 1, '', x'7b7d', x'7b7d')",
            (number, event(number).id, number),
        )
        for place in (5, 9):
            database.execute(
                "INSERT INTO deliveries (event, destination, lane, state) VALUES (?, ?, 1, ?)",
                (number, place, number % 6),
            )
    database.commit()
    database.close()
    store = await opened(path)
    assert store.party_key == b"\x07"
    accounts = await store.accounts()
    assert [one[:3] for one in accounts] == [("a", "d", 39), ("a", "gone", 39)]
    assert all(one.balances for one in accounts)
    assert (await store.volume()).tenants == {"a": 39 * 8}
    assert await store.register_destinations([DestinationRow("a", "d"), DestinationRow("a", "new")]) == [5, 10]
    assert await store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")]) == [3]
    assert [one.parked > 0 for one in await store.accounts()] == [False, True]
    assert [d.event.seq for d in (await store.queued(5, 0, 100)).deliveries] == list(range(6, 40, 6))
    after, more = 0, True
    while more:
        pruned, after = await store.prune(Cutoffs(NOW_MS * 2, NOW_MS * 2), after, 7)
        more = pruned.more
    accounts = await store.accounts()
    assert [(one.matched, one.balances, one.delivered, one.dead) for one in accounts] == [(39, True, 6, 6)] * 2
    await store.close()


def test_the_file_and_those_beside_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def modes() -> set[int]:
        store = await opened(path)
        found = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("store.db*")}
        assert len(list(tmp_path.glob("store.db*"))) == 4, "the file, its log, the log's index, the lock"
        await store.close()
        return found

    umask = os.umask(0o022)
    try:
        assert asyncio.run(modes()) == {0o600}
        path.chmod(0o640)
        assert asyncio.run(modes()) == {0o600, 0o640}, "who gave it to a group meant that"
    finally:
        os.umask(umask)


async def test_damage_within_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await opened(path)
    source, destination = await registered(store)
    for number in range(50):
        await store.append(submission(source, [event(number)], (destination,), body=b"x" * 5000))
    await store.close()
    with path.open("r+b") as file:
        file.seek(20 * FILE_PAGE_BYTES)
        file.write(os.urandom(path.stat().st_size - 20 * FILE_PAGE_BYTES))
    before = path.read_bytes()
    told = f"{re.escape(str(path))} is damaged or no SQLite database .*restore a backup"
    with pytest.raises(StoreError, match=told):
        await opened(path)
    assert path.read_bytes() == before
    async with open_session(StoreUrl("sqlite", path)) as session:
        with pytest.raises(StoreUnavailable, match=told):
            await session.fetch("SELECT body FROM receipts")
    with pytest.raises(StoreUnavailable, match=told):
        sqlite_ledger.look(path, lambda database: database.execute("SELECT body FROM receipts").fetchall())


async def test_damage_that_shows_later_is_told_as_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await opened(path)
    source, destination = await registered(store)
    appended = await store.append(submission(source, [event(1)], (destination,), body=b"x" * 500_000))
    await store.close()
    with path.open("r+b") as file:  # the body is in a chain of pages, which is followed when it is asked for
        file.seek(path.stat().st_size - 50 * FILE_PAGE_BYTES)
        file.write(b"\xff" * 40 * FILE_PAGE_BYTES)
    before = path.read_bytes()
    store = await opened(path)
    with pytest.raises(StoreUnavailable, match=f"{re.escape(str(path))} is damaged.*restore a backup"):
        await store.body(appended.deliveries[0].event.receipt)
    await store.close()
    assert path.read_bytes() == before


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file" / "store.db"
    path.parent.write_text("no directory")
    with pytest.raises(StoreError, match="cannot write") as refusal:
        asyncio.run(_make(path))
    assert str(path) in str(refusal.value)


def test_a_file_system_that_is_full_refuses_to_start(tmp_path: Path) -> None:
    """In a process that may write no more than a few kilobytes into a file; then it is not limited any more."""
    path = tmp_path / "store.db"
    script = (
        "import asyncio, pathlib, resource, signal, sys\n"
        "from gateway.store.base import StoreError\n"
        "from gateway.store.sqlite import SqliteStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: asyncio.run(SqliteStore(pathlib.Path(sys.argv[1])).open())\n"
        "except StoreError as error: print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert f"cannot write {path}" in answer.stdout
    assert "is the disk full?" in answer.stdout
    asyncio.run(_make(path))


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


def test_a_full_store_that_cannot_even_tell_its_size_is_told_like_any_other(tmp_path: Path) -> None:
    """Whatever this raises would end the store's thread."""
    database = sqlite3.connect(tmp_path / "wagw.db")
    quota = Quota(database, tmp_path / "wagw.db", 1 << 20)
    database.close()
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    assert "wagw.db" in str(quota.refusal(full, 100))
