"""End to end with batches: a hundred events a delivery, for one and for a hundred events a request."""

from __future__ import annotations

import statistics
from pathlib import Path

from bench import servers, sink
from bench.figures import Row, Sample, pair
from bench.measures.end_to_end import RELAY, relay
from bench.messages import batches
from bench.runs import WARM_UP, Bench, in_turns, saturate_through
from bench.servers import Tenants
from bench.trials import check_config

ITEMS = 100
BATCH = {"max_events": ITEMS, "max_wait": "50ms"}


def rows(bench: Bench) -> list[Row]:
    check_config(_tenants("http://127.0.0.1:9/"))
    sizes: dict[int, list[float]] = {1: [], ITEMS: []}
    single, many, peers = in_turns(
        bench.rounds, lambda: _run(bench, 1, sizes), lambda: _run(bench, ITEMS, sizes), lambda: relay(bench)
    )
    return [
        _row("end to end, 1 in, batches out", single, peers, 0.9, sizes[1]),
        _row("end to end, 100 in, batches out", many, peers, 1.5, sizes[ITEMS]),
    ]


def _row(title: str, ours: list[Sample], peers: list[Sample], at_least: float, sizes: list[float]) -> Row:
    note = f"{statistics.median(sizes):.0f} events a delivery; against an {RELAY}, one event a request in and out"
    return pair(title, "ev/s", ours, peers, at_least, note, events_a_delivery=sizes)


def _tenants(url: str) -> Tenants:
    return servers.bench_tenant(sink=servers.destination(url, batch=BATCH))


def _run(bench: Bench, items: int, sizes: dict[int, list[float]]) -> Sample:
    if items == 1:
        warm_up, load = bench.requests(WARM_UP), bench.requests(bench.size(15_000, quick=5_000))
    else:
        warm_up, load = _batches(bench, 20), _batches(bench, bench.size(500, quick=100))
    with (
        bench.new_directory() as name,
        servers.sink() as downstream,
        servers.gateway(Path(name), _tenants(downstream.url)) as server,
    ):
        sample = saturate_through(server, downstream, warm_up, load, items=items)
        figures = sink.ask(downstream.url)
        sizes[items].append(figures.received / figures.requests)
    return sample


def _batches(bench: Bench, count: int) -> list[bytes]:
    return batches(bench.first(), count, ITEMS)
