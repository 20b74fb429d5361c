"""Attempts in flight of the whole process: so many at most, and given out in turn where there are fewer than wanted."""

from __future__ import annotations

from collections import deque

from gateway.delivering.gate import Queue


class Slots:
    """Ask `free` before `take`. Who is refused is pumped when its turn comes; it may take one then."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self._waiting: deque[Queue] = deque()
        self._known: set[Queue] = set()
        self._invited: Queue | None = None

    def free(self, queue: Queue) -> bool:
        """Whether there is one for it. If not it is in the queue for one."""
        if self.left > 0 and (not self._waiting or queue is self._invited):
            return True
        if queue not in self._known:
            self._known.add(queue)
            self._waiting.append(queue)
        return False

    def take(self) -> None:
        self.left -= 1
        self._invited = None

    def give_back(self) -> None:
        self.left += 1
        while self.left > 0 and self._waiting:
            before = self._invited = self._waiting.popleft()
            self._known.discard(before)
            before.pump()
            self._invited = None
