"""End to end: one message a request, delivered one by one; over when the last has arrived. And what memory it takes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bench import servers
from bench.figures import Row, Sample, pair
from bench.machine import SERVER_CORE
from bench.runs import WARM_UP, Bench, in_turns, saturate_through

RELAY = "in-memory relay"


def rows(bench: Bench) -> list[Row]:
    peaks: list[float] = []
    ours, peers = in_turns(bench.rounds, lambda: fresh(bench, peaks), lambda: relay(bench))
    peak = max(peaks)
    return [
        pair("end to end", "ev/s", ours, peers, 0.55, f"stored, delivered, settled; against an {RELAY}"),
        Row(
            "memory", f"{peak:.0f} MB", value=peak, at_most=120, unit=" MB",
            note="peak resident, of the runs end to end", figures={"peaks_mb": peaks},
        ),
    ]  # fmt: skip


def relay(bench: Bench, *, cores: Collection[int] = (SERVER_CORE,)) -> Sample:
    with servers.sink() as sink, servers.relay(sink, cores=cores) as server:
        load = bench.requests(bench.size(12_000, quick=5_000))
        return saturate_through(server, sink, bench.requests(WARM_UP), load)


def fresh(bench: Bench, peaks: list[float] | None = None) -> Sample:
    """Of messages that are delivered as they come."""
    with bench.new_directory() as name, servers.sink() as sink:
        tenants = servers.bench_tenant(sink=servers.destination(sink.url))
        with servers.gateway(Path(name), tenants) as server:
            load = bench.requests(bench.size(10_000, quick=4_000))
            sample = saturate_through(server, sink, bench.requests(WARM_UP), load)
            if peaks is not None:
                peaks.append(server.peak_mb())
    return sample
