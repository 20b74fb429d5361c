"""The engine with a downstream that is a function, rules that a test has made, and a clock that is told the time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from gateway.clock import Clock
from gateway.config import Destination
from gateway.delivering.engine import Engine, Served
from gateway.delivering.gate import Members, Report
from gateway.delivering.memory import Memory
from gateway.delivering.outlet import Outlet
from gateway.delivering.policy import Outcome, Rules, Schedule
from gateway.delivering.queue import DestinationQueue
from gateway.store.base import Delivery, DestinationRow, Run, SourceRow, State, Store, shard_of
from gateway.store.sqlite import SqliteStore
from gateway.telemetry import Log, Metrics
from tests.support import SECRET, FakeClock, event, submission, until

OK, BROKEN, REFUSED = Outcome(200), Outcome(500), Outcome(422)


def number_of(delivery: Delivery) -> int:
    """The number that tests.support.event was given."""
    return int.from_bytes(delivery.event.id[4:], "big")


async def given_away(engine: Engine, shards: frozenset[int]) -> None:
    """The engine has given them all."""
    given = [free async for free in engine.yielding(shards)]
    assert sorted(shard for free in given for shard in free) == sorted(shards)


class DirectEngine(Engine):
    """`send` gets what an attempt would send; `report` what came of each delivery. Both are told the queue's number."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rules: dict[int, Rules],
        send: Callable[[int, Members], Any],
        report: Callable[[int, Delivery, Outcome, State], None],
        dice: Callable[[], float] = lambda: 0.5,
        attempts: int = 4096,
    ) -> None:
        log: Log = structlog.get_logger()
        super().__init__(store, None, clock, log, Metrics(), dice, attempts)  # type: ignore[arg-type]
        self._rules_by_number = rules
        self._send = send
        self._report = report

    def committed(self, deliveries: list[Delivery]) -> None:
        """A store that hands over what it commits shares no shards. Where a test takes some all the same, this keeps
        to those that are left."""
        mine = [one for one in deliveries if shard_of(one.destination, one.lane) in self._shards]
        self._early.update(one.destination for one in deliveries if one not in mine)
        super().committed(mine)

    async def begin(self) -> None:
        """Serve, and have the store attend."""
        place = Destination.model_validate(
            {"tenant": "a", "name": "d", "url": "https://downstream.example/hook", "secret": SECRET}
        )
        await self.start([Served(number, place) for number in self._rules_by_number])
        await self._store.attend(self)

    def the_queue(self, number: int) -> DestinationQueue:
        """The queue as it is, or as it would be."""
        outlet = self._outlet(number)
        assert outlet is not None
        return outlet._queues.get(number) or self.queue_of(outlet, number, None)

    @property
    def quiet(self) -> bool:
        """Nothing is under way in any queue or outlet."""
        outlets = self._outlets.values()
        return not (
            any(outlet._tasks or outlet._ending for outlet in outlets)
            or any(queue.active or queue._feed.tasks for queue in self._queues())
            or (self._reading is not None and not self._reading.done())
        )

    def rules(self, number: int) -> Rules:
        return self._rules_by_number[number]

    def queue_of(self, outlet: Outlet, number: int, run: Run | None) -> DestinationQueue:
        async def send(members: Members) -> Outcome:
            outcome: Outcome = await self._send(number, members)
            return outcome

        def report(settled: Sequence[tuple[Delivery, State]], outcome: Outcome) -> None:
            for delivery, state in settled:
                self._report(number, delivery, outcome, state)

        reported: Report = report
        return DestinationQueue(number, self.rules(outlet.number), self.means, outlet, send, reported)


class Downstream:
    """Answers as `answers` says, by event number, one after another; then 200."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.requests: list[list[int]] = []
        self.queues: list[int] = []
        self.gaps: list[int] = []
        self.answers: dict[int, list[Outcome]] = defaultdict(list)
        self.always: Callable[[int], Outcome | None] = lambda number: None
        self.active = 0
        self.most_active = 0
        self.gate: asyncio.Event | None = None

    async def send(self, queue: int, members: Members) -> Outcome:
        numbers = [number_of(delivery) for delivery, _ in members]
        self.requests.append(numbers)
        self.seen += numbers
        self.queues += [queue] * len(numbers)
        self.gaps += [number_of(delivery) for delivery, gap in members if gap]
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
        finally:
            self.active -= 1
        answers = [self.always(one) or (self.answers[one].pop(0) if self.answers[one] else OK) for one in numbers]
        return next((answer for answer in answers if answer is not OK), OK)


class World:
    """A store, a clock, a downstream and the queue between them."""

    def __init__(self, path: Path, clock: FakeClock, downstream: Downstream, rules: Rules) -> None:
        self.clock = clock
        self.downstream = downstream
        self.rules = rules
        self.reports: list[tuple[int, State]] = []
        self.dice: Callable[[], float] = lambda: 0.5
        self.attempts = 4096
        self.path = path
        self.store = SqliteStore(path)

    async def start(self) -> None:
        await self.store.open()
        [self.source] = await self.store.register_sources([SourceRow("a", "s", "a/s", "cloud_api")])
        self.destinations = await self.store.register_destinations([DestinationRow("a", "d"), DestinationRow("b", "d")])
        self.destination = self.destinations[0]
        await self.begin()

    async def begin(self) -> None:
        self.engine = DirectEngine(
            self.store, self.clock, dict.fromkeys(self.destinations, self.rules), self.downstream.send, self._report,
            self.dice, self.attempts,
        )  # fmt: skip
        await self.engine.begin()

    async def stop(self, limit_s: float = 1.0) -> None:
        await self.engine.stop(limit_s)
        await self.store.close()

    @property
    def queue(self) -> DestinationQueue:
        return self.engine.the_queue(self.destination)

    @property
    def memory(self) -> Memory:
        return self.queue._memory

    def _report(self, number: int, delivery: Delivery, outcome: Outcome, state: State) -> None:
        self.reports.append((number_of(delivery), state))

    async def append(self, *pairs: tuple[int, int], to: int | None = None) -> None:
        """Events as (number, lane)."""
        events = [event(number, lane) for number, lane in pairs]
        await self.store.append(submission(self.source, events, (to or self.destination,)))

    async def seen(self, count: int) -> list[int]:
        await until(lambda: len(self.reports) >= count, f"{count} attempts, seen {self.downstream.seen}")
        await self.quiet()
        assert len(self.downstream.seen) == count, self.downstream.seen
        return self.downstream.seen

    async def quiet(self) -> None:
        """Nothing is under way any more: what should not happen has had its chance."""
        await until(lambda: self.engine.quiet, "quiet")
        await self.store.flush()
        await until(lambda: self.engine.quiet, "quiet")

    async def pass_time(self, seconds: float) -> None:
        await self.quiet()
        self.clock.advance(seconds)
        await self.quiet()

    async def states(self) -> dict[State, int]:
        await self.store.flush()
        return {count.state: count.deliveries for count in await self.store.counts()}


@asynccontextmanager
async def world(
    tmp_path: Path,
    *,
    concurrency: int = 8,
    lane_hold: float | None = 900.0,
    waits: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0),
    give_up_after: float = 86400.0,
    dice: Callable[[], float] = lambda: 0.5,
    downstream: Downstream | None = None,
    clock: FakeClock | None = None,
    rate: float | None = None,
    batch: tuple[int, float] = (1, 0.0),
    attempts: int = 4096,
) -> AsyncIterator[World]:
    rules = Rules(concurrency, lane_hold, Schedule(waits, give_up_after), rate, *batch)
    made = World(tmp_path / "store.db", clock or FakeClock(), downstream or Downstream(), rules)
    made.dice = dice
    made.attempts = attempts
    await made.start()
    await made.quiet()
    try:
        yield made
    finally:
        await made.stop()
