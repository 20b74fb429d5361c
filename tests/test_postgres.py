"""What only PostgreSQL has: many processes on one database, and a server that goes away. What every store promises is
in tests/test_store.py, who delivers what in tests/test_leases.py."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from gateway.config.values import StoreUrl
from gateway.control import Mode
from gateway.operations import listing, pruning, stats
from gateway.operations.runs import NotPossible
from gateway.operations.selection import Criteria
from gateway.stamp import Event
from gateway.store import postgres
from gateway.store.base import (
    ALL_SHARDS,
    Delivery,
    DestinationRow,
    Page,
    Route,
    Settlement,
    SourceRow,
    State,
    StoredEvent,
    StoreError,
    StoreUnavailable,
    shard_of,
)
from gateway.store.ledger import Cutoffs
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_queued import Probe, Queued, Row, mask_of
from gateway.store.postgres_read import SMALL, SMALL_BYTES
from gateway.store.postgres_schema import place_of, prepare, schema_version
from gateway.store.session import open_session
from tests.listening import attended, numbers
from tests.postgres import (
    RestartableServer,
    create_database,
    drop_database,
    open_store,
    postgres_server,
    postgres_template,
    postgres_url,
)
from tests.support import NOW_MS, event, submission, until

__all__ = ["open_store", "postgres_server", "postgres_template", "postgres_url"]

Open = Callable[..., Awaitable[PostgresStore]]


async def registered(store: PostgresStore) -> tuple[int, int]:
    [source] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    [destination] = await store.register_destinations([DestinationRow("acme", "crm")])
    return source, destination


def settled(delivery: Delivery, state: State = State.DELIVERED, due_ms: int = 0) -> Settlement:
    return Settlement(
        delivery.destination,
        delivery.event.seq,
        delivery.lane,
        state,
        NOW_MS,
        due_ms=due_ms,
        status=200,
        tried_ms=NOW_MS,
    )


async def drain(store: PostgresStore, destination: int) -> list[int]:
    """Settle all that is queued; which events they were, in order."""
    found: list[int] = []
    more = True
    while more:
        page, more = await store.queued(destination, 0, 100)
        found += numbers(page)
        for delivery in page:
            store.settle(settled(delivery))
    return found


# What comes in


async def test_a_rotten_submission_does_not_take_its_neighbours_with_it(open_store: Open) -> None:
    store = await open_store("postgres")
    source, destination = await registered(store)
    rotten = event(50)
    rotten.pointer = "/nul\0"
    appends = [store.append(submission(source, [event(n)], (destination,))) for n in range(40)]
    appends.insert(20, store.append(submission(source, [rotten], (destination,))))
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert isinstance(results.pop(20), StoreUnavailable)
    assert [result.stored for result in results if not isinstance(result, BaseException)] == [[True]] * 40
    assert (await store.append(submission(source, [event(60)], (destination,)))).stored == [True]


async def test_two_processes_that_append_the_same_events_in_opposite_order_store_each_once(open_store: Open) -> None:
    one, two = [await open_store("postgres") for _ in range(2)]
    source, destination = await registered(one)
    batches = [[event(base + n, lane=n) for n in range(20)] for base in range(0, 400, 20)]
    appends = []
    for batch in batches:
        appends.append(one.append(submission(source, batch, (destination,))))
        appends.append(two.append(submission(source, batch[::-1], (destination,))))
    results = await asyncio.gather(*appends)
    assert sum(sum(result.stored) for result in results) == 400
    await attended(one)
    assert sorted(await drain(one, destination)) == list(range(400))
    [account] = await one.accounts()
    assert account.matched == 400
    assert account.balances


async def test_numbers_rise_from_commit_to_commit_whoever_commits(open_store: Open) -> None:
    stores = [await open_store("postgres") for _ in range(3)]
    source, destination = await registered(stores[0])
    last = 0
    for n in range(60):
        [first, second] = (
            await stores[n % 3].append(submission(source, [event(2 * n), event(2 * n + 1)], (destination,)))
        ).deliveries
        assert last < first.event.seq < second.event.seq
        last = second.event.seq


async def test_a_cancelled_append_is_committed_and_breaks_nothing(open_store: Open) -> None:
    store = await open_store("postgres")
    source, destination = await registered(store)
    await attended(store)
    appends = [asyncio.ensure_future(store.append(submission(source, [event(n)], (destination,)))) for n in range(50)]
    await asyncio.sleep(0)
    for task in appends[::7]:
        task.cancel()
    await asyncio.gather(*appends, return_exceptions=True)
    await store.append(submission(source, [event(99)], (destination,)))
    assert sorted(await drain(store, destination)) == [*range(50), 99]


async def test_a_late_status_is_kept_back_across_processes(open_store: Open) -> None:
    one, two = [await open_store("postgres") for _ in range(2)]
    source, destination = await registered(one)

    def status(number: int, rank: int) -> list[Event]:
        made = event(number)
        made.rank, made.rank_key = rank, 77
        return [made]

    route = (Route(destination, monotonic=True),)
    kept = [await one.append(submission(source, status(1, 3), route))]
    kept.append(await two.append(submission(source, status(2, 2), route)))
    kept.append(await two.append(submission(source, status(3, 3), route)))
    kept.append(await one.append(submission(source, status(4, 0), route)))
    both = submission(source, [*status(5, 5), *status(6, 4)], route)
    kept.append(await one.append(both))
    assert [one.stored for one in kept] == [[True]] * 4 + [[True, True]]
    assert [numbers(one.deliveries) for one in kept] == [[1], [], [3], [4], [5]]
    [account] = await two.accounts()
    assert (account.matched, account.pending, account.suppressed, account.balances) == (6, 4, 2, True)


async def test_racing_statuses_of_one_message_agree_on_the_highest(open_store: Open) -> None:
    one, two = [await open_store("postgres") for _ in range(2)]
    source, destination = await registered(one)
    route = (Route(destination, monotonic=True),)
    appends = []
    for n in range(40):
        made = event(n)
        made.rank, made.rank_key = 1 + n % 4, n // 4
        appends.append((one, two)[n % 2].append(submission(source, [made], route)))
    kept = await asyncio.gather(*appends)
    ranks: dict[int, list[tuple[int, int]]] = {}
    for n, appended in enumerate(kept):
        for delivery in appended.deliveries:
            ranks.setdefault(n // 4, []).append((delivery.event.seq, 1 + n % 4))
    for given in ranks.values():
        assert given[-1][1] == 4
    [account] = await two.accounts()
    assert (account.matched, account.balances) == (40, True)


# What is read


async def test_a_page_gives_each_delivery_once_until_reading_begins_anew(open_store: Open) -> None:
    store = await open_store("postgres")
    source, destination = await registered(store)
    await attended(store)
    await store.append(submission(source, [event(n, lane=n) for n in range(6)], (destination,)))
    page, more = await store.queued(destination, 0, 4)
    assert (numbers(page), more) == ([0, 1, 2, 3], True)
    assert numbers((await store.queued(destination, 0, 4)).deliveries) == [4, 5]
    assert await store.queued(destination, 0, 4) == Page([], more=False)
    store.settle(settled(page[0]))
    assert (await store.backlog(ALL_SHARDS, destination))[destination].queued
    assert numbers((await store.queued(destination, 0, 10)).deliveries) == [1, 2, 3, 4, 5]


async def test_what_becomes_visible_late_with_a_lower_number_is_not_missed(open_store: Open) -> None:
    store = await open_store("postgres")
    source, destination = await registered(store)
    listener = await attended(store)
    other = await asyncpg.connect(store._url)
    overtaken = other.transaction()
    await overtaken.start()
    late = await other.fetchval(
        "WITH r AS (INSERT INTO receipts (id, source, received_ms, outcome, headers, body) "
        "VALUES ('', $1, $2, 'parsed', '', '[]') RETURNING seq) "
        "INSERT INTO events (id, receipt, type, time_ms, partial, lane, pointer, head, data) "
        "SELECT $3, r.seq, 't', 0, false, 5, '', '{}', '{}' FROM r RETURNING seq",
        source, NOW_MS, event(1).id,
    )  # fmt: skip
    await other.execute(
        "INSERT INTO deliveries (event, destination, shard, lane) VALUES ($1, $2, $3, 5)",
        late, destination, shard_of(destination, 5),
    )  # fmt: skip
    await store.append(submission(source, [event(2, lane=5)], (destination,)))
    [overtaker] = (await store.queued(destination, 0, 10)).deliveries
    assert overtaker.event.seq > late
    store.settle(settled(overtaker))
    await store.flush()
    assert (await store.queued(destination, 0, 10)).deliveries == []
    await overtaken.commit()
    await other.execute(f"NOTIFY wagw, 'queued {destination}:{shard_of(destination, 5)}'")
    listener.hints.clear()
    await until(lambda: destination in listener.hints, "the hint")
    assert numbers((await store.queued(destination, 0, 10)).deliveries) == [1]
    await other.close()


async def test_a_page_of_many_destinations_is_one_statement(open_store: Open) -> None:
    store = await open_store("postgres")
    source, _ = await registered(store)
    destinations = await store.register_destinations([DestinationRow("acme", f"d{n}") for n in range(30)])
    await attended(store)
    large = [event(n, lane=n) for n in range(8)]
    for one in large:
        one.data = b"x" * 1_500_000
    await store.append(submission(source, large, tuple(destinations)))
    await store.backlog(ALL_SHARDS)
    store._queued._fresh.clear()  # as if another process had committed them
    pages = await asyncio.gather(*(store.queued(destination, 0, 100) for destination in destinations))
    assert all(page.deliveries for page in pages)
    given = {destination: numbers(page.deliveries) for destination, page in zip(destinations, pages, strict=True)}
    for destination, page in zip(destinations, pages, strict=True):
        more = page.more
        while more:
            assert more
            next_page, more = await store.queued(destination, 0, 100)
            assert next_page
            given[destination] += numbers(next_page)
    assert all(found == list(range(8)) for found in given.values())


async def test_what_another_process_committed_is_read_whole(open_store: Open) -> None:
    """Some events come with the rows, those that are large or many are read after them, and own ones are at hand."""
    one, two = [await open_store("postgres") for _ in range(2)]
    source, _ = await registered(one)
    destinations = await one.register_destinations([DestinationRow("acme", f"d{n}") for n in range(2)])
    await attended(one)
    events = [event(n, lane=n % 7) for n in range(2 * SMALL)]
    for large in events[3::50]:
        large.data = b"x" * (SMALL_BYTES + 1)
    await two.append(submission(source, events[:-5], tuple(destinations), body=b"[0]"))
    await one.append(submission(source, events[-5:], tuple(destinations), body=b"[1]"))
    await one.backlog(ALL_SHARDS)
    pages = await asyncio.gather(*(one.queued(number, 0, 1000) for number in destinations))
    for number, page in zip(destinations, pages, strict=True):
        assert not page.more
        found = [(delivery.lane, delivery.event) for delivery in page.deliveries]
        assert {delivery.destination for delivery in page.deliveries} == {number}
        assert [(lane, stored.id, stored.head, stored.data) for lane, stored in found] == [
            (event.lane, event.id, event.head, event.data) for event in events
        ]
        assert {stored.received_ms for _, stored in found} == {NOW_MS}
        bodies = [await one.body(receipt) for receipt in {stored.receipt for _, stored in found}]
        assert sorted(bodies) == [b"[0]", b"[1]"]


async def test_notices_carry_new_deliveries_to_who_delivers_them(open_store: Open) -> None:
    """Half of the lanes are another's; it hears of them long before it would look."""
    one, two = [await open_store("postgres") for _ in range(2)]
    source, destination = await registered(one)
    await registered(two)
    await attended(one)
    listener = await attended(two)
    await until(lambda: len(listener.shards) == 128)
    await until(lambda: one._notices.arrive and two._notices.arrive, "notices to arrive")
    lane = next(n for n in range(1000) if shard_of(destination, n) in listener.shards)
    delays = []
    for n in range(20):
        await asyncio.sleep(0.01)
        listener.hints.clear()
        await one.append(submission(source, [event(n, lane=lane)], (destination,)))
        began = time.monotonic()
        await until(lambda: destination in listener.hints, "the hint")
        assert numbers((await two.queued(destination, 0, 10)).deliveries) == [n]
        delays.append(time.monotonic() - began)
    assert sorted(delays)[10] < 0.05


@pytest.mark.parametrize("notices", [True, False])
async def test_polling_finds_what_nobody_told(open_store: Open, notices: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SWEEP_S", 0.3)
    monkeypatch.setattr(postgres, "POLL_S", 0.2)
    one, two = [await open_store("postgres", notices=use) for use in (False, notices)]
    source, destination = await registered(one)
    listener = await attended(two)
    await one.append(submission(source, [event(n, lane=n) for n in range(50)], (destination,)))
    await until(lambda: destination in listener.hints, "the sweep")
    assert await drain(two, destination) == list(range(50))
    await until(lambda: two._known is not None, "a first look")
    listener.changes = 0
    await one.change(destination, lambda control: control.with_mode(Mode.PAUSED, "lunch", NOW_MS))
    await until(lambda: listener.changes, "the change")
    [control] = await two.controls()
    assert (control.mode, control.reason) == (Mode.PAUSED, "lunch")


async def test_a_change_between_the_start_and_the_first_look_is_heard_of(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "POLL_S", 0.2)
    one, two = [await open_store("postgres", notices=False) for _ in range(2)]
    _, destination = await registered(one)
    assert await two.controls() == []
    listener = await attended(two)
    await one.change(destination, lambda control: control.with_mode(Mode.PAUSED, "lunch", NOW_MS))
    await until(lambda: listener.changes, "the change", 5)


async def test_changes_of_two_processes_add_up(open_store: Open) -> None:
    one, two = [await open_store("postgres") for _ in range(2)]
    _, destination = await registered(one)
    await asyncio.gather(
        *(
            (one, two)[n % 2].change(destination, lambda control: replace(control, idle_ms=control.idle_ms + 1))
            for n in range(40)
        )
    )
    assert [control.idle_ms for control in await one.controls()] == [40]


async def parked_by_everyone(store: PostgresStore, name: str) -> set[int]:
    """How many deliveries of a destination are parked: by the store, and by all that operators ask of it."""
    key = ("acme", name)
    async with open_session(StoreUrl("postgresql", url=SecretStr(store._url))) as session:
        ledgers = [await store.accounts(), await store.accounts(recount=False), await stats.ledger(session)]
        told = {account.parked for ledger in ledgers for account in ledger if account[:2] == key}
        for state in ("parked", "pending"):
            listed = listing.deliveries(session, Criteria(states=(state,), tenant="acme", destination=name))
            told.add(len([delivery async for delivery in listed if delivery.parked]))
        try:
            told.add(await pruning.parked(session, key, NOW_MS + 1))
        except NotPossible:
            told.add(0)
    return told


async def test_everyone_agrees_on_what_is_parked_while_two_configurations_run(open_store: Open) -> None:
    crm, bot = DestinationRow("acme", "crm"), DestinationRow("acme", "bot")

    async def started(*destinations: DestinationRow) -> PostgresStore:
        store = await open_store("postgres")
        await store.register_destinations(destinations)
        await attended(store)
        return store

    old = await started(crm, bot)
    [source] = await old.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    number, _ = await old.register_destinations([bot, crm])
    await old.append(submission(source, [event(n) for n in range(3)], (number,)))
    new = await started(crm)
    assert await parked_by_everyone(new, "bot") == {0}, "the old one delivers it"
    await old.close()
    assert await parked_by_everyone(new, "bot") == {3}
    rolled_back = await started(crm, bot)
    assert await parked_by_everyone(rolled_back, "bot") == {0}
    await new.close()
    assert await parked_by_everyone(rolled_back, "bot") == {0}, "though the newest set of all has it not"


async def test_one_process_prunes_at_a_time(open_store: Open) -> None:
    one, two = [await open_store("postgres") for _ in range(2)]
    source, destination = await registered(one)
    await attended(one)
    for n in range(10):
        await one.append(submission(source, [event(n)], (destination,)))
    await drain(one, destination)
    await one.flush()
    cutoffs = Cutoffs(NOW_MS + 1, NOW_MS + 1)
    async with asyncio.timeout(10):
        connection = await asyncpg.connect(one._url)
        await one.prune(Cutoffs(0, 0), 0, 10)
        async with connection.transaction():
            await connection.fetch("SELECT FROM meta WHERE name = 'pruning' FOR UPDATE")
            assert await two.prune(cutoffs, 0, 4) == ((0, 0, 0, False), 0)
        await connection.close()
    pruned, after = await two.prune(cutoffs, 0, 4)
    assert (pruned.receipts, pruned.events, pruned.deliveries, pruned.more) == (4, 4, 4, True)
    [account] = await one.accounts()
    assert (account.matched, account.delivered, account.balances) == (10, 10, True)
    assert (await two.prune(cutoffs, after, 100))[0].receipts == 6
    assert (await one.volume()).tenants == {"acme": 0}


# What is known without asking


def row(event_number: int, shard: int = 1) -> Row:
    return Row(7, event_number, shard, 0, 0, 0)


def loaded(*numbers_: int) -> Iterator[Delivery]:
    return iter([Delivery(StoredEvent(n, b"", 1, "", 0, False, "", b"{}", b"{}", 1), 7, 0) for n in numbers_])


def readable(shards: Iterable[int] = ALL_SHARDS) -> Queued:
    queued = Queued()
    queued.begin_anew(mask_of(shards), {})
    return queued


def probed(queued: Queued, wanted: int = 10) -> Probe | None:
    with queued.asking(7) as ask:
        return queued.probe(ask, wanted)


def seqs(page: Page) -> list[int]:
    return [delivery.event.seq for delivery in page.deliveries]


def test_nothing_is_read_of_shards_that_were_not_looked_through() -> None:
    queued = readable({1})
    assert not queued.hint(7, mask_of({2}))
    assert probed(queued) is None
    queued.begin_anew(mask_of({2}), {})
    probe = probed(queued)
    assert probe is not None
    assert probe.shards == [2]


def test_a_shard_is_clean_when_a_probe_brought_less_than_asked() -> None:
    queued = readable()
    queued.hint(7, mask_of({1, 2}))
    probe = probed(queued, 2)
    assert probe is not None
    page = queued.answer(probe, [row(5), row(6, 2), row(8)], loaded(5, 6))
    assert (seqs(page), page.more) == ([5, 6], True)
    again = probed(queued, 2)
    assert again is not None
    assert (again.shards, again.limits) == ([1], [3])  # what was given is queued in the database until it is settled
    assert queued.answer(again, [row(8)], loaded(8)) == Page(list(loaded(8)), more=False)
    assert probed(queued, 2) is None


def test_a_hint_that_comes_during_a_probe_is_not_forgotten() -> None:
    queued = readable()
    queued.hint(7, mask_of({1}))
    probe = probed(queued)
    assert probe is not None
    queued.hint(7, mask_of({1}))
    assert queued.answer(probe, [], loaded()) == Page([], more=True)
    assert probed(queued) is not None


def test_what_is_lost_or_settled_during_a_probe_is_not_given_out() -> None:
    queued = readable()
    queued.hint(7, mask_of({1, 2, 3}))
    with queued.asking(7) as ask:
        probe = queued.probe(ask, 10)
        assert probe is not None
        queued.lose(mask_of({2}))
        queued.give(7, 6, 3)
        assert seqs(queued.answer(probe, [row(5), row(6, 3), row(7, 2)], loaded(5, 6, 7))) == [5]


def test_a_page_has_nothing_of_shards_that_were_gained_after_it_was_asked_for() -> None:
    """Who asked does not expect it; it would be given out, and lost."""
    queued = readable({1})
    queued.hint(7, mask_of({1, 2}))
    with queued.asking(7) as ask:
        queued.begin_anew(mask_of({2}), {7: mask_of({2})})
        probe = queued.probe(ask, 10)
        assert probe is not None
        assert probe.shards == [1]
        assert queued.answer(probe, [row(5)], loaded(5)).more
    again = probed(queued)
    assert again is not None
    assert again.shards == [2]


def test_a_page_has_nothing_of_shards_that_were_lost_and_came_back_meanwhile() -> None:
    queued = readable()
    queued.hint(7, mask_of({1, 2}))
    with queued.asking(7) as ask:
        probe = queued.probe(ask, 10)
        assert probe is not None
        queued.lose(mask_of({2}))
        queued.begin_anew(mask_of({2}), {})
        page = queued.answer(probe, [row(5), row(6, 2)], loaded(5, 6))
        assert (seqs(page), page.more) == ([5], True)
    again = probed(queued)
    assert again is not None
    assert again.shards == [2]


def test_own_commits_are_kept_within_bounds() -> None:
    queued = readable()
    for delivery in loaded(*range(5000)):
        queued.keep_fresh(delivery)
    assert queued.fresh(7, 4999) is not None
    assert queued.fresh(7, 0) is None
    queued.take_fresh(7, 4999)
    assert queued.fresh(7, 4999) is None


# A server that goes away


async def test_nothing_answered_is_lost_when_the_server_is_killed_and_comes_back() -> None:
    with RestartableServer() as server:
        store = PostgresStore(server.database(), ttl_s=2.0, beat_s=0.3)
        await store.open()
        source, destination = await registered(store)
        listener = await attended(store)
        answered: set[int] = set()
        refused = 0
        given: list[Delivery] = []
        stop = False

        async def accept(first: int) -> None:
            nonlocal refused
            n = first
            while not stop:
                try:
                    await store.append(submission(source, [event(n, lane=n)], (destination,)))
                    answered.add(n)
                except StoreUnavailable:
                    refused += 1
                    await asyncio.sleep(0.01)
                n += 8

        async def deliver() -> None:
            while not stop:
                try:
                    page = await store.queued(destination, 0, 100)
                except StoreUnavailable:
                    page = Page([], more=False)
                for delivery in page.deliveries:
                    given.append(delivery)
                    store.settle(settled(delivery))
                await asyncio.sleep(0.002)

        tasks = [asyncio.create_task(accept(first)) for first in range(8)] + [asyncio.create_task(deliver())]
        for harm in (server.kill, lambda: server.stop("fast"), lambda: server.stop("immediate")):
            before = len(answered)
            await until(lambda before=before: len(answered) > before + 200, "appends")
            await asyncio.to_thread(harm)
            await until(lambda before=refused: refused > before + 20, "refusals")
            await asyncio.to_thread(server.start)
        before = len(answered)
        await until(lambda: len(answered) > before + 200, "appends to go on by themselves")
        stop = True
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)
        await until(lambda: listener.shards == ALL_SHARDS and store._leases.alive, "the leases")
        await store.backlog(ALL_SHARDS)
        rest = await drain(store, destination)
        await store.flush()
        assert answered <= {*numbers(given), *rest}
        assert await store.counts() == []
        [account] = await store.accounts()
        assert account.balances
        await store.close()


async def test_a_server_that_hangs_refuses_within_seconds_and_settlements_are_kept() -> None:
    with RestartableServer() as server:
        store = PostgresStore(server.database())
        await store.open()
        source, destination = await registered(store)
        await attended(store)
        await store.append(submission(source, [event(n) for n in range(3)], (destination,)))
        page = (await store.queued(destination, 0, 10)).deliveries
        with server.suspended():
            for delivery in page:
                store.settle(settled(delivery))
            began = time.monotonic()
            results = await asyncio.gather(
                *(store.append(submission(source, [event(9 + n)], (destination,))) for n in range(5)),
                return_exceptions=True,
            )
            assert all(isinstance(result, StoreUnavailable) for result in results)
            assert time.monotonic() - began < 12
            assert store.unsettled == 3
        await until(lambda: not store.unsettled, "the settlements to be written")
        assert (await store.append(submission(source, [event(99)], (destination,)))).stored == [True]
        pending = set(numbers((await store.queued(destination, 0, 10)).deliveries))
        assert 99 in pending
        assert not pending & {0, 1, 2}
        await store.close()


async def test_cut_connections_are_made_again(open_store: Open) -> None:
    store = await open_store("postgres", ttl_s=2.0, beat_s=0.3)
    source, destination = await registered(store)
    await attended(store)
    other = await asyncpg.connect(store._url)
    stored = 0
    for n in range(10):
        await other.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for attempt in range(20):
            try:
                await store.append(submission(source, [event(100 * n + attempt)], (destination,)))
                stored += 1
                break
            except StoreUnavailable:
                await asyncio.sleep(0.02)
    await other.close()
    assert stored == 10
    await until(lambda: store._leases.alive)
    for _ in range(20):
        try:
            await drain(store, destination)
        except StoreUnavailable:
            await asyncio.sleep(0.05)
    await store.flush()
    assert await store.counts() == []


# Opening


async def test_many_that_open_a_new_database_at_once_migrate_it_once(postgres_server: str) -> None:
    url = await create_database(postgres_server)
    assert await schema_version(url) == 0
    keys = await asyncio.gather(*(prepare(url) for _ in range(6)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert await schema_version(url) > 0
    await drop_database(postgres_server, url)


async def test_a_pooler_that_keeps_no_plans_will_do(postgres_url: str) -> None:
    store = PostgresStore(f"{postgres_url}&statement_cache_size=0")
    await store.open()
    source, destination = await registered(store)
    await attended(store)
    for n in range(10):
        await store.append(submission(source, [event(n)], (destination,)))
    assert await drain(store, destination) == list(range(10))
    assert [account.balances for account in await store.accounts()] == [True]
    await store.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE meta SET value = '9999' WHERE name = 'version'", "schema version 9999"),
        ("DROP TABLE meta", "tables of another program"),
    ],
)
async def test_a_database_that_is_not_to_be_used_is_left_alone(postgres_url: str, statement: str, told: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(statement)
    tables = "SELECT relname, xmin::text FROM pg_class WHERE relkind = 'r' AND relname <> 'meta' ORDER BY 1"
    before = await connection.fetch(tables)
    with pytest.raises(StoreError, match=told):
        await PostgresStore(postgres_url).open()
    assert await connection.fetch(tables) == before
    await connection.close()


async def test_what_is_wrong_is_said_without_the_password(postgres_server: str) -> None:
    socket = urlsplit(postgres_server).query
    for url, told in (
        (f"postgresql://postgres:s3cret@/nowhere?{socket}", "createdb"),
        (f"postgresql://nobody:s3cret@/postgres?{socket}", "user or password"),
        ("postgresql://postgres:s3cret@127.0.0.1:1/postgres", "is the server running"),
        ("postgresql://postgres:s3cret@localhost:port/postgres", "cannot use"),
    ):
        with pytest.raises(StoreError, match=told) as caught:
            await prepare(url)
        assert "s3cret" not in str(caught.value)
    assert place_of("postgresql://u:p@db.example:5432/wagw?password=q") == "postgresql://u@db.example:5432/wagw"


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StoreError, match=r"pip install 'wa-gateway\[postgres\]'"):
        PostgresStore("postgresql:///wagw")


async def test_a_user_who_may_not_create_tables_is_told_so(postgres_server: str) -> None:
    url = await create_database(postgres_server)
    connection = await asyncpg.connect(url)
    await connection.execute(
        "DO $$ BEGIN CREATE ROLE wagw_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    await connection.close()
    with pytest.raises(StoreError, match="may not create tables"):
        await prepare(url.replace("postgres@", "wagw_reader@", 1))
    await drop_database(postgres_server, url)
