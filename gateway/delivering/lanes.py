"""Lanes: what must stay in order at a destination, and which of them wait for what.

One delivery of a lane is on its way at a time (a batch takes several, one behind the other). When that fails, the
lane is held for it. A lane that was held long enough moves on, and its head goes on beside it: until that is through,
what follows in the lane carries a gap.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from gateway.store.base import Delivery, State

MAX_GAPS = 10_000
"""In memory, of a queue."""


class Lane:
    """A lane with something in memory, or held.

    `busy` counts its deliveries that are on their way. `head` is the one that it is held for. `excused`: the head
    failed last while everything did, or before the last start; nothing overtakes it before one more attempt.
    `expiring` is the head whose end of holding is noted. `ready_ms` is when it had something to send, 0 while not.
    """

    __slots__ = ("busy", "deliveries", "excused", "expiring", "head", "held", "id", "loading", "ready_ms", "spilled")

    def __init__(self, lane_id: int) -> None:
        self.id = lane_id
        self.deliveries: list[Delivery] = []  # few, and mostly one: a deque takes ten times the memory
        self.busy = 0
        self.excused = False
        self.expiring = 0
        self.held = False
        self.head = 0
        self.ready_ms = 0
        self.spilled = False
        self.loading = False

    @property
    def closed(self) -> bool:
        """What comes must wait in the store, behind what is already there."""
        return self.held or self.spilled or self.loading


class Gaps:
    """Lanes whose last delivery was given up: the next one tells it. The store has the same ones, and more."""

    __slots__ = ("_lanes",)

    def __init__(self) -> None:
        self._lanes: dict[int, None] = {}

    def add(self, lane_ids: Iterable[int]) -> None:
        """The latest stand last. With too many of them the oldest are forgotten."""
        for lane_id in lane_ids:
            self._lanes.pop(lane_id, None)
            self._lanes[lane_id] = None
        while len(self._lanes) > MAX_GAPS:
            del self._lanes[next(iter(self._lanes))]

    def note(self, delivery: Delivery, state: State, *, ordered: bool) -> bool:
        """What became of a delivery: whether a gap of its lane begins with it, or was told by it.

        Without order nobody comes after it. One beside its lane tells nothing: it comes after those that do.
        """
        lane = delivery.lane
        if state is State.DEAD and ordered:
            self.add((lane,))
            return True
        if state is State.DELIVERED and lane in self._lanes and delivery.state is not State.BESIDE:
            del self._lanes[lane]
            return True
        return False

    def forget(self, concerned: Callable[[int], bool]) -> None:
        self._lanes = {lane_id: None for lane_id in self._lanes if not concerned(lane_id)}

    def __contains__(self, lane_id: int) -> bool:
        return lane_id in self._lanes


class Lanes:
    """The lanes of one destination. `lane_hold` is in seconds, None for ever."""

    def __init__(self, lane_hold: float | None) -> None:
        self.held = 0
        self._lane_hold = lane_hold
        self._lanes: dict[int, Lane] = {}
        self._releases: list[tuple[int, int, int]] = []
        self._beside: Counter[int] = Counter()
        self.gaps = Gaps()

    def get(self, lane_id: int) -> Lane:
        """The lane; a new one if nothing of it is here."""
        lane = self._lanes.get(lane_id)
        if lane is None:
            lane = self._lanes[lane_id] = Lane(lane_id)
        return lane

    def find(self, lane_id: int) -> Lane | None:
        return self._lanes.get(lane_id)

    def drop(self, lane: Lane) -> None:
        """Nothing of it is left."""
        self._lanes.pop(lane.id, None)

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def hold(self, lane: Lane, head: int, tried_since_ms: int) -> None:
        """Wait for the head's retry."""
        lane.head = head
        if not lane.held:
            lane.held = True
            self.held += 1
        self.expect_release(lane, tried_since_ms)

    def expect_release(self, lane: Lane, tried_since_ms: int) -> None:
        """Note when the lane has been held long enough, on the destination's clock of tried time."""
        if self._lane_hold is not None and lane.expiring != lane.head:
            lane.expiring = lane.head
            release_ms = tried_since_ms + int(self._lane_hold * 1000)
            heapq.heappush(self._releases, (release_ms, lane.id, lane.head))

    def release(self, lane: Lane) -> None:
        if lane.held:
            lane.held = False
            self.held -= 1

    @property
    def next_release_ms(self) -> int | None:
        return self._releases[0][0] if self._releases else None

    def overdue(self, tried_ms: int) -> Iterator[Lane]:
        """Lanes that were held long enough, once each; not those whose head is on its way: its outcome decides."""
        while self._releases and self._releases[0][0] <= tried_ms:
            _, lane_id, head = heapq.heappop(self._releases)
            lane = self._lanes.get(lane_id)
            if lane is None or lane.expiring != head:
                continue
            lane.expiring = 0
            if lane.held and lane.head == head and not lane.busy:
                yield lane

    def add_beside(self, lane_id: int) -> None:
        """The lane moved on without one of its deliveries."""
        self._beside[lane_id] += 1

    def remove_beside(self, lane_id: int) -> None:
        if lane_id not in self._beside:  # its shard was given up while it was on its way
            return
        self._beside[lane_id] -= 1
        if self._beside[lane_id] <= 0:
            del self._beside[lane_id]

    def is_beside(self, lane_id: int) -> bool:
        """Whether something earlier of the lane is outstanding."""
        return lane_id in self._beside

    @property
    def besides(self) -> list[int]:
        return list(self._beside)

    def forget(self, lane_id: int) -> None:
        """All that is known of it."""
        lane = self._lanes.pop(lane_id, None)
        if lane is not None:
            self.release(lane)
        self._beside.pop(lane_id, None)
