"""When a destination counts as down, as tables."""

from __future__ import annotations

import pytest

from gateway.delivering.batch import concerns_all, halves
from gateway.delivering.breaker import ATTEMPTS, LANES, Breaker, is_away, probe_wait_ms
from gateway.delivering.pace import Pace
from gateway.delivering.policy import Outcome

DOWN, FINE, REFUSED, GONE = Outcome(500), Outcome(200), Outcome(422), Outcome(410)


@pytest.mark.parametrize(
    ("outcome", "away", "whole_batch"),
    [
        (Outcome(None, "connect"), True, True),
        (Outcome(None, "timeout"), True, True),
        (Outcome(None, "dns"), True, True),
        (Outcome(None, "disconnected"), True, True),
        (Outcome(None), True, True),
        (Outcome(None, "internal_KeyError"), False, False),
        (Outcome(500), True, False),
        (Outcome(501), True, False),
        (Outcome(502), True, True),
        (Outcome(503), True, True),
        (Outcome(504), True, True),
        (Outcome(429), True, True),
        (Outcome(400), False, False),
        (Outcome(401), False, False),
        (Outcome(404), False, False),
        (Outcome(410), False, False),
        (Outcome(413), False, False),
        (Outcome(422), False, False),
        (Outcome(301), False, False),
        (Outcome(200), False, False),
    ],
)
def test_what_a_failure_says(outcome: Outcome, away: bool, whole_batch: bool) -> None:
    assert is_away(outcome) is away
    assert concerns_all(outcome) is whole_batch


def after(*attempts: tuple[int, Outcome]) -> Breaker:
    """Attempts, a second apart, as (lane, outcome)."""
    breaker = Breaker()
    for second, (lane, outcome) in enumerate(attempts):
        breaker.record([lane], outcome, second * 1000)
    return breaker


def spread(count: int, lanes: int, outcome: Outcome) -> list[tuple[int, Outcome]]:
    return [(number % lanes, outcome) for number in range(count)]


@pytest.mark.parametrize(
    ("attempts", "opens", "fails"),
    [
        pytest.param(spread(ATTEMPTS, LANES, DOWN), True, True, id="so many in a row, over so many lanes"),
        pytest.param(spread(ATTEMPTS - 1, LANES, DOWN), False, False, id="one less"),
        pytest.param(spread(500, LANES - 1, DOWN), False, False, id="two lanes may have two bad events"),
        pytest.param(spread(500, 100, REFUSED), False, True, id="refused content never opens"),
        pytest.param([*spread(9, 9, DOWN), (1, FINE), *spread(9, 9, DOWN)], False, False, id="a success between"),
        pytest.param([*spread(9, 9, DOWN), (1, REFUSED), *spread(9, 9, DOWN)], False, True, id="an answer between"),
        pytest.param(spread(20, 9, DOWN) + spread(1, 1, FINE), False, False, id="a success at the end"),
        pytest.param(spread(20, 9, Outcome(429)), True, True, id="throttled"),
        pytest.param(spread(20, 9, Outcome(None, "internal_X")), False, True, id="our own fault"),
    ],
)  # fmt: skip
def test_when_it_opens(attempts: list[tuple[int, Outcome]], opens: bool, fails: bool) -> None:
    breaker = after(*attempts)
    assert breaker.opens is opens
    assert breaker.fails is fails


def test_a_batch_is_one_attempt_over_many_lanes() -> None:
    breaker = Breaker()
    for _ in range(ATTEMPTS - 1):
        breaker.record(range(100), DOWN, 0)
    assert not breaker.opens
    breaker.record([1], DOWN, 0)
    assert breaker.opens
    breaker.forget()
    assert not breaker.opens
    assert not breaker.fails


@pytest.mark.parametrize(
    ("times_s", "gone"),
    [
        pytest.param([0, 30, 61], True, id="three times over more than a minute"),
        pytest.param([0, 30, 60], False, id="not longer than a minute"),
        pytest.param([0, 100], False, id="twice"),
        pytest.param([0, 1, 2, 3, 70], True, id="the first counts"),
    ],
)
def test_410_for_a_while_means_gone(times_s: list[int], gone: bool) -> None:
    breaker = Breaker()
    for time_s in times_s:
        breaker.record([1], GONE, time_s * 1000)
    assert breaker.says_gone(times_s[-1] * 1000) is gone


def test_410_must_be_in_a_row() -> None:
    breaker = Breaker()
    for time_s, outcome in ((0, GONE), (40, GONE), (50, DOWN), (80, GONE), (90, GONE), (100, GONE)):
        breaker.record([1], outcome, time_s * 1000)
    assert not breaker.says_gone(100_000)


def test_probes_become_rarer() -> None:
    waits = [probe_wait_ms(failures, 1, lambda: 0.5) for failures in range(7)]
    assert waits == [5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]
    assert probe_wait_ms(10_000, 1, lambda: 0.5) == 60_000
    assert probe_wait_ms(0, 3, lambda: 0.5) == 15_000, "each of three replicas probes a third as often"
    assert (probe_wait_ms(0, 1, lambda: 0.0), probe_wait_ms(0, 1, lambda: 1.0)) == (4_000, 6_000)


def starts(pace: Pace, until_ms: int, start_ms: int = 0) -> list[int]:
    """When attempts begin that are made as soon as they may be."""
    now_ms = start_ms
    begun = []
    while now_ms <= until_ms:
        wait_ms = pace.wait_ms(now_ms)
        if wait_ms:
            now_ms += wait_ms
        else:
            pace.take()
            begun.append(now_ms)
    return begun


@pytest.mark.parametrize(("rate", "in_ten_seconds"), [(10.0, 109), (1.0, 10), (0.5, 5), (100.0, 1090)])
def test_a_second_is_worth_so_many_attempts(rate: float, in_ten_seconds: int) -> None:
    begun = starts(Pace(rate, 0), 10_000)
    assert in_ten_seconds <= len(begun) <= rate * 10 + max(1, rate)
    assert len([time for time in begun if time == 0]) == max(1, int(rate))
    for start in range(0, 9_000, 500):
        window = [time for time in begun if start <= time < start + 1_000]
        assert len(window) <= 2 * max(1, rate), "never more than a second's worth above the rate"


def test_a_pace_can_change_and_time_can_stand_still() -> None:
    pace = Pace(10.0, 0)
    assert len(starts(pace, 0)) == 10
    pace.change(2.0, 0)
    assert starts(pace, 1_600) == [501, 1_001, 1_501]
    assert pace.wait_ms(0) > 0, "a clock that goes back gives nothing"
    assert pace.wait_ms(1_501) > 0, "nor does it when it comes forward again"


def test_halves() -> None:
    assert halves([1, 2, 3, 4, 5]) == ([1, 2, 3], [4, 5])
    assert halves([1, 2]) == ([1], [2])
