"""The delivery policy, as tables."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from gateway.policy import (
    Dead,
    Decision,
    Delivered,
    Health,
    Outcome,
    Retry,
    Schedule,
    decide,
    hold_until_ms,
    reason,
    retry_after_s,
)

NOW = 1_790_000_000_000
SCHEDULE = Schedule((5.0, 30.0, 120.0), give_up_after=3600.0)


def decision(outcome: Outcome, attempts: int = 1, tried_s: float = 0.0, dice: float = 0.5) -> Decision:
    return decide(
        outcome, attempts=attempts, tried_since_ms=NOW - int(tried_s * 1000), now_ms=NOW, schedule=SCHEDULE,
        dice=lambda: dice,
    )  # fmt: skip


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_delivered(status: int) -> None:
    assert decision(Outcome(status)) == Delivered()


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
    ("status", "attempts", "lane_hold", "fails", "until_s"),
    [
        pytest.param(500, 1, 900.0, False, 900, id="a failure holds for lane_hold"),
        pytest.param(500, 99, None, False, None, id="or for ever"),
        pytest.param(422, 2, 900.0, False, 900, id="refused content holds"),
        pytest.param(422, 3, 900.0, False, 0, id="for three attempts"),
        pytest.param(422, 3, None, False, 0, id="even where lane_hold is for ever"),
        pytest.param(422, 3, 900.0, True, None, id="unless everything there fails"),
        pytest.param(500, 9, 1.0, True, None, id="which holds every lane"),
    ],
)
def test_how_long_a_head_holds_its_lane(
    status: int, attempts: int, lane_hold: float | None, fails: bool, until_s: int | None
) -> None:
    until = hold_until_ms(
        Outcome(status), attempts=attempts, tried_since_ms=NOW, lane_hold=lane_hold, destination_fails=fails
    )
    assert until == (None if until_s is None else NOW + until_s * 1000)


def test_a_destination_fails_when_many_attempts_in_several_lanes_do() -> None:
    health = Health()
    for number in range(50):
        health.record(number % 2, success=False)
    assert not health.fails, "two lanes may have two bad events"
    health.record(2, success=False)
    assert health.fails
    health.record(0, success=True)
    assert not health.fails


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Outcome(204), "ok"), (Outcome(422), "refused"), (Outcome(429), "throttled"), (Outcome(301), "3xx"),
     (Outcome(403), "4xx"), (Outcome(502), "5xx"), (Outcome(None, "tls"), "tls"), (Outcome(None), "connection")],
)  # fmt: skip
def test_reasons_are_of_a_small_set(outcome: Outcome, word: str) -> None:
    assert reason(outcome) == word
