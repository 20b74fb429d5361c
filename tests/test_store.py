"""What every store promises (gateway/store/base.py): one suite, run on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.base import Delivery, DestinationRow, Page, Settlement, SourceRow, State, Store, StoreUnavailable
from gateway.store.sqlite import SqliteStore
from tests.support import NOW_MS, event, submission

ENGINES = ["sqlite"]


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def source(store: Store) -> int:
    [number] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    return number


@pytest.fixture
async def destination(store: Store) -> int:
    [number] = await store.register_destinations([DestinationRow("acme", "crm")])
    return number


def numbers(deliveries: list[Delivery] | Page) -> list[int]:
    """Which events they are: `tests.support.event` puts its number into the id."""
    deliveries = deliveries.deliveries if isinstance(deliveries, Page) else deliveries
    return [int.from_bytes(delivery.event.id[4:], "big") for delivery in deliveries]


def settled(delivery: Delivery, state: State, *, due_ms: int = 0, now_ms: int = NOW_MS) -> Settlement:
    return Settlement(delivery.destination, delivery.event.seq, state, now_ms, True, due_ms, 500, None)


async def test_registration_is_stable_and_separates_tenants(store: Store) -> None:
    [first] = await store.register_destinations([DestinationRow("acme", "crm")])
    assert (await store.register_destinations([DestinationRow("acme", "crm")]))[0] == first
    assert (await store.register_destinations([DestinationRow("other", "crm")]))[0] != first
    [source] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    assert (await store.register_sources([SourceRow("acme", "cloud", "old/uid", "whapi")]))[0] == source


async def test_append_stores_receipt_events_and_deliveries(store: Store, source: int, destination: int) -> None:
    [other] = await store.register_destinations([DestinationRow("acme", "archive")])
    appended = await store.append(submission(source, [event(1), event(2)], (destination, other), b'[{"a":1}]'))
    assert appended.stored == [True, True]
    assert [(d.destination, d.event.seq) for d in appended.deliveries] == [
        (destination, 1), (other, 1), (destination, 2), (other, 2),
    ]  # fmt: skip
    loaded = (await store.queued(destination, 0, 10)).deliveries
    assert numbers(loaded) == [1, 2]
    assert loaded[0].event.head == event(1).head
    assert loaded[0].event.data == event(1).data
    assert loaded[0].event.received_ms == NOW_MS
    assert await store.body(loaded[0].event.receipt) == b'[{"a":1}]'


async def test_known_events_are_left_out_inside_the_commit(store: Store, source: int, destination: int) -> None:
    first = await store.append(submission(source, [event(1), event(2), event(1)], (destination,)))
    assert first.stored == [True, True, False]
    again = await store.append(submission(source, [event(2), event(3)], (destination,)))
    assert again.stored == [False, True]
    assert numbers(await store.queued(destination, 0, 10)) == [1, 2, 3]


async def test_racing_requests_with_the_same_event_store_it_once(store: Store, source: int, destination: int) -> None:
    results = await asyncio.gather(*(store.append(submission(source, [event(7)], (destination,))) for _ in range(40)))
    assert sorted(result.stored for result in results) == [[False]] * 39 + [[True]]
    assert numbers(await store.queued(destination, 0, 10)) == [7]


async def test_sequences_rise_in_the_order_of_appending(store: Store, source: int, destination: int) -> None:
    results = await asyncio.gather(
        *(store.append(submission(source, [event(n), event(n + 1000)], (destination,))) for n in range(300))
    )
    sequences = [delivery.event.seq for result in results for delivery in result.deliveries]
    assert sequences == sorted(sequences)
    assert len(set(sequences)) == 600


async def test_empty_receipts_are_stored(store: Store, source: int) -> None:
    assert (await store.append(submission(source, []))).stored == []


async def test_pages_go_on_where_the_last_one_ended(store: Store, source: int, destination: int) -> None:
    await store.append(submission(source, [event(n) for n in range(1, 6)], (destination,)))
    page, more = await store.queued(destination, 0, 2)
    assert (numbers(page), more) == ([1, 2], True)
    page, more = await store.queued(destination, page[-1].event.seq, 10)
    assert (numbers(page), more) == ([3, 4, 5], False)


async def test_a_page_ends_after_some_megabytes(store: Store, source: int, destination: int) -> None:
    large = [event(n) for n in range(1, 8)]
    for one in large:
        one.data = b'{"text":"%s"}' % (b"x" * 1_500_000)
    await store.append(submission(source, large, (destination,)))
    page, more = await store.queued(destination, 0, 100)
    assert (numbers(page), more) == ([1, 2, 3], True)
    page, more = await store.queued(destination, page[-1].event.seq, 4)
    assert (numbers(page), more) == ([4, 5, 6], True)


async def test_settlements_show_in_what_is_asked_afterwards(store: Store, source: int, destination: int) -> None:
    appended = await store.append(submission(source, [event(n) for n in range(1, 6)], (destination,)))
    first, second, third, fourth, _ = appended.deliveries
    store.settle(settled(first, State.DELIVERED))
    store.settle(settled(second, State.HELD, due_ms=NOW_MS + 5000))
    store.settle(settled(third, State.DEAD))
    store.wait(destination, fourth.event.seq)
    assert numbers(await store.queued(destination, 0, 10)) == [5]
    assert store.unsettled == 0
    assert numbers(await store.waiting(destination, 1, 10)) == [4]
    assert {(c.state, c.deliveries) for c in await store.counts()} == {
        (State.QUEUED, 1), (State.HELD, 1), (State.WAITING, 1), (State.DEAD, 1),
    }  # fmt: skip


async def test_due_deliveries_come_when_their_time_has(store: Store, source: int, destination: int) -> None:
    appended = await store.append(submission(source, [event(n, lane=n) for n in range(1, 4)], (destination,)))
    for delivery, due_s, state in zip(
        appended.deliveries, (20, 10, 30), (State.HELD, State.BESIDE, State.HELD), strict=True
    ):
        store.settle(settled(delivery, state, due_ms=NOW_MS + due_s * 1000))
    assert await store.due(destination, NOW_MS + 9_999, 10) == (([], False), NOW_MS + 10_000)
    (due, _), upcoming = await store.due(destination, NOW_MS + 20_000, 10)
    assert numbers(due) == [2, 1]
    assert [(d.state, d.attempts, d.tried_since_ms) for d in due] == [
        (State.BESIDE, 1, NOW_MS), (State.HELD, 1, NOW_MS),
    ]  # fmt: skip
    assert upcoming == NOW_MS + 30_000
    assert numbers((await store.due(destination, NOW_MS + 99_000, 1))[0]) == [2]


async def test_a_second_failure_keeps_the_time_of_the_first(store: Store, source: int, destination: int) -> None:
    delivery = (await store.append(submission(source, [event(1)], (destination,)))).deliveries[0]
    store.settle(settled(delivery, State.HELD, due_ms=NOW_MS + 1))
    store.settle(settled(delivery, State.HELD, due_ms=NOW_MS + 2, now_ms=NOW_MS + 1))
    store.settle(Settlement(destination, delivery.event.seq, State.BESIDE, NOW_MS + 9, attempted=False))
    loaded = (await store.due(destination, NOW_MS + 2, 10))[0].deliveries[0]
    assert (loaded.state, loaded.attempts, loaded.tried_since_ms) == (State.BESIDE, 2, NOW_MS)


async def test_the_backlog_tells_how_lanes_were_left(store: Store, source: int, destination: int) -> None:
    appended = await store.append(
        submission(source, [event(1, 10), event(2, 10), event(3, 20), event(4, 30), event(5, 40)], (destination,))
    )
    head, follower, beside, orphan, _ = appended.deliveries
    store.settle(settled(head, State.HELD, due_ms=NOW_MS + 5000))
    store.wait(destination, follower.event.seq)
    store.settle(settled(beside, State.BESIDE, due_ms=NOW_MS + 3000))
    store.wait(destination, orphan.event.seq)
    backlog = await store.backlog(destination)
    assert [(held.lane, held.event, held.tried_since_ms) for held in backlog.held] == [(10, 1, NOW_MS)]
    assert sorted(backlog.waiting_lanes) == [10, 30]
    assert backlog.beside_lanes == [20]
    assert backlog.next_due_ms == NOW_MS + 3000


async def test_waiting_is_only_for_what_is_queued(store: Store, source: int, destination: int) -> None:
    delivery = (await store.append(submission(source, [event(1)], (destination,)))).deliveries[0]
    store.settle(settled(delivery, State.DELIVERED))
    store.wait(destination, delivery.event.seq)
    assert numbers(await store.waiting(destination, 1, 10)) == []


async def test_many_settlements_of_many_statuses(store: Store, source: int, destination: int) -> None:
    appended = await store.append(submission(source, [event(n) for n in range(1, 400)], (destination,)))
    for delivery in appended.deliveries:
        store.settle(
            Settlement(destination, delivery.event.seq, State.DELIVERED, NOW_MS, True, 0, 200 + delivery.event.seq % 5)
        )
    await store.flush()
    assert await store.counts() == []


async def test_new_deliveries_are_handed_over_in_order(tmp_path: Path) -> None:
    handed: list[Delivery] = []
    store = SqliteStore(tmp_path / "store.db", on_deliveries=handed.extend)
    await store.open()
    [source] = await store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")])
    [destination] = await store.register_destinations([DestinationRow("a", "d")])
    appends = [asyncio.create_task(store.append(submission(source, [event(n)], (destination,)))) for n in range(50)]
    await asyncio.sleep(0)
    appends[3].cancel()  # its client went away; what is committed is delivered all the same
    await asyncio.gather(*appends, return_exceptions=True)
    await store.flush()
    assert numbers(handed) == list(range(50))
    await store.close()


async def test_a_closed_store_says_so(store: Store, source: int) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.append(submission(source, [event(1)]))
    assert await store.writable() is False


async def test_the_later_state_of_a_delivery_counts_and_delivered_is_final(
    store: Store, source: int, destination: int
) -> None:
    appended = await store.append(submission(source, [event(1), event(2)], (destination,)))
    first, second = appended.deliveries
    store.settle(settled(first, State.HELD, due_ms=NOW_MS + 5))
    store.settle(settled(first, State.DELIVERED))
    store.settle(settled(second, State.DELIVERED))
    store.settle(settled(second, State.HELD, due_ms=NOW_MS + 5))
    await store.flush()
    assert await store.counts() == []
    assert (await store.due(destination, NOW_MS + 99, 10))[0].deliveries == []


async def test_a_receipt_that_is_not_there_is_said_and_the_store_lives_on(store: Store, source: int) -> None:
    with pytest.raises(LookupError):
        await store.body(999)
    assert (await store.append(submission(source, [event(1)]))).stored == [True]
