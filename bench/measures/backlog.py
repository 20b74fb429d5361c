"""A million events that wait for their destination: memory, the first delivery after a start, accepting, draining."""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from bench import servers, sink
from bench.figures import Row, Sample, pair, spread
from bench.load import LoadError
from bench.machine import ALL_CORES, SERVER_CORE, Server
from bench.measures.end_to_end import fresh
from bench.runs import WARM_UP, Bench, answered, await_drained, check, in_turns, saturate

PORTION = 20_000
"""Requests rendered at one time while the store is filled."""
FIRST_S = 60.0


@dataclass
class _Findings:
    idle_mb: list[float] = field(default_factory=list)
    peaks_mb: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)


def rows(bench: Bench) -> list[Row]:
    count = bench.size(1_000_000, quick=20_000)
    found = _Findings()
    with bench.new_directory() as name:
        directory = Path(name)
        _fill(bench, directory, count)
        full, empty = in_turns(
            bench.rounds, lambda: _accept_behind(bench, directory, found), lambda: _accept_empty(bench, found)
        )
        stored = servers.stored_events(directory)
        check("events in the store", stored, count + bench.rounds * (WARM_UP + _accepts(bench)))
        before = [fresh(bench) for _ in range(bench.rounds)]
        drained = _drain(directory, stored, found)
        after = [fresh(bench) for _ in range(bench.rounds)]
    return _rows(f"{count:,} waiting", found, full, empty, drained, before + after)


def _rows(
    title: str, found: _Findings, full: list[Sample], empty: list[Sample], drained: Sample, freshly: list[Sample]
) -> list[Row]:
    idle, peak, first = statistics.median(found.idle_mb), max(found.peaks_mb), statistics.median(found.first_s)
    return [
        Row(
            f"{title}: memory", f"{peak:.0f} MB", f"{idle:.0f} MB", f"+{peak - idle:.0f} MB", peak - idle,
            at_most=100, unit=" MB", note="peak of accepting and draining, against one just started on an empty store",
            figures={"idle_mb": found.idle_mb, "peaks_mb": found.peaks_mb},
        ),
        Row(
            f"{title}: first delivery", f"{spread(found.first_s)} s", value=first, at_most=2, unit=" s",
            note="from the start of the process", figures={"seconds": found.first_s},
        ),
        pair(
            f"{title}: accept", "req/s", full, empty, 0.9,
            "against an empty store; the destination takes connections and does not answer, in both",
        ),
        pair(
            f"{title}: drain", "ev/s", [drained] * len(freshly), freshly, 0.8,
            "all of it, once, against messages end to end, before and after",
        ),
    ]  # fmt: skip


def _fill(bench: Bench, directory: Path, count: int) -> None:
    """By a gateway whose destination does not answer: so a backlog comes to be."""
    with servers.silence() as silent, _gateway(directory, silent, cores=ALL_CORES) as server:
        for start in range(0, count, PORTION):
            answered(server, bench.requests(min(PORTION, count - start)))


def _gateway(directory: Path, url: str, *, cores: Collection[int] = (SERVER_CORE,)) -> Server:
    tenants = servers.bench_tenant(sink=servers.destination(url, timeout="5m"))
    return servers.gateway(directory, tenants, cores=cores)


def _accepts(bench: Bench) -> int:
    return bench.size(20_000, quick=5_000)


def _accept_behind(bench: Bench, directory: Path, found: _Findings) -> Sample:
    load = bench.requests(_accepts(bench))
    with servers.silence() as silent, _gateway(directory, silent) as server:
        sample = saturate(bench, server, load)
        found.peaks_mb.append(server.peak_mb())
    return sample


def _accept_empty(bench: Bench, found: _Findings) -> Sample:
    load = bench.requests(_accepts(bench))
    with bench.new_directory() as name, servers.silence() as silent, _gateway(Path(name), silent) as server:
        found.idle_mb.append(server.resident_mb())
        return saturate(bench, server, load)


def _drain(directory: Path, stored: int, found: _Findings) -> Sample:
    """Two starts that end after the first delivery, and one that goes on to the last."""
    with servers.sink() as downstream:
        for _ in range(2):
            sink.ask(f"{downstream.url}forget")
            with _gateway(directory, downstream.url) as server:
                _await_first(downstream, server, found)
        sink.ask(f"{downstream.url}forget")
        with _gateway(directory, downstream.url) as server:
            _await_first(downstream, server, found)
            began, cpu, already = time.monotonic(), server.cpu_s(), sink.ask(downstream.url).distinct
            last = await_drained(downstream, stored).last
            found.peaks_mb.append(server.peak_mb())
            events = stored - already
            return Sample(events / (last - began), (server.cpu_s() - cpu) / events * 1e6)


def _await_first(downstream: Server, server: Server, found: _Findings) -> None:
    while not (figures := sink.ask(downstream.url)).first:
        if time.monotonic() - server.started > FIRST_S:
            raise LoadError(f"no delivery within {FIRST_S:.0f} s after the start")
        time.sleep(0.02)
    found.first_s.append(figures.first - server.started)
