"""Lanes on a clock that is told the time: order, holding, moving on, windows, restarts."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from gateway.delivering import feed, memory, window
from gateway.delivering.breaker import ATTEMPTS
from gateway.delivering.policy import Outcome
from gateway.store.base import State, StoreUnavailable
from tests.engines import BROKEN, REFUSED, Downstream, world
from tests.support import FakeClock, event, submission, until


async def test_a_lane_is_in_order_and_one_at_a_time(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.gate = asyncio.Event()
        await w.append((1, 7), (2, 7), (3, 7))
        await until(lambda: w.downstream.active == 1)
        w.downstream.gate.set()
        assert await w.seen(3) == [1, 2, 3]
        assert w.downstream.most_active == 1
        assert await w.states() == {}


async def test_lanes_go_side_by_side_up_to_the_concurrency(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=3) as w:
        w.downstream.gate = asyncio.Event()
        await w.append(*((n, n) for n in range(10)))
        await until(lambda: w.downstream.active == 3)
        w.downstream.gate.set()
        assert sorted(await w.seen(10)) == list(range(10))
        assert w.downstream.most_active == 3


async def test_a_failing_head_holds_its_lane_and_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.answers[1] = [BROKEN, BROKEN]
        await w.append((1, 7), (2, 7), (3, 8))
        assert await w.seen(2) == [1, 3]
        assert await w.states() == {State.HELD: 1, State.WAITING: 1}
        await w.append((4, 7), (5, 9))
        assert await w.seen(3) == [1, 3, 5]
        await w.pass_time(4.9)
        assert len(w.downstream.seen) == 3
        await w.pass_time(0.2)
        assert w.downstream.seen == [1, 3, 5, 1]
        await w.pass_time(31)
        assert await w.seen(7) == [1, 3, 5, 1, 1, 2, 4]
        assert await w.states() == {}
        assert w.downstream.gaps == []


async def test_a_lane_moves_on_after_lane_hold_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, lane_hold=60.0) as w:
        w.downstream.answers[1] = [BROKEN] * 4
        await w.append((1, 7), (2, 7))
        await w.pass_time(5)
        await w.pass_time(30)
        assert w.downstream.seen == [1, 1, 1]
        await w.pass_time(24.9)
        assert w.downstream.seen == [1, 1, 1]
        await w.pass_time(0.2)
        assert w.downstream.seen == [1, 1, 1, 2]
        await w.append((3, 7))
        assert await w.seen(5) == [1, 1, 1, 2, 3]
        assert w.downstream.gaps == [2, 3]
        assert await w.states() == {State.BESIDE: 1}
        await w.pass_time(120)
        assert w.downstream.seen.count(1) == 4
        await w.pass_time(600)
        assert w.downstream.seen == [1, 1, 1, 2, 3, 1, 1]
        await w.append((4, 7))
        await w.seen(8)
        assert w.downstream.gaps == [2, 3], "the missing one is through"
        assert await w.states() == {}


async def test_lane_hold_for_ever(tmp_path: Path) -> None:
    async with world(tmp_path, lane_hold=None) as w:
        w.downstream.answers[1] = [BROKEN] * 20
        await w.append((1, 7), (2, 7))
        for _ in range(20):
            await w.pass_time(600)
        assert w.downstream.seen == [1] * 21 + [2]


async def test_refused_content_holds_its_lane_for_three_attempts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.answers[1] = [REFUSED] * 9
        await w.append((1, 7), (2, 7))
        await w.pass_time(5)
        assert w.downstream.seen == [1, 1]
        await w.pass_time(30)
        assert w.downstream.seen == [1, 1, 1, 2]
        assert w.downstream.gaps == [2]


async def test_refusals_hold_on_while_the_whole_destination_refuses(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.always = lambda number: Outcome(404)
        await w.append(*((n, n % 5) for n in range(20)))
        await w.pass_time(5)
        await w.pass_time(30)
        await w.pass_time(120)
        w.downstream.always = lambda number: None
        await w.pass_time(600)
        assert await w.states() == {}
        assert w.downstream.gaps == []
        delivered = [number for number, state in w.reports if state is State.DELIVERED]
        assert all([n for n in delivered if n % 5 == lane] == list(range(lane, 20, 5)) for lane in range(5))


async def test_an_outage_longer_than_lane_hold_keeps_the_order(tmp_path: Path) -> None:
    async with world(tmp_path, lane_hold=60.0, waits=(5.0, 30.0, 120.0)) as w:
        w.downstream.always = lambda number: BROKEN
        await w.append(*((n, n % 5) for n in range(20)))
        await w.pass_time(5)
        for _ in range(40):
            await w.pass_time(30)
        w.downstream.always = lambda number: None
        await w.pass_time(150)
        assert await w.states() == {}
        assert w.downstream.gaps == []
        delivered = [number for number, state in w.reports if state is State.DELIVERED]
        assert all([n for n in delivered if n % 5 == lane] == list(range(lane, 20, 5)) for lane in range(5))


def out_of_order(reports: list[tuple[int, State]], lanes: int) -> list[int]:
    """Lanes whose events were not delivered in their order; event n is of lane n modulo `lanes`."""
    delivered = [number for number, state in reports if state is State.DELIVERED]
    return [
        lane
        for lane in range(lanes)
        if (mine := [number for number in delivered if number % lanes == lane]) != sorted(mine)
    ]


@pytest.mark.parametrize("restarts", [0, 1])
async def test_recovery_from_a_long_outage_keeps_the_order(tmp_path: Path, restarts: int) -> None:
    """Retries are spread by jitter, so that lanes recover one by one, long after they were held long enough."""
    clock, downstream, reports = FakeClock(), Downstream(), []
    downstream.always = lambda number: BROKEN
    waits = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0)
    options: dict[str, Any] = {
        "waits": waits, "clock": clock, "downstream": downstream, "dice": random.Random(20).random,
    }  # fmt: skip
    for life in range(restarts + 1):
        async with world(tmp_path, **options) as w:
            if life == 0:
                await w.append(*((number, number % 40) for number in range(120)))
            for _ in range(4 * 60):
                await w.pass_time(60)
            if life == restarts:
                downstream.always = lambda number: None
                for _ in range(5 * 60):
                    await w.pass_time(60)
                assert await w.states() == {}
            reports += w.reports
    assert len([1 for _, state in reports if state is State.DELIVERED]) == 120
    if not restarts:
        assert out_of_order(reports, 40) == []
        assert downstream.gaps == []
    else:  # a new process has to find out that everything fails
        assert len(out_of_order(reports, 40)) <= ATTEMPTS


async def test_a_retry_comes_in_time_though_the_window_is_full(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=1) as w:
        w.downstream.answers[0] = [BROKEN]

        class Gate:
            async def wait(self) -> None:
                if len(w.downstream.seen) == 30:
                    w.clock.advance(6)
                    await until(lambda: w.memory.retries, "the retry, while everything else goes on")

        w.downstream.gate = Gate()  # type: ignore[assignment]
        await w.append(*((number, number) for number in range(400)))
        seen = await w.seen(401)
        assert seen.index(0, 1) in (30, 31)


async def test_hanging_attempts_cost_no_timers(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=2) as w:
        for number in range(6):
            w.downstream.answers[number] = [BROKEN]
        await w.append(*((number, number) for number in range(6)))
        await w.quiet()
        w.downstream.gate = asyncio.Event()
        w.clock.advance(6)
        await until(lambda: w.engine.active == 2 and len(w.memory.retries) >= 1)
        fired = 0
        for _ in range(100):
            before = len(w.clock.timers)
            w.clock.advance(0.001)
            fired += before > len(w.clock.timers)
        assert fired <= 2
        w.downstream.gate.set()
        await w.quiet()


async def test_large_events_fill_the_window_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW_BYTES", 20_000)
    async with world(tmp_path, concurrency=1) as w:
        w.downstream.gate = asyncio.Event()
        for number in range(50):
            large = event(number, number)
            large.data = b'{"text":"%s"}' % (b"x" * 3_000)
            await w.store.append(submission(w.source, [large], (w.destination,)))
        assert w.memory.window.bytes <= 24_000
        w.downstream.gate.set()
        assert sorted(await w.seen(50)) == list(range(50))
        assert w.memory.window.bytes == 0


async def test_a_delivery_that_fails_too_long_is_dead_and_its_lane_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path, lane_hold=None, give_up_after=60.0) as w:
        w.downstream.answers[1] = [BROKEN] * 9
        await w.append((1, 7), (2, 7), (3, 7))
        await w.pass_time(5)
        await w.pass_time(30)
        assert w.downstream.seen == [1, 1, 1, 2, 3]
        assert w.downstream.gaps == [2], "the next one tells that an earlier one is missing"
        assert await w.states() == {State.DEAD: 1}


async def test_memory_is_a_window_and_the_store_holds_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW", 20)
    async with world(tmp_path, concurrency=2) as w:
        w.downstream.gate = asyncio.Event()
        for start in range(0, 300, 30):
            await w.append(*((n, n % 7) for n in range(start, start + 30)))
        assert len(w.memory.window) <= 20
        assert sum(len(lane.deliveries) for lane in w.memory.lanes) <= 20
        w.downstream.gate.set()
        seen = await w.seen(300)
        assert len(set(seen)) == 300
        assert all([n for n in seen if n % 7 == lane] == list(range(lane, 300, 7)) for lane in range(7))
        await w.append((999, 1))
        assert (await w.seen(301))[-1] == 999


async def test_what_is_committed_while_the_backlog_is_read_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as w:
        await w.engine.stop(0)

        def followed_by(name: str, number: int) -> None:
            real: Any = getattr(w.store, name)

            async def read(*arguments: Any) -> Any:
                answer = await real(*arguments)
                monkeypatch.setattr(w.store, name, real)
                await w.append((number, 7))
                return answer

            monkeypatch.setattr(w.store, name, read)

        followed_by("backlog", 1)
        followed_by("queued", 2)
        await w.begin()
        assert await w.seen(2) == [1, 2]


async def test_a_blocked_conversation_does_not_fill_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW", 20)
    monkeypatch.setattr(feed, "LANE_PAGE", 5)
    async with world(tmp_path) as w:
        w.downstream.answers[0] = [BROKEN]
        await w.append((0, 1))
        await w.seen(1)
        await w.append(*((n, 1) for n in range(1, 100)))
        await w.append((500, 2))
        await w.seen(2)
        assert w.downstream.seen == [0, 500]
        assert len(w.memory.window) == 0
        await w.pass_time(5)
        assert await w.seen(102) == [0, 500, 0, *range(1, 100)]


async def test_arrivals_while_a_lane_is_read_again_keep_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LANE_PAGE", 3)
    async with world(tmp_path) as w:
        w.downstream.answers[0] = [BROKEN]
        await w.append(*((n, 1) for n in range(10)))
        await w.quiet()
        w.clock.advance(5)
        for n in range(10, 40):
            await w.append((n, 1))
        await w.seen(41)
        assert w.downstream.seen == [0, *range(40)]


async def test_too_many_held_lanes_mean_that_the_destination_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MAX_HELD_LANES", 10)
    async with world(tmp_path, concurrency=2) as w:
        w.downstream.always = lambda number: BROKEN
        for n in range(50):
            await w.append((n, n))
        await w.quiet()
        assert len(w.downstream.seen) <= 12
        assert len(w.memory.lanes) <= 12
        w.downstream.always = lambda number: None
        await w.pass_time(6)
        await until(lambda: len([1 for _, state in w.reports if state is State.DELIVERED]) == 50)
        assert await w.states() == {}


async def test_after_a_restart_everything_goes_on_where_it_was(tmp_path: Path) -> None:
    clock, downstream = FakeClock(), Downstream()
    downstream.answers[1] = [BROKEN, BROKEN]
    downstream.answers[10] = [REFUSED] * 4
    async with world(tmp_path, clock=clock, downstream=downstream, lane_hold=60.0) as w:
        await w.append((1, 7), (2, 7), (3, 7), (10, 8), (11, 8))
        await w.pass_time(5)
        await w.pass_time(30)
        assert await w.states() == {State.BESIDE: 1}, "10 goes on beside its lane"
        downstream.answers[20] = [BROKEN] * 9
        await w.append((20, 9), (21, 9))
        await w.quiet()
    before = list(downstream.seen)
    async with world(tmp_path, clock=clock, downstream=downstream, lane_hold=60.0) as w:
        await w.append((12, 8), (22, 9))
        await w.quiet()
        assert downstream.seen[len(before) :] == [12], "20 still holds its lane, and 22 waits in it"
        assert downstream.gaps[-1] == 12, "10 is still missing"
        await w.pass_time(5)
        await w.pass_time(60)
        assert [n for n in downstream.seen if n in (21, 22)] == [21, 22]
        assert downstream.gaps[-2:] == [21, 22]
        assert await w.states() == {State.BESIDE: 2}, "10 and 20"
        await w.pass_time(120)
        await w.pass_time(600)
        assert downstream.seen.count(10) == 5
        assert await w.states() == {State.BESIDE: 1}, "20"


async def test_a_lane_that_was_being_read_at_the_crash_is_read_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.append()
        await w.engine.stop(0)
        await w.append((1, 7), (2, 7))
        for delivery in (await w.store.queued(w.destination, 0, 10)).deliveries:
            w.store.wait(w.destination, delivery.event.seq, delivery.lane)
    async with world(tmp_path) as w:
        assert await w.seen(2) == [1, 2]


async def test_what_is_cut_off_by_stopping_was_not_tried(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.gate = asyncio.Event()
        await w.append((1, 7), (2, 8))
        await until(lambda: w.downstream.active == 2)
        await w.engine.stop(0.01)
        assert await w.states() == {State.QUEUED: 2}
        loaded = (await w.store.queued(w.destination, 0, 10)).deliveries
        assert [delivery.attempts for delivery in loaded] == [0, 0]


async def test_stopping_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.gate = asyncio.Event()
        await w.append((1, 7), (2, 7))
        await until(lambda: w.downstream.active == 1)
        stopping = asyncio.create_task(w.engine.stop(30))
        await asyncio.sleep(0)
        w.downstream.gate.set()
        await stopping
        assert w.reports == [(1, State.DELIVERED)]
        assert await w.states() == {State.QUEUED: 1}


async def test_retries_do_not_starve_new_events(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=1, lane_hold=0.001) as w:
        w.downstream.always = lambda number: REFUSED if number < 100 else None
        await w.append(*((n, n) for n in range(100)))
        await w.quiet()
        w.downstream.seen.clear()
        w.downstream.gate = asyncio.Event()
        w.clock.advance(5)
        await until(lambda: w.engine.active == 1 and w.memory.retries)
        await w.append(*((n, n) for n in range(100, 110)))
        w.downstream.gate.set()
        await w.quiet()
        fresh = [index for index, number in enumerate(w.downstream.seen) if number >= 100]
        assert len(fresh) == 10
        assert fresh[-1] <= 25, "turn by turn"


async def test_an_unreadable_store_delays_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "STORE_RETRY_S", 0.005)
    async with world(tmp_path) as w:
        real: Any = w.store.due
        failures = [1, 1]

        async def failing(*arguments: Any) -> Any:
            if failures:
                failures.pop()
                raise StoreUnavailable("away")
            return await real(*arguments)

        monkeypatch.setattr(w.store, "due", failing)
        w.downstream.answers[1] = [BROKEN]
        await w.append((1, 7), (2, 7))
        await w.pass_time(6)
        assert await w.seen(3) == [1, 1, 2]
        assert not failures
