"""Group commit: what comes in company is committed together.

A commit costs nearly the same for one request as for sixty, and where a thread makes it, thread and loop take the
interpreter lock from each other meanwhile. So requests wait until the loop has done with all that has arrived: then
there is the most to commit, and the least to disturb. One that comes alone waits for a few empty turns of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

QUIET_TURNS = 3
"""So many turns without anything new: it takes a request as many from the socket to here."""
LIMIT_S = 0.005
"""Nothing waits longer, however much there is to do."""
MOST = 256
"""In one commit, about."""


class Gathering(Generic[T]):
    """`hand_over` is called with what has gathered, in its order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hand_over: Callable[[list[T]], None]) -> None:
        self._loop = loop
        self._hand_over = hand_over
        self._gathered: list[T] = []
        self._until_s = 0.0
        self._quiet_turns = 0
        self._turning = False

    def add(self, one: T) -> None:
        self._quiet_turns = 0
        if not self._gathered:
            self._until_s = self._loop.time() + LIMIT_S
        self._gathered.append(one)
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._quiet_turns += 1
        if self._quiet_turns > QUIET_TURNS or len(self._gathered) >= MOST or self._loop.time() >= self._until_s:
            self._turning = False
            self.flush()
        else:
            self._loop.call_soon(self._turn)

    def flush(self) -> None:
        """Wait no longer."""
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._hand_over(gathered)
