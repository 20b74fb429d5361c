"""When a destination counts as down, and how it is probed then. Pure: clock and dice are arguments.

Health counts failures of every kind: then the fault is hardly a single event's. The breaker counts those that say
that the destination is not there. The latter is more: it stops deliveries, and the store remembers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.delivering.policy import JITTER, Outcome, is_internal, succeeded

ATTEMPTS = 10
LANES = 3
"""So many failures in a row, over so many lanes, are no longer single events' fault."""

FIRST_PROBE_S = 5.0
LAST_PROBE_S = 60.0

GONE = 410
GONE_ANSWERS = 3
GONE_AFTER_MS = 60_000


def is_away(outcome: Outcome) -> bool:
    """Whether it says that the destination is not there: no answer, 5xx or 429. Our own faults say nothing."""
    if outcome.status is None:
        return not is_internal(outcome)
    return outcome.status >= 500 or outcome.status == 429


class Streak:
    """Attempts of one kind in a row, and over how many lanes, so that one bad event does not look like a bad day."""

    __slots__ = ("_attempts", "_lanes")

    def __init__(self) -> None:
        self._attempts = 0
        self._lanes: set[int] = set()

    def count(self, lanes: Iterable[int]) -> None:
        self._attempts += 1
        if len(self._lanes) < LANES:
            self._lanes.update(lanes)

    def end(self) -> None:
        if self._attempts:
            self._attempts = 0
            self._lanes.clear()

    @property
    def long(self) -> bool:
        return self._attempts >= ATTEMPTS and len(self._lanes) >= LANES


class Breaker:
    """What the last attempts at a destination say of it."""

    __slots__ = ("_away", "_failed", "_gone", "_gone_since_ms", "ever_succeeded")

    def __init__(self) -> None:
        self.ever_succeeded = False
        self._failed = Streak()
        self._away = Streak()
        self._gone = 0
        self._gone_since_ms = 0

    def record(self, lanes: Iterable[int], outcome: Outcome, now_ms: int) -> None:
        """One attempt, with events of these lanes."""
        if succeeded(outcome):
            self.ever_succeeded = True
            self.forget()
            return
        self._failed.count(lanes)
        if is_away(outcome):
            self._away.count(lanes)
        else:
            self._away.end()
        if outcome.status != GONE:
            self._gone = 0
            return
        if not self._gone:
            self._gone_since_ms = now_ms
        self._gone += 1

    @property
    def fails(self) -> bool:
        """Everything fails, for whatever reason."""
        return self._failed.long

    @property
    def opens(self) -> bool:
        """It is down: time to open."""
        return self._away.long

    def says_gone(self, now_ms: int) -> bool:
        """It has answered 410 for a while: its owner wants no more."""
        return self._gone >= GONE_ANSWERS and now_ms - self._gone_since_ms > GONE_AFTER_MS

    def forget(self) -> None:
        """There was nothing."""
        self._failed.end()
        self._away.end()
        self._gone = 0


def probe_wait_ms(failures: int, replicas: int, dice: Callable[[], float]) -> int:
    """Until the next probe, after so many that failed. All replicas probe: the destination gets no more for that."""
    wait_s = min(FIRST_PROBE_S * 2 ** min(failures, 10), LAST_PROBE_S)
    return int(wait_s * replicas * (1 - JITTER + 2 * JITTER * dice()) * 1000)
