"""The engine over a real store in a random world, held against what is promised, seed by seed.

Lanes, batches, outcomes, outages, restarts, crashes, a slow and failing store, tiny windows, operators who pause and
resume, replays, rate limits, clocks that jump, shards that are lost and gained. Whatever happens: no delivery of a
lane overtakes another without a gap, one request of a lane is on its way at a time, and in the end nothing is stuck,
lost or left in memory. What comes after a delivery that was given up says so, also in another process.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.control import Mode
from gateway.delivering import feed, memory, queue, window
from gateway.delivering.gate import Members
from gateway.delivering.policy import Outcome, Rules, Schedule
from gateway.sending.forwarder import NotHeld
from gateway.store import sqlite
from gateway.store.base import (
    PENDING,
    SHARDS,
    Backlog,
    Delivery,
    DestinationRow,
    Page,
    Run,
    Settlement,
    SourceRow,
    State,
    StoreUnavailable,
    shard_of,
)
from gateway.store.sqlite import SqliteStore
from tests.engines import DirectEngine, given_away, number_of
from tests.support import FakeClock, event, submission

SEEDS = 120
ANSWERS = {
    "fine": [Outcome(200), Outcome(204)],
    "down": [Outcome(500)],
    "slow": [Outcome(None, "timeout")],
    "gone": [Outcome(410)],
    "refusing": [Outcome(422)],
    "flaky": [
        Outcome(200), Outcome(201), Outcome(204), Outcome(500), Outcome(422), Outcome(404), Outcome(301),
        Outcome(429, None, "7"), Outcome(503, None, "99999"), Outcome(410, None, "rubbish"),
    ],
}  # fmt: skip
RUN = 1_000


class SteppingClock(FakeClock):
    """Lets what a timer began go on for a moment before the next timer fires."""

    async def step(self, seconds: float) -> None:
        end = self.time_ms + int(seconds * 1000)
        fired = 0
        while self.timers and self.timers[0][0] <= end and fired < 70:
            due, _, callback = heapq.heappop(self.timers)
            self.time_ms = max(self.time_ms, due if fired < 60 else end)
            callback()
            fired += 1
            await asyncio.sleep(0)
        self.time_ms = max(end, self.time_ms)


class SharedStore(SqliteStore):
    """As if other processes took shards away and gave them back. Whose shard is taken can read and settle nothing."""

    def __init__(self, path: Path, world: Model) -> None:
        super().__init__(path, synchronous="OFF")
        self.world = world
        self.taken: frozenset[int] = frozenset()

    def holds(self, destination: int, lane: int) -> bool:
        return shard_of(destination, lane) not in self.taken

    def settle(self, settlement: Settlement) -> None:
        if self.holds(settlement.destination, settlement.lane):
            super().settle(settlement)

    def wait(self, destination: int, event: int, lane: int) -> None:
        if self.holds(destination, lane):
            super().wait(destination, event, lane)

    async def backlog(self, shards: frozenset[int], destination: int | None = None) -> dict[int, Backlog]:
        found = await self.world.hesitate(super().backlog, shards, destination)
        return {
            number: backlog._replace(
                held=[lane for lane in backlog.held if shard_of(number, lane.lane) in shards],
                waiting_lanes=[lane for lane in backlog.waiting_lanes if shard_of(number, lane) in shards],
                beside_lanes=[lane for lane in backlog.beside_lanes if shard_of(number, lane) in shards],
                gaps=[lane for lane in backlog.gaps if shard_of(number, lane) in shards],
            )
            for number, backlog in found.items()
        }

    async def queued(self, destination: int, after: int, limit: int) -> Page:
        return self._mine(await self.world.hesitate(super().queued, destination, after, limit))

    async def waiting(self, destination: int, lane: int, limit: int) -> Page:
        return self._mine(await self.world.hesitate(super().waiting, destination, lane, limit))

    async def due(self, destination: int, now_ms: int, limit: int) -> tuple[Page, int | None]:
        page, upcoming = await self.world.hesitate(super().due, destination, now_ms, limit + 1_000)
        mine = self._mine(page).deliveries
        return Page(mine[:limit], len(mine) > limit), upcoming

    def _mine(self, page: Page) -> Page:
        return Page([one for one in page.deliveries if self.holds(one.destination, one.lane)], page.more)


class GivenUp:
    """The last one of each lane that was given up, while nothing was delivered after it."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], int] = {}

    def note(self, number: int, delivery: Delivery, state: State, *, believed: bool) -> None:
        """What a process says became of it. What it cannot write down is not believed."""
        lane, one = (number, delivery.lane), number_of(delivery)
        if delivery.state is State.BESIDE:
            if state in (State.DELIVERED, State.DEAD) and self._last.get(lane) == one:
                del self._last[lane]
        elif state is State.DELIVERED:
            self._last.pop(lane, None)
        elif state is State.DEAD and believed:
            self._last[lane] = one

    def untold(self, number: int, members: Members) -> list[str]:
        """Those of a request that should tell of one, and do not."""
        first = {delivery.lane: (delivery, gap) for delivery, gap in reversed(members)}
        return [
            f"{number_of(delivery)} of lane {number}/{lane} does not tell that {self._last[number, lane]} was given up"
            for lane, (delivery, gap) in first.items()
            if not gap and delivery.state is not State.BESIDE
            and self._last.get((number, lane), number_of(delivery)) < number_of(delivery)
        ]  # fmt: skip


class Model:
    def __init__(self, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dice = dice = random.Random(seed)
        self.folder = folder
        self.clock = SteppingClock()
        self.lanes = dice.choice([1, 3, 6, 20])
        self.rules = Rules(
            dice.choice([1, 2, 4, 30]),
            dice.choice([None, 0.01, 5.0, 60.0, 900.0]),
            Schedule(
                dice.choice([(5.0, 30.0, 120.0, 600.0), (0.05,), (5.0, 5.0), (60.0, 3600.0)]),
                dice.choice([86400.0, 100.0]),
            ),
            dice.choice([None, None, 0.5, 3.0, 50.0]),
            dice.choice([1, 1, 2, 5, 100]),
            dice.choice([0.0, 0.5, 30.0]),
        )
        monkeypatch.setattr(window, "WINDOW", dice.choice([4, 8, 20]))
        monkeypatch.setattr(window, "PROBING_WINDOW", dice.choice([1, 2, 8]))
        monkeypatch.setattr(queue, "PROBING_WINDOW", window.PROBING_WINDOW)
        monkeypatch.setattr(feed, "LANE_PAGE", dice.choice([1, 2, 5]))
        monkeypatch.setattr(memory, "MAX_HELD_LANES", dice.choice([2, 3, 8, 1000]))
        self.slots = dice.choice([1, 3, 4096])
        self.mood = "fine"
        self.refusals = 0.0
        self.runs: list[Run] = []
        self.lane_of: dict[tuple[int, int], int] = {}
        self.seen: set[tuple[int, int]] = set()
        self.done: set[tuple[int, int]] = set()
        self.given_up = GivenUp()
        self.on_their_way: Counter[tuple[int, int, int]] = Counter()
        self.epochs: Counter[int] = Counter()
        self.requests = 0
        self.broken: list[str] = []

    async def start(self) -> None:
        self.epochs.update(range(SHARDS))
        self.requests = 0
        self.began_ms = self.clock.time_ms
        self.store = SharedStore(self.folder / "store.db", self)
        await self.store.open()
        [self.source] = await self.store.register_sources([SourceRow("a", "s", "a/s", "x")])
        [self.destination] = await self.store.register_destinations([DestinationRow("a", "d")])
        rules = {self.destination: self.rules}
        self.engine = DirectEngine(
            self.store, self.clock, rules, self._send, self._report, self.dice.random, self.slots
        )
        await self.engine.begin()

    async def hesitate(self, real: Any, *arguments: Any) -> Any:
        if self.dice.random() < self.refusals:
            raise StoreUnavailable("away")
        answer = await real(*arguments)
        for _ in range(self.dice.choice([0, 0, 0, 2, 25])):
            await asyncio.sleep(0)
        return answer

    # Downstream

    async def _send(self, number: int, members: Members) -> Outcome:
        lanes = {(number, delivery.lane) for delivery, _ in members}
        if not all(self.store.holds(*lane) for lane in lanes):
            raise NotHeld
        self._count_request()
        beside = any(delivery.state is State.BESIDE for delivery, _ in members)
        self._claim(len(members) == 1 or not beside, "a retry in a batch")
        self._claim(len(members) <= self.rules.batch_events, "too many in a batch")
        keys = [] if beside else [(*lane, self.epochs[shard_of(*lane)]) for lane in lanes]
        for key in keys:
            self.on_their_way[key] += 1
            self._claim(self.on_their_way[key] == 1, f"two of lane {key} are on their way")
        for delivery, gap in members:
            self._see((number, number_of(delivery)), delivery.lane, gap, members)
        self.broken += self.given_up.untold(number, members)
        for _ in range(self.dice.choice([0, 1, 3, 20])):
            await asyncio.sleep(0)
        for key in keys:
            self.on_their_way[key] -= 1
        outcome = self._answer(members)
        if outcome.status in (200, 201, 204):
            self.done.update((number, number_of(delivery)) for delivery, _ in members)
        return outcome

    def _see(self, one: tuple[int, int], lane: int, gap: bool, members: Members) -> None:
        if one in self.seen:
            return
        self.seen.add(one)
        number, event_number = one
        mine = [other for other in self.lane_of if other[0] == number and self.lane_of[other] == lane]
        ahead = {(number, number_of(delivery)) for delivery, _ in members if number_of(delivery) < event_number}
        self._claim(not any(other[1] > event_number and other in self.seen for other in mine), f"{one} is late")
        missing = [other for other in mine if other[1] < event_number and other not in self.done | ahead]
        self._claim(gap or not missing, f"{one} overtakes {missing[:3]} without a gap")

    def _count_request(self) -> None:
        self.requests += 1
        if self.rules.rate is not None:
            allowed = max(1, self.rules.rate) + self.rules.rate * (self.clock.time_ms - self.began_ms) / 1000
            self._claim(self.requests <= allowed + 0.001, f"{self.requests} requests, {allowed} allowed")

    def _answer(self, members: Members) -> Outcome:
        if self.mood == "poison":
            return Outcome(422) if any(number_of(delivery) % 5 == 0 for delivery, _ in members) else Outcome(200)
        return self.dice.choice(ANSWERS[self.mood])

    def _report(self, number: int, delivery: Delivery, outcome: Outcome, state: State) -> None:
        if state is State.DEAD:
            self.done.add((number, number_of(delivery)))
        self.given_up.note(number, delivery, state, believed=self.store.holds(number, delivery.lane))

    def _claim(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)

    # What happens

    async def append(self) -> None:
        first = 1 + sum(1 for number, _ in self.lane_of if number == self.destination)
        new = {number: self.dice.randrange(self.lanes) for number in range(first, first + self.dice.choice([1, 2, 9]))}
        events = [event(number, lane) for number, lane in new.items()]
        self.lane_of |= {(self.destination, number): lane for number, lane in new.items()}
        await self.store.append(submission(self.source, events, (self.destination,)))

    async def pass_time(self) -> None:
        await self.clock.step(self.dice.choice([0.01, 1, 5, 6, 30, 61, 600, 901, 3600]))

    async def change_mood(self) -> None:
        self.mood = self.dice.choice(
            ["fine", "fine", "down", "down", "flaky", "flaky", "slow", "gone", "refusing", "poison"]
        )

    async def lose_patience(self) -> None:
        self.refusals = self.dice.choice([0.0, 0.0, 0.5])

    async def restart(self) -> None:
        if self.dice.random() < 0.5:  # as if killed: what was not written down is gone
            await self.engine.stop(0)
            self.store._settlements, self.store._waits = [], []
        else:
            await self.engine.stop(0.05)
        await self.store.close()
        self.clock.timers.clear()
        self.clock.time_ms += self.dice.choice([0, 0, 60_000, -3_600_000])
        await self.start()

    async def operate(self) -> None:
        mode = self.dice.choice([Mode.ACTIVE, Mode.ACTIVE, Mode.PAUSED, Mode.DISABLED])
        await self.set_mode(mode)

    async def set_mode(self, mode: Mode) -> None:
        now_ms = self.clock.steady_ms()
        await self.store.change(self.destination, lambda control: control.with_mode(mode, "", now_ms))
        self.engine.changed()

    async def hint(self) -> None:
        self.engine.hinted([self.destination, *(run.number for run in self.runs)])

    async def replicate(self) -> None:
        self.engine.replicas(self.dice.choice([1, 2, 5]), current=True)

    async def lose_shards(self) -> None:
        """By surprise, or in good order. They come back in a while."""
        shards = frozenset(self.dice.sample(range(SHARDS), self.dice.choice([1, 60, 200])))
        if self.dice.random() < 0.5:
            await given_away(self.engine, shards)
        self.store.taken = shards
        for _ in range(self.dice.choice([0, 3])):
            await asyncio.sleep(0)
        self.engine.lost(shards)
        self.epochs.update(shards)
        for _ in range(self.dice.randrange(15)):
            await self.dice.choice([self.append, self.pass_time, self.change_mood, self.hint])()
        self.store.taken = frozenset()
        await self.engine.gained(shards)

    async def replay(self) -> None:
        """Some events again, in a run, written by another process."""
        run = Run(RUN + len(self.runs), self.destination, 1 + len(self.runs), "replay")
        again = [one for one in self.lane_of if one[0] == self.destination and self.dice.random() < 0.5]
        database = sqlite3.connect(self.folder / "store.db", isolation_level=None, timeout=10)
        database.execute("BEGIN IMMEDIATE")
        database.execute(
            "INSERT INTO runs (id, kind, state, created_ms, criteria, planned) VALUES (?, ?, 'running', 0, '{}', 0)",
            (run.id, run.kind),
        )
        database.execute(
            "INSERT INTO destinations (id, tenant, name, run) VALUES (?, 'a', 'd', ?)", (run.number, run.id)
        )
        for _, number in again:
            lane = self.lane_of[self.destination, number]
            database.execute(
                "INSERT INTO deliveries (event, destination, lane) SELECT seq, ?, ? FROM events WHERE id = ?",
                (run.number, lane, event(number).id),
            )
            self.lane_of[run.number, number] = lane
        database.execute("COMMIT")
        database.close()
        self.runs.append(run)
        self.engine.changed()

    HAPPENINGS = (
        (50, append), (28, pass_time), (10, change_mood), (5, lose_patience), (4, restart), (6, operate), (3, hint),
        (2, replicate), (4, lose_shards), (2, replay),
    )  # fmt: skip

    async def run(self) -> None:
        await self.start()
        weights, happenings = zip(*self.HAPPENINGS, strict=True)
        for _ in range(self.dice.randrange(10, 60)):
            [happening] = self.dice.choices(happenings, weights)
            await happening(self)
            for _ in range(self.dice.randrange(15)):
                await asyncio.sleep(0)
        await self.settle_down()
        await self.engine.stop(0)
        await self.store.close()

    async def settle_down(self) -> None:
        self.mood, self.refusals = "fine", 0.0
        await self.quiet()
        await self.set_mode(Mode.ACTIVE)
        idle, before = 0, -1
        while idle < 40:
            await self.quiet()
            left = await self.pending()
            if not left:
                break
            idle, before = (0 if left != before else idle + 1), left
            await self.clock.step(7200)
        self._claim(not await self.pending(), "something is stuck")
        self._claim(set(self.lane_of) == self.done, "something is lost")
        self._claim(self.engine.active == 0 and self.engine.slots.left == self.slots, "a slot is left taken")
        for there in [one._memory for one in self.engine._queues()]:
            lanes = there.lanes
            self._claim(not len(there.window) and not there.window.bytes and not there.ready, "something is in memory")
            self._claim(not len(lanes) and not lanes.held and not lanes.besides, "a lane is in memory")

    async def quiet(self) -> None:
        """Nothing goes on any more. Halves of a batch may have to wait for the pace: then time has to pass."""
        for _ in range(2):
            for _ in range(400):
                for _ in range(20):
                    if not self.engine.quiet:
                        await asyncio.sleep(0.0005)
                if self.engine.quiet:
                    break
                await self.clock.step(1)
            else:
                raise AssertionError("it is never quiet")
            await self.store.flush()

    async def pending(self) -> int:
        return sum(count.deliveries for count in await self.store.counts() if count.state in PENDING)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_promises_hold(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "STORE_RETRY_S", 0.0)
    monkeypatch.setattr(queue, "STORE_RETRY_S", 0.0)
    monkeypatch.setattr(sqlite, "SETTLE_AFTER_S", 0.0005)
    model = Model(seed, tmp_path, monkeypatch)
    await model.run()
    assert model.broken == []
