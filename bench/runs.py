"""What measures share: their sizes and places, and runs that end with everything counted."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench import sink
from bench.figures import Sample
from bench.load import LoadError, Outcome, closed_loop
from bench.machine import Server
from bench.messages import requests

WARM_UP = 1_000
STALLED_S = 30.0
"""Nothing new at the sink for so long: the rest will not come."""


class LeftOut(Exception):
    """A measure cannot run here; the message says why."""


@dataclass(frozen=True)
class Bench:
    """A run of the suite. Stores are made in `directory`."""

    directory: Path
    quick: bool
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(0, 10_000_000))

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 5

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def first(self) -> int:
        """The number of a message from which on ten million have not been used."""
        return next(self._numbers)

    def requests(self, count: int) -> list[bytes]:
        return requests(self.first(), count)

    def new_directory(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="wa-gateway-bench-", dir=self.directory)


class Process(Protocol):
    def cpu_s(self) -> float: ...


def in_turns(rounds: int, *contenders: Callable[[], Sample]) -> list[list[Sample]]:
    """The samples of each. The order is turned round every time: nobody always comes after somebody."""
    samples: list[list[Sample]] = [[] for _ in contenders]
    for turn in range(rounds):
        order = list(zip(contenders, samples, strict=True))
        for run, collected in order if turn % 2 == 0 else reversed(order):
            collected.append(run())
    return samples


def median_rate(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.rate for sample in samples)


def cpu_s(processes: Sequence[Process]) -> float:
    return sum(process.cpu_s() for process in processes)


def answered(server: Server, load: Sequence[bytes]) -> Outcome:
    """As fast as the server answers; with 200, each of them."""
    return checked(closed_loop(server.port, load), len(load))


def saturate(bench: Bench, server: Server, load: Sequence[bytes]) -> Sample:
    """How many it accepts."""
    answered(server, bench.requests(WARM_UP))
    cpu = server.cpu_s()
    outcome = answered(server, load)
    return Sample(outcome.rate, (server.cpu_s() - cpu) / len(load) * 1e6)


def saturate_through(
    server: Server,
    downstream: Server,
    warm_up: Sequence[bytes],
    load: Sequence[bytes],
    *,
    items: int = 1,
    beside: Sequence[Process] = (),
) -> Sample:
    """How many it accepts and delivers; over when the last event has reached the sink.

    Requests hold `items` events each. The work of the processes `beside` the server counts as its own.
    """
    answered(server, warm_up)
    await_drained(downstream, len(warm_up) * items)
    processes = [server, *beside]
    cpu = cpu_s(processes)
    outcome = answered(server, load)
    last = await_drained(downstream, (len(warm_up) + len(load)) * items).last
    events = len(load) * items
    return Sample(events / (last - outcome.started), (cpu_s(processes) - cpu) / events * 1e6)


def await_drained(downstream: Server, count: int) -> sink.Figures:
    """Wait for that many distinct events. What the sink has counted then."""
    best, since = -1, time.monotonic()
    while (figures := sink.ask(downstream.url)).distinct < count:
        if figures.distinct > best:
            best, since = figures.distinct, time.monotonic()
        if time.monotonic() - since > STALLED_S:
            raise LoadError(f"{figures.distinct} of {count} events reached the sink, then none for {STALLED_S:.0f} s")
        time.sleep(0.05)
    check("distinct events at the sink", figures.distinct, count)
    return figures


def checked(outcome: Outcome, count: int) -> Outcome:
    check("answers 200", outcome.answered, count)
    return outcome


def check(what: str, got: int, expected: int) -> None:
    if got != expected:
        raise LoadError(f"{got} {what}, not {expected}")
