"""Delivering: an outlet for each destination that has something to deliver, told by the store what there is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.clock import Clock
from gateway.config import Destination
from gateway.control import Control
from gateway.delivering.feed import STORE_RETRY_S, persist
from gateway.delivering.gate import Means, Members
from gateway.delivering.outlet import Outlet
from gateway.delivering.policy import Outcome, Rules, Schedule, reason
from gateway.delivering.queue import DestinationQueue
from gateway.delivering.slots import Slots
from gateway.sending.forwarder import Forwarder, Target, target_of
from gateway.store.base import Backlog, Delivery, Run, State, Store, StoreUnavailable
from gateway.telemetry import Log, Metrics

ATTEMPTS = 4096
"""Attempts in flight of the whole process: each takes a file descriptor."""


@dataclass(frozen=True, slots=True)
class Served:
    """A destination under the number that the store gave it."""

    number: int
    destination: Destination


class Engine:
    """Implements gateway.store.listener.Listener: `start`, then have the store attend to it, then `stop`."""

    def __init__(
        self,
        store: Store,
        forwarder: Forwarder,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        dice: Callable[[], float] = random.random,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.means = Means(store, clock, dice, lambda: self._shards)
        self.slots = Slots(attempts)
        self._store = store
        self._forwarder = forwarder
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._served: dict[int, Destination] = {}
        self._controls: dict[int, Control] = {}
        self._runs: dict[int, Run] = {}
        self._outlets: dict[int, Outlet] = {}
        self._targets: dict[int, Target] = {}
        self._replicas = 1
        self._current = True
        self._shards: frozenset[int] = frozenset()
        self._gaining: frozenset[int] = frozenset()
        self._early: set[int] = set()
        self._beginning = asyncio.Lock()
        self._stale = False
        self._reading: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self, served: Iterable[Served]) -> None:
        """Know what is to be served. Deliveries of other destinations stay in the store."""
        self._served = {one.number: one.destination for one in served}
        self._controls = {control.destination: control for control in await self._store.controls()}
        self._runs = self._served_runs(await self._store.runs())
        self._tell_runs({run.destination for run in self._runs.values()})

    async def stop(self, limit_s: float) -> None:
        """Finish what is on its way within the limit; what is committed from now on stays in the store."""
        self._stopping = True
        if self._reading is not None:
            self._reading.cancel()
        for queue in self._queues():
            queue.halt()
        await asyncio.gather(*(outlet.stop(limit_s) for outlet in self._outlets.values()))

    @property
    def active(self) -> int:
        """Attempts on their way."""
        return sum(outlet.active for outlet in self._outlets.values())

    # What the store tells (Listener)

    def committed(self, deliveries: list[Delivery]) -> None:
        if self._gaining:
            self._early.update(delivery.destination for delivery in deliveries)
        if not self._shards:
            return
        queues: dict[int, DestinationQueue | None] = {}
        for delivery in deliveries:
            number = delivery.destination
            if number not in queues:
                queues[number] = self._queue(number)
            queue = queues[number]
            if queue is not None:
                queue.offer(delivery)
        for queue in queues.values():
            if queue is not None:
                queue.pump()

    def hinted(self, destinations: Collection[int]) -> None:
        if self._gaining:
            self._early.update(destinations)
        if not self._shards:
            return
        for number in destinations:
            queue = self._queue(number)
            if queue is not None:
                queue.hint()
                queue.pump()

    def changed(self) -> None:
        self._stale = True
        if self._stopping:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read_controls())

    async def gained(self, shards: frozenset[int]) -> None:
        self._gaining |= shards
        while (wanted := shards & self._gaining) and not self._stopping:
            try:
                async with self._beginning:
                    backlogs = await self._store.backlog(wanted)
                    if wanted <= self._gaining:
                        self._take_over(wanted, backlogs)
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY_S)

    def _take_over(self, shards: frozenset[int], backlogs: Mapping[int, Backlog]) -> None:
        self._gaining -= shards
        self._set_shards(self._shards | shards)
        early, self._early = self._early, set()
        for number in backlogs.keys() | early:
            queue = self._queue(number)
            if queue is not None:
                queue.begin(backlogs.get(number, Backlog()))

    async def yielding(self, shards: frozenset[int]) -> AsyncGenerator[frozenset[int], None]:
        self._gaining -= shards
        self._set_shards(self._shards - shards)
        queues = self._queues()
        for queue in queues:
            queue.leave(shards)
        while shards:
            busy = {queue: on_its_way for queue in queues if (on_its_way := shards & queue.on_its_way)}
            if free := shards.difference(*busy.values()):
                for queue in queues:
                    queue.left(free)
                yield free
                shards -= free
            else:
                await asyncio.wait([queue.something_ends() for queue in busy], return_when=asyncio.FIRST_COMPLETED)

    @property
    def on_its_way(self) -> frozenset[int]:
        return frozenset().union(*(queue.on_its_way for queue in self._queues()))

    def lost(self, shards: frozenset[int]) -> None:
        self._gaining -= shards
        self._set_shards(self._shards - shards)
        for queue in self._queues():
            queue.lose(shards)

    def _set_shards(self, shards: frozenset[int]) -> None:
        self._shards = shards
        self._metrics.shards.set(len(shards))

    def replicas(self, count: int, *, current: bool) -> None:
        self._metrics.replicas.set(count)
        if current != self._current and not self._stopping:
            self._current = current
            word = "delivering" if current else "standing_by"
            self._log.warning(word, reason="newest destinations" if current else "others have newer destinations")
        if count != self._replicas:
            self._replicas = count
            for outlet in self._outlets.values():
                outlet.set_replicas(count)

    def reached(self, error: str | None) -> None:
        if error is None:
            self._log.warning("store_available")
        else:
            self._log.warning("store_unavailable", error=error)

    # What the outlets ask

    async def read_backlog(self, number: int, begin: Callable[[Backlog], None]) -> None:
        while True:
            try:
                async with self._beginning:
                    shards = self._shards
                    backlog = (await self._store.backlog(shards, number)).get(number)
                    if shards != self._shards:  # some were lost meanwhile: their lanes are not ours to begin
                        continue
                    if backlog is not None:
                        begin(backlog)
                return
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY_S)

    def rules(self, number: int) -> Rules:
        return rules_of(self._served[number])

    def queue_of(self, outlet: Outlet, number: int, run: Run | None) -> DestinationQueue:
        destination = self._served[outlet.number]
        target = self._targets.get(outlet.number)
        if target is None:
            target = self._targets[outlet.number] = target_of(destination)
        replay = run.id if run is not None and run.kind == "replay" else None
        send = _Sender(self._forwarder, self._store, target, replay, number)
        report = _Reporter(destination, run, self._clock, self._log, self._metrics)
        return DestinationQueue(number, self.rules(outlet.number), self.means, outlet, send, report)

    def control_changed(self, before: Control, after: Control) -> None:
        """Somebody here has read or written a control: a reading under way may be older."""
        self._controls[after.destination] = after
        if self._reading is not None and not self._reading.done():
            self._stale = True
        for word, happened in _TURNS.items():
            if happened(before, after):
                destination = self._served[after.destination]
                self._log.warning(
                    word, tenant=destination.tenant, destination=destination.name, mode=str(after.mode),
                    reason=after.reason,
                )  # fmt: skip

    # Which outlet, which queue

    def _queue(self, number: int) -> DestinationQueue | None:
        if self._stopping:
            return None
        run = self._runs.get(number)
        outlet = self._outlet(number if run is None else run.destination)
        return None if outlet is None else outlet.queue(number)

    def _queues(self) -> list[DestinationQueue]:
        return [queue for outlet in self._outlets.values() for queue in outlet.queues]

    def _outlet(self, number: int) -> Outlet | None:
        outlet = self._outlets.get(number)
        if outlet is None and number in self._served:
            control = self._controls.get(number) or Control(number)
            outlet = self._outlets[number] = Outlet(self.rules(number), control, self)
            if self._replicas > 1:
                outlet.set_replicas(self._replicas)
        return outlet

    # What others changed

    async def _read_controls(self) -> None:
        while self._stale:
            self._stale = False
            controls = await persist(self._store.controls)
            runs = await persist(self._store.runs)
            if not self._stale:
                self._apply(controls, runs)

    def _apply(self, controls: Iterable[Control], runs: Iterable[Run]) -> None:
        found = {control.destination: control for control in controls}
        for number in self._controls.keys() | found.keys():
            control = found.get(number) or Control(number)
            if number in self._served and self._controls.get(number, Control(number)) != control:
                outlet = self._outlet(number)  # as it was before
                if outlet is not None:
                    outlet.follow(control)
        concerned = {run.destination for run in self._runs.values()}
        self._runs = self._served_runs(runs)
        self._tell_runs(concerned | {run.destination for run in self._runs.values()})

    def _tell_runs(self, destinations: Iterable[int]) -> None:
        for number in destinations:
            outlet = self._outlet(number)
            if outlet is not None:
                outlet.set_runs({run.number: run for run in self._runs.values() if run.destination == number})

    def _served_runs(self, runs: Iterable[Run]) -> dict[int, Run]:
        return {run.number: run for run in runs if run.destination in self._served}


def rules_of(destination: Destination) -> Rules:
    batch = destination.batch
    return Rules(
        concurrency=destination.concurrency,
        lane_hold=destination.lane_hold,
        schedule=Schedule(destination.retry.schedule, destination.retry.give_up_after),
        rate=destination.rate_limit,
        batch_events=batch.max_events if batch else 1,
        batch_wait=batch.max_wait if batch else 0.0,
        ordered=destination.ordering == "conversation",
    )


_TURNS: dict[str, Callable[[Control, Control], bool]] = {
    "breaker_opened": lambda before, after: after.open_since_ms > 0 and not before.open_since_ms,
    "breaker_closed": lambda before, after: before.open_since_ms > 0 and not after.open_since_ms,
    "destination_parked": lambda before, after: after.parks and after.mode is not before.mode,
    "destination_resumed": lambda before, after: before.parks and not after.parks,
}
"""Log lines, and when they are written."""


class _Sender:
    """Attempts of one queue. `replay` is the number of the run, where it is a replay."""

    __slots__ = ("_forwarder", "_number", "_replay", "_store", "_target")

    def __init__(self, forwarder: Forwarder, store: Store, target: Target, replay: int | None, number: int) -> None:
        self._forwarder = forwarder
        self._store = store
        self._target = target
        self._replay = replay
        self._number = number

    async def __call__(self, members: Members) -> Outcome:
        may_write = partial(self._holds, [delivery.lane for delivery, _ in members])
        if len(members) > 1:
            events = [(delivery.event, gap) for delivery, gap in members]
            return await self._forwarder.send_batch(self._target, events, replay=self._replay, may_write=may_write)
        [(delivery, gap)] = members
        return await self._forwarder.send(
            self._target, delivery.event, gap=gap, replay=self._replay, may_write=may_write
        )

    def _holds(self, lanes: list[int]) -> bool:
        return all(self._store.holds(self._number, lane) for lane in lanes)


LOGGED = 50
"""Events in one log line: longer lines could be torn where workers share a pipe."""


class _Reporter:
    """One log line an attempt, and its metrics; further lines where its events are many, or fare differently."""

    def __init__(self, destination: Destination, run: Run | None, clock: Clock, log: Log, metrics: Metrics) -> None:
        self._labels: dict[str, Any] = {"tenant": destination.tenant, "destination": destination.name}
        if run is not None:
            self._labels[run.kind] = run.id
        self._clock = clock
        self._log = log
        self._attempt = metrics.attempts_of(destination.tenant, destination.name)

    def __call__(self, settled: Sequence[tuple[Delivery, State]], outcome: Outcome) -> None:
        word, now_ms = reason(outcome), self._clock.now_ms()
        lags_ms = [now_ms - delivery.event.received_ms for delivery, _ in settled]
        events = [(state, lag_ms / 1000) for (_, state), lag_ms in zip(settled, lags_ms, strict=True)]
        self._attempt(events, word, outcome.took_s)
        for state, deliveries in _lines(settled):
            self._log.info(
                "attempt",
                **self._labels,
                **_named(deliveries),
                outcome=state.word,
                reason=word,
                status=outcome.status,
                latency_ms=round(outcome.took_s * 1000, 1),
                lag_ms=max(lags_ms),
            )


def _lines(settled: Sequence[tuple[Delivery, State]]) -> Iterator[tuple[State, list[Delivery]]]:
    """The deliveries of each line, and what became of them."""
    for state in dict.fromkeys(state for _, state in settled):
        deliveries = [delivery for delivery, its_state in settled if its_state is state]
        for start in range(0, len(deliveries), LOGGED):
            yield state, deliveries[start : start + LOGGED]


def _named(deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """Of an attempt with one event, and of one with several."""
    if len(deliveries) > 1:
        return {"events": len(deliveries), "event_ids": [delivery.event.id.hex() for delivery in deliveries]}
    [delivery] = deliveries
    event = delivery.event
    return {"event_id": event.id.hex(), "type": event.type, "attempt": delivery.attempts + 1}
