"""What is above lanes: breaker, pausing, rate limits, batches, replays, shards, and many destinations."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.control import Control, Mode
from gateway.delivering import feed, queue
from gateway.delivering.policy import Outcome
from gateway.sending.forwarder import NotHeld
from gateway.store.base import ALL_SHARDS, Run, State, StoreUnavailable, shard_of
from tests.engines import BROKEN, OK, REFUSED, Downstream, World, given_away, world
from tests.support import FakeClock, event, submission, until


def control(w: World) -> Control:
    return w.engine._controls.get(w.destination, Control(w.destination))


async def outage(w: World, lanes: int = 20, events: int = 40) -> None:
    """Everything fails until the breaker opens."""
    w.downstream.always = lambda number: BROKEN
    await w.append(*((number, number % lanes) for number in range(events)))
    await w.quiet()
    assert control(w).open_since_ms
    w.downstream.requests.clear()


async def change_mode(w: World, mode: Mode) -> None:
    """As an operator does, from another process."""
    now_ms = w.clock.steady_ms()
    await w.store.change(w.destination, lambda before: before.with_mode(mode, "test", now_ms))
    w.engine.changed()
    await w.quiet()


def mode_is(w: World, mode: Mode) -> bool:
    return control(w).mode is mode


def delivered(w: World) -> list[int]:
    return [number for number, state in w.reports if state is State.DELIVERED]


def in_order(numbers: Iterable[int], lanes: int) -> bool:
    """Event n is of lane n modulo `lanes`."""
    numbers = list(numbers)
    return all(mine == sorted(mine) for lane in range(lanes) if (mine := [n for n in numbers if n % lanes == lane]))


# Breaker


async def test_the_breaker_opens_gives_memory_back_and_probes_ever_more_rarely(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=4) as w:
        await outage(w)
        assert len(w.reports) <= 10 + 4, "what was on its way when it opened"
        assert len(w.memory.window) == 0
        opened_ms = w.clock.time_ms
        probes: list[float] = []
        for _ in range(240):
            before = len(w.downstream.requests)
            await w.pass_time(1)
            probes += [(w.clock.time_ms - opened_ms) / 1000] * (len(w.downstream.requests) - before)
        assert probes == [5, 15, 35, 75, 135, 195]
        lanes = [request[0] % 20 for request in w.downstream.requests]
        assert all(one != other for one, other in pairwise(lanes)), "never the same lane again"
        assert len(w.memory.window) == 0


async def test_the_first_success_closes_the_breaker_and_everything_goes_out_in_order(tmp_path: Path) -> None:
    async with world(tmp_path, lane_hold=60.0) as w:
        await outage(w)
        for number in range(40, 80):
            await w.append((number, number % 20))
        for _ in range(60):
            await w.pass_time(60)
        w.downstream.always = lambda number: None
        await w.pass_time(61)
        assert not control(w).open_since_ms
        assert sorted(delivered(w)) == list(range(80)), "right after the probe, without waiting for each one's turn"
        assert in_order(delivered(w), 20)
        assert w.downstream.gaps == []
        assert control(w).idle_ms > 3_600_000
        [stored] = await w.store.controls()
        assert stored == control(w)


async def test_an_outage_of_hours_kills_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, give_up_after=60.0, waits=(5.0, 30.0)) as w:
        await outage(w)
        for _ in range(3 * 60):
            await w.pass_time(60)
        assert State.DEAD not in await w.states()
        probed = len(w.downstream.requests)
        assert probed > 100, "probes are attempts, and count as such"
        w.downstream.always = lambda number: None
        await w.pass_time(61)
        assert await w.states() == {}


async def test_an_open_breaker_survives_a_restart(tmp_path: Path) -> None:
    clock, downstream = FakeClock(), Downstream()
    async with world(tmp_path, clock=clock, downstream=downstream, lane_hold=60.0) as w:
        await outage(w)
    clock.timers.clear()
    clock.time_ms += 3_600_000
    async with world(tmp_path, clock=clock, downstream=downstream, lane_hold=60.0) as w:
        await w.append(*((number, number % 20) for number in range(40, 60)))
        await w.quiet()
        assert w.downstream.requests == []
        await w.pass_time(5)
        assert len(w.downstream.requests) == 1
        w.downstream.always = lambda number: None
        await w.pass_time(12)
        assert sorted(delivered(w)) == list(range(60))
        assert in_order(delivered(w), 20)
        assert w.downstream.gaps == []


async def test_another_process_may_close_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await outage(w)
        w.downstream.always = lambda number: None
        await w.store.change(w.destination, lambda before: before.closed(w.clock.steady_ms()))
        w.engine.changed()
        await w.quiet()
        assert sorted(delivered(w)) == list(range(40))


async def test_another_process_may_open_it(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=1) as w:
        w.downstream.gate = asyncio.Event()
        await w.append(*((number, number) for number in range(10)))
        await until(lambda: w.downstream.active == 1)
        await w.store.change(w.destination, lambda before: before.opened(w.clock.steady_ms()))
        w.engine.changed()
        await until(lambda: control(w).open_since_ms)
        w.downstream.gate.set()
        await w.quiet()
        assert w.downstream.seen == [0], "what was on its way is finished, and does not close it"
        assert control(w).open_since_ms
        await w.pass_time(5)
        assert sorted(w.downstream.seen) == list(range(10))


async def test_a_refused_probe_is_an_answer(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await outage(w)
        w.downstream.always = lambda number: REFUSED if number < 20 else None
        await w.pass_time(6)
        assert not control(w).open_since_ms, "it is there; that it refuses an event is another matter"


async def test_with_nothing_held_the_breaker_probes_with_what_is_queued(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.store.change(w.destination, lambda before: before.opened(w.clock.steady_ms()))
        w.engine.changed()
        await w.quiet()
        await w.pass_time(30)
        await w.append((1, 1), (2, 1), (3, 2))
        await w.quiet()
        assert w.downstream.seen[0] == 1, "the time of a probe had come"
        assert sorted(w.downstream.seen) == [1, 2, 3]


async def test_two_lanes_never_open_the_breaker(tmp_path: Path) -> None:
    async with world(tmp_path, waits=(5.0,)) as w:
        w.downstream.always = lambda number: BROKEN if number % 3 < 2 else None
        await w.append(*((number, number % 3) for number in range(30)))
        for _ in range(20):
            await w.pass_time(5)
        assert not control(w).open_since_ms


async def test_410_for_more_than_a_minute_disables(tmp_path: Path) -> None:
    async with world(tmp_path, waits=(20.0,)) as w:
        w.downstream.always = lambda number: Outcome(410)
        await w.append((1, 1))
        for _ in range(3):
            await w.pass_time(20)
        assert control(w).mode is Mode.ACTIVE
        await w.pass_time(20)
        assert (control(w).mode, control(w).reason) == (Mode.DISABLED, "410 Gone")
        seen = len(w.downstream.seen)
        await w.append((2, 2))
        await w.pass_time(3600)
        assert len(w.downstream.seen) == seen
        w.downstream.always = lambda number: None
        await change_mode(w, Mode.ACTIVE)
        await w.pass_time(20)
        assert sorted(delivered(w)) == [1, 2]


async def test_410_does_not_overrule_the_operator(tmp_path: Path) -> None:
    async with world(tmp_path, waits=(31.0,), concurrency=1) as w:
        w.downstream.always = lambda number: Outcome(410)
        await w.append((1, 1))
        await w.pass_time(31)
        now_ms = w.clock.steady_ms()
        await w.store.change(w.destination, lambda before: before.with_mode(Mode.PAUSED, "by hand", now_ms))
        await w.pass_time(31)
        assert (control(w).mode, control(w).reason) == (Mode.PAUSED, "by hand")


# Pausing


async def test_pausing_finishes_what_is_on_its_way_and_forgets_the_rest(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=2) as w:
        w.downstream.gate = asyncio.Event()
        w.downstream.answers[0] = [BROKEN]
        await w.append(*((number, number % 5) for number in range(50)))
        await until(lambda: w.downstream.active == 2)
        await w.store.change(w.destination, lambda before: before.with_mode(Mode.PAUSED, "", w.clock.steady_ms()))
        w.engine.changed()
        await until(lambda: control(w).parks)
        w.downstream.gate.set()
        await w.quiet()
        assert w.reports == [(0, State.HELD), (1, State.DELIVERED)]
        assert w.engine._queues() == []
        await w.append((50, 0), (51, 1))
        await w.pass_time(86_400)
        assert len(w.reports) == 2
        await change_mode(w, Mode.ACTIVE)
        await w.pass_time(5)
        assert sorted(delivered(w)) == list(range(52))
        assert in_order([number for number in delivered(w) if number < 50], 5)
        assert w.downstream.gaps == [], "paused time is not tried time"


async def test_what_was_held_is_due_when_the_operator_resumes(tmp_path: Path) -> None:
    """The schedule knows nothing of what was mended meanwhile."""
    async with world(tmp_path, waits=(3600.0,)) as w:
        w.downstream.answers[1] = [BROKEN]
        await w.append((1, 7), (2, 7))
        await w.seen(1)
        await change_mode(w, Mode.PAUSED)
        await change_mode(w, Mode.ACTIVE)
        await w.quiet()
        assert delivered(w) == [1, 2]


async def test_what_was_held_is_due_also_after_a_pause_that_was_over_soon(tmp_path: Path) -> None:
    async with world(tmp_path, waits=(3600.0,)) as w:
        w.downstream.answers[1] = [BROKEN]
        await w.append((1, 7))
        await w.seen(1)
        w.downstream.gate = asyncio.Event()
        await w.append((2, 8))
        await until(lambda: w.downstream.active == 1)
        for mode in (Mode.PAUSED, Mode.ACTIVE):  # meanwhile something is on its way, and waited for
            now_ms = w.clock.steady_ms()
            await w.store.change(w.destination, partial(Control.with_mode, mode=mode, reason="", now_ms=now_ms))
            w.engine.changed()
            await until(partial(mode_is, w, mode))
        w.downstream.gate.set()
        await w.quiet()
        assert sorted(delivered(w)) == [1, 2]


async def test_a_pause_may_be_over_before_it_began(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=2) as w:
        w.downstream.gate = asyncio.Event()
        await w.append(*((number, number % 5) for number in range(20)))
        await until(lambda: w.downstream.active == 2)
        for mode in (Mode.PAUSED, Mode.ACTIVE, Mode.DISABLED, Mode.ACTIVE):
            now_ms = w.clock.steady_ms()
            await w.store.change(w.destination, partial(Control.with_mode, mode=mode, reason="", now_ms=now_ms))
            w.engine.changed()
            await until(partial(mode_is, w, mode))
            await w.append((100 + len(w.downstream.seen), 9))
        w.downstream.gate.set()
        await w.quiet()
        assert sorted(number for number in delivered(w) if number < 100) == list(range(20))
        assert in_order((number for number in delivered(w) if number < 100), 5)
        assert await w.states() == {}


async def test_what_is_paused_at_the_start_stays_so(tmp_path: Path) -> None:
    clock = FakeClock()
    async with world(tmp_path, clock=clock) as w:
        await change_mode(w, Mode.PAUSED)
        await w.append((1, 1))
    async with world(tmp_path, clock=clock) as w:
        await w.append((2, 2), (3, 1))
        await w.pass_time(60)
        assert w.downstream.seen == []
        await change_mode(w, Mode.ACTIVE)
        assert sorted(w.downstream.seen) == [1, 2, 3]


# Rate limits


async def test_no_attempt_before_a_token(tmp_path: Path) -> None:
    async with world(tmp_path, rate=5.0, waits=(1.0,)) as w:
        w.downstream.answers |= {number: [BROKEN] for number in range(5)}
        await w.append(*((number, number) for number in range(30)))
        counts = []
        for _ in range(8):
            await w.quiet()
            counts.append(len(w.downstream.seen))
            for _ in range(10):
                await w.pass_time(0.1)
        assert counts[0] == 5, "a second's worth at once"
        steps = [after - before for before, after in pairwise(counts)]
        assert all(step <= 5 for step in steps)
        assert counts[-1] == 35, "retries count too"


async def test_limits_are_divided_between_replicas(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=4) as w:
        w.downstream.gate = asyncio.Event()
        w.engine.replicas(2, current=True)
        await w.append(*((number, number) for number in range(10)))
        await until(lambda: w.downstream.active == 2)
        w.engine.replicas(100, current=True)
        w.downstream.gate.set()
        await w.quiet()
        assert w.downstream.most_active == 2
        w.downstream.gate, w.downstream.most_active = None, 0
        await w.append(*((number, number) for number in range(10, 20)))
        await w.quiet()
        assert w.downstream.most_active == 1, "one at least"


# Batches


async def test_a_batch_goes_when_it_is_full_or_has_waited_long_enough(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(4, 10.0)) as w:
        await w.append(*((number, number % 2) for number in range(3)))
        await w.pass_time(9)
        assert w.downstream.requests == []
        await w.append((3, 1))
        await w.quiet()
        assert w.downstream.requests == [[0, 2, 1, 3]], "of a lane one behind the other"
        await w.append((4, 0))
        await w.pass_time(9.9)
        assert len(w.downstream.requests) == 1
        await w.pass_time(0.2)
        assert w.downstream.requests[1:] == [[4]]
        assert await w.states() == {}


async def test_a_lane_is_in_one_batch_at_a_time(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(3, 0.0)) as w:
        w.downstream.gate = asyncio.Event()
        await w.append(*((number, 7) for number in range(10)), *((number, number) for number in range(10, 12)))
        await until(lambda: w.downstream.active == 2)
        assert w.downstream.requests == [[0, 1, 2], [10, 11]]
        w.downstream.gate.set()
        await w.quiet()
        assert w.downstream.requests[2:] == [[3, 4, 5], [6, 7, 8], [9]]


async def test_large_events_do_not_make_large_batches(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(100, 0.0)) as w:
        for number in range(6):
            large = event(number, number // 3)
            large.data = b'{"text":"%s"}' % (b"x" * 450_000)
            await w.store.append(submission(w.source, [large], (w.destination,)))
        await w.quiet()
        assert max(map(len, w.downstream.requests)) <= 2
        assert sorted(w.downstream.seen) == list(range(6))


async def test_a_refused_batch_is_halved_down_to_the_event(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(8, 0.0)) as w:
        w.downstream.always = lambda number: REFUSED if number == 5 else None
        await w.append(*((number, number) for number in range(8)))
        await w.quiet()
        assert w.downstream.requests == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7]]
        assert await w.states() == {State.HELD: 1}
        w.downstream.requests.clear()
        await w.pass_time(5)
        assert w.downstream.requests == [[5]], "retries go alone"


async def test_what_follows_a_refused_event_in_its_lane_waits_for_it(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(8, 0.0)) as w:
        w.downstream.answers[1] = [REFUSED] * 4
        await w.append((0, 7), (1, 7), (2, 7), (3, 7), (4, 8), (5, 7))
        await w.quiet()
        assert w.downstream.requests == [[0, 1, 2, 3, 5, 4], [0, 1, 2], [0, 1], [0], [1], [4]]
        assert await w.states() == {State.HELD: 1, State.WAITING: 3}
        await w.pass_time(5)
        assert await w.states() == {}
        assert delivered(w) == [0, 4, 1, 2, 3, 5]
        assert w.downstream.gaps == []


async def test_a_lane_moves_on_in_batches_with_gaps(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(8, 0.0)) as w:
        w.downstream.always = lambda number: REFUSED if number == 1 else None
        await w.append((1, 7), (2, 7), (3, 7), (4, 8))
        await w.quiet()
        await w.pass_time(5)
        w.downstream.requests.clear()
        await w.pass_time(30)
        assert w.downstream.requests == [[1], [2, 3]]
        assert w.downstream.gaps == [2, 3], "while an earlier one is outstanding"


@pytest.mark.parametrize("outcome", [Outcome(503), Outcome(429), Outcome(None, "timeout"), Outcome(None, "connect")])
async def test_a_destination_that_is_away_fails_the_whole_batch(tmp_path: Path, outcome: Outcome) -> None:
    async with world(tmp_path, batch=(8, 0.0)) as w:
        w.downstream.answers[0] = [outcome]
        await w.append((0, 7), (1, 7), (2, 8))
        await w.quiet()
        assert w.downstream.requests == [[0, 1, 2]]
        assert sorted(w.reports) == [(0, State.HELD), (2, State.HELD)]
        assert await w.states() == {State.HELD: 2, State.WAITING: 1}
        await w.pass_time(60)
        assert sorted(delivered(w)) == [0, 1, 2]


# Replays


def start_run(w: World, path: Path, numbers: list[int], kind: str = "replay") -> Run:
    """Events again, as another process makes them: event n is of lane n."""
    run = Run(500, w.destination, 9, kind)
    database = sqlite3.connect(path / "store.db", isolation_level=None, timeout=10)
    database.execute("BEGIN IMMEDIATE")
    database.execute(
        "INSERT INTO runs (id, kind, state, created_ms, criteria, planned) VALUES (?, ?, 'running', 0, '{}', 0)",
        (run.id, kind),
    )
    database.execute("INSERT INTO destinations (id, tenant, name, run) VALUES (?, 'a', 'd', ?)", (run.number, run.id))
    for number in numbers:
        database.execute(
            "INSERT INTO deliveries (event, destination, lane) SELECT seq, ?, ? FROM events WHERE id = ?",
            (run.number, number, event(number).id),
        )
    database.execute("COMMIT")
    database.close()
    return run


async def test_a_run_goes_behind_live_deliveries_and_still_makes_progress(tmp_path: Path) -> None:
    async with world(tmp_path, concurrency=2) as w:
        await w.append(*((number, number) for number in range(30)))
        await w.seen(30)
        w.downstream.queues.clear()
        run = start_run(w, tmp_path, list(range(30)))
        w.downstream.gate = asyncio.Event()
        await w.append(*((number, number) for number in range(100, 300)))
        await until(lambda: w.downstream.active == 2)
        w.engine.changed()
        queues = w.engine._outlets[w.destination]._queues
        await until(lambda: run.number in queues and queues[run.number].hungry)
        w.downstream.gate.set()
        await w.quiet()
        assert len(w.downstream.queues) == 230
        first = w.downstream.queues[:110]
        assert 8 <= first.count(run.number) <= 12, "one in ten while there is live traffic"
        assert w.downstream.queues.count(run.number) == 30
        assert w.downstream.most_active == 2, "together they keep to the concurrency"


async def test_a_run_that_is_over_or_paused_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path, concurrency=1) as w:
        await w.append(*((number, number) for number in range(10)))
        await w.seen(10)
        w.downstream.gate = asyncio.Event()
        run = start_run(w, tmp_path, list(range(10)))
        w.engine.changed()
        await until(lambda: w.downstream.active == 1)

        async def no_runs() -> list[Run]:
            return []

        monkeypatch.setattr(w.store, "runs", no_runs)
        w.engine.changed()
        await until(lambda: not w.engine._runs)
        w.downstream.gate.set()
        await w.quiet()
        assert len(w.downstream.seen) == 11, "what was on its way is finished"
        assert run.number not in w.engine._outlets[w.destination]._queues


async def test_a_run_shares_pause_and_breaker_with_its_destination(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.append(*((number, number) for number in range(20)))
        await w.seen(20)
        await change_mode(w, Mode.PAUSED)
        start_run(w, tmp_path, list(range(20)))
        w.engine.changed()
        await w.pass_time(60)
        assert len(w.downstream.seen) == 20
        w.downstream.always = lambda number: BROKEN
        await change_mode(w, Mode.ACTIVE)
        assert control(w).open_since_ms
        w.downstream.requests.clear()
        await w.pass_time(5)
        await w.pass_time(5)
        await w.pass_time(5)
        assert len(w.downstream.requests) == 2, "a run alone is probed as well"
        w.downstream.always = lambda number: None
        await w.pass_time(30)
        assert await w.states() == {}


# Shards


async def test_what_is_on_its_way_in_a_lost_shard_touches_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.gate = asyncio.Event()
        await w.append((1, 7), (2, 7), (3, 8))
        await until(lambda: w.downstream.active == 2)
        lost = frozenset({shard_of(w.destination, 7)})
        w.engine.lost(lost)
        w.downstream.gate.set()
        await w.quiet()
        assert w.reports == [(3, State.DELIVERED)]
        assert await w.states() == {State.QUEUED: 2}
        assert len(w.memory.lanes) == 0
        await w.engine.gained(lost)
        await w.quiet()
        assert w.downstream.seen == [1, 3, 1, 2]


async def test_yielding_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.gate = asyncio.Event()
        await w.append((1, 7), (2, 7), (3, 8), (4, 8))
        await until(lambda: w.downstream.active == 2)
        shards = frozenset({shard_of(w.destination, 7)})
        yielding = asyncio.create_task(given_away(w.engine, shards))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not yielding.done()
        w.downstream.gate.set()
        await yielding
        await w.quiet()
        assert sorted(w.reports) == [(1, State.DELIVERED), (3, State.DELIVERED), (4, State.DELIVERED)]
        assert await w.states() == {State.QUEUED: 1}
        w.engine.lost(shards)
        await w.engine.gained(shards)
        await w.quiet()
        assert w.downstream.seen[-1] == 2


async def test_yielding_gives_at_once_what_is_free(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.gate = asyncio.Event()
        await w.append((1, 7), (2, 8))
        await until(lambda: w.downstream.active == 2)
        busy = frozenset(shard_of(w.destination, lane) for lane in (7, 8))
        leaving = w.engine.yielding(ALL_SHARDS)
        assert await anext(leaving) == ALL_SHARDS - busy
        w.downstream.gate.set()
        assert frozenset().union(*[free async for free in leaving]) == busy
        assert sorted(w.reports) == [(1, State.DELIVERED), (2, State.DELIVERED)]


async def split_batch(w: World) -> frozenset[int]:
    """A batch of two lanes was refused, and its halves wait for the pace."""
    w.downstream.answers[1] = [REFUSED]
    await w.append((1, 7), (2, 8))
    await until(lambda: w.downstream.requests == [[1, 2]] and w.clock.timers)
    return frozenset({shard_of(w.destination, 7), shard_of(w.destination, 8)})


async def test_yielding_does_not_wait_for_what_was_not_begun(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(2, 0.0), rate=0.01, concurrency=1) as w:
        shards = await split_batch(w)
        await asyncio.wait_for(given_away(w.engine, shards), 5)
        w.clock.advance(200)
        await w.quiet()
        assert w.downstream.requests == [[1, 2]], "these are another's now"
        assert await w.states() == {State.QUEUED: 2}


async def test_yielding_in_the_middle_of_a_batch_that_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(2, 0.0), rate=0.01, concurrency=1) as w:
        w.downstream.gate = asyncio.Event()
        w.downstream.answers[1] = [REFUSED]
        await w.append((1, 7), (2, 8))
        await until(lambda: w.downstream.active)
        yielding = asyncio.create_task(
            given_away(w.engine, frozenset({shard_of(w.destination, lane) for lane in (7, 8)}))
        )
        await asyncio.sleep(0)
        w.downstream.gate.set()
        await asyncio.wait_for(yielding, 5)
        assert await w.states() == {State.QUEUED: 2}


async def test_yielding_while_a_batch_of_a_lane_fails_leaves_nothing_of_it_in_memory(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(3, 0.0)) as w:
        w.downstream.gate = asyncio.Event()
        w.downstream.answers[1] = [Outcome(503)]
        await w.append((1, 7), (2, 7), (3, 7))
        await until(lambda: w.downstream.active)
        shards = frozenset({shard_of(w.destination, 7)})
        yielding = asyncio.create_task(given_away(w.engine, shards))
        await asyncio.sleep(0)
        w.downstream.gate.set()
        await asyncio.wait_for(yielding, 5)
        await w.quiet()
        assert (len(w.memory.window), len(w.memory.lanes)) == (0, 0)
        assert await w.states() == {State.HELD: 1, State.QUEUED: 2}
        w.engine.lost(shards)
        await w.engine.gained(shards)
        await w.pass_time(60)
        assert w.downstream.requests[0] == [1, 2, 3]
        assert delivered(w) == [1, 2, 3]


async def test_the_rest_of_a_batch_goes_out_once_when_its_shards_were_lost_and_came_back(tmp_path: Path) -> None:
    async with world(tmp_path, batch=(2, 0.0), rate=0.01) as w:
        shards = await split_batch(w)
        w.engine.lost(shards)
        await w.engine.gained(shards)
        while await w.states():
            w.clock.advance(100)
        await w.quiet()
        assert w.downstream.requests == [[1, 2], [1, 2]]


async def test_shards_of_a_paused_destination_come_and_go(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await change_mode(w, Mode.PAUSED)
        await w.append(*((number, number) for number in range(50)))
        w.engine.lost(ALL_SHARDS)
        await change_mode(w, Mode.ACTIVE)
        assert w.downstream.seen == []
        await w.engine.gained(ALL_SHARDS)
        await w.quiet()
        assert sorted(w.downstream.seen) == list(range(50))


async def test_shards_that_are_lost_while_a_destination_is_read_anew_are_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A held lane of them would stay held here, and take in what comes once they are back."""
    async with world(tmp_path) as w:
        w.downstream.answers[1] = [BROKEN]
        await w.append((1, 7))
        await w.seen(1)
        await change_mode(w, Mode.PAUSED)
        lost = frozenset({shard_of(w.destination, 7)})
        real: Any = w.store.backlog

        async def backlog(shards: frozenset[int], destination: int | None = None) -> Any:
            found = await real(shards, destination)
            w.engine.lost(lost)
            return found if lost <= shards else {}

        monkeypatch.setattr(w.store, "backlog", backlog)
        await change_mode(w, Mode.ACTIVE)
        assert len(w.memory.lanes) == 0


async def test_nobody_writes_without_a_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "STORE_RETRY_S", 0.001)
    async with world(tmp_path) as w:
        held = [False]

        async def send(number: int, members: Any) -> Outcome:
            if not held[0]:
                raise NotHeld
            w.downstream.seen.append(1)
            return OK

        w.engine._send = send
        await w.append((1, 7))
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert w.reports == []
        held[0] = True
        await w.seen(1)
        assert w.reports == [(1, State.DELIVERED)], "that was no attempt"


async def test_a_store_that_is_away_for_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "STORE_RETRY_S", 0.001)
    async with world(tmp_path) as w:
        real: Any = w.store.change
        away = [True]

        async def change(*arguments: Any) -> Any:
            if away[0]:
                raise StoreUnavailable("away")
            return await real(*arguments)

        monkeypatch.setattr(w.store, "change", change)
        w.downstream.always = lambda number: BROKEN
        await w.append(*((number, number) for number in range(60)))
        await until(lambda: w.engine.active == 0 and len(w.reports) >= 10)
        attempts = len(w.reports)
        w.clock.advance(600)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert len(w.reports) == attempts, "nothing is begun while it cannot be written down that it is down"
        away[0] = False
        await w.quiet()
        assert control(w).open_since_ms
        w.downstream.always = lambda number: None
        await w.pass_time(6)
        assert await w.states() == {}


# Many destinations


async def test_attempts_of_the_process_are_bounded_and_given_out_in_turn(tmp_path: Path) -> None:
    async with world(tmp_path, attempts=3, concurrency=8) as w:
        w.downstream.gate = asyncio.Event()
        await w.append(*((number, number) for number in range(200)))
        await w.append(*((number, number) for number in range(300, 320)), to=w.destinations[1])
        await until(lambda: w.downstream.active == 3)
        w.downstream.gate.set()
        await w.quiet()
        assert w.downstream.most_active == 3
        assert len(w.downstream.seen) == 220
        others = [index for index, number in enumerate(w.downstream.seen) if number >= 300]
        assert others[-1] <= 60, "a long backlog does not keep the others waiting"
        assert w.engine.slots.left == 3


async def test_a_quiet_destination_costs_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert w.engine._outlets == {}
        await w.append((1, 1), to=w.destinations[1])
        await w.seen(1)
        assert list(w.engine._outlets) == [w.destinations[1]]


# Clocks


async def test_due_times_of_a_clock_that_was_ahead_are_not_waited_for(tmp_path: Path) -> None:
    clock, downstream = FakeClock(), Downstream()
    downstream.answers[1] = [BROKEN]
    async with world(tmp_path, clock=clock, downstream=downstream, waits=(5.0,)) as w:
        await w.append((1, 7), (2, 7))
        await w.quiet()
    clock.timers.clear()
    clock.time_ms -= 86_400_000
    async with world(tmp_path, clock=clock, downstream=downstream, waits=(5.0,)) as w:
        await w.pass_time(5)
        assert w.downstream.seen == [1, 1, 2]


async def test_a_jumping_clock_moves_no_due_times(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.downstream.answers[1] = [BROKEN]
        await w.append((1, 7))
        await w.quiet()
        w.clock.wrong_ms = -3_600_000
        await w.pass_time(4)
        assert w.downstream.seen == [1]
        await w.pass_time(1)
        assert w.downstream.seen == [1, 1]
