"""After an event that was given up the next one of its lane carries a gap, whoever delivers it, and only that one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.control import Mode
from gateway.delivering import lanes
from gateway.delivering.policy import Rules, Schedule
from gateway.store.base import ALL_SHARDS, Delivery, DestinationRow, Settlement, SourceRow, State, Store, shard_of
from gateway.store.ledger import Cutoffs
from tests.engines import REFUSED, DirectEngine, Downstream, world
from tests.listening import attended
from tests.postgres import ENGINES, open_store, postgres_server, postgres_template
from tests.support import NOW_MS, FakeClock, event, submission, until
from tests.test_engine import start_run

__all__ = ["open_store", "postgres_server", "postgres_template"]

Open = Callable[..., Awaitable[Store]]
BRIEF = Schedule((5.0,), 1.0)
"""Who fails once is dead."""


async def registered(store: Store) -> tuple[int, int]:
    [source] = await store.register_sources([SourceRow("a", "s", "a/s", "x")])
    [destination] = await store.register_destinations([DestinationRow("a", "d")])
    return source, destination


# The store


def outcome(delivery: Delivery, state: State, *, gap: bool = True, now_ms: int = NOW_MS) -> Settlement:
    return Settlement(delivery.destination, delivery.event.seq, delivery.lane, state, now_ms, gap=gap)


class Book:
    """A store with deliveries in lane 7 that are settled one after another."""

    def __init__(self, store: Store, source: int, destination: int) -> None:
        self.store = store
        self.source = source
        self.destination = destination
        self.appended = 0

    async def append(self, count: int) -> list[Delivery]:
        numbers = range(self.appended, self.appended + count)
        self.appended += count
        what = submission(self.source, [event(number, 7) for number in numbers], (self.destination,))
        return (await self.store.append(what)).deliveries

    async def settle(self, *outcomes: tuple[State, bool]) -> list[int]:
        """New deliveries in one go. What lanes have gaps then?"""
        for delivery, (state, gap) in zip(await self.append(len(outcomes)), outcomes, strict=True):
            self.store.settle(outcome(delivery, state, gap=gap))
        return await self.gaps()

    async def gaps(self) -> list[int]:
        await self.store.flush()
        found = await self.store.backlog(ALL_SHARDS)
        assert found == await self.store.backlog(ALL_SHARDS, self.destination)
        assert not any(backlog.queued for backlog in found.values())
        return list(found[self.destination].gaps) if found else []


@pytest.fixture(params=ENGINES)
async def book(request: pytest.FixtureRequest, open_store: Open) -> Book:
    store = await open_store(request.param)
    source, destination = await registered(store)
    if request.param == "postgres":
        await attended(store)
    return Book(store, source, destination)


DIED, TOLD = (State.DEAD, True), (State.DELIVERED, True)


async def test_a_gap_is_in_the_backlog_until_it_is_told(book: Book) -> None:
    assert await book.settle(DIED) == [7]
    assert await book.settle(DIED) == [7]
    assert await book.settle((State.DELIVERED, False), (State.DEAD, False)) == [7]
    assert await book.settle(TOLD) == []
    assert await book.settle((State.DEAD, False)) == []


async def test_gaps_that_are_settled_together_count_in_their_order(book: Book) -> None:
    assert await book.settle(DIED, TOLD) == []
    assert await book.settle(DIED, TOLD, DIED) == [7]
    assert await book.settle(TOLD, DIED, DIED) == [7]
    assert await book.settle(TOLD, (State.DEAD, False)) == []
    assert await book.settle(DIED, (State.DELIVERED, False)) == [7]


async def test_what_is_over_already_leaves_no_gap(book: Book) -> None:
    [delivery] = await book.append(1)
    book.store.settle(outcome(delivery, State.DELIVERED, gap=False))
    book.store.settle(outcome(delivery, State.DEAD))
    assert await book.gaps() == []


async def test_a_gap_that_nobody_tells_goes_with_the_ids_of_its_age(book: Book) -> None:
    for delivery, now_ms in zip(await book.append(2), (NOW_MS + 5, NOW_MS + 9), strict=True):
        book.store.settle(outcome(delivery, State.DEAD, now_ms=now_ms))
    assert await book.gaps() == [7]
    for ids_since_ms, left in ((NOW_MS + 9, [7]), (NOW_MS + 10, [])):
        await book.store.prune(Cutoffs(NOW_MS, ids_since_ms), 0, 100)
        assert await book.gaps() == left


# Engines


class Station:
    """A process: an engine over a store of its own."""

    def __init__(self, store: Store, clock: FakeClock, downstream: Downstream, rules: Rules) -> None:
        self.store = store
        self.downstream = downstream
        self.clock = clock
        self.rules = rules
        self.states: list[State] = []

    async def start(self) -> None:
        self.source, self.destination = await registered(self.store)
        self.engine = DirectEngine(
            self.store, self.clock, {self.destination: self.rules}, self.downstream.send, self._report
        )
        await self.engine.begin()

    def _report(self, number: int, delivery: Delivery, outcome: Any, state: State) -> None:
        self.states.append(state)

    async def append(self, *pairs: tuple[int, int]) -> None:
        await self.store.append(
            submission(self.source, [event(number, lane) for number, lane in pairs], (self.destination,))
        )

    async def until_quiet(self, attempts: int) -> None:
        await until(lambda: len(self.states) >= attempts and self.engine.quiet, f"{attempts} attempts")

    async def set_mode(self, mode: Mode) -> None:
        await self.store.change(self.destination, lambda control: control.with_mode(mode, "", NOW_MS))
        self.engine.changed()
        await until(lambda: self.engine.quiet, "the change")

    async def stop(self) -> None:
        await self.engine.stop(1)
        await self.store.close()


@pytest.fixture(params=ENGINES)
def start(request: pytest.FixtureRequest, open_store: Open) -> Callable[..., Awaitable[Station]]:
    async def started(downstream: Downstream, ordered: bool = True) -> Station:
        rules = Rules(8, None, BRIEF, ordered=ordered)
        station = Station(await open_store(request.param), FakeClock(), downstream, rules)
        await station.start()
        return station

    return started


Start = Callable[..., Awaitable[Station]]


@pytest.mark.parametrize("break_", ["none", "restart", "pause"])
async def test_the_next_event_after_a_dead_one_tells_it_once(start: Start, break_: str) -> None:
    downstream = Downstream()
    station = await start(downstream)

    async def interrupt() -> None:
        nonlocal station
        if break_ == "restart":
            await station.stop()
            station = await start(downstream)
        elif break_ == "pause":
            await station.set_mode(Mode.PAUSED)
            await station.set_mode(Mode.ACTIVE)
            station.states.clear()
        else:
            station.states.clear()

    downstream.answers[1] = [REFUSED]
    await station.append((1, 7), (10, 8))
    await station.until_quiet(2)
    assert sorted(station.states) == [State.DELIVERED, State.DEAD]
    await interrupt()
    downstream.answers[2] = [REFUSED]
    await station.append((2, 7), (11, 8))
    await station.until_quiet(2)
    assert downstream.gaps == [2]
    await interrupt()
    await station.append((3, 7), (4, 7), (12, 8))
    await station.until_quiet(3)
    assert downstream.gaps == [2, 3], "2 is dead as well, and told nobody"
    await interrupt()
    await station.append((5, 7))
    await station.until_quiet(1)
    assert downstream.gaps == [2, 3]
    await station.stop()


async def test_what_waits_in_the_backlog_tells_it(start: Start) -> None:
    """The event after the dead one is there already when the process begins."""
    downstream = Downstream()
    station = await start(downstream)
    downstream.answers[1] = [REFUSED]
    await station.append((1, 7))
    await station.until_quiet(1)
    await station.set_mode(Mode.PAUSED)
    await station.append((2, 7), (3, 7))
    await station.stop()
    station = await start(downstream)
    await station.set_mode(Mode.ACTIVE)
    await station.until_quiet(2)
    assert downstream.gaps == [2]
    await station.stop()


async def test_without_order_nobody_is_missed(start: Start) -> None:
    downstream = Downstream()
    station = await start(downstream, ordered=False)
    downstream.answers[1] = [REFUSED]
    await station.append((1, 7))
    await station.until_quiet(1)
    assert station.states == [State.DEAD]
    await station.store.flush()
    assert await station.store.backlog(ALL_SHARDS) == {}
    await station.stop()


async def test_a_run_misses_what_it_gave_up_itself(tmp_path: Path) -> None:
    async with world(tmp_path, give_up_after=1.0) as w:
        await w.append((1, 1))
        await w.seen(1)
        w.downstream.answers[1] = [REFUSED]
        run = start_run(w, tmp_path, [1])
        w.engine.changed()
        await w.seen(2)
        assert w.reports[-1] == (1, State.DEAD)
        assert {number: list(one.gaps) for number, one in (await w.store.backlog(ALL_SHARDS)).items()} == {
            run.number: [1]
        }
        await w.append((2, 1))
        await w.seen(3)
        assert w.downstream.gaps == []


async def test_one_that_dies_beside_its_lane_is_told_by_the_next(tmp_path: Path) -> None:
    async with world(tmp_path, lane_hold=5.0, waits=(8.0,), give_up_after=20.0) as w:
        w.downstream.always = lambda number: REFUSED if number == 1 else None
        await w.append((1, 7))
        while w.reports[-1:] != [(1, State.DEAD)]:
            assert w.clock.steady_ms() < NOW_MS + 60_000
            await w.pass_time(8)
        assert (1, State.BESIDE) in w.reports
        await w.append((2, 7), (3, 7))
        await w.quiet()
        assert w.downstream.gaps == [2]


async def test_what_others_have_told_is_not_told_again(tmp_path: Path) -> None:
    async with world(tmp_path, give_up_after=1.0) as w:
        w.downstream.answers[1] = [REFUSED]
        await w.append((1, 7))
        await w.seen(1)
        w.engine.lost(ALL_SHARDS)
        await w.append((2, 7))
        [delivery] = (await w.store.queued(w.destination, 0, 10)).deliveries
        w.store.settle(outcome(delivery, State.DELIVERED))
        await w.engine.gained(ALL_SHARDS)
        await w.append((3, 7))
        await w.seen(2)
        assert w.downstream.gaps == []


async def test_of_too_many_gaps_some_are_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MAX_GAPS", 3)
    async with world(tmp_path, give_up_after=1.0) as w:
        w.downstream.always = lambda number: REFUSED if number < 10 else None
        await w.append(*((number, number) for number in range(10)))
        await w.seen(10)
        await w.append(*((10 + number, number) for number in range(10)))
        await w.seen(20)
        assert len(w.downstream.gaps) == 3
        await w.append((99, 7))
        w.downstream.always = lambda number: REFUSED
        await w.append((100, 8))
        await w.append((101, 8))
        await w.seen(23)
        assert w.downstream.gaps[3:] == [101], "those that were told make room"


# Leases

LANES = range(64)


async def replica(open_store: Open, clock: FakeClock, downstream: Downstream) -> Station:
    station = Station(await open_store("postgres", beat_s=0.2), clock, downstream, Rules(200, None, BRIEF))
    await station.start()
    return station


async def test_a_lane_that_moves_takes_its_gap_along(open_store: Open) -> None:
    clock, downstream, other = FakeClock(), Downstream(), Downstream()
    one = await replica(open_store, clock, downstream)
    downstream.always = lambda number: REFUSED
    await one.append(*((number, number) for number in LANES))
    await one.until_quiet(64)
    two = await replica(open_store, clock, other)
    await until(lambda: len(one.engine._shards) == len(two.engine._shards) == 128, "half of the shards")
    downstream.always = lambda number: None
    await one.append(*((100 + number, number) for number in LANES))
    await until(lambda: len(one.states) + len(two.states) == 128, "the next of each")
    assert len(other.seen) > 10
    assert sorted(downstream.gaps + other.gaps) == [100 + number for number in LANES]
    await two.stop()
    await until(lambda: one.engine._shards == ALL_SHARDS, "all shards again")
    await one.append(*((200 + number, number) for number in LANES))
    await until(lambda: len(one.states) + len(two.states) == 192, "and those after them")
    assert max(downstream.gaps + other.gaps) < 200, "each was told once"
    await one.stop()


async def test_what_is_on_its_way_when_a_lane_is_given_away_counts(open_store: Open) -> None:
    """Of these, some tell a gap, and some begin one."""
    clock, downstream, other = FakeClock(), Downstream(), Downstream()
    one = await replica(open_store, clock, downstream)
    told, died = [lane for lane in LANES if lane % 2], [lane for lane in LANES if not lane % 2]
    downstream.answers |= {number: [REFUSED] for number in told}
    downstream.answers |= {100 + number: [REFUSED] for number in died}
    await one.append(*((lane, lane) for lane in told))
    await one.until_quiet(32)
    downstream.gate = gate = asyncio.Event()
    await one.append(*((100 + lane, lane) for lane in LANES))
    await until(lambda: downstream.active == 64)
    two = await replica(open_store, clock, other)
    one.store.retire()
    await until(lambda: not one.engine._shards, "the first to be asked")
    await until(lambda: len(two.engine._shards) == 256 - len({shard_of(one.destination, lane) for lane in LANES}))
    gate.set()
    await until(lambda: two.engine._shards == ALL_SHARDS, "the second to get those of what was on its way")
    await two.append(*((200 + lane, lane) for lane in LANES))
    await until(lambda: len(one.states) + len(two.states) == 160, "the next of each")
    assert sorted(downstream.gaps) == [100 + lane for lane in told]
    assert sorted(other.gaps) == [200 + lane for lane in died]
    await one.stop()
    await two.stop()


async def test_who_has_lost_its_leases_leaves_no_gap(open_store: Open) -> None:
    one: Any = await open_store("postgres", ttl_s=1.0, beat_s=0.2)
    source, destination = await registered(one)
    await attended(one)
    [dead] = (await one.append(submission(source, [event(1, 7)], (destination,)))).deliveries
    one.settle(outcome(dead, State.DEAD))
    await one.flush()
    [first, second] = (await one.append(submission(source, [event(2, 7), event(3, 8)], (destination,)))).deliveries
    for task in list(one._leases._tasks):  # as if it had been stopped
        task.cancel()
    two = await open_store("postgres", ttl_s=1.0, beat_s=0.2)
    listener = await attended(two)
    await until(lambda: listener.shards == ALL_SHARDS, "the take-over")
    one.settle(outcome(first, State.DELIVERED))
    one.settle(outcome(second, State.DEAD))
    await one.flush()
    assert list((await two.backlog(ALL_SHARDS))[destination].gaps) == [7], "neither told nor new"
