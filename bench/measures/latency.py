"""How long accepting takes at half of what it can: there a queue is the server's fault."""

from __future__ import annotations

import statistics
from pathlib import Path

from bench import servers
from bench.figures import Row, quantile, spread
from bench.load import open_loop
from bench.runs import WARM_UP, Bench, answered, check, checked


def rows(bench: Bench) -> list[Row]:
    runs = [_run(bench) for _ in range(bench.rounds)]
    medians, highs = [run["p50_ms"] for run in runs], [run["p99_ms"] for run in runs]
    rate = statistics.median(run["rate"] for run in runs)
    return [
        Row(
            f"latency at {rate:,.0f} req/s",
            f"p50 {spread(medians, 1)} ms, p99 {spread(highs, 1)} ms",
            value=statistics.median(highs), at_most=25, unit=" ms",
            note="of accepting at half of what it can, open loop; the aim is for p99", figures={"runs": runs},
        )
    ]  # fmt: skip


def _run(bench: Bench) -> dict[str, float]:
    trial = bench.requests(bench.size(20_000, quick=6_000))
    load = bench.requests(bench.size(20_000, quick=4_000))
    with bench.new_directory() as name:
        with servers.gateway(Path(name), servers.bench_tenant()) as server:
            answered(server, bench.requests(WARM_UP))
            rate = answered(server, trial).rate / 2
            outcome = checked(open_loop(server.port, load, rate), len(load))
        check("events in the store", servers.stored_events(Path(name)), WARM_UP + len(trial) + len(load))
    median, high = (quantile(outcome.latencies, share) * 1000 for share in (0.5, 0.99))
    return {"rate": rate, "p50_ms": median, "p99_ms": high}
