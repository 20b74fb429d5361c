"""Reading a destination's backlog into memory, as far as there is room: queued deliveries, lanes, and what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from gateway.clock import Clock
from gateway.delivering.lanes import Lane
from gateway.delivering.memory import Memory
from gateway.delivering.policy import Rules
from gateway.store.base import Backlog, Delivery, Store, StoreUnavailable

T = TypeVar("T")

LANE_PAGE = 64
STORE_RETRY_S = 1.0
FOR_EVER_MS = 2**53


async def persist(question: Callable[[], Awaitable[T]]) -> T:
    """Ask the store until it answers."""
    while True:
        try:
            return await question()
        except StoreUnavailable:
            await asyncio.sleep(STORE_RETRY_S)


class Reader(Protocol):
    """Whom the feed reads for."""

    @property
    def probing(self) -> bool: ...

    @property
    def shards(self) -> frozenset[int]:
        """Those that this process delivers."""
        ...

    def takes(self, lane: int) -> bool:
        """Whether this process delivers the lane."""
        ...

    def choose(self, due: list[Delivery]) -> list[Delivery]:
        """Which of those that are due to take in."""
        ...

    def pump(self) -> None: ...


class Feed:
    """`look` begins to read what should be read; `pump` of the reader follows when it is there."""

    def __init__(self, number: int, rules: Rules, store: Store, clock: Clock, memory: Memory, reader: Reader) -> None:
        self.next_due_ms: int | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._number = number
        self._rules = rules
        self._store = store
        self._clock = clock
        self._memory = memory
        self._reader = reader
        self._behind = False
        self._nudged = False
        self._cursor = 0
        self._newest = 0
        self._scanning = False
        self._loads = 0
        self._seeking_due = False

    def begin(self, backlog: Backlog) -> None:
        """Take over how the lanes were left. Called again when shards are gained."""
        memory = self._memory
        for held in backlog.held:
            lane = memory.lanes.get(held.lane)
            lane.spilled = True
            lane.excused = True
            memory.lanes.hold(lane, held.event, held.tried_since_ms)
        for lane_id in backlog.beside_lanes:
            memory.lanes.add_beside(lane_id)
        memory.lanes.gaps.add(backlog.gaps)
        for lane_id in backlog.waiting_lanes:
            lane = memory.lanes.get(lane_id)
            lane.spilled = True
            if not lane.held and not lane.loading:
                memory.reload(lane)
        self._expect_stored(backlog.next_due_ms)
        if backlog.queued:
            self.hint()

    def offer(self, delivery: Delivery) -> None:
        """A delivery that was just committed. Left in the store where there is no room, or older ones come first."""
        self._newest = delivery.event.seq
        if self._behind:
            return
        if self._memory.full:
            self._behind = True
            self._cursor = delivery.event.seq - 1
            return
        self._memory.admit(delivery)

    def hint(self) -> None:
        """There may be queued deliveries that are not here, wherever in the order."""
        self._behind = True
        self._nudged = self._scanning
        self._cursor = 0

    def expect(self, due_ms: int | None) -> None:
        """A retry is due then."""
        if due_ms is not None and (self.next_due_ms is None or due_ms < self.next_due_ms):
            self.next_due_ms = due_ms

    def _expect_stored(self, due_ms: int | None) -> None:
        """As the store has it. What is due later than anything can be was written by a clock that was wrong."""
        now_ms = self._clock.steady_ms()
        if due_ms is not None and due_ms > now_ms + self._rules.longest_wait_ms:
            self.hurry()
        else:
            self.expect(due_ms)

    def hurry(self) -> None:
        """All retries are due now."""
        self._spawn(self._hurry())

    @property
    def waits_until_ms(self) -> int | None:
        """When there is something to read next."""
        return None if self._memory.retries or self._seeking_due else self.next_due_ms

    # Reading

    def look(self) -> None:
        """Read what there is room for. While the destination is probed: what is held, else the first of the rest."""
        memory = self._memory
        if self._reader.probing:
            if memory.retries or memory.ready or self._seeking_due:
                return
            if self.next_due_ms is not None:
                self._seek_due(FOR_EVER_MS, 2 * 4)
                return
        elif not memory.retries and self.next_due_ms is not None and self.next_due_ms <= self._clock.steady_ms():
            self._seek_due(self._clock.steady_ms(), 2 * self._rules.concurrency)
        window = memory.window
        if not window.wants_more:
            return
        if self._behind and not self._scanning and not memory.full:
            self._scanning = True
            self._spawn(self._scan())
        while memory.to_load and len(window) + self._loads * LANE_PAGE < window.limit:
            self._loads += 1
            self._spawn(self._read_lane(memory.to_load.popleft()))

    async def _scan(self) -> None:
        """Read on where memory left off. After a short page nothing is left behind, unless it was committed and
        offered after the reading began."""
        memory = self._memory
        self._nudged = False
        self._newest = 0
        after = self._cursor
        try:
            with memory.window.reading(self._reader.shards) as reading:
                page, more = await persist(lambda: self._store.queued(self._number, after, memory.window.limit))
        finally:
            self._scanning = False
        if reading.misses(self._reader.shards):
            self._nudged = True
            self._cursor = 0
        last = page[-1].event.seq if page else after
        self._behind = more or self._nudged or self._newest > last
        if not self._nudged:
            self._cursor = max(self._cursor, last)
        for delivery in memory.window.news(page, reading):
            if self._reader.takes(delivery.lane):
                memory.admit(delivery)
        self._reader.pump()

    async def _read_lane(self, lane: Lane) -> None:
        """What comes for the lane while it is read waits in the store, and marks it as spilled again."""
        lane.spilled = False
        try:
            page, more = await persist(lambda: self._store.waiting(self._number, lane.id, LANE_PAGE))
        finally:
            self._loads -= 1
        if self._memory.lanes.find(lane.id) is lane:
            self._memory.admit_waiting(lane, page, more)
        self._reader.pump()

    def _seek_due(self, until_ms: int, limit: int) -> None:
        if not self._seeking_due:
            self._seeking_due = True
            self._spawn(self._read_due(until_ms, limit))

    async def _read_due(self, until_ms: int, limit: int) -> None:
        memory = self._memory
        self.next_due_ms = None
        try:
            with memory.window.reading(self._reader.shards) as reading:
                (page, more), upcoming = await persist(lambda: self._store.due(self._number, until_ms, limit))
        finally:
            self._seeking_due = False
        if more:
            self.expect(self._clock.steady_ms())
        else:
            self._expect_stored(upcoming)
        news = [one for one in memory.window.news(page, reading) if self._reader.takes(one.lane)]
        chosen = self._reader.choose(news)
        if len(chosen) < len(news):  # the others are to be found again, whatever becomes of the one that probes
            self.expect(self._clock.steady_ms())
        for delivery in chosen:
            memory.admit_retry(delivery)
        self._reader.pump()

    async def _hurry(self) -> None:
        now_ms = self._clock.steady_ms()
        await persist(lambda: self._store.hurry(self._number, now_ms))
        self.expect(now_ms)
        self._reader.pump()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
