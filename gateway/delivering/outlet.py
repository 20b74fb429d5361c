"""A destination as it is served right now: what its operator wants, its breaker, its pace, and the queues at it.

A destination has one queue for live deliveries, and one for each replay or remap that is under way. They share what
is here: together they never send more than the destination takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from gateway.control import Control, Mode
from gateway.delivering.breaker import Breaker, is_away, probe_wait_ms
from gateway.delivering.feed import persist
from gateway.delivering.gate import Means, Queue
from gateway.delivering.pace import Pace
from gateway.delivering.policy import Outcome, Rules
from gateway.delivering.queue import DestinationQueue
from gateway.delivering.slots import Slots
from gateway.store.base import Backlog, Delivery, Run

RUN_SHARE = 10
"""While there is live traffic all the time, one attempt in so many is a run's."""


class House(Protocol):
    """What an outlet asks of the engine."""

    means: Means
    slots: Slots

    def queue_of(self, outlet: Outlet, number: int, run: Run | None) -> DestinationQueue: ...

    async def read_backlog(self, number: int, begin: Callable[[Backlog], None]) -> None:
        """Begin with what is pending at that number in all shards that are held."""
        ...

    def control_changed(self, before: Control, after: Control) -> None: ...


class Outlet:
    """`queue` gives the queue of a number: the destination's own, or a run's. Implements gate.Gate."""

    def __init__(self, rules: Rules, control: Control, house: House) -> None:
        self.number = control.destination
        self.control = control
        self.probing = control.open_since_ms > 0
        self.breaker = Breaker()
        self.active = 0
        self._rules = rules
        self._house = house
        self._clock = house.means.clock
        self._concurrency = rules.concurrency
        now_ms = self._clock.steady_ms()
        self._pace = None if rules.rate is None else Pace(rules.rate, now_ms)
        self._replicas = 1
        self._queues: dict[int, DestinationQueue] = {}
        self._ending: list[DestinationQueue] = []
        self._runs: dict[int, Run] = {}
        self._begun: set[int] = {self.number}
        self._parked = control.parks
        self._moving = False
        self._nudged: set[int] = set()
        self._changing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = 0
        self._failed_probes = 0
        self._last_lane: int | None = None
        self._probe_ms = self._next_probe_ms(now_ms) if self.probing else 0

    # Queues

    @property
    def queues(self) -> list[DestinationQueue]:
        """Those that have something in memory, or on its way."""
        return [*self._queues.values(), *self._ending]

    def queue(self, number: int) -> DestinationQueue | None:
        """The queue, made when first needed. None while nothing is delivered: then it will begin with what is there."""
        queue = self._queues.get(number)
        if queue is None:
            if self._parked or number not in self._begun:
                self._nudged.add(number)
                return None
            queue = self._queues[number] = self._house.queue_of(self, number, self._runs.get(number))
        return queue

    async def stop(self, limit_s: float | None) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(queue.stop(limit_s) for queue in self.queues), return_exceptions=True)

    def pump(self) -> None:
        for queue in list(self._queues.values()):
            queue.pump()

    # What the operator and the other processes do

    def follow(self, control: Control) -> None:
        """Do as it says from now on."""
        before, self.control = self.control, control
        self._house.control_changed(before, control)
        self._adapt_soon()

    def set_runs(self, runs: Mapping[int, Run]) -> None:
        """The runs that are under way; there may be new deliveries of each."""
        self._runs = dict(runs)
        self._adapt_soon()
        for number in runs:
            queue = self.queue(number)
            if queue is not None:
                queue.hint()
                queue.pump()

    def set_replicas(self, count: int) -> None:
        """Limits are divided between so many processes."""
        self._replicas = count
        self._concurrency = max(1, self._rules.concurrency // count)
        if self._pace is not None and self._rules.rate is not None:
            self._pace.change(self._rules.rate / count, self._clock.steady_ms())
        self.pump()

    def _adapt_soon(self) -> None:
        if self._moving:
            return
        if self._differs:
            self._moving = True
            self._spawn(self._adapt())
        else:
            self.pump()

    @property
    def _differs(self) -> bool:
        """Whether what is done is not yet what is wanted."""
        if self.control.parks != self._parked:
            return True
        opened = self.control.open_since_ms > 0
        return not self._parked and (opened != self.probing or self._begun != {self.number, *self._runs})

    async def _adapt(self) -> None:
        try:
            while self._differs:
                opened = self.control.open_since_ms > 0
                if not self.control.parks and not self._parked and self.probing and not opened:
                    self._recover()
                elif self.control.parks or self._parked or opened != self.probing:
                    await self._begin_anew()
                else:
                    await self._begin_runs()
        finally:
            self._moving = False
        for number in list(self._nudged):
            queue = self.queue(number) if number in self._begun else None
            if queue is not None:
                queue.hint()
        self._nudged.clear()
        self.pump()

    def _recover(self) -> None:
        self.probing = False
        self.breaker.forget()
        for queue in self._queues.values():
            queue.recover()

    async def _begin_anew(self) -> None:
        """Finish what is on its way, forget everything, and begin from the store, if at all. What was parked is due at
        once: the operator knows better than a schedule."""
        self._begun = set()
        was_parked = self._parked or self.control.parks
        await self._end(list(self._queues))
        resumed = was_parked and not self.control.parks
        self._parked = self.control.parks
        self.probing = self.control.open_since_ms > 0
        self.breaker.forget()
        if self.probing:
            self._failed_probes = 0
            self._probe_ms = self._next_probe_ms(self._clock.steady_ms())
        if not self._parked:
            await self._begin(self.number)
            await self._begin_runs()
            if resumed and not self.probing:
                self._recover()

    async def _begin_runs(self) -> None:
        await self._end([number for number in self._queues if number not in self._runs and number != self.number])
        self._begun &= {self.number, *self._runs}
        for number in [number for number in self._runs if number not in self._begun]:
            await self._begin(number)

    async def _begin(self, number: int) -> None:
        def begin(backlog: Backlog) -> None:
            self._begun.add(number)
            queue = self._queues[number] = self._house.queue_of(self, number, self._runs.get(number))
            queue.begin(backlog)

        await self._house.read_backlog(number, begin)
        self._begun.add(number)

    async def _end(self, numbers: Sequence[int]) -> None:
        ending = [self._queues.pop(number) for number in numbers]
        self._ending += ending
        try:
            await asyncio.gather(*(queue.stop(None) for queue in ending))
        finally:
            self._ending = [queue for queue in self._ending if queue not in ending]

    # What the queues ask (Gate)

    @property
    def idle(self) -> bool:
        return self.control.idle

    def tried_ms(self, now_ms: int) -> int:
        return self.control.tried_ms(now_ms)

    def probe_wait_ms(self) -> int | None:
        return None if self.active or self._changing else max(0, self._probe_ms - self._clock.steady_ms())

    def wait_ms(self, queue: Queue) -> int | None:
        if self._changing or self.active >= self._concurrency:
            return None
        if self.probing and (wait := self.probe_wait_ms()) != 0:
            return wait
        if self._runs and not self._is_its_turn(queue):
            return None
        if self._pace is not None and (wait := self._pace.wait_ms(self._clock.steady_ms())):
            return wait
        return 0 if self._house.slots.free(queue) else None

    def _is_its_turn(self, queue: Queue) -> bool:
        """Live deliveries go first; runs make progress all the same."""
        runs_turn = self._turns >= RUN_SHARE - 1
        if queue.number == self.number:
            return not (runs_turn and any(other.hungry for other in self._queues.values() if other is not queue))
        live = self._queues.get(self.number)
        return runs_turn or live is None or not live.hungry

    def began(self, queue: Queue) -> None:
        self.active += 1
        self._house.slots.take()
        if self._pace is not None:
            self._pace.take()
        self._turns = self._turns + 1 if queue.number == self.number else 0

    def ended(self, queue: Queue) -> None:
        self.active -= 1
        self._house.slots.give_back()
        if len(self._queues) > 1:
            for other in list(self._queues.values()):
                if other is not queue:
                    other.pump()

    async def next_request(self) -> None:
        if self._pace is None:
            return
        while wait_ms := self._pace.wait_ms(self._clock.steady_ms()):
            waited = asyncio.Event()
            self._clock.call_later(wait_ms / 1000, waited.set)
            await waited.wait()
        self._pace.take()

    def choose(self, due: list[Delivery]) -> list[Delivery]:
        """The next probe: of another lane than the last one, if there is one."""
        others = [delivery for delivery in due if delivery.lane != self._last_lane]
        return (others or due)[:1]

    def found(self, lanes: Sequence[int], outcome: Outcome, now_ms: int) -> None:
        self.breaker.record(lanes, outcome, now_ms)
        if self.control.open_since_ms:
            self._judge_probe(lanes, outcome, now_ms)
        elif self.breaker.opens:
            self._change(lambda control: control.opened(now_ms))
        if self.breaker.says_gone(now_ms):
            self._change(lambda control: _disabled(control, now_ms))

    def _judge_probe(self, lanes: Sequence[int], outcome: Outcome, now_ms: int) -> None:
        if not self.probing:  # it was on its way when the breaker opened
            return
        self._last_lane = lanes[0]
        if is_away(outcome):
            self._failed_probes += 1
            self._probe_ms = self._next_probe_ms(now_ms)
        else:
            self._change(lambda control: control.closed(now_ms))

    def _next_probe_ms(self, now_ms: int) -> int:
        return now_ms + probe_wait_ms(self._failed_probes, self._replicas, self._house.means.dice)

    def _change(self, change: Callable[[Control], Control]) -> None:
        if not self._changing:
            self._changing = True
            self._spawn(self._write(change))

    async def _write(self, change: Callable[[Control], Control]) -> None:
        try:
            control = await persist(lambda: self._house.means.store.change(self.number, change))
        finally:
            self._changing = False
        self.follow(control)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _disabled(control: Control, now_ms: int) -> Control:
    """Its answers ask for it. What the operator has done already stays."""
    return control.with_mode(Mode.DISABLED, "410 Gone", now_ms) if control.mode is Mode.ACTIVE else control
