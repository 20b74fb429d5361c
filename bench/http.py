"""What is measured through sockets: accepting, delivering, latency, memory."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import servers, sink
from bench.figures import Row, Sample, pair, quantile
from bench.load import LoadError, Outcome, closed_loop, open_loop
from bench.machine import Server
from bench.messages import requests

WARM_UP = 1_000
DRAIN_LIMIT_S = 60.0


@dataclass(frozen=True)
class Sizes:
    """How many requests each run sends, and in how many rounds."""

    rounds: int
    bare: int
    accept: int
    relay: int
    end_to_end: int
    latency: int


FULL = Sizes(rounds=5, bare=40_000, accept=20_000, relay=12_000, end_to_end=10_000, latency=12_000)
QUICK = Sizes(rounds=2, bare=20_000, accept=8_000, relay=6_000, end_to_end=5_000, latency=4_000)


@dataclass
class HttpMeasures:
    """Runs everything in turns, then gives rows."""

    sizes: Sizes
    directory: Path
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(0, 1_000_000))
    _samples: dict[str, list[Sample]] = field(default_factory=dict)
    _peak_mb: float = 0.0

    def rows(self) -> list[Row]:
        for _ in range(self.sizes.rounds):
            self._note("bare", self._bare())
            self._note("accept", self._accept())
            self._note("relay", self._relay())
            self._note("end to end", self._end_to_end())
        got = self._samples
        return [
            pair("accept", "req/s", got["accept"], got["bare"], 0.28, "stored before 200; ceiling: bare aiohttp"),
            pair(
                "end to end", "ev/s", got["end to end"], got["relay"], 0.40,
                "stored, then delivered and settled; ceiling: in-memory relay",
            ),
            self._latency(),
            Row(
                "memory", f"{self._peak_mb:.0f} MB", value=self._peak_mb, at_most=120, unit=" MB",
                note="peak resident, of all runs of the gateway",
            ),
        ]  # fmt: skip

    def _note(self, name: str, sample: Sample) -> None:
        self._samples.setdefault(name, []).append(sample)

    def _requests(self, count: int) -> list[bytes]:
        return requests(next(self._numbers), count)

    def _bare(self) -> Sample:
        with servers.bare() as server:
            return self._saturate(server, self.sizes.bare)

    def _accept(self) -> Sample:
        with servers.new_directory(self.directory) as name:
            with servers.gateway(Path(name)) as server:
                sample = self._saturate(server, self.sizes.accept)
                self._peak_mb = max(self._peak_mb, server.peak_mb())
            _check("events in the store", servers.stored_events(Path(name)), self.sizes.accept + WARM_UP)
        return sample

    def _relay(self) -> Sample:
        with servers.sink() as downstream, servers.relay(downstream) as server:
            return self._saturate_through(server, downstream, self.sizes.relay)

    def _end_to_end(self) -> Sample:
        with (
            servers.new_directory(self.directory) as name,
            servers.sink() as downstream,
            servers.gateway(Path(name), downstream) as server,
        ):
            sample = self._saturate_through(server, downstream, self.sizes.end_to_end)
            self._peak_mb = max(self._peak_mb, server.peak_mb())
        return sample

    def _saturate(self, server: Server, count: int) -> Sample:
        """As fast as the server answers."""
        _checked(closed_loop(server.port, self._requests(WARM_UP)), WARM_UP)
        load = self._requests(count)
        cpu = server.cpu_s()
        outcome = _checked(closed_loop(server.port, load), count)
        return Sample(outcome.rate, (server.cpu_s() - cpu) / count * 1e6)

    def _saturate_through(self, server: Server, downstream: Server, count: int) -> Sample:
        """As fast as the server answers; over when the last event has reached the sink."""
        _checked(closed_loop(server.port, self._requests(WARM_UP)), WARM_UP)
        await_drained(downstream, WARM_UP)
        load = self._requests(count)
        cpu = server.cpu_s()
        outcome = _checked(closed_loop(server.port, load), count)
        last = await_drained(downstream, WARM_UP + count)
        return Sample(count / (last - outcome.started), (server.cpu_s() - cpu) / count * 1e6)

    def _latency(self) -> Row:
        """Of accepting, at half of what it can: there a queue is the server's fault."""
        rate = sorted(sample.rate for sample in self._samples["accept"])[self.sizes.rounds // 2] / 2
        with servers.new_directory(self.directory) as name, servers.gateway(Path(name)) as server:
            _checked(closed_loop(server.port, self._requests(WARM_UP)), WARM_UP)
            load = self._requests(self.sizes.latency)
            outcome = _checked(open_loop(server.port, load, rate), len(load))
            self._peak_mb = max(self._peak_mb, server.peak_mb())
        median, high = (quantile(outcome.latencies, share) * 1000 for share in (0.5, 0.99))
        return Row(
            "latency", f"p50 {median:.1f} ms, p99 {high:.1f} ms",
            note=f"of accepting, at {rate:,.0f} req/s, half of the rate above, open loop",
            figures={"p50_ms": median, "p99_ms": high, "rate": rate},
        )  # fmt: skip


def _checked(outcome: Outcome, count: int) -> Outcome:
    _check("answers 200", outcome.answered, count)
    return outcome


def _check(what: str, got: int, expected: int) -> None:
    if got != expected:
        raise LoadError(f"{got} {what}, not {expected}")


def await_drained(downstream: Server, count: int) -> float:
    """Wait for that many distinct events; when the last one came."""
    deadline = time.monotonic() + DRAIN_LIMIT_S
    while (figures := sink.ask(downstream.url)).distinct < count:
        if time.monotonic() > deadline:
            raise LoadError(f"{figures.distinct} of {count} events reached the sink in {DRAIN_LIMIT_S:.0f} s")
        time.sleep(0.05)
    return figures.last
