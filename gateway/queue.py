"""The queue of one destination: what is in memory, what is on its way, and what order it must keep.

The store holds the backlog; this holds a window of it. A lane is what must stay in order: one delivery of a lane is
on its way at a time. When that fails, the lane is held: its deliveries go back to the store (as `waiting`) and only
the lane's name stays here. When the head is through, or has held the lane long enough and goes on beside it, the lane
is read again. docs/explanation/delivery-guarantees.md says what this promises.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from gateway.clock import Clock, Timer
from gateway.lanes import Lane, Lanes
from gateway.policy import Health, Outcome, Rules, judge, succeeded
from gateway.store.base import Delivery, Settlement, State, Store, StoreUnavailable
from gateway.window import Window

T = TypeVar("T")

LANE_PAGE = 64
MAX_HELD_LANES = 10_000
"""With so many lanes held the destination gets nothing new: it is down, and each held lane costs memory."""
STORE_RETRY_S = 1.0
MAX_UNSETTLED = 5_000
"""Settlements that the store could not write yet; above this no new attempt is made, for a crash would repeat it."""


Send = Callable[[Delivery, bool], Coroutine[Any, Any, Outcome]]
Report = Callable[[Delivery, Outcome, State], None]


class DestinationQueue:
    """`send(delivery, gap)` makes an attempt; `report` is told what came of it."""

    def __init__(
        self,
        destination: int,
        rules: Rules,
        store: Store,
        clock: Clock,
        send: Send,
        report: Report,
        dice: Callable[[], float],
    ) -> None:
        self._id = destination
        self._rules = rules
        self._store = store
        self._clock = clock
        self._send = send
        self._report = report
        self._dice = dice
        self._window = Window(rules.concurrency)
        self._health = Health()
        self._lanes = Lanes(rules.lane_hold)
        self._ready: deque[Lane] = deque()
        self._to_load: deque[Lane] = deque()
        self._loads = 0
        self._retries: deque[Delivery] = deque()
        self._retrying: set[int] = set()
        self._meanwhile: set[int] = set()
        self._active = 0
        self._behind = True
        self._cursor = 0
        self._scanning = False
        self._newest = 0
        self._seeking_due = False
        self._next_due_ms: int | None = None
        self._timer: Timer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempts: set[asyncio.Task[None]] = set()
        self._turn = False
        self._stopping = False

    async def start(self) -> None:
        """Find out how the last process left the lanes, then begin."""
        backlog = await self._store.backlog(self._id)
        for held in backlog.held:
            lane = self._lanes.get(held.lane)
            lane.spilled = True
            lane.excused = True
            self._lanes.hold(lane, held.event, held.tried_since_ms)
        for lane_id in backlog.beside_lanes:
            self._lanes.add_beside(lane_id)
        for lane_id in backlog.waiting_lanes:
            lane = self._lanes.get(lane_id)
            lane.spilled = True
            if not lane.held:
                self._reload(lane)
        self._next_due_ms = backlog.next_due_ms
        self.pump()

    async def stop(self, limit_s: float) -> None:
        """Begin nothing more, and wait for what is on its way. What is cut off at the limit counts as not tried."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._attempts:
            _, late = await asyncio.wait(self._attempts, timeout=limit_s)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._tasks, *self._attempts, return_exceptions=True)

    def offer(self, delivery: Delivery) -> None:
        """A delivery that was just committed; `pump` follows the last of a commit.

        Left in the store where there is no room, or where older ones come first.
        """
        self._newest = delivery.event.seq
        if self._behind:
            return
        if self._window.full or self._lanes.held >= MAX_HELD_LANES:
            self._behind = True
            self._cursor = delivery.event.seq - 1
            return
        self._admit(delivery)

    @property
    def active(self) -> int:
        """Attempts on their way."""
        return self._active

    # Lanes

    def _admit(self, delivery: Delivery) -> None:
        lane = self._lanes.get(delivery.lane)
        if lane.closed:
            lane.spilled = True
            self._store.wait(self._id, delivery.event.seq)
            return
        self._window.add(delivery)
        lane.deliveries.append(delivery)
        if not lane.busy and len(lane.deliveries) == 1:
            self._ready.append(lane)

    def _advance(self, lane: Lane) -> None:
        """The head is out of the way: go on with the next, from memory or from the store."""
        if lane.deliveries:
            self._ready.append(lane)
        elif lane.spilled:
            self._reload(lane)
        else:
            self._lanes.drop(lane)

    def _reload(self, lane: Lane) -> None:
        """Read the lane's waiting deliveries when there is room."""
        lane.loading = True
        self._to_load.append(lane)

    def _hold(self, lane: Lane, head: int, tried_since_ms: int) -> None:
        """Wait for the head's retry. Followers go back to the store: memory is for lanes that move."""
        self._lanes.hold(lane, head, tried_since_ms)
        for follower in lane.deliveries:
            lane.spilled = True
            self._store.wait(self._id, follower.event.seq)
            self._window.remove(follower)
        lane.deliveries.clear()

    def _release_overdue(self, now_ms: int) -> None:
        """Lanes that were held long enough move on; their heads go on beside them.

        Not while everything here fails: moving on would gain nothing, and lose the order.
        """
        if self._health.fails:
            return
        for lane in self._lanes.overdue(now_ms):
            self._expect(now_ms)  # a page that is being read may hold the head as it was
            if lane.excused:  # last tried while everything failed: once more before anything overtakes it
                self._store.settle(Settlement(self._id, lane.head, State.HELD, now_ms, attempted=False, due_ms=now_ms))
                continue
            self._store.settle(Settlement(self._id, lane.head, State.BESIDE, now_ms, attempted=False))
            self._lanes.add_beside(lane.id)
            self._lanes.release(lane)
            self._advance(lane)

    # Attempts

    def pump(self) -> None:
        """Start what may start, read what should be read, set the timer."""
        if self._stopping:
            return
        if self._store.unsettled > MAX_UNSETTLED:
            self._set_timer(STORE_RETRY_S)
            return
        while self._active < self._rules.concurrency:
            delivery = self._next()
            if delivery is None:
                break
            self._active += 1
            self._spawn(self._work(delivery), self._attempts)
        self._look()

    def _look(self) -> None:
        """Read what should be read, set the timer."""
        now_ms = self._clock.now_ms()
        room = self._window.wants_more
        if self._behind and room and not self._scanning and self._lanes.held < MAX_HELD_LANES:
            self._scanning = True
            self._spawn(self._scan(), self._tasks)
        if self._next_due_ms is not None and self._next_due_ms <= now_ms and not self._retries:
            self._seek_due()
        while self._to_load and room and self._window.loaded + self._loads * LANE_PAGE < self._window.limit:
            self._loads += 1
            self._spawn(self._read_lane(self._to_load.popleft()), self._tasks)
        self._schedule(now_ms)

    def _next(self) -> Delivery | None:
        """Retries and new deliveries in turn: neither can starve the other."""
        self._turn = not self._turn
        if self._retries and (self._turn or not self._ready):
            return self._retries.popleft()
        if self._ready:
            lane = self._ready.popleft()
            lane.busy = True
            return lane.deliveries.popleft()
        return None

    async def _work(self, delivery: Delivery | None) -> None:
        """Make attempts, one after another, while there are any."""
        try:
            while delivery is not None:
                gap = delivery.state is not State.BESIDE and self._lanes.has_gap(delivery.lane)
                outcome = await self._ask(partial(self._attempt, delivery, gap))
                self._finish(delivery, outcome)
                if self._stopping or self._store.unsettled > MAX_UNSETTLED:
                    break
                self._look()
                delivery = self._next()
        finally:
            self._active -= 1
            self.pump()

    async def _attempt(self, delivery: Delivery, gap: bool) -> Outcome:
        """Raises StoreUnavailable: then there was no attempt. Any other fault fails the attempt, not the queue."""
        try:
            return await self._send(delivery, gap)
        except StoreUnavailable:
            raise
        except Exception as error:
            return Outcome(None, f"internal_{type(error).__name__}")  # the word is in the log and the store

    def _finish(self, delivery: Delivery, outcome: Outcome) -> None:
        now_ms = self._clock.now_ms()
        self._health.record(delivery.lane, succeeded(outcome))
        verdict = judge(
            delivery, outcome, self._rules, now_ms=now_ms, destination_fails=self._all_fails(delivery), dice=self._dice
        )
        state, due_ms, tried_since_ms = verdict
        self._store.settle(
            Settlement(self._id, delivery.event.seq, state, now_ms, True, due_ms, outcome.status, outcome.error)
        )
        if due_ms:
            self._expect(due_ms)
        self._window.remove(delivery)
        self._retrying.discard(delivery.event.seq)
        if self._seeking_due:
            self._meanwhile.add(delivery.event.seq)
        self._move_lane(delivery, state, tried_since_ms)
        self._report(delivery, outcome, state)

    def _all_fails(self, delivery: Delivery) -> bool:
        """Whether the failure is likely to be the destination's. After a start nothing is known until a success."""
        if self._health.fails:
            return True
        lane = self._lanes.find(delivery.lane)
        return lane is not None and lane.excused and not self._health.ever_succeeded

    def _move_lane(self, delivery: Delivery, state: State, tried_since_ms: int) -> None:
        """What an attempt's outcome means for its lane."""
        lanes = self._lanes
        if delivery.state is State.BESIDE:
            if state is not State.BESIDE:
                lanes.remove_beside(delivery.lane)
            return
        lane = lanes.get(delivery.lane)
        lane.busy = False
        if state is State.HELD:
            again = self._health.fails or not lane.excused
            lane.excused = self._health.fails
            if not lane.held:
                self._hold(lane, delivery.event.seq, tried_since_ms)
            elif again:
                lanes.expect_release(lane, tried_since_ms)
            return
        if state is State.BESIDE:
            lanes.add_beside(lane.id)
        else:
            lanes.set_gap(lane.id, state is State.DEAD)
        lanes.release(lane)
        self._advance(lane)

    # Reading from the store

    async def _scan(self) -> None:
        """Read on where memory left off. After a short page nothing is left behind, unless it was committed after
        the reading and offered before now."""
        try:
            page, more = await self._ask(lambda: self._store.queued(self._id, self._cursor, self._window.limit))
            last = page[-1].event.seq if page else self._cursor
            self._behind = more or self._newest > last
            for delivery in page:
                self._cursor = delivery.event.seq
                self._admit(delivery)
        finally:
            self._scanning = False
        self.pump()

    async def _read_lane(self, lane: Lane) -> None:
        """What comes for the lane while it is read waits in the store, and marks it as spilled again."""
        lane.spilled = False
        try:
            page, more = await self._ask(lambda: self._store.waiting(self._id, lane.id, LANE_PAGE))
        finally:
            self._loads -= 1
        lane.loading = False
        lane.spilled = lane.spilled or more
        for delivery in page:
            self._window.add(delivery)
            lane.deliveries.append(delivery)
        self._advance(lane)
        self.pump()

    def _seek_due(self) -> None:
        if not self._seeking_due:
            self._seeking_due = True
            self._meanwhile.clear()
            self._spawn(self._read_due(), self._tasks)

    async def _read_due(self) -> None:
        limit = 2 * self._rules.concurrency
        self._next_due_ms = None
        try:
            (page, more), upcoming = await self._ask(lambda: self._store.due(self._id, self._clock.now_ms(), limit))
        finally:
            self._seeking_due = False
        self._expect(self._clock.now_ms() if more else upcoming)
        for delivery in page:
            if delivery.event.seq not in self._retrying and delivery.event.seq not in self._meanwhile:
                self._admit_retry(delivery)
        self.pump()

    def _admit_retry(self, delivery: Delivery) -> None:
        if delivery.state is State.HELD:
            lane = self._lanes.find(delivery.lane)
            if lane is None or not lane.held or lane.head != delivery.event.seq:
                return  # it was let go of meanwhile
            lane.busy = True
        self._retrying.add(delivery.event.seq)
        self._window.add(delivery)
        self._retries.append(delivery)

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask the store until it answers."""
        while True:
            try:
                return await question()
            except StoreUnavailable:
                await asyncio.sleep(STORE_RETRY_S)

    # Time

    def _schedule(self, now_ms: int) -> None:
        release_ms = None if self._health.fails else self._lanes.next_release_ms
        due_ms = None if self._retries or self._seeking_due else self._next_due_ms
        times = [time for time in (due_ms, release_ms) if time is not None]
        if times:
            self._set_timer((min(times) - now_ms) / 1000)

    def _expect(self, due_ms: int | None) -> None:
        """A retry is due then."""
        if due_ms is not None and (self._next_due_ms is None or due_ms < self._next_due_ms):
            self._next_due_ms = due_ms

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(max(seconds, 0.001), self._wake)

    def _wake(self) -> None:
        self._timer = None
        if not self._stopping:
            self._release_overdue(self._clock.now_ms())
            self.pump()

    def _spawn(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
