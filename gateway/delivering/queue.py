"""The queue of one destination: what is on its way, what becomes of it, and what order it must keep.

A lane is what must stay in order: one delivery of a lane is on its way at a time. When that fails, the lane is held:
its deliveries go back to the store. When the head is through, or has held the lane long enough and goes on beside it,
the lane is read again. docs/explanation/delivery-guarantees.md says what this promises.

A queue lives from when there is something to deliver until its destination is paused, is found down, or the process
stops: what is in memory is then forgotten, since the store has it, and another queue begins from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from gateway.clock import Timer
from gateway.delivering.batch import Load, concerns_all, halves
from gateway.delivering.feed import STORE_RETRY_S, Feed
from gateway.delivering.gate import Gate, Means, Members, Report, Send
from gateway.delivering.memory import Memory
from gateway.delivering.policy import DONE, INTERNAL, Outcome, Rules, judge, succeeded
from gateway.delivering.window import PROBING_WINDOW, window_limit
from gateway.sending.forwarder import NotHeld
from gateway.store.base import Backlog, Delivery, Settlement, State, StoreUnavailable, shard_of

MAX_UNSETTLED = 5_000
"""Settlements that the store could not write yet; above this no new attempt is made, for a crash would repeat it."""


class DestinationQueue:
    """`number` is a destination's, or that of a run at it. `send` makes an attempt; `report` learns what came of it."""

    def __init__(self, number: int, rules: Rules, means: Means, gate: Gate, send: Send, report: Report) -> None:
        self.number = number
        self.active = 0
        self._rules = rules
        self._store = store = means.store
        self._clock = means.clock
        self._dice = means.dice
        self._shards = means.shards
        self._gate = gate
        self._send = send
        self._report = report
        self._memory = Memory(
            rules.lane_hold,
            PROBING_WINDOW if gate.probing else window_limit(rules),
            lambda delivery: store.wait(number, delivery.event.seq, delivery.lane),
            self._clock.steady_ms if rules.batch_events > 1 else _some_time,
        )
        self._feed = Feed(number, rules, store, self._clock, self._memory, self)
        self._loads: set[Load] = set()
        self._ended: asyncio.Future[None] | None = None
        self._again_ms: int | None = None
        self._timer: Timer | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._turn = False
        self._stopping = False

    # What others tell it

    def begin(self, backlog: Backlog) -> None:
        """Go on as the last process left the lanes, or whoever delivered them before."""
        self._feed.begin(backlog)
        self.pump()

    def offer(self, delivery: Delivery) -> None:
        """A delivery that was just committed; `pump` follows the last of a commit."""
        self._feed.offer(delivery)

    def hint(self) -> None:
        """There may be queued deliveries to read; `pump` follows."""
        self._feed.hint()

    def recover(self) -> None:
        """The destination is back: everything is due."""
        self._memory.window.limit = window_limit(self._rules)
        self._feed.hurry()
        self.pump()

    def halt(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._feed.tasks:
            task.cancel()

    async def stop(self, limit_s: float | None) -> None:
        """Begin nothing more, and wait for what is on its way. What is cut off at the limit counts as not tried."""
        self.halt()
        if self._attempts:
            _, late = await asyncio.wait(self._attempts, timeout=limit_s)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._feed.tasks, *self._attempts, return_exceptions=True)

    def leave(self, shards: frozenset[int]) -> None:
        """Begin nothing more in these shards."""
        self._forget(shards, Load.unsent)

    @property
    def on_its_way(self) -> set[int]:
        """Shards of which something is."""
        return {shard_of(self.number, delivery.lane) for load in self._loads for delivery in load.open.values()}

    def something_ends(self) -> asyncio.Future[None]:
        """When something is no longer on its way."""
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        return self._ended

    def left(self, shards: frozenset[int]) -> None:
        """Nothing of these is on its way any more: what may have told of gaps has."""
        self._memory.forget_gaps(self.number, shards)

    def lose(self, shards: frozenset[int]) -> None:
        """Forget these shards at once: whatever comes of what is on its way there is no longer our affair."""
        self._forget(shards, lambda load: list(load.open.values()))
        self.left(shards)

    def _forget(self, shards: frozenset[int], given_up: Callable[[Load], list[Delivery]]) -> None:
        self._memory.forget(self.number, shards)
        for load in self._loads:
            for delivery in self._of(shards, given_up(load)):
                self._put_down(load, delivery)

    def _of(self, shards: frozenset[int], deliveries: Iterable[Delivery]) -> list[Delivery]:
        return [delivery for delivery in deliveries if shard_of(self.number, delivery.lane) in shards]

    # What the feed asks

    @property
    def probing(self) -> bool:
        return self._gate.probing

    @property
    def shards(self) -> frozenset[int]:
        return self._shards()

    def takes(self, lane: int) -> bool:
        return shard_of(self.number, lane) in self._shards() and self._store.holds(self.number, lane)

    def choose(self, due: list[Delivery]) -> list[Delivery]:
        return self._gate.choose(due) if self._gate.probing else due

    # Beginning

    @property
    def hungry(self) -> bool:
        """Whether there is something to send."""
        return bool(self._memory.ready or self._memory.retries) and not self._stopping

    def pump(self) -> None:
        """Start what may start, read what should be read, set the timer."""
        if self._stopping:
            return
        if self._store.unsettled > MAX_UNSETTLED:
            self._set_timer(STORE_RETRY_S)
            return
        while load := self._take():
            self._spawn(self._work(load))
        self._look()

    def _take(self) -> Load | None:
        """What goes out next, if it may: retries and new deliveries in turn, so that neither can starve the other."""
        self._again_ms = None
        memory = self._memory
        ripe = memory.ready > 0 and self._ripe()
        if not ripe and not memory.retries:
            return None
        wait_ms = self._gate.wait_ms(self)
        if wait_ms != 0:
            self._again_ms = wait_ms and self._clock.steady_ms() + wait_ms
            return None
        self._turn = not self._turn
        if memory.retries and (self._turn or not ripe):
            load = Load([memory.retries.popleft()])
        else:
            load = Load(memory.take(1 if self._gate.probing else self._rules.batch_events))
        self._loads.add(load)
        self.active += 1
        self._gate.began(self)
        return load

    def _ripe(self) -> bool:
        """Whether a batch is full, or its first event has waited long enough."""
        rules, memory = self._rules, self._memory
        if rules.batch_events == 1 or self._gate.probing:
            return True
        if memory.ready >= rules.batch_events or memory.window.full:
            return True
        ripe_ms = memory.ready_since_ms() + int(rules.batch_wait * 1000)
        if self._clock.steady_ms() >= ripe_ms:
            return True
        self._again_ms = ripe_ms
        return False

    async def _work(self, load: Load | None) -> None:
        """Make attempts, one after another, while there are any."""
        try:
            while load:
                try:
                    await self._deliver(load, load.still(load.deliveries))
                finally:
                    self._loads.discard(load)
                    self._tell_who_waits()
                    self.active -= 1
                    self._gate.ended(self)
                if self._stopping or self._store.unsettled > MAX_UNSETTLED:
                    break
                self._look()
                load = self._take()
        finally:
            self.pump()

    # Attempts

    async def _deliver(self, load: Load, part: list[Delivery]) -> None:
        """One request, or as many as it takes to find out which events of a batch are refused."""
        outcome = await self._attempt(load, part)
        if outcome is None:
            return
        if len(part) == 1 or succeeded(outcome) or concerns_all(outcome):
            self._finish(load, part, outcome)
            return
        for half in halves(self._still(load, part)):
            if self._still(load, half):
                await self._gate.next_request()
            if self._stopping:
                return
            await self._deliver(load, self._still(load, half))

    async def _attempt(self, load: Load, part: list[Delivery]) -> Outcome | None:
        """None where there was no attempt. While the store cannot give the events, or nobody knows who delivers them,
        try again; any other fault of ours fails the attempt, not the queue."""
        while part and not self._stopping:
            load.sent = part
            try:
                return await self._send(self._with_gaps(part))
            except (StoreUnavailable, NotHeld):
                await asyncio.sleep(STORE_RETRY_S)
            except Exception as error:
                return Outcome(None, f"{INTERNAL}{type(error).__name__}")  # the word is in the log and the store
            finally:
                load.sent = ()
            part[:] = self._still(load, part)
        return None

    def _still(self, load: Load, part: Sequence[Delivery]) -> list[Delivery]:
        """Those of a part that are to be sent, by this process: others' are put down."""
        for delivery in load.still(part):
            if not self.takes(delivery.lane):
                self._put_down(load, delivery)
        return load.still(part)

    def _with_gaps(self, part: list[Delivery]) -> Members:
        """What a lane misses for good is told to its next one alone; what is outstanding, to all."""
        if len(part) == 1:
            [delivery] = part
            return [(delivery, delivery.state is not State.BESIDE and self._misses(delivery.lane))]
        is_beside = self._memory.lanes.is_beside
        first = {delivery.lane: delivery for delivery in reversed(part)}
        return [(one, self._misses(one.lane) if first[one.lane] is one else is_beside(one.lane)) for one in part]

    def _misses(self, lane: int) -> bool:
        return self._memory.lanes.is_beside(lane) or lane in self._memory.lanes.gaps

    def _put_down(self, load: Load, delivery: Delivery) -> None:
        del load.open[delivery.event.seq]
        self._memory.window.remove(delivery)
        self._tell_who_waits()

    def _tell_who_waits(self) -> None:
        if self._ended is not None:
            self._ended.set_result(None)
            self._ended = None

    def _finish(self, load: Load, part: list[Delivery], outcome: Outcome) -> None:
        now_ms = self._clock.steady_ms()
        well = succeeded(outcome)
        self._gate.found([delivery.lane for delivery in part], outcome, now_ms)
        tried_ms = self._gate.tried_ms(now_ms)
        settled = []
        for delivery in part:
            if delivery.event.seq not in load.open:
                continue
            self._put_down(load, delivery)
            if not well:  # what comes after it in its lane is not sent, or failed together with it: it waits
                self._memory.give_back(delivery.lane, load.leave_out(delivery.lane))
            settled.append((delivery, self._settle(delivery, outcome, now_ms, tried_ms, well)))
        if settled:
            self._report(settled, outcome)

    def _settle(self, delivery: Delivery, outcome: Outcome, now_ms: int, tried_ms: int, well: bool) -> State:
        state, due_ms, tried_since_ms = DONE if well else judge(
            delivery, outcome, self._rules, now_ms=now_ms, tried_ms=tried_ms,
            destination_fails=self._all_fails(delivery.lane), dice=self._dice,
        )  # fmt: skip
        self._store.settle(
            Settlement(
                self.number, delivery.event.seq, delivery.lane, state, now_ms, True, due_ms, outcome.status,
                outcome.error, tried_ms, int(outcome.took_s * 1000),
                self._memory.lanes.gaps.note(delivery, state, ordered=self._rules.ordered),
            )
        )  # fmt: skip
        if due_ms:
            self._feed.expect(due_ms)
        self._move_lane(delivery, state, tried_since_ms)
        return state

    def _all_fails(self, lane_id: int) -> bool:
        """Whether the failure is likely to be the destination's. After a start nothing is known until a success."""
        if self._gate.idle or self._gate.breaker.fails:
            return True
        lane = self._memory.lanes.find(lane_id)
        return lane is not None and lane.excused and not self._gate.breaker.ever_succeeded

    # Lanes

    def _move_lane(self, delivery: Delivery, state: State, tried_since_ms: int) -> None:
        """What an attempt's outcome means for its lane."""
        lanes = self._memory.lanes
        if delivery.state is State.BESIDE:
            if state is not State.BESIDE:
                lanes.remove_beside(delivery.lane)
            return
        lane = lanes.find(delivery.lane)
        if lane is None:  # it was left to another process
            return
        lane.busy -= 1
        if state is State.HELD:
            again = self._gate.breaker.fails or not lane.excused
            lane.excused = self._gate.breaker.fails
            if not lane.held:
                self._memory.hold(lane, delivery.event.seq, tried_since_ms)
            elif again:
                lanes.expect_release(lane, tried_since_ms)
            return
        if state is State.BESIDE:
            lanes.add_beside(lane.id)
        lanes.release(lane)
        if not lane.busy:
            self._memory.advance(lane)

    def _release_overdue(self, now_ms: int) -> None:
        """Lanes that were held long enough move on; their heads go on beside them.

        Not while everything here fails: moving on would gain nothing, and lose the order.
        """
        if self._gate.idle or self._gate.breaker.fails:
            return
        lanes = self._memory.lanes
        for lane in lanes.overdue(self._gate.tried_ms(now_ms)):
            self._feed.expect(now_ms)  # a page that is being read may hold the head as it was
            if lane.excused:  # last tried while everything failed: once more before anything overtakes it
                state, due_ms = State.HELD, now_ms
            else:
                state, due_ms = State.BESIDE, 0
            self._store.settle(Settlement(self.number, lane.head, lane.id, state, now_ms, False, due_ms))
            if state is State.BESIDE:
                lanes.add_beside(lane.id)
                lanes.release(lane)
                self._memory.advance(lane)

    # Time

    def _look(self) -> None:
        """Read what should be read, set the timer."""
        if self._gate.probing:
            wait_ms = self._gate.probe_wait_ms()
            if wait_ms == 0:
                self._feed.look()
            next_ms = wait_ms and self._clock.steady_ms() + wait_ms
        else:
            self._feed.look()
            next_ms = self._feed.waits_until_ms
        times = [time for time in (next_ms, self._again_ms, self._next_release_ms()) if time]
        if times:
            self._set_timer((min(times) - self._clock.steady_ms()) / 1000)

    def _next_release_ms(self) -> int | None:
        release_ms = self._memory.lanes.next_release_ms
        if release_ms is None or self._gate.idle or self._gate.breaker.fails:
            return None
        now_ms = self._clock.steady_ms()
        return now_ms + release_ms - self._gate.tried_ms(now_ms)

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(max(seconds, 0.001), self._wake)

    def _wake(self) -> None:
        self._timer = None
        if not self._stopping:
            self._release_overdue(self._clock.steady_ms())
            self.pump()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)


def _some_time() -> int:
    """For those who send one by one: nobody asks since when something is ready."""
    return 1
