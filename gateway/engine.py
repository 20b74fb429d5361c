"""Delivering: a queue for each destination, fed by the store as it commits, and by its backlog."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from yarl import URL

from gateway.clock import Clock
from gateway.config import Destination
from gateway.forwarder import Forwarder, Target
from gateway.policy import Outcome, Rules, Schedule, reason
from gateway.queue import DestinationQueue
from gateway.signing import decode_secret
from gateway.store.base import Delivery, State, Store
from gateway.telemetry import Log, Metrics


@dataclass(frozen=True, slots=True)
class Served:
    """A destination under the number that the store gave it."""

    number: int
    destination: Destination


class Engine:
    """`offer` is what the store calls with the deliveries of a commit."""

    def __init__(
        self,
        store: Store,
        forwarder: Forwarder,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._forwarder = forwarder
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._dice = dice
        self._queues: dict[int, DestinationQueue] = {}

    async def start(self, served: Iterable[Served]) -> None:
        """Begin with what the last process left. Deliveries of destinations that are not served stay in the store."""
        for one in served:
            self._queues[one.number] = self._queue(one)
        await asyncio.gather(*(queue.start() for queue in self._queues.values()))

    async def stop(self, limit_s: float) -> None:
        """Finish what is on its way within the limit."""
        await asyncio.gather(*(queue.stop(limit_s) for queue in self._queues.values()))

    def offer(self, deliveries: list[Delivery]) -> None:
        touched = set()
        for delivery in deliveries:
            queue = self._queues.get(delivery.destination)
            if queue is not None:
                queue.offer(delivery)
                touched.add(queue)
        for queue in touched:
            queue.pump()

    @property
    def active(self) -> int:
        return sum(queue.active for queue in self._queues.values())

    def _queue(self, one: Served) -> DestinationQueue:
        destination = one.destination
        target = Target(
            url=URL(destination.url),
            keys=tuple(decode_secret(secret.get_secret_value()) for secret in destination.secrets),
            raw=destination.raw,
            timeout=destination.timeout,
        )
        rules = Rules(
            concurrency=destination.concurrency,
            lane_hold=destination.lane_hold,
            schedule=Schedule(destination.retry.schedule, destination.retry.give_up_after),
        )
        return DestinationQueue(
            one.number, rules, self._store, self._clock,
            lambda delivery, gap: self._forwarder.send(target, delivery.event, gap=gap),
            _Reporter(destination, self._clock, self._log, self._metrics), self._dice,
        )  # fmt: skip


class _Reporter:
    """One log line, and the metrics, of each attempt."""

    def __init__(self, destination: Destination, clock: Clock, log: Log, metrics: Metrics) -> None:
        self._tenant = destination.tenant
        self._name = destination.name
        self._clock = clock
        self._log = log
        self._attempt = metrics.attempts_of(destination.tenant, destination.name)

    def __call__(self, delivery: Delivery, outcome: Outcome, state: State) -> None:
        word = reason(outcome)
        lag_s = (self._clock.now_ms() - delivery.event.received_ms) / 1000
        self._attempt(state, word, outcome.took_s, lag_s)
        self._log.info(
            "attempt",
            tenant=self._tenant,
            destination=self._name,
            event_id=delivery.event.id.hex(),
            type=delivery.event.type,
            attempt=delivery.attempts + 1,
            outcome=state.name.lower(),
            reason=word,
            status=outcome.status,
            latency_ms=round(outcome.took_s * 1000, 1),
            lag_ms=round(lag_s * 1000),
        )
