"""What a destination is told to do, by its operator and by its breaker, and how much of its time was idle.

Pure. The store keeps one Control for each destination, and all replicas read it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Mode(StrEnum):
    """What the operator wants, or the gateway itself after a lasting 410. Reloading configuration never changes it."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class Order(StrEnum):
    """What an operator says, by the names of the verbs."""

    PAUSE = "pause"
    RESUME = "resume"
    DISABLE = "disable"
    ENABLE = "enable"


_LEADS = {
    Order.PAUSE: {Mode.ACTIVE: Mode.PAUSED},
    Order.RESUME: {Mode.PAUSED: Mode.ACTIVE},
    Order.DISABLE: {Mode.ACTIVE: Mode.DISABLED, Mode.PAUSED: Mode.DISABLED},
    Order.ENABLE: {Mode.PAUSED: Mode.ACTIVE, Mode.DISABLED: Mode.ACTIVE},
}
"""From mode to mode; what is not here stays as it is. Out of disabled, by whomever, there is one way: enable."""


@dataclass(frozen=True, slots=True)
class Control:
    """`open_since_ms` is when the breaker opened, 0 while it is closed. Times are milliseconds since 1970 UTC.

    Idle is the time in which deliveries were not really tried: paused, disabled, or with the breaker open. It counts
    neither towards giving up nor towards the end of a lane's hold.
    """

    destination: int
    mode: Mode = Mode.ACTIVE
    reason: str = ""
    mode_since_ms: int = 0
    open_since_ms: int = 0
    idle_ms: int = 0
    idle_since_ms: int = 0

    @property
    def parks(self) -> bool:
        """Pending deliveries are parked: none is tried until the operator resumes."""
        return self.mode is not Mode.ACTIVE

    @property
    def idle(self) -> bool:
        return self.parks or self.open_since_ms > 0

    def tried_ms(self, now_ms: int) -> int:
        """A clock that stands still while the destination is idle. Only differences of it mean anything."""
        idle_ms = self.idle_ms
        if self.idle:
            idle_ms += max(0, now_ms - self.idle_since_ms)
        return now_ms - idle_ms

    def told(self, order: Order, reason: str, now_ms: int) -> Control:
        """After an operator's order; the same, where that changes nothing."""
        return self.with_mode(_LEADS[order].get(self.mode, self.mode), reason, now_ms)

    def with_mode(self, mode: Mode, reason: str, now_ms: int) -> Control:
        if mode is self.mode:
            return self
        return self._moved(replace(self, mode=mode, reason=reason, mode_since_ms=now_ms), now_ms)

    def opened(self, now_ms: int) -> Control:
        """The breaker opens; no change where it is open."""
        return self if self.open_since_ms else self._moved(replace(self, open_since_ms=now_ms), now_ms)

    def closed(self, now_ms: int) -> Control:
        return self._moved(replace(self, open_since_ms=0), now_ms) if self.open_since_ms else self

    def _moved(self, after: Control, now_ms: int) -> Control:
        if after.idle and not self.idle:
            return replace(after, idle_since_ms=now_ms)
        if self.idle and not after.idle:
            idle_ms = self.idle_ms + max(0, now_ms - self.idle_since_ms)
            return replace(after, idle_ms=idle_ms, idle_since_ms=0)
        return after
