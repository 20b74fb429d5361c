"""What of a destination is in memory: deliveries lane by lane, and in what order they go out.

The store holds the backlog; this holds a window of it. Only lanes that move have deliveries here: those of a held lane
go back to the store (as `waiting`), and only the lane's name stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from gateway.delivering.batch import BATCH_BYTES
from gateway.delivering.lanes import Lane, Lanes
from gateway.delivering.window import Window
from gateway.store.base import Delivery, State, shard_of

MAX_HELD_LANES = 10_000
"""With so many lanes held the destination gets nothing new: it is down, and each held lane costs memory."""


class Memory:
    """`spill` marks a delivery as waiting, in the store; `now_ms` is the clock."""

    def __init__(
        self, lane_hold: float | None, limit: int, spill: Callable[[Delivery], None], now_ms: Callable[[], int]
    ) -> None:
        self.lanes = Lanes(lane_hold)
        self.window = Window(limit)
        self.retries: deque[Delivery] = deque()
        self.to_load: deque[Lane] = deque()
        self.ready = 0
        self._ready: deque[Lane] = deque()
        self._spill = spill
        self._now_ms = now_ms

    @property
    def full(self) -> bool:
        """Nothing new is taken in."""
        return self.window.full or self.lanes.held >= MAX_HELD_LANES

    # Coming in

    def admit(self, delivery: Delivery) -> None:
        """A queued delivery, in its order."""
        lane = self.lanes.get(delivery.lane)
        if lane.closed:
            lane.spilled = True
            self._spill(delivery)
            return
        self.window.add(delivery)
        lane.deliveries.append(delivery)
        if lane.ready_ms:
            self.ready += 1
        elif not lane.busy:
            self._make_ready(lane)

    def admit_waiting(self, lane: Lane, deliveries: Sequence[Delivery], more: bool) -> None:
        """What was read for a lane that had spilled."""
        lane.loading = False
        lane.spilled = lane.spilled or more
        for delivery in deliveries:
            self.window.add(delivery)
            lane.deliveries.append(delivery)
        self.advance(lane)

    def admit_retry(self, delivery: Delivery) -> None:
        """A held or beside delivery whose time has come."""
        if delivery.state is State.HELD:
            lane = self.lanes.find(delivery.lane)
            if lane is None or not lane.held or lane.head != delivery.event.seq:
                return  # it was let go of meanwhile
            lane.busy = 1
        self.window.add(delivery)
        self.retries.append(delivery)

    # Going out

    def take(self, most: int) -> list[Delivery]:
        """The next ones to send, of lanes that have been ready for longest."""
        taken: list[Delivery] = []
        size = 0
        while self._ready and len(taken) < most:
            lane = self._ready[0]
            if lane.ready_ms:
                first = lane.deliveries[0]
                if taken and size + first.event.size > BATCH_BYTES:
                    break
                self._make_unready(lane)
                while lane.deliveries and len(taken) < most:
                    size += lane.deliveries[0].event.size
                    if taken and size > BATCH_BYTES:
                        break
                    taken.append(lane.deliveries.pop(0))
                    lane.busy += 1
            self._ready.popleft()
        return taken

    def ready_since_ms(self) -> int:
        """When the first of those that are ready became so."""
        while self._ready and not self._ready[0].ready_ms:
            self._ready.popleft()
        return self._ready[0].ready_ms if self._ready else 0

    def give_back(self, lane_id: int, deliveries: Sequence[Delivery]) -> None:
        """They were taken, and not sent: they go before what follows in their lane, or with it if it was forgotten."""
        lane = self.lanes.find(lane_id)
        if lane is None:
            for delivery in deliveries:
                self.window.remove(delivery)
            return
        lane.busy -= len(deliveries)
        lane.deliveries[:0] = deliveries

    # Lanes that move

    def advance(self, lane: Lane) -> None:
        """The head is out of the way: go on with the next, from memory or from the store."""
        if lane.deliveries:
            self._make_ready(lane)
        elif lane.spilled:
            self.reload(lane)
        else:
            self.lanes.drop(lane)

    def reload(self, lane: Lane) -> None:
        """Read the lane's waiting deliveries when there is room."""
        lane.loading = True
        self.to_load.append(lane)

    def hold(self, lane: Lane, head: int, tried_since_ms: int) -> None:
        """Wait for the head's retry. Followers go back to the store: memory is for lanes that move."""
        self.lanes.hold(lane, head, tried_since_ms)
        for follower in lane.deliveries:
            lane.spilled = True
            self._spill(follower)
            self.window.remove(follower)
        lane.deliveries.clear()

    def forget(self, number: int, shards: frozenset[int]) -> None:
        """Everything in these shards, save what is on its way. `number` is the destination's."""

        def concerned(lane_id: int) -> bool:
            return shard_of(number, lane_id) in shards

        self.window.lose(shards)
        for delivery in self.retries:
            if concerned(delivery.lane):
                self.window.remove(delivery)
        self.retries = deque(delivery for delivery in self.retries if not concerned(delivery.lane))
        for lane in [lane for lane in self.lanes if concerned(lane.id)]:
            self._make_unready(lane)
            for delivery in lane.deliveries:
                self.window.remove(delivery)
            lane.deliveries.clear()
            self.lanes.forget(lane.id)
        for lane_id in filter(concerned, self.lanes.besides):
            self.lanes.forget(lane_id)
        self.to_load = deque(lane for lane in self.to_load if not concerned(lane.id))

    def forget_gaps(self, number: int, shards: frozenset[int]) -> None:
        self.lanes.gaps.forget(lambda lane_id: shard_of(number, lane_id) in shards)

    def _make_ready(self, lane: Lane) -> None:
        lane.ready_ms = self._now_ms()
        self.ready += len(lane.deliveries)
        self._ready.append(lane)

    def _make_unready(self, lane: Lane) -> None:
        if lane.ready_ms:
            lane.ready_ms = 0
            self.ready -= len(lane.deliveries)
