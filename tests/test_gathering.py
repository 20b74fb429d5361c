"""What is committed together: gathered while the loop is busy, and not for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.store.gathering import LIMIT_S, MOST, QUIET_TURNS, Gathering


class Loop:
    """An event loop whose turns are taken by hand, and take the time they are said to."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._soon: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def turn(self, took_s: float = 0.0) -> None:
        self.now_s += took_s
        callbacks, self._soon = self._soon, []
        for callback in callbacks:
            callback()

    @property
    def idle(self) -> bool:
        return not self._soon


@pytest.fixture
def loop() -> Any:
    return Loop()


@pytest.fixture
def committed() -> list[list[int]]:
    return []


@pytest.fixture
def gathering(loop: Any, committed: list[list[int]]) -> Gathering[int]:
    return Gathering(loop, committed.append)


def test_what_comes_alone_waits_for_a_few_turns(
    loop: Loop, gathering: Gathering[int], committed: list[list[int]]
) -> None:
    gathering.add(1)
    for _ in range(QUIET_TURNS):
        loop.turn()
    assert committed == []
    loop.turn()
    assert committed == [[1]]
    assert loop.idle, "nothing turns while there is nothing"


def test_what_comes_in_company_goes_together_and_in_order(
    loop: Loop, gathering: Gathering[int], committed: list[list[int]]
) -> None:
    for number in range(20):
        gathering.add(number)
        loop.turn()
    for _ in range(QUIET_TURNS):
        loop.turn()
    assert committed == [list(range(20))]


def test_a_loop_that_is_never_quiet_does_not_keep_it_waiting(
    loop: Loop, gathering: Gathering[int], committed: list[list[int]]
) -> None:
    turn_s = LIMIT_S * 0.3  # the fourth is beyond it
    for number in range(12):
        gathering.add(number)
        loop.turn(turn_s)
    assert [len(one) for one in committed] == [4, 4, 4]


def test_there_is_a_most(loop: Loop, gathering: Gathering[int], committed: list[list[int]]) -> None:
    for number in range(MOST + 1):
        gathering.add(number)
    loop.turn()
    gathering.add(-1)
    assert [len(one) for one in committed] == [MOST + 1]
    for _ in range(QUIET_TURNS + 1):
        loop.turn()
    assert committed[1:] == [[-1]]


def test_flush_waits_for_nothing(loop: Loop, gathering: Gathering[int], committed: list[list[int]]) -> None:
    gathering.flush()
    assert committed == []
    gathering.add(1)
    gathering.flush()
    assert committed == [[1]]
    gathering.add(2)  # while the turns of the first still go on
    for _ in range(QUIET_TURNS + 1):
        loop.turn()
    assert committed == [[1], [2]]
    assert loop.idle
