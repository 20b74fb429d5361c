"""What every store promises (gateway/store/base.py): one suite, run on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.config import StoreUrl
from gateway.control import Control, Mode
from gateway.stamp import Event
from gateway.store.base import (
    ALL_SHARDS,
    Appended,
    Delivery,
    DestinationRow,
    DriftSample,
    Page,
    Route,
    Run,
    Settlement,
    SourceRow,
    State,
    Store,
    StoreUnavailable,
    shard_of,
)
from gateway.store.ledger import DAY_MS, Account, Cutoffs
from gateway.store.session import Session, open_session
from gateway.store.sqlite import SqliteStore
from tests.listening import Listening
from tests.listening import numbers as numbers_of
from tests.postgres import ENGINES, open_store, postgres_server, postgres_template
from tests.support import NOW_MS, event, submission, until

__all__ = ["open_store", "postgres_server", "postgres_template"]

KEPT_DRIFT = 1000


class Taking(Listening):
    """Keeps what it is handed as well."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.handed: list[Delivery] = []

    def committed(self, deliveries: list[Delivery]) -> None:
        self.handed += deliveries


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, open_store: Callable[..., Awaitable[Store]]) -> Store:
    store = await open_store(request.param)
    await store.attend(Taking(store))
    return store


@pytest.fixture
async def source(store: Store) -> int:
    [number] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    return number


@pytest.fixture
async def destination(store: Store) -> int:
    [number] = await store.register_destinations([DestinationRow("acme", "crm")])
    return number


def session_of(store: Any) -> Any:
    """As an operator's command has it, in another process."""
    if isinstance(store, SqliteStore):
        return open_session(StoreUrl("sqlite", store._file.path), write=True)
    return open_session(StoreUrl("postgresql", url=SecretStr(store._url)), write=True)


def numbers(deliveries: list[Delivery] | Page) -> list[int]:
    """Which events they are: `tests.support.event` puts its number into the id."""
    return numbers_of(deliveries.deliveries if isinstance(deliveries, Page) else deliveries)


async def queued(store: Store, destination: int, limit: int = 100) -> Page:
    """From the beginning."""
    await store.backlog(ALL_SHARDS, destination)
    return await store.queued(destination, 0, limit)


async def all_queued(store: Store, destination: int) -> list[Delivery]:
    return (await queued(store, destination)).deliveries


def settled(
    delivery: Delivery, state: State, *, due_ms: int = 0, now_ms: int = NOW_MS, tried_ms: int = 0
) -> Settlement:
    status = 200 if state is State.DELIVERED else 500
    return Settlement(
        delivery.destination, delivery.event.seq, delivery.lane, state, now_ms, True, due_ms, status, None,
        tried_ms or now_ms,
    )  # fmt: skip


def moved(delivery: Delivery, state: State, due_ms: int = 0) -> Settlement:
    """Without an attempt."""
    return settled(delivery, state, due_ms=due_ms)._replace(attempted=False)


def wait(store: Store, delivery: Delivery) -> None:
    store.wait(delivery.destination, delivery.event.seq, delivery.lane)


async def account(store: Store, name: str = "crm") -> Account:
    """One destination's; all of the ledger balances."""
    accounts = await store.accounts()
    assert all(one.balances for one in accounts)
    assert await store.accounts(recount=False) == accounts
    [found] = [one for one in accounts if one.destination == name]
    return found


# Names


async def test_registration_is_stable_and_separates_tenants(store: Store) -> None:
    [first] = await store.register_destinations([DestinationRow("acme", "crm")])
    assert (await store.register_destinations([DestinationRow("acme", "crm")]))[0] == first
    assert (await store.register_destinations([DestinationRow("other", "crm")]))[0] != first
    [source] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    assert (await store.register_sources([SourceRow("acme", "cloud", "old/uid", "whapi")]))[0] == source


async def test_ten_thousand_names_are_registered_in_their_order(store: Store) -> None:
    rows = [DestinationRow(f"t{number}", "crm") for number in range(10_000)]
    first = await store.register_destinations(rows)
    assert len(set(first)) == 10_000
    assert await store.register_destinations(rows[::-1]) == first[::-1]


# Appending


async def test_append_stores_receipt_events_and_deliveries(store: Store, source: int) -> None:
    crm, archive = await store.register_destinations([DestinationRow("acme", "crm"), DestinationRow("acme", "archive")])
    appended = await store.append(submission(source, [event(1), event(2)], (crm, archive), b'[{"a":1}]'))
    assert appended.stored == [True, True]
    [one, other] = sorted({delivery.event.seq for delivery in appended.deliveries})
    assert [(d.destination, d.event.seq) for d in appended.deliveries] == [
        (crm, one), (archive, one), (crm, other), (archive, other),
    ]  # fmt: skip
    loaded = (await queued(store, crm)).deliveries
    assert numbers(loaded) == [1, 2]
    first = loaded[0].event
    assert (first.head, first.data, first.received_ms) == (event(1).head, event(1).data, NOW_MS)
    assert (first.id, first.revision, first.pointer, first.partial) == (event(1).id, 1, "/0", False)
    assert await store.body(first.receipt) == b'[{"a":1}]'


async def test_known_events_are_left_out_inside_the_commit(store: Store, source: int, destination: int) -> None:
    first = await store.append(submission(source, [event(1), event(2), event(1)], (destination,)))
    assert first.stored == [True, True, False]
    again = await store.append(submission(source, [event(2), event(3)], (destination,)))
    assert again.stored == [False, True]
    assert numbers(again.deliveries) == [3]
    assert numbers(await queued(store, destination)) == [1, 2, 3]


async def test_known_ones_among_hundreds_are_found(store: Store, source: int, destination: int) -> None:
    known = set(range(0, 700, 7))
    await store.append(submission(source, [event(number) for number in sorted(known)], (destination,)))
    again = await store.append(submission(source, [event(number) for number in range(700)], (destination,)))
    assert again.stored == [number not in known for number in range(700)]
    assert numbers(again.deliveries) == [number for number in range(700) if number not in known]
    assert (await account(store)).matched == 700


async def test_racing_requests_with_the_same_event_store_it_once(store: Store, source: int, destination: int) -> None:
    results = await asyncio.gather(*(store.append(submission(source, [event(7)], (destination,))) for _ in range(40)))
    assert sorted(result.stored for result in results) == [[False]] * 39 + [[True]]
    assert numbers(await queued(store, destination)) == [7]


async def test_sequences_rise_in_the_order_of_appending(store: Store, source: int, destination: int) -> None:
    results = await asyncio.gather(
        *(store.append(submission(source, [event(n), event(n + 1000)], (destination,))) for n in range(300))
    )
    for result in results:
        assert result.deliveries[0].event.seq < result.deliveries[1].event.seq
    assert len({delivery.event.seq for result in results for delivery in result.deliveries}) == 600
    last = 0
    for number in range(2000, 2020):
        appended = await store.append(submission(source, [event(number)], (destination,)))
        assert appended.deliveries[0].event.seq > last
        last = appended.deliveries[0].event.seq


async def test_empty_receipts_are_stored(store: Store, source: int) -> None:
    assert (await store.append(submission(source, []))).stored == []


async def test_events_that_nobody_wants_are_stored_and_known(store: Store, source: int, destination: int) -> None:
    assert await store.append(submission(source, [event(1)])) == Appended([True], [])
    assert (await store.append(submission(source, [event(1)], (destination,)))).stored == [False]
    assert await store.accounts() == []


async def test_without_order_each_event_is_a_lane(store: Store, source: int, destination: int) -> None:
    events = [event(1, lane=5), event(2, lane=5)]
    appended = await store.append(submission(source, events, (Route(destination, ordered=False),)))
    lanes = [int.from_bytes(one.id[-8:], "big", signed=True) for one in events]
    assert [delivery.lane for delivery in appended.deliveries] == lanes
    assert [delivery.lane for delivery in await all_queued(store, destination)] == lanes


async def test_an_append_that_was_cancelled_is_delivered_all_the_same(
    store: Store, source: int, destination: int
) -> None:
    appends = [asyncio.ensure_future(store.append(submission(source, [event(n)], (destination,)))) for n in range(50)]
    await asyncio.sleep(0)
    appends[3].cancel()  # its client went away
    await asyncio.gather(*appends, return_exceptions=True)
    await store.append(submission(source, [event(99)], (destination,)))
    assert sorted(numbers(await queued(store, destination))) == [*range(50), 99]


async def test_a_closed_store_says_so(store: Store, source: int) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.append(submission(source, [event(1)]))
    for question in (store.counts, store.accounts, store.volume, store.controls, store.flush):
        with pytest.raises(StoreUnavailable):
            await question()
    assert await store.refusal() == "the store is closed"
    await store.close()


# Statuses that do not run backwards


def status(number: int, rank: int, key: int = 77) -> Event:
    return replace(event(number), rank=rank, rank_key=key)


async def test_late_statuses_are_kept_back_where_they_are_not_wanted(store: Store, source: int) -> None:
    crm, archive = await store.register_destinations([DestinationRow("acme", "crm"), DestinationRow("acme", "archive")])
    routes = (Route(crm, monotonic=True), Route(archive))
    handed = []
    for number, rank in enumerate([2, 1, 3, 3, 0, 2]):  # 0 is a failure, or no status
        appended = await store.append(submission(source, [status(number, rank)], routes))
        assert appended.stored == [True]
        handed += numbers([one for one in appended.deliveries if one.destination == crm])
    assert handed == [0, 2, 3, 4]
    assert numbers(await queued(store, crm)) == [0, 2, 3, 4]
    assert numbers(await queued(store, archive)) == [0, 1, 2, 3, 4, 5]
    one = await account(store)
    assert (one.matched, one.pending, one.suppressed) == (6, 4, 2)
    assert (await account(store, "archive")).suppressed == 0


async def test_ranks_are_of_one_message_and_hold_within_a_request(store: Store, source: int, destination: int) -> None:
    events = [status(1, 3), status(2, 1), status(3, 1, key=-5), status(4, 2)]
    appended = await store.append(submission(source, events, (Route(destination, monotonic=True),)))
    assert numbers(appended.deliveries) == [1, 3]
    repeated = await store.append(submission(source, events, (Route(destination, monotonic=True),)))
    assert repeated == Appended([False] * 4, [])


# Pages


async def test_pages_go_on_where_the_last_one_ended(store: Store, source: int, destination: int) -> None:
    await store.append(submission(source, [event(n) for n in range(1, 6)], (destination,)))
    page, more = await queued(store, destination, 2)
    assert (numbers(page), more) == ([1, 2], True)
    page, more = await store.queued(destination, page[-1].event.seq, 10)
    assert (numbers(page), more) == ([3, 4, 5], False)


async def test_a_page_ends_after_some_megabytes(store: Store, source: int, destination: int) -> None:
    large = [event(n) for n in range(1, 8)]
    for one in large:
        one.data = b'{"text":"%s"}' % (b"x" * 1_500_000)
    await store.append(submission(source, large, (destination,)))
    page, more = await queued(store, destination)
    assert (numbers(page), more) == ([1, 2, 3], True)
    page, more = await store.queued(destination, page[-1].event.seq, 4)
    assert (numbers(page), more) == ([4, 5, 6], True)


async def test_due_deliveries_come_when_their_time_has(store: Store, source: int, destination: int) -> None:
    appended = await store.append(submission(source, [event(n, lane=n) for n in range(1, 4)], (destination,)))
    for delivery, due_s, state in zip(
        appended.deliveries, (20, 10, 30), (State.HELD, State.BESIDE, State.HELD), strict=True
    ):
        store.settle(settled(delivery, state, due_ms=NOW_MS + due_s * 1000))
    await store.flush()
    assert await store.due(destination, NOW_MS + 9_999, 10) == (([], False), NOW_MS + 10_000)
    (due, _), upcoming = await store.due(destination, NOW_MS + 20_000, 10)
    assert numbers(due) == [2, 1]
    assert [(d.state, d.attempts, d.tried_since_ms) for d in due] == [
        (State.BESIDE, 1, NOW_MS), (State.HELD, 1, NOW_MS),
    ]  # fmt: skip
    assert upcoming == NOW_MS + 30_000
    assert numbers((await store.due(destination, NOW_MS + 99_000, 1))[0]) == [2]


async def test_hurrying_makes_all_retries_due(store: Store, source: int, destination: int) -> None:
    [other] = await store.register_destinations([DestinationRow("acme", "archive")])
    await store.register_destinations([DestinationRow("acme", "crm"), DestinationRow("acme", "archive")])
    appended = await store.append(submission(source, [event(n, lane=n) for n in range(1, 5)], (destination, other)))
    for delivery in appended.deliveries:
        store.settle(settled(delivery, State.HELD if delivery.lane % 2 else State.BESIDE, due_ms=NOW_MS + 60_000))
    await store.flush()
    await store.hurry(destination, NOW_MS + 1)
    page, upcoming = await store.due(destination, NOW_MS + 1, 10)
    assert (sorted(numbers(page)), upcoming) == ([1, 2, 3, 4], None)
    assert await store.due(other, NOW_MS + 1, 10) == (([], False), NOW_MS + 60_000)


# Settling


async def test_settlements_show_in_what_is_asked_afterwards(store: Store, source: int, destination: int) -> None:
    appended = await store.append(submission(source, [event(n) for n in range(1, 6)], (destination,)))
    first, second, third, fourth, _ = appended.deliveries
    store.settle(settled(first, State.DELIVERED))
    store.settle(settled(second, State.HELD, due_ms=NOW_MS + 5000))
    store.settle(settled(third, State.DEAD))
    wait(store, fourth)
    await store.flush()
    assert numbers(await queued(store, destination)) == [5]
    assert store.unsettled == 0
    assert numbers(await store.waiting(destination, 1, 10)) == [4]
    assert {(c.state, c.deliveries, c.oldest_ms) for c in await store.counts()} == {
        (state, 1, NOW_MS) for state in (State.QUEUED, State.HELD, State.WAITING, State.DEAD)
    }
    assert await account(store) == Account("acme", "crm", 5, 1, 3, 0, 1, 0, 0)


async def test_a_second_failure_keeps_the_tried_time_of_the_first(store: Store, source: int, destination: int) -> None:
    [delivery] = (await store.append(submission(source, [event(1)], (destination,)))).deliveries
    store.settle(settled(delivery, State.HELD, due_ms=NOW_MS + 1, tried_ms=1234))
    store.settle(settled(delivery, State.HELD, due_ms=NOW_MS + 2, now_ms=NOW_MS + 1, tried_ms=9999))
    store.settle(moved(delivery, State.BESIDE))
    await store.flush()
    [loaded] = (await store.due(destination, NOW_MS + 2, 10))[0].deliveries
    assert (loaded.state, loaded.attempts, loaded.tried_since_ms) == (State.BESIDE, 2, 1234)


async def test_what_moves_without_an_attempt_keeps_its_time_unless_it_is_given_one(
    store: Store, source: int, destination: int
) -> None:
    [delivery] = (await store.append(submission(source, [event(1)], (destination,)))).deliveries
    store.settle(settled(delivery, State.HELD, due_ms=NOW_MS + 5))
    store.settle(moved(delivery, State.BESIDE))
    await store.flush()
    assert (await store.due(destination, NOW_MS, 10))[1] == NOW_MS + 5
    store.settle(moved(delivery, State.HELD, due_ms=NOW_MS))
    await store.flush()
    [loaded] = (await store.due(destination, NOW_MS, 10))[0].deliveries
    assert (loaded.state, loaded.attempts) == (State.HELD, 1)


async def test_failed_attempts_are_written_down(store: Store, source: int, destination: int) -> None:
    [delivery] = (await store.append(submission(source, [event(1)], (destination,)))).deliveries
    for number, (state, status_, error) in enumerate(
        [(State.HELD, 500, None), (State.BESIDE, None, "timeout"), (State.DELIVERED, 204, None)]
    ):
        now_ms = NOW_MS + number
        store.settle(settled(delivery, state, now_ms=now_ms)._replace(status=status_, error=error, took_ms=10 + number))
        await store.flush()
    async with session_of(store) as session:
        rows = await session.fetch("SELECT number, at_ms, took_ms, status, error FROM attempts ORDER BY number")
        [last] = await session.fetch("SELECT state, attempts, last_status, last_error FROM deliveries")
    assert [tuple(row) for row in rows] == [(1, NOW_MS, 10, 500, None), (2, NOW_MS + 1, 11, None, "timeout")]
    assert tuple(last) == (State.DELIVERED, 3, 204, None)


async def test_waiting_is_only_for_what_is_queued(store: Store, source: int, destination: int) -> None:
    [delivery] = (await store.append(submission(source, [event(1)], (destination,)))).deliveries
    store.settle(settled(delivery, State.DELIVERED))
    wait(store, delivery)
    await store.flush()
    assert numbers(await store.waiting(destination, 1, 10)) == []


async def test_many_settlements_of_many_statuses(store: Store, source: int, destination: int) -> None:
    appended = await store.append(submission(source, [event(n) for n in range(1, 400)], (destination,)))
    for delivery in appended.deliveries:
        store.settle(settled(delivery, State.DELIVERED)._replace(status=200 + delivery.event.seq % 5))
    await store.flush()
    assert await store.counts() == []
    assert await account(store) == Account("acme", "crm", 399, 399, 0, 0, 0, 0, 0)


async def test_the_later_state_of_a_delivery_counts_and_delivered_is_final(
    store: Store, source: int, destination: int
) -> None:
    first, second = (await store.append(submission(source, [event(1), event(2)], (destination,)))).deliveries
    store.settle(settled(first, State.HELD, due_ms=NOW_MS + 5))
    store.settle(settled(first, State.DELIVERED))
    store.settle(settled(second, State.DELIVERED))
    store.settle(settled(second, State.HELD, due_ms=NOW_MS + 5))
    await store.flush()
    assert await store.counts() == []
    assert (await store.due(destination, NOW_MS + 99, 10))[0].deliveries == []


async def test_what_is_not_in_the_store_is_said_and_the_store_lives_on(store: Store, source: int) -> None:
    with pytest.raises(LookupError):
        await store.body(999)
    with pytest.raises(LookupError):
        await store.change(999, lambda control: control.opened(NOW_MS))
    assert (await store.append(submission(source, [event(1)]))).stored == [True]


# How lanes were left


async def test_the_backlog_tells_how_lanes_were_left(store: Store, source: int, destination: int) -> None:
    appended = await store.append(
        submission(source, [event(1, 10), event(2, 10), event(3, 20), event(4, 30), event(5, 30)], (destination,))
    )
    head, follower, beside, orphan, later = appended.deliveries
    store.settle(settled(head, State.HELD, due_ms=NOW_MS + 5000, tried_ms=77))
    wait(store, follower)
    store.settle(settled(beside, State.BESIDE, due_ms=NOW_MS + 3000))
    wait(store, orphan)
    wait(store, later)
    await store.flush()
    [backlog] = (await store.backlog(ALL_SHARDS, destination)).values()
    assert [(held.lane, held.event, held.tried_since_ms) for held in backlog.held] == [(10, head.event.seq, 77)]
    assert sorted(backlog.waiting_lanes) == [10, 30]
    assert list(backlog.beside_lanes) == [20]
    assert backlog.next_due_ms == NOW_MS + 3000
    assert not backlog.queued


async def test_the_backlog_of_all_leaves_out_who_has_none(store: Store, source: int) -> None:
    rows = [DestinationRow("acme", f"d{number}") for number in range(6)]
    served = await store.register_destinations(rows)
    done, waiting, dead, fresh, held, empty = served
    appended = await store.append(submission(source, [event(1)], (done, waiting, dead, fresh, held)))
    by_destination = {delivery.destination: delivery for delivery in appended.deliveries}
    store.settle(settled(by_destination[done], State.DELIVERED))
    store.settle(settled(by_destination[dead], State.DEAD))
    store.settle(settled(by_destination[held], State.HELD, due_ms=NOW_MS + 9))
    wait(store, by_destination[waiting])
    await store.flush()
    found = await store.backlog(ALL_SHARDS)
    assert found.keys() == {waiting, fresh, held}
    assert found[fresh].queued
    assert list(found[waiting].waiting_lanes) == [1]
    assert [one.lane for one in found[held].held] == [1]
    assert await store.backlog(ALL_SHARDS, empty) == {}
    assert (await store.backlog(ALL_SHARDS, fresh)).keys() == {fresh}


# Controls, runs, generations


async def test_controls_are_changed_in_one_step(store: Store, destination: int) -> None:
    assert await store.controls() == []
    await asyncio.gather(
        *(store.change(destination, lambda one: replace(one, idle_ms=one.idle_ms + 1)) for _ in range(25))
    )
    paused = await store.change(destination, lambda one: one.with_mode(Mode.PAUSED, "by hand", NOW_MS))
    assert paused == Control(destination, Mode.PAUSED, "by hand", NOW_MS, idle_ms=25, idle_since_ms=NOW_MS)
    assert await store.controls() == [paused]
    resumed = await store.change(destination, lambda one: one.with_mode(Mode.ACTIVE, "", NOW_MS + 50))
    assert (resumed.idle_ms, resumed.idle_since_ms) == (75, 0)
    opened = await store.change(destination, lambda one: one.opened(NOW_MS + 60))
    assert await store.controls() == [opened]
    assert opened.open_since_ms == NOW_MS + 60


async def test_a_change_that_fails_changes_nothing(store: Store, destination: int) -> None:
    def fails(control: Control) -> Control:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await store.change(destination, fails)
    assert await store.controls() == []
    assert (await store.change(destination, lambda one: one)).mode is Mode.ACTIVE


async def test_what_is_paused_or_gone_is_parked(store: Store, source: int) -> None:
    rows = [DestinationRow("acme", "crm"), DestinationRow("acme", "bot")]
    crm, bot = await store.register_destinations(rows)
    await store.append(submission(source, [event(1), event(2)], (crm, bot)))
    await store.change(crm, lambda one: one.with_mode(Mode.PAUSED, "", NOW_MS))
    assert [((await account(store, name)).pending, (await account(store, name)).parked) for name in ("crm", "bot")] == [
        (0, 2), (2, 0),
    ]  # fmt: skip
    await store.change(crm, lambda one: one.with_mode(Mode.ACTIVE, "", NOW_MS))
    assert (await account(store)).pending == 2


async def make_run(session: Session, state: str, tenant: str = "acme", name: str = "crm") -> tuple[int, int]:
    """Its id, and the number of its deliveries' destination."""
    await session.execute(
        "INSERT INTO runs (kind, state, created_ms, criteria, planned) VALUES ('replay', :state, :now_ms, '{}', 1)",
        state=state, now_ms=NOW_MS,
    )  # fmt: skip
    [[run]] = await session.fetch("SELECT max(id) FROM runs")
    await session.execute(
        "INSERT INTO destinations (tenant, name, run) VALUES (:tenant, :name, :run)", tenant=tenant, name=name, run=run
    )
    [[number]] = await session.fetch("SELECT id FROM destinations WHERE run = :run", run=run)
    return int(run), int(number)


async def add_to_run(session: Session, number: int, events: list[Delivery]) -> None:
    for one in events:
        shard = (", shard", f", {shard_of(number, one.lane)}") if session.sharded else ("", "")
        await session.execute(
            f"INSERT INTO deliveries (event, destination, lane{shard[0]}) VALUES (:event, :number, :lane{shard[1]})",
            event=one.event.seq, number=number, lane=one.lane,
        )  # fmt: skip
    await session.execute(
        "INSERT INTO tallies (destination, day, shard, matched) VALUES (:number, :day, 0, :matched) "
        "ON CONFLICT (destination, day, shard) DO UPDATE SET matched = tallies.matched + excluded.matched",
        number=number, day=NOW_MS // DAY_MS, matched=len(events),
    )  # fmt: skip


async def test_runs_are_those_under_way_and_count_with_their_destination(
    store: Store, source: int, destination: int
) -> None:
    appended = await store.append(submission(source, [event(1), event(2)], (destination,)))
    for delivery in appended.deliveries:
        store.settle(settled(delivery, State.DELIVERED))
    await store.flush()
    async with session_of(store) as session, session.transaction():
        filling = await make_run(session, "filling")
        running = await make_run(session, "running")
        for state in ("paused", "cancelled", "done"):
            await make_run(session, state)
        await add_to_run(session, filling[1], appended.deliveries)
        await add_to_run(session, running[1], appended.deliveries[:1])
    assert await store.runs() == [
        Run(filling[1], destination, filling[0], "replay"),
        Run(running[1], destination, running[0], "replay"),
    ]
    assert await account(store) == Account("acme", "crm", 5, 2, 3, 0, 0, 0, 0)
    assert {(count.destination, count.deliveries) for count in await store.counts()} == {("crm", 3)}
    [again] = await all_queued(store, running[1])
    store.settle(settled(again, State.DELIVERED))
    await store.flush()
    assert [run.number for run in await store.runs()] == [filling[1]]


async def test_what_another_process_queues_is_hinted(store: Any, source: int, destination: int) -> None:
    appended = await store.append(submission(source, [event(1)], (destination,)))
    listener = store._listener
    listener.hints.clear()
    async with session_of(store) as session:
        async with session.transaction():
            _, number = await make_run(session, "filling")
            await add_to_run(session, number, appended.deliveries)
        if session.sharded:
            await session.execute("SELECT pg_notify('wagw', 'changed')")
    await until(lambda: number in listener.hints or listener.changes, "news of what another process did")
    assert numbers(await queued(store, number)) == [1]


# Retention


async def test_what_is_over_goes_and_what_is_not_stays(store: Store, source: int, destination: int) -> None:
    body = b"b" * 300
    for number in range(1, 6):
        received_ms = NOW_MS + number * 1000
        await store.append(
            submission(source, [event(number), event(10 + number)], (destination,), body, received_ms=received_ms)
        )
    by_number = dict(zip(numbers(await queued(store, destination)), await all_queued(store, destination), strict=True))
    states = {
        1: (State.DELIVERED, State.DEAD), 2: (State.DELIVERED, State.HELD), 3: (State.DELIVERED, State.DELIVERED),
        4: (State.DELIVERED, State.DELIVERED),
    }  # fmt: skip
    for number, (first, second) in states.items():
        store.settle(settled(by_number[number], first))
        store.settle(settled(by_number[10 + number], second, due_ms=NOW_MS + 9))
    await store.flush()
    before = await store.volume()
    cutoffs = Cutoffs(NOW_MS + 3500, NOW_MS + 10_000)
    pruned, after = await store.prune(cutoffs, 0, 2)
    assert (pruned.receipts, pruned.events, pruned.deliveries, pruned.more) == (1, 2, 2, True)
    pruned, after = await store.prune(cutoffs, after, 2)
    assert (pruned.receipts, pruned.events, pruned.deliveries, pruned.more) == (1, 2, 2, True)
    pruned, after = await store.prune(cutoffs, after, 2)
    assert (pruned.receipts, pruned.more) == (0, False)
    assert await account(store) == Account("acme", "crm", 10, 6, 3, 0, 1, 0, 0)
    with pytest.raises(LookupError):
        await store.body(by_number[1].event.receipt)
    for number in (2, 4, 5):
        assert await store.body(by_number[number].event.receipt) == body
    gone = sum(
        len(body) + sum(len(event(one).head) + len(event(one).data) for one in (number, 10 + number))
        for number in (1, 3)
    )
    assert before.tenants["acme"] - (await store.volume()).tenants["acme"] == gone
    again = await store.append(submission(source, [event(1), event(2)], (destination,)))
    assert again.stored == [True, False]
    [retried] = (await store.due(destination, NOW_MS + 9, 10))[0].deliveries
    assert numbers([retried]) == [12]


async def test_ids_are_remembered_longer_than_receipts(store: Store, source: int, destination: int) -> None:
    for number in (1, 2):
        await store.append(submission(source, [event(number)], (destination,), received_ms=NOW_MS + number))
    for delivery in await all_queued(store, destination):
        store.settle(settled(delivery, State.DELIVERED))
    await store.flush()
    pruned, _ = await store.prune(Cutoffs(NOW_MS + 10, NOW_MS + 2), 0, 100)
    assert (pruned.receipts, pruned.events, pruned.deliveries) == (2, 2, 2)
    assert (await store.volume()).tenants["acme"] == 0
    repeated = submission(source, [event(1), event(2)], (destination,))
    assert (await store.append(repeated)).stored == [True, False]
    assert numbers(await queued(store, destination)) == [1]
    await prune_all(store, Cutoffs(NOW_MS, NOW_MS + 3))
    assert (await store.append(repeated)).stored == [False, True]
    assert (await account(store)).matched == 4


async def prune_all(store: Store, cutoffs: Cutoffs, step: int = 3) -> int:
    """How many receipts."""
    after, more, receipts = 0, True, 0
    while more:
        pruned, after = await store.prune(cutoffs, after, step)
        more = pruned.more
        receipts += pruned.receipts
    return receipts


async def test_sequences_go_on_after_all_was_pruned(store: Store, source: int, destination: int) -> None:
    [delivery] = (await store.append(submission(source, [event(1)], (destination,)))).deliveries
    store.settle(settled(delivery, State.DELIVERED))
    await store.flush()
    assert await prune_all(store, Cutoffs(NOW_MS + 1, NOW_MS + 1)) == 1
    if isinstance(store, SqliteStore):  # which counts by itself, and begins anew when it is opened
        await store.close()
        store = SqliteStore(store._file.path)
        await store.open()
    [later] = (await store.append(submission(source, [event(2)], (destination,)))).deliveries
    assert later.event.seq > delivery.event.seq
    assert later.event.receipt > delivery.event.receipt
    await store.close()


async def test_receipts_without_events_go_too(store: Store, source: int) -> None:
    for number in range(7):
        await store.append(submission(source, [], received_ms=NOW_MS + number))
    assert await prune_all(store, Cutoffs(NOW_MS + 5, NOW_MS)) == 5


async def test_a_receipt_that_came_while_the_clock_was_ahead_does_not_keep_others(store: Store, source: int) -> None:
    times = [0, 1, *([99 * DAY_MS] * 20), 2, 3, *([99 * DAY_MS] * 20), 4]
    for late in times:
        await store.append(submission(source, [], received_ms=NOW_MS + late))
    assert await prune_all(store, Cutoffs(NOW_MS + DAY_MS, NOW_MS)) == 5


async def test_a_step_is_bounded_by_events(store: Store, source: int) -> None:
    for number in range(4):
        await store.append(submission(source, [event(number * 1500 + n) for n in range(1500)]))
    pruned, _ = await store.prune(Cutoffs(NOW_MS + 1, NOW_MS + 1), 0, 100)
    assert (pruned.receipts, pruned.events, pruned.more) == (1, 1500, True)
    assert await prune_all(store, Cutoffs(NOW_MS + 1, NOW_MS + 1)) == 3


async def test_a_run_that_was_pruned_leaves_its_counts_to_its_destination(
    store: Store, source: int, destination: int
) -> None:
    [delivery] = (await store.append(submission(source, [event(1)], (destination,)))).deliveries
    store.settle(settled(delivery, State.DEAD))
    await store.flush()
    async with session_of(store) as session, session.transaction():
        _, number = await make_run(session, "running")
        await add_to_run(session, number, [delivery])
    [again] = await all_queued(store, number)
    assert await prune_all(store, Cutoffs(NOW_MS + 1, NOW_MS + 1)) == 0
    store.settle(settled(again, State.DELIVERED))
    await store.flush()
    assert await prune_all(store, Cutoffs(NOW_MS + 1, NOW_MS + 1)) == 1
    assert await account(store) == Account("acme", "crm", 2, 1, 0, 0, 1, 0, 0)
    async with session_of(store) as session:
        assert await session.fetch("SELECT id FROM runs") == []
        assert await session.fetch("SELECT id FROM destinations WHERE run > 0") == []


async def test_parked_deliveries_expire_and_others_do_not(store: Store, source: int, destination: int) -> None:
    for number in range(1, 6):
        await store.append(submission(source, [event(number)], (destination,), received_ms=NOW_MS + number))
    one, two, three, _, _ = await all_queued(store, destination)
    store.settle(settled(one, State.HELD, due_ms=NOW_MS + 9))
    wait(store, two)
    store.settle(settled(three, State.BESIDE, due_ms=NOW_MS + 9))
    await store.flush()
    assert await store.expire(destination, NOW_MS + 99, NOW_MS, 10) == 0
    await store.change(destination, lambda control: control.with_mode(Mode.DISABLED, "410", NOW_MS))
    assert [await store.expire(destination, NOW_MS + 5, NOW_MS, 3) for _ in range(3)] == [3, 1, 0]
    assert await account(store) == Account("acme", "crm", 5, 0, 0, 1, 0, 0, 4)
    assert await prune_all(store, Cutoffs(NOW_MS + 99, NOW_MS + 99)) == 4
    assert await account(store) == Account("acme", "crm", 5, 0, 0, 1, 0, 0, 4)
    await store.change(destination, lambda control: control.with_mode(Mode.ACTIVE, "", NOW_MS))
    assert numbers(await queued(store, destination)) == [5]


# Drift


async def test_drift_is_added_up_and_the_latest_is_kept(store: Store) -> None:
    first = DriftSample("whapi", "member", "mood", 5, 6, 2, None)
    await store.keep_drift([first])
    await store.keep_drift([first._replace(first_ms=7, last_ms=8, seen=3, sample=b"{}")])
    await store.keep_drift([first._replace(first_ms=9, last_ms=9, seen=1, sample=b"[]")])
    assert await store.drift_samples() == [DriftSample("whapi", "member", "mood", 5, 9, 6, b"{}")]
    samples = [DriftSample("p", "member", f"n{n}", n, n, 1, b"{}") for n in range(100, KEPT_DRIFT + 120)]
    await store.keep_drift(samples)
    kept = await store.drift_samples()
    assert [len(kept), kept[0].name, kept[-1].name] == [KEPT_DRIFT, f"n{KEPT_DRIFT + 119}", "n120"]
