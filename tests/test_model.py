"""A queue over a real store in a random world, held against what is promised, seed by seed.

Lanes, outcomes, outages, restarts, crashes, a slow and failing store, tiny windows. Whatever happens: no delivery of a
lane overtakes another without a gap, one of a lane is on its way at a time, and in the end nothing is stuck or lost.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway import queue, window
from gateway.policy import Outcome, Rules, Schedule
from gateway.queue import DestinationQueue
from gateway.store import sqlite
from gateway.store.base import PENDING, Delivery, DestinationRow, SourceRow, State, StoreUnavailable
from gateway.store.sqlite import SqliteStore
from tests.support import FakeClock, event, submission, until

SEEDS = 120
ANSWERS = {
    "fine": [Outcome(200), Outcome(204)],
    "down": [Outcome(500)],
    "slow": [Outcome(None, "timeout")],
    "flaky": [
        Outcome(200), Outcome(201), Outcome(204), Outcome(500), Outcome(422), Outcome(404), Outcome(301),
        Outcome(429, None, "7"), Outcome(503, None, "99999"), Outcome(410, None, "rubbish"),
    ],
}  # fmt: skip


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
        )
        monkeypatch.setattr(window, "WINDOW", dice.choice([4, 8, 20]))
        monkeypatch.setattr(queue, "LANE_PAGE", dice.choice([1, 2, 5]))
        monkeypatch.setattr(queue, "MAX_HELD_LANES", dice.choice([2, 3, 8, 1000]))
        self.mood = "fine"
        self.refusals = 0.0
        self.life = 0
        self.lane_of: dict[int, int] = {}
        self.seen: set[int] = set()
        self.done: set[int] = set()
        self.on_their_way: Counter[int] = Counter()
        self.broken: list[str] = []

    async def start(self) -> None:
        self.life += 1
        self.on_their_way.clear()
        self.store: Any = SqliteStore(self.folder / "store.db", synchronous="OFF")
        await self.store.open()
        [self.source] = await self.store.register_sources([SourceRow("a", "s", "a/s", "x")])
        [self.destination] = await self.store.register_destinations([DestinationRow("a", "d")])
        for name in ("due", "queued", "waiting"):
            setattr(self.store, name, self._hesitating(getattr(self.store, name)))
        self.queue = DestinationQueue(
            self.destination, self.rules, self.store, self.clock, self._send, self._report, self.dice.random
        )
        self.store.on_deliveries = self._offer
        await self.queue.start()

    def _offer(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self.queue.offer(delivery)
        self.queue.pump()

    def _hesitating(self, real: Any) -> Any:
        async def ask(*arguments: Any) -> Any:
            if self.dice.random() < self.refusals:
                raise StoreUnavailable("away")
            answer = await real(*arguments)
            for _ in range(self.dice.choice([0, 0, 0, 2, 25])):
                await asyncio.sleep(0)
            return answer

        return ask

    async def _send(self, delivery: Delivery, gap: bool) -> Outcome:
        number, lane, life = int.from_bytes(delivery.event.id[4:], "big"), delivery.lane, self.life
        beside = delivery.state is State.BESIDE
        if not beside:
            self.on_their_way[lane] += 1
            self._claim(self.on_their_way[lane] == 1, f"two of lane {lane} are on their way: {number}")
        if number not in self.seen:
            self.seen.add(number)
            mine = [other for other in self.lane_of if self.lane_of[other] == lane]
            self._claim(not any(other > number and other in self.seen for other in mine), f"{number} is late")
            missing = [other for other in mine if other < number and other not in self.done]
            self._claim(gap or not missing, f"{number} overtakes {missing[:3]} without a gap")
        for _ in range(self.dice.choice([0, 1, 3, 20])):
            await asyncio.sleep(0)
        if not beside and life == self.life:
            self.on_their_way[lane] -= 1
        outcome = self.dice.choice(ANSWERS[self.mood])
        if outcome.status in (200, 201, 204):
            self.done.add(number)
        return outcome

    def _report(self, delivery: Delivery, outcome: Outcome, state: State) -> None:
        if state is State.DEAD:
            self.done.add(int.from_bytes(delivery.event.id[4:], "big"))

    def _claim(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)

    async def append(self) -> None:
        first = len(self.lane_of) + 1
        new = {number: self.dice.randrange(self.lanes) for number in range(first, first + self.dice.choice([1, 2, 9]))}
        events = [event(number, lane) for number, lane in new.items()]
        self.lane_of |= new
        await self.store.append(submission(self.source, events, (self.destination,)))

    async def restart(self) -> None:
        if self.dice.random() < 0.5:  # as if killed: what was not written down is gone
            await self.queue.stop(0)
            self.store._settlements, self.store._waits = [], []
        else:
            await self.queue.stop(0.05)
        await self.store.close()
        self.clock.timers.clear()
        await self.start()

    async def quiet(self) -> None:
        def nothing_goes_on() -> bool:
            return not self.queue.active and not self.queue._tasks

        await until(nothing_goes_on, "quiet")
        await self.store.flush()
        await until(nothing_goes_on, "quiet")

    async def pending(self) -> int:
        return sum(count.deliveries for count in await self.store.counts() if count.state in PENDING)

    async def run(self) -> None:
        await self.start()
        for _ in range(self.dice.randrange(10, 50)):
            step = self.dice.random()
            if step < 0.5:
                await self.append()
            elif step < 0.78:
                await self.clock.step(self.dice.choice([0.01, 1, 5, 6, 30, 61, 600, 901, 3600]))
            elif step < 0.88:
                self.mood = self.dice.choice(["fine", "fine", "down", "flaky", "flaky", "slow"])
            elif step < 0.93:
                self.refusals = self.dice.choice([0.0, 0.0, 0.5])
            elif step < 0.97:
                await self.restart()
            for _ in range(self.dice.randrange(15)):
                await asyncio.sleep(0)
        self.mood, self.refusals = "fine", 0.0
        for _ in range(60):
            await self.quiet()
            if not await self.pending():
                break
            await self.clock.step(7200)
        self._claim(not await self.pending(), "something is stuck")
        self._claim(set(self.lane_of) == self.done, "something is lost")
        self._claim(not self.queue._window.loaded and not self.queue._window.bytes, "something is left in memory")
        self._claim(not len(self.queue._lanes) and not self.queue._lanes.held, "a lane is left in memory")
        await self.queue.stop(0)
        await self.store.close()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_promises_hold(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "STORE_RETRY_S", 0.0)
    monkeypatch.setattr(sqlite, "SETTLE_AFTER_S", 0.0005)
    monkeypatch.setattr(sqlite, "GATHER_S", 0.0)
    model = Model(seed, tmp_path, monkeypatch)
    await model.run()
    assert model.broken == []
