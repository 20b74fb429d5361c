"""Ten thousand tenants with two destinations each: reading the configuration, accepting, memory."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench import servers
from bench.figures import Row, Sample, pair, spread
from bench.machine import SERVER_CORE, free_port, pinned
from bench.messages import requests
from bench.runs import WARM_UP, Bench, answered, check, in_turns
from bench.servers import Tenants
from gateway.config import load_config
from providers import load_adapters

EVENTS = "whatsapp.call.*"
"""What the destinations want. No message is one: accepting is measured, and not ten thousand downstreams."""


def rows(bench: Bench) -> list[Row]:
    count = bench.size(10_000, quick=1_000)
    loads = _loads(bench, count)
    peaks: list[float] = []
    starts: list[float] = []
    ours, peers = in_turns(
        bench.rounds, lambda: _accept(bench, count, peaks, starts), lambda: _accept(bench, 1, [], [])
    )
    load, peak = statistics.median(loads), max(peaks)
    return [
        Row(
            f"{count:,} tenants: configuration", f"{spread(loads)} s", value=load, at_most=3, unit=" s",
            note="read and checked; two destinations each", figures={"seconds": loads},
        ),
        pair(
            f"{count:,} tenants: accept", "req/s", ours, peers, 0.9,
            f"requests for all in turns, against one tenant; listens {statistics.median(starts):.1f} s after start",
            start_s=starts,
        ),
        Row(
            f"{count:,} tenants: memory", f"{peak:.0f} MB", value=peak, at_most=400, unit=" MB",
            note="peak resident, configuration and accepting", figures={"peaks_mb": peaks},
        ),
    ]  # fmt: skip


def _loads(bench: Bench, count: int) -> list[float]:
    adapters = load_adapters()
    seconds = []
    with bench.new_directory() as name, pinned((SERVER_CORE,)):
        path = servers.write_config(Path(name), _tenants(count), port=free_port())
        for _ in range(bench.rounds):
            started = time.perf_counter()
            config = load_config(path, {}, adapters)
            seconds.append(time.perf_counter() - started)
            check("tenants", len(config.tenants), count)
    return seconds


def _tenants(count: int) -> Tenants:
    destinations = {
        name: servers.destination(f"http://127.0.0.1:9/{name}", events=EVENTS) for name in ("first", "second")
    }
    return {
        f"t{number}": {"sources": {"cloud": servers.SOURCE}, "destinations": destinations} for number in range(count)
    }


def _accept(bench: Bench, count: int, peaks: list[float], starts: list[float]) -> Sample:
    paths = [f"/hooks/t{number}/cloud" for number in range(count)]
    warm_up = requests(bench.first(), max(count, WARM_UP), paths)  # each tenant has had one
    load = requests(bench.first(), bench.size(20_000, quick=6_000), paths)
    with bench.new_directory() as name:
        with servers.gateway(Path(name), _tenants(count)) as server:
            starts.append(time.monotonic() - server.started)
            answered(server, warm_up)
            cpu = server.cpu_s()
            outcome = answered(server, load)
            sample = Sample(outcome.rate, (server.cpu_s() - cpu) / len(load) * 1e6)
            peaks.append(server.peak_mb())
        check("events in the store", servers.stored_events(Path(name)), len(warm_up) + len(load))
    return sample
