"""Several engines over one PostgreSQL database in a random world, held against what is promised, seed by seed.

Leases move in good order, run out, or are taken from who is asleep; replicas come, go and die; the server is killed;
destinations fail, are paused and come back. Whatever happens: no two replicas that hold a lane have a delivery of it on
its way, what arrives first in a lane comes in the order in which it was stored or says that something is missing, and
in the end nothing is lost, stuck, miscounted or left in memory. What comes after a delivery that was given up says so,
whoever sends it.

Leases and the database go by real time, deliveries by a clock that is told the time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.control import Mode
from gateway.delivering import engine, feed, memory, queue, window
from gateway.delivering.gate import Members
from gateway.delivering.policy import Outcome, Rules, Schedule
from gateway.sending.forwarder import NotHeld
from gateway.store import (
    postgres,
    postgres_leases,
    postgres_link,
    postgres_notices,
    postgres_pages,
    postgres_queued,
    postgres_settle,
)
from gateway.store.base import PENDING, Delivery, DestinationRow, SourceRow, State, StoreUnavailable, shard_of
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_link import end
from tests.engines import DirectEngine, number_of
from tests.postgres import RestartableServer
from tests.support import event, submission, until
from tests.test_model import ANSWERS, GivenUp, SteppingClock

SEEDS = 20
SHORT = {
    engine: {"STORE_RETRY_S": 0.01},
    feed: {"STORE_RETRY_S": 0.01},
    queue: {"STORE_RETRY_S": 0.01},
    postgres: {"SWEEP_S": 0.3, "POLL_S": 0.1, "YIELD_RETRY_S": 0.02},
    postgres_leases: {"WATCH_S": 0.02},
    postgres_link: {"FIRST_PAUSE_S": 0.01, "LAST_PAUSE_S": 0.05},
    postgres_notices: {"RECONNECT_S": 0.05, "PONG_S": 0.5},
    postgres_settle: {"RETRY_S": 0.03},
}
"""Times of the real ones that the test cannot wait for."""
STUCK_S = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[RestartableServer]:
    with RestartableServer(fsync="off") as server:
        yield server


class Watching(DirectEngine):
    """Counts how often each shard was given up."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.epochs: Counter[int] = Counter()

    def lost(self, shards: frozenset[int]) -> None:
        self.epochs.update(shards)
        super().lost(shards)


class Replica:
    """A process, as far as the test is concerned."""

    def __init__(self, model: Model, url: str) -> None:
        self.model = model
        self.asleep_at_s: float | None = None
        self.awake = asyncio.Event()
        self.awake.set()
        self.dead = asyncio.Event()
        self.store = PostgresStore(
            url, clock=self._clock, ttl_s=model.ttl_s, beat_s=0.1, notices=model.dice.random() < 0.8
        )
        store = self.store
        self.links = [store._settle_link, store._lease_link, *store._appender._links, *store._pool._all]
        for link in self.links:
            vars(link)["run"] = self._unless_asleep(link.run)
        self._renew = store._lease_link.run

    def _clock(self) -> float:
        """Who is asleep does not see that time passes, until it wakes."""
        return self.asleep_at_s or time.monotonic()

    def _unless_asleep(self, run: Callable[..., Any]) -> Callable[..., Any]:
        async def running(*arguments: Any) -> Any:
            await self.awake.wait()
            return await run(*arguments)

        return running

    def holds(self, number: int, lane: int) -> bool:
        """Whether it may write, and is there to do it."""
        return self.awake.is_set() and not self.dead.is_set() and self.store.holds(number, lane)

    async def sleep(self, seconds: float) -> None:
        """As if it had been stopped."""
        self.asleep_at_s = time.monotonic()
        self.awake.clear()
        await asyncio.sleep(seconds)
        self.wake()

    def wake(self) -> None:
        self.asleep_at_s = None
        self.awake.set()

    def epoch(self, number: int, lane: int) -> int:
        return self.engine.epochs[shard_of(number, lane)]

    async def begin(self) -> None:
        model, store = self.model, self.store
        await store.open()
        [model.source] = await store.register_sources([SourceRow("a", "s", "a/s", "x")])
        model.destinations = await store.register_destinations([DestinationRow("a", name) for name in ("d", "e")])
        rules = dict.fromkeys(model.destinations, model.rules)
        self.engine = Watching(store, model.clock, rules, self._send, self._report, model.dice.random)
        await self.engine.begin()

    async def _send(self, number: int, members: Members) -> Outcome:
        await self.awake.wait()
        return await self.model.send(self, number, members)

    def _report(self, number: int, delivery: Delivery, outcome: Outcome, state: State) -> None:
        self.model.report(self, number, delivery, outcome, state)

    def starve(self, yes: bool) -> None:
        """Its renewals do not get through."""

        async def refused(*_: Any) -> Any:
            raise StoreUnavailable("no route to host")

        vars(self.store._lease_link)["run"] = refused if yes else self._renew

    async def stop(self) -> None:
        self.wake()
        await self.engine.stop(0.5)
        await self.store.close()
        self.dead.set()

    async def die(self) -> None:
        """Nothing is written down or given back any more."""
        self.dead.set()
        store = self.store
        for link in self.links:
            vars(link)["run"] = self._nowhere
            link.drop()
        await self.engine.stop(0)
        tasks = [*store._appender._tasks, *store._leases._tasks, store._settler._task, store._pages._task, store._poll]
        await end(*tasks, *(store._notices._tasks if store._notices else []))
        for link in [*self.links, *store._counters._all]:
            link.drop()

    async def _nowhere(self, *_: Any) -> Any:
        await asyncio.Event().wait()


class Model:
    def __init__(self, seed: int, server: RestartableServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dice = dice = random.Random(seed)
        self.server = server
        self.clock = SteppingClock()
        self.rough = dice.random() < 0.75
        self.ttl_s = 0.6 if self.rough else 30.0
        self.lanes = dice.choice([1, 3, 20])
        self.rules = Rules(
            dice.choice([1, 4, 30]),
            dice.choice([None, 0.01, 5.0, 900.0]),
            Schedule(dice.choice([(5.0, 30.0), (0.05,)]), dice.choice([86400.0, 100.0])),
            dice.choice([None, None, 50.0]),
            dice.choice([1, 1, 3]),
        )
        for module, constants in SHORT.items():
            for name, value in constants.items():
                monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(window, "WINDOW", dice.choice([4, 20, 512]))
        monkeypatch.setattr(feed, "LANE_PAGE", dice.choice([1, 5]))
        monkeypatch.setattr(memory, "MAX_HELD_LANES", dice.choice([2, 1000]))
        monkeypatch.setattr(postgres_queued, "FRESH", dice.choice([2, 4096]))
        monkeypatch.setattr(postgres_queued, "PROBED", dice.choice([4, 1024]))
        monkeypatch.setattr(postgres_pages, "AT_ONCE", dice.choice([1, 64]))
        self.mood = "fine"
        self.source = 0
        self.destinations: list[int] = []
        self.replicas: list[Replica] = []
        self.numbers = 0
        self.lane_of: dict[tuple[int, int], int] = {}
        self.storing: set[int] = set()
        self.appends: set[asyncio.Task[None]] = set()
        self.asleep: set[asyncio.Task[None]] = set()
        self.seen: set[tuple[int, int]] = set()
        self.done: set[tuple[int, int]] = set()
        self.given_up = GivenUp()
        self.successes: Counter[tuple[int, int]] = Counter()
        self.on_their_way: list[tuple[Replica, int, int, int]] = []
        self.broken: list[str] = []

    def claim(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)

    # Downstream

    async def send(self, replica: Replica, number: int, members: Members) -> Outcome:
        lanes = {delivery.lane for delivery, _ in members}
        if not all(replica.holds(number, lane) for lane in lanes):
            raise NotHeld
        for other in self.replicas:
            both = other is not replica and any(other.holds(number, lane) for lane in lanes)
            self.claim(not both, f"two hold one of {number}/{lanes}")
        beside = any(delivery.state is State.BESIDE for delivery, _ in members)
        mine = [] if beside else [(replica, number, lane, replica.epoch(number, lane)) for lane in lanes]
        for one in mine:
            self._meets(*one)
        for delivery, gap in members:
            self._see(number, number_of(delivery), delivery.lane, gap, members)
        for otherwise in self.given_up.untold(number, members):
            self.claim(False, otherwise)
        self.on_their_way += mine
        try:
            await self._take_time()
            await replica.awake.wait()
        finally:
            for one in mine:
                self.on_their_way.remove(one)
        outcome = self._answer(members)
        if outcome.status in (200, 201, 204):
            self.done.update((number, number_of(delivery)) for delivery, _ in members)
            self.successes.update((number, number_of(delivery)) for delivery, _ in members)
        return outcome

    def _meets(self, replica: Replica, number: int, lane: int, epoch: int) -> None:
        """Is another of the lane on its way, of one that holds it as well?"""
        for other, its_number, its_lane, its_epoch in self.on_their_way:
            if (its_number, its_lane) != (number, lane):
                continue
            both = its_epoch == epoch if other is replica else other.holds(number, lane)
            self.claim(not both, f"two of lane {number}/{lane} are on their way")

    async def _take_time(self) -> None:
        wait = self.dice.choice([0, 0, 3, 0.002, 0.03])
        if isinstance(wait, float):
            await asyncio.sleep(wait)
        else:
            for _ in range(wait):
                await asyncio.sleep(0)

    def _see(self, number: int, event_number: int, lane: int, gap: bool, members: Members) -> None:
        if (number, event_number) in self.seen:
            return
        self.seen.add((number, event_number))
        others = [
            one for (its_number, one), its_lane in self.lane_of.items() if (its_number, its_lane) == (number, lane)
        ]
        ahead = {number_of(delivery) for delivery, _ in members if number_of(delivery) < event_number}
        late = [one for one in others if one > event_number and (number, one) in self.seen]
        self.claim(not late, f"{event_number} of lane {number}/{lane} comes after {late[:3]}")
        missing = [one for one in others if one < event_number and one not in ahead and (number, one) not in self.done]
        self.claim(gap or not missing, f"{event_number} of lane {number}/{lane} overtakes {missing[:3]} without a gap")

    def _answer(self, members: Members) -> Outcome:
        if self.mood == "poison":
            return Outcome(422) if any(number_of(delivery) % 5 == 0 for delivery, _ in members) else Outcome(200)
        return self.dice.choice(ANSWERS[self.mood])

    def report(self, replica: Replica, number: int, delivery: Delivery, outcome: Outcome, state: State) -> None:
        if state is State.DEAD:
            self.done.add((number, number_of(delivery)))
        self.given_up.note(number, delivery, state, believed=replica.holds(number, delivery.lane))

    # What happens

    async def start(self) -> None:
        self.url = self.server.database()
        for _ in range(self.dice.choice([2, 3])):
            await self.join()

    async def join(self) -> None:
        if len(self.replicas) < 4:
            replica = Replica(self, self.url)
            try:
                await replica.begin()
            except StoreUnavailable:
                await replica.store.close()
                raise
            self.replicas.append(replica)

    async def append(self) -> None:
        """One request; what comes next in its lanes is sent when it was answered."""
        free = [lane for lane in range(self.lanes) if lane not in self.storing]
        if not free:
            return
        lanes = [self.dice.choice(free) for _ in range(self.dice.choice([1, 1, 2, 6]))]
        first = self.numbers + 1
        self.numbers += len(lanes)
        new = dict(enumerate(lanes, first))
        for number in self.destinations:
            self.lane_of |= {(number, one): lane for one, lane in new.items()}
        self.storing.update(lanes)
        task = asyncio.create_task(self._store(new))
        self.appends.add(task)
        task.add_done_callback(self.appends.discard)

    async def _store(self, new: dict[int, int]) -> None:
        """As a provider does: again and again, until somebody takes it."""
        what = submission(self.source, [event(*one) for one in new.items()], tuple(self.destinations))
        while not await self._taken(self.dice.choice(self.replicas), what):
            await asyncio.sleep(0.01)
        self.storing.difference_update(new.values())

    async def _taken(self, replica: Replica, what: Any) -> bool:
        asked = asyncio.ensure_future(replica.store.append(what))
        died = asyncio.ensure_future(replica.dead.wait())
        try:
            await asyncio.wait({asked, died}, return_when=asyncio.FIRST_COMPLETED)
            return asked.done() and not isinstance(asked.exception(), StoreUnavailable)
        finally:
            asked.cancel()
            died.cancel()
            await asyncio.wait({asked, died})

    async def pass_time(self) -> None:
        await self.clock.step(self.dice.choice([0.01, 1, 5, 31, 61, 901]))

    async def wait(self) -> None:
        await asyncio.sleep(self.dice.choice([0.005, 0.05, 0.2]))

    async def change_mood(self) -> None:
        self.mood = self.dice.choice(["fine", "fine", "down", "flaky", "slow", "refusing", "poison"])

    async def operate(self) -> None:
        await self.set_mode(self.dice.choice([Mode.ACTIVE, Mode.ACTIVE, Mode.PAUSED, Mode.DISABLED]))

    async def set_mode(self, mode: Mode) -> None:
        now_ms = self.clock.steady_ms()
        for number in self.destinations:
            await self.dice.choice(self.replicas).store.change(
                number, lambda control: control.with_mode(mode, "", now_ms)
            )

    async def leave(self) -> None:
        if len(self.replicas) > 1:
            await self.replicas.pop(self.dice.randrange(len(self.replicas))).stop()

    async def die(self) -> None:
        if self.rough and len(self.replicas) > 1:
            await self.replicas.pop(self.dice.randrange(len(self.replicas))).die()

    async def starve(self) -> None:
        if self.rough:
            self.dice.choice(self.replicas).starve(self.dice.random() < 0.7)

    async def sleep(self) -> None:
        """One is stopped, perhaps for longer than its leases last."""
        replica = self.dice.choice(self.replicas)
        if self.rough and replica.awake.is_set():
            task = asyncio.create_task(replica.sleep(self.dice.choice([0.1, 1.0, 1.5])))
            self.asleep.add(task)
            task.add_done_callback(self.asleep.discard)

    async def cut(self) -> None:
        if self.rough:
            for link in self.dice.choice(self.replicas).links:
                if self.dice.random() < 0.5:
                    link.drop()

    async def kill_server(self) -> None:
        if self.rough:
            await asyncio.to_thread(self.server.kill)
            await self.wait()
            await asyncio.to_thread(self.server.start)

    HAPPENINGS = (
        (50, append), (20, pass_time), (20, wait), (8, change_mood), (4, operate), (3, join), (3, leave), (2, die),
        (3, starve), (4, sleep), (3, cut), (0.5, kill_server),
    )  # fmt: skip

    async def run(self) -> None:
        await self.start()
        weights, happenings = zip(*self.HAPPENINGS, strict=True)
        for _ in range(self.dice.randrange(20, 80)):
            [happening] = self.dice.choices(happenings, weights)
            try:
                await happening(self)
            except StoreUnavailable:  # while the database is away nobody joins or changes anything
                continue
            for _ in range(self.dice.randrange(5)):
                await asyncio.sleep(0)
        await self.settle_down()
        for replica in self.replicas:
            await replica.stop()

    # The end

    async def settle_down(self) -> None:
        self.mood = "fine"
        await asyncio.gather(*self.asleep)
        for replica in self.replicas:
            replica.starve(False)
        end_s = time.monotonic() + STUCK_S
        while not await self._is_over() and time.monotonic() < end_s:
            await self.clock.step(self.dice.choice([1, 61, 7200]))
            await asyncio.sleep(0.01)
        self.claim(not self.appends, "an append is never answered")
        left = set(self.lane_of) - self.done
        self.claim(not left, f"lost or stuck: {sorted(left)[:5]}")
        if left or self.appends:
            return
        await self._count()
        if not self.rough:
            twice = [one for one, times in self.successes.items() if times > 1]
            self.claim(not twice, f"sent twice, and nothing had happened: {twice[:5]}")
        await self._look_into_memory()

    async def _is_over(self) -> bool:
        try:
            await self.set_mode(Mode.ACTIVE)
            counts = await self.replicas[0].store.counts()
        except StoreUnavailable:
            return False
        pending = any(count.state in PENDING for count in counts)
        return not pending and not self.appends and set(self.lane_of) == self.done

    async def _count(self) -> None:
        accounts = await self.replicas[0].store.accounts()
        matched = sum(account.matched for account in accounts)
        self.claim(matched == len(self.lane_of), f"{matched} matched of {len(self.lane_of)}")
        self.claim(all(account.balances for account in accounts), f"the ledger does not balance: {accounts}")

    async def _look_into_memory(self) -> None:
        def left() -> list[str]:
            there = [one._memory for replica in self.replicas for one in replica.engine._queues()]
            given = [one for replica in self.replicas for one in replica.store._queued._destinations.values()]
            found = {
                "an attempt": any(replica.engine.active for replica in self.replicas),
                "a delivery": any(len(one.window) or one.window.bytes or one.ready for one in there),
                "a lane": any(len(one.lanes) or one.lanes.held or one.lanes.besides for one in there),
                "what was given out": any(one.given or +one.given_of_shard for one in given),
                "a settlement": any(replica.store.unsettled for replica in self.replicas),
            }
            return [name for name, is_there in found.items() if is_there]

        try:
            await until(lambda: not left(), "empty memory", 3)
        except AssertionError:
            self.claim(False, f"in memory: {left()}")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_promises_hold(seed: int, server: RestartableServer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(seed, server, monkeypatch)
    before = asyncio.all_tasks()
    await model.run()
    assert model.broken == []
    assert not asyncio.all_tasks() - before
