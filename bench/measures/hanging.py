"""One destination of a hundred hangs until its timeout, again and again: what the others notice of it."""

from __future__ import annotations

from pathlib import Path

from bench import servers
from bench.figures import Row, Sample, pair
from bench.messages import requests
from bench.runs import WARM_UP, Bench, answered, await_drained, check, in_turns
from bench.servers import Tenants

DESTINATIONS = 100
TIMEOUT = "500ms"
"""Short, so that a run sees many of them, and what follows from each."""
_PATHS = [f"/hooks/t{number}/cloud" for number in range(DESTINATIONS)]


def rows(bench: Bench) -> list[Row]:
    with_it, without = in_turns(bench.rounds, lambda: _run(bench, hangs=True), lambda: _run(bench, hangs=False))
    return [
        pair(
            "1 of 100 destinations hangs", "ev/s", with_it, without, 0.95,
            f"what the other {DESTINATIONS - 1} get, against the same without it; each of a tenant of its own",
        )
    ]  # fmt: skip


def _run(bench: Bench, *, hangs: bool) -> Sample:
    """The load is the same in both: without it, its tenant's events are stored for nobody."""
    load = _load(bench, bench.size(20_000, quick=5_000))
    with bench.new_directory() as name:
        with servers.silence() as silent, servers.sink() as sink:
            tenants = _tenants(sink.url, silent if hangs else None)
            with servers.gateway(Path(name), tenants) as server:
                answered(server, _load(bench, WARM_UP))
                await_drained(sink, _others(WARM_UP))
                cpu = server.cpu_s()
                outcome = answered(server, load)
                last = await_drained(sink, _others(WARM_UP) + _others(len(load))).last
                spent = server.cpu_s() - cpu
        check("events in the store", servers.stored_events(Path(name)), WARM_UP + len(load))
    others = _others(len(load))
    return Sample(others / (last - outcome.started), spent / others * 1e6)


def _tenants(url: str, silent: str | None) -> Tenants:
    sources = {"cloud": servers.SOURCE}
    healthy = {"sources": sources, "destinations": {"sink": servers.destination(url)}}
    hanging = {"sink": servers.destination(silent, timeout=TIMEOUT)} if silent else {}
    return {
        f"t{number}": healthy if number else {"sources": sources, "destinations": hanging}
        for number in range(DESTINATIONS)
    }


def _load(bench: Bench, count: int) -> list[bytes]:
    return requests(bench.first(), count, _PATHS)


def _others(count: int) -> int:
    """How many of so many messages are not the first tenant's; the count is a multiple of a hundred."""
    return count - count // DESTINATIONS
