"""The time, as an argument: so that tests can say what time it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the former goes on while the machine sleeps


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC, as the machine has them now: they may jump, in both directions."""
        ...

    def steady_ms(self) -> int:
        """The same, as of the start, and steady from there on: for due times and everything that is compared."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer: ...


class SystemClock:
    """The machine's clocks and the running loop's timers."""

    def __init__(self) -> None:
        self._anchor_ms = self.now_ms() - time.clock_gettime_ns(_UPTIME) // 1_000_000

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        return self._anchor_ms + time.clock_gettime_ns(_UPTIME) // 1_000_000

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, seconds), callback)
