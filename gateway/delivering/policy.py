"""What follows from an attempt. Pure: the clock and the dice are arguments.

Classes of outcome, and what each means, are a table; everything else is arithmetic on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from gateway.store.base import Delivery, State

JITTER = 0.2
CONTENT_STATUSES = frozenset({400, 404, 405, 413, 415, 422})
"""The downstream refuses this very event, not the gateway: trying again soon will hardly help."""
SLOW_STATUSES = frozenset({429})
INTERNAL = "internal_"
"""Begins the word for a fault of ours."""
CONTENT_ATTEMPTS = 3
"""Attempts for which a refused event may hold its lane."""


class Outcome(NamedTuple):
    """What came of one attempt. `status` is None where no answer came; then `error` says why in one word."""

    status: int | None
    error: str | None = None
    retry_after: str | None = None
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Waits between attempts, in seconds. The last repeats until `give_up_after` seconds have been tried."""

    waits: Sequence[float]
    give_up_after: float

    def wait(self, attempts: int) -> float:
        """The wait after that many attempts, 1 being the first."""
        return self.waits[min(attempts, len(self.waits)) - 1]

    @property
    def second(self) -> float:
        return self.waits[min(1, len(self.waits) - 1)]


class Retry(NamedTuple):
    due_ms: int


class Dead(NamedTuple):
    pass


Decision = Retry | Dead


def succeeded(outcome: Outcome) -> bool:
    return outcome.status is not None and 200 <= outcome.status < 300


def is_content_failure(outcome: Outcome) -> bool:
    return outcome.status in CONTENT_STATUSES


def is_internal(outcome: Outcome) -> bool:
    """A fault of ours: it says nothing about the destination."""
    return (outcome.error or "").startswith(INTERNAL)


def reason(outcome: Outcome) -> str:
    """A word for metrics, of a small set."""
    if outcome.status is None:
        return outcome.error or "connection"
    if succeeded(outcome):
        return "ok"
    if outcome.status in CONTENT_STATUSES:
        return "refused"
    if outcome.status in SLOW_STATUSES:
        return "throttled"
    return f"{outcome.status // 100}xx"


def decide(
    outcome: Outcome,
    *,
    attempts: int,
    tried_for_ms: int,
    now_ms: int,
    schedule: Schedule,
    dice: Callable[[], float],
) -> Decision:
    """After an attempt that failed. `attempts` includes it; `dice` gives numbers in [0, 1). `tried_for_ms` leaves idle
    time out."""
    base = schedule.wait(attempts)
    if outcome.error == "timeout" or outcome.status in SLOW_STATUSES:
        base = max(base, schedule.second)
    wait = base * (1 - JITTER + 2 * JITTER * dice())
    asked = retry_after_s(outcome.retry_after, now_ms)
    if asked is not None:
        wait = min(max(asked, base), 2 * base)
    wait_ms = int(wait * 1000)
    if tried_for_ms + wait_ms > schedule.give_up_after * 1000:
        return Dead()
    return Retry(now_ms + wait_ms)


def retry_after_s(header: str | None, now_ms: int) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, section 10.2.3): a number, or a date."""
    if not header:
        return None
    header = header.strip()
    if header.isascii() and header.isdigit() and len(header) < 10:
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now_ms / 1000)
    except (TypeError, ValueError, OverflowError):
        return None


def holds_on(
    outcome: Outcome, *, attempts: int, tried_for_ms: int, lane_hold: float | None, destination_fails: bool
) -> bool:
    """Whether a failed head holds its lane.

    `lane_hold` is in seconds, None for ever. A refused event stops holding after CONTENT_ATTEMPTS. While everything
    at the destination fails, lanes are held on: the fault is hardly the event's, and what follows would fail too.
    """
    if destination_fails:
        return True
    if is_content_failure(outcome) and attempts >= CONTENT_ATTEMPTS:
        return False
    return lane_hold is None or tried_for_ms < int(lane_hold * 1000)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a destination is served. `lane_hold` is in seconds, None for ever; `rate` is attempts a second, None for
    any. An event waits up to `batch_wait` seconds for others, where several may go in one request. Not `ordered`: each
    event is a lane of its own."""

    concurrency: int
    lane_hold: float | None
    schedule: Schedule
    rate: float | None = None
    batch_events: int = 1
    batch_wait: float = 0.0
    ordered: bool = True

    @property
    def longest_wait_ms(self) -> int:
        """No retry is due later than that."""
        return int(max(self.schedule.waits) * 2000) + 1000


class Verdict(NamedTuple):
    """What becomes of a delivery after an attempt. `due_ms` is when it is tried again, 0 for never."""

    state: State
    due_ms: int
    tried_since_ms: int


DONE = Verdict(State.DELIVERED, 0, 0)
"""After one that succeeded."""


def judge(
    delivery: Delivery,
    outcome: Outcome,
    rules: Rules,
    *,
    now_ms: int,
    tried_ms: int,
    destination_fails: bool,
    dice: Callable[[], float],
) -> Verdict:
    """After an attempt that failed: a head holds its lane, or is retried beside it; what is beside a lane stays there.

    `tried_ms` is the time on the destination's own clock, which stands still while it is idle.
    """
    tried_since_ms = delivery.tried_since_ms or tried_ms
    tried_for_ms = max(0, tried_ms - tried_since_ms)
    attempts = delivery.attempts + 1
    decision = decide(
        outcome, attempts=attempts, tried_for_ms=tried_for_ms, now_ms=now_ms, schedule=rules.schedule, dice=dice
    )
    if isinstance(decision, Dead):
        return Verdict(State.DEAD, 0, tried_since_ms)
    holds = delivery.state is not State.BESIDE and holds_on(
        outcome, attempts=attempts, tried_for_ms=tried_for_ms, lane_hold=rules.lane_hold,
        destination_fails=destination_fails,
    )  # fmt: skip
    return Verdict(State.HELD if holds else State.BESIDE, decision.due_ms, tried_since_ms)
