"""The delivery policy, as tables."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from gateway.delivering.policy import (
    Dead,
    Decision,
    Outcome,
    Retry,
    Rules,
    Schedule,
    Verdict,
    decide,
    holds_on,
    judge,
    reason,
    retry_after_s,
    succeeded,
)
from gateway.store.base import Delivery, State, StoredEvent

NOW = 1_790_000_000_000
SCHEDULE = Schedule((5.0, 30.0, 120.0), give_up_after=3600.0)


def decision(outcome: Outcome, attempts: int = 1, tried_s: float = 0.0, dice: float = 0.5) -> Decision:
    return decide(
        outcome, attempts=attempts, tried_for_ms=int(tried_s * 1000), now_ms=NOW, schedule=SCHEDULE,
        dice=lambda: dice,
    )  # fmt: skip


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_success(status: int) -> None:
    assert succeeded(Outcome(status))


@pytest.mark.parametrize("status", [None, 100, 199, 300, 304, 404, 500])
def test_nothing_else_is(status: int | None) -> None:
    assert not succeeded(Outcome(status))


@pytest.mark.parametrize(
    ("outcome", "attempts", "dice", "wait_s"),
    [
        pytest.param(Outcome(500), 1, 0.5, 5, id="first step"),
        pytest.param(Outcome(500), 2, 0.5, 30, id="second step"),
        pytest.param(Outcome(500), 3, 0.5, 120, id="last step"),
        pytest.param(Outcome(500), 40, 0.5, 120, id="the last step repeats"),
        pytest.param(Outcome(500), 1, 0.0, 4, id="least jitter"),
        pytest.param(Outcome(500), 1, 1.0, 6, id="most jitter"),
        pytest.param(Outcome(301), 1, 0.5, 5, id="a redirection is a failure"),
        pytest.param(Outcome(422), 1, 0.5, 5, id="refused content is tried again"),
        pytest.param(Outcome(None, "connect"), 1, 0.5, 5, id="no connection"),
        pytest.param(Outcome(None, "timeout"), 1, 0.5, 30, id="a timeout waits the second step at least"),
        pytest.param(Outcome(None, "timeout"), 3, 0.5, 120, id="and no less than its own"),
        pytest.param(Outcome(429), 1, 0.5, 30, id="throttling waits the second step at least"),
        pytest.param(Outcome(503, None, "7"), 1, 0.5, 7, id="Retry-After"),
        pytest.param(Outcome(503, None, "1"), 1, 0.5, 5, id="Retry-After below the step"),
        pytest.param(Outcome(503, None, "86400"), 1, 0.5, 10, id="Retry-After above twice the step"),
        pytest.param(Outcome(429, None, "45"), 1, 0.5, 45, id="Retry-After of throttling"),
        pytest.param(Outcome(503, None, "soon"), 1, 0.5, 5, id="Retry-After that is rubbish"),
    ],
)
def test_waits(outcome: Outcome, attempts: int, dice: float, wait_s: float) -> None:
    assert decision(outcome, attempts, dice=dice) == Retry(NOW + int(wait_s * 1000))


def test_gives_up_when_the_next_attempt_would_be_too_late() -> None:
    assert decision(Outcome(500), attempts=9, tried_s=3600 - 120) == Retry(NOW + 120_000)
    assert decision(Outcome(500), attempts=9, tried_s=3600 - 119) == Dead()


def test_retry_after_may_be_a_date() -> None:
    assert retry_after_s(formatdate(NOW / 1000 + 90, usegmt=True), NOW) == 90
    assert retry_after_s(formatdate(NOW / 1000 - 90, usegmt=True), NOW) == 0
    assert retry_after_s("", NOW) is None
    assert retry_after_s("-5", NOW) is None
    assert retry_after_s("9" * 400, NOW) is None


@pytest.mark.parametrize(
    ("status", "attempts", "tried_s", "lane_hold", "fails", "holds"),
    [
        pytest.param(500, 1, 899, 900.0, False, True, id="a failure holds for lane_hold"),
        pytest.param(500, 1, 900, 900.0, False, False, id="and no longer"),
        pytest.param(500, 99, 10**6, None, False, True, id="or for ever"),
        pytest.param(422, 2, 10, 900.0, False, True, id="refused content holds"),
        pytest.param(422, 3, 10, 900.0, False, False, id="for three attempts"),
        pytest.param(422, 3, 10, None, False, False, id="even where lane_hold is for ever"),
        pytest.param(422, 3, 10, 900.0, True, True, id="unless everything there fails"),
        pytest.param(500, 9, 10, 1.0, True, True, id="which holds every lane"),
    ],
)
def test_how_long_a_head_holds_its_lane(
    status: int, attempts: int, tried_s: int, lane_hold: float | None, fails: bool, holds: bool
) -> None:
    held = holds_on(
        Outcome(status), attempts=attempts, tried_for_ms=tried_s * 1000, lane_hold=lane_hold, destination_fails=fails
    )
    assert held is holds


def judged(delivery: Delivery, tried_ms: int, status: int = 500) -> Verdict:
    rules = Rules(1, 900.0, SCHEDULE)
    return judge(
        delivery, Outcome(status), rules, now_ms=NOW, tried_ms=tried_ms, destination_fails=False, dice=lambda: 0.5
    )


def delivery(attempts: int = 0, tried_since_ms: int = 0, state: State = State.QUEUED) -> Delivery:
    event = StoredEvent(1, b"", 1, "", NOW, False, "", b"", b"", 1)
    return Delivery(event, 1, 7, state, attempts, tried_since_ms)


def test_only_tried_time_counts() -> None:
    """Due times are on the wall, everything else on the destination's own clock, which may be far behind."""
    slow = NOW - 50 * 86_400_000
    assert judged(delivery(), slow) == Verdict(State.HELD, NOW + 5_000, slow)
    assert judged(delivery(3, slow - 899_000), slow).state is State.HELD
    assert judged(delivery(3, slow - 900_000), slow).state is State.BESIDE
    assert judged(delivery(3, slow - 3_600_000 + 120_000), slow).state is State.BESIDE
    assert judged(delivery(3, slow - 3_600_000 + 119_000), slow).state is State.DEAD
    assert judged(delivery(3, slow, State.BESIDE), slow).state is State.BESIDE, "what is beside a lane stays there"
    assert judged(delivery(3, slow + 999), slow).state is State.HELD, "a clock that was ahead does no harm"


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Outcome(204), "ok"), (Outcome(422), "refused"), (Outcome(429), "throttled"), (Outcome(301), "3xx"),
     (Outcome(403), "4xx"), (Outcome(502), "5xx"), (Outcome(None, "tls"), "tls"), (Outcome(None), "connection")],
)  # fmt: skip
def test_reasons_are_of_a_small_set(outcome: Outcome, word: str) -> None:
    assert reason(outcome) == word
