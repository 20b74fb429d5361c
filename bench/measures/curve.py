"""Rate and latency of accepting at shares of what a server can: the figures of the plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import servers
from bench.figures import Row, quantile
from bench.load import open_loop
from bench.machine import Server
from bench.runs import WARM_UP, Bench, answered, check, checked

SHARES = (0.10, 0.25, 0.50, 0.75, 0.90, 1.00)


def rows(bench: Bench) -> list[Row]:
    ours = _gateway(bench)
    with servers.bare() as server:
        bare = _curve(bench, server)
    before_the_most = SHARES.index(0.90)
    high, bare_high = (curve["points"][before_the_most]["p99_ms"] for curve in (ours, bare))
    return [
        Row(
            "p99 at 90 % of the most",
            f"{high:.1f} ms",
            f"{bare_high:.1f} ms",
            note="of accepting, open loop, against a bare aiohttp application; the plots show the whole curve",
            figures={"curves": {"gateway": ours, "bare": bare}},
        )
    ]


def _gateway(bench: Bench) -> dict[str, Any]:
    with bench.new_directory() as name:
        with servers.gateway(Path(name), servers.bench_tenant()) as server:
            curve = _curve(bench, server)
        check("events in the store", servers.stored_events(Path(name)), curve["requests"])
    return curve


def _curve(bench: Bench, server: Server) -> dict[str, Any]:
    answered(server, bench.requests(WARM_UP))
    trial = bench.requests(bench.size(30_000, quick=6_000))
    capacity = answered(server, trial).rate
    points = [_point(bench, server, capacity, share) for share in SHARES]
    requests = WARM_UP + len(trial) + sum(point["requests"] for point in points)
    return {"capacity": capacity, "requests": requests, "points": points}


def _point(bench: Bench, server: Server, capacity: float, share: float) -> dict[str, Any]:
    rate = capacity * share
    load = bench.requests(int(rate * bench.size(4, quick=1)))
    outcome = checked(open_loop(server.port, load, rate), len(load))
    return {
        "share": share,
        "requests": len(load),
        "offered": rate,
        "achieved": outcome.rate,
        "p50_ms": quantile(outcome.latencies, 0.5) * 1000,
        "p99_ms": quantile(outcome.latencies, 0.99) * 1000,
    }
