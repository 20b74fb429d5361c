"""Accepting: signed text messages, one a request, answered 200 after the commit."""

from __future__ import annotations

from pathlib import Path

from bench import servers
from bench.figures import Row, Sample, pair
from bench.runs import WARM_UP, Bench, check, in_turns, saturate


def rows(bench: Bench) -> list[Row]:
    ours, peers = in_turns(bench.rounds, lambda: _gateway(bench), lambda: bare(bench))
    return [pair("accept", "req/s", ours, peers, 0.37, "stored before 200; against a bare aiohttp application")]


def bare(bench: Bench) -> Sample:
    with servers.bare() as server:
        return saturate(bench, server, bench.requests(bench.size(40_000, quick=15_000)))


def _gateway(bench: Bench) -> Sample:
    load = bench.requests(bench.size(20_000, quick=6_000))
    with bench.new_directory() as name:
        with servers.gateway(Path(name), servers.bench_tenant()) as server:
            sample = saturate(bench, server, load)
        check("events in the store", servers.stored_events(Path(name)), len(load) + WARM_UP)
    return sample
