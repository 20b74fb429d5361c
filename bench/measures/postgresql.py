"""End to end with PostgreSQL as the store: one process of the gateway."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from bench import postgres, servers
from bench.figures import Row, Sample, pair
from bench.machine import SERVER_CORE
from bench.measures.end_to_end import RELAY, relay
from bench.postgres import Postgres
from bench.runs import WARM_UP, Bench, in_turns, saturate_through
from bench.trials import check_config


def rows(bench: Bench) -> list[Row]:
    check_store()
    with bench.new_directory() as name, postgres.serve(Path(name)) as database:
        ours, peers = in_turns(bench.rounds, lambda: run(bench, database), lambda: relay(bench))
    return [
        pair(
            "end to end, PostgreSQL", "ev/s", ours, peers, 0.35,
            f"one process, PostgreSQL on the same core; against an {RELAY}",
        )
    ]  # fmt: skip


def check_store() -> None:
    """Raises LeftOut where this gateway knows no PostgreSQL."""
    tenants = servers.bench_tenant(sink=servers.destination("http://127.0.0.1:9/"))
    check_config(tenants, "postgresql://postgres:@/bench?host=/tmp")


def run(
    bench: Bench,
    database: Postgres,
    *,
    cores: Collection[int] = (SERVER_CORE,),
    options: Sequence[str] = (),
    settle_s: float = 0.0,
) -> Sample:
    """`settle_s` after the start it begins."""
    with bench.new_directory() as name, servers.sink() as sink:
        tenants = servers.bench_tenant(sink=servers.destination(sink.url))
        store = database.new_database()
        with servers.gateway(Path(name), tenants, store=store, options=options, cores=cores) as server:
            load = bench.requests(bench.size(12_000, quick=3_000))
            time.sleep(settle_s)
            return saturate_through(server, sink, bench.requests(WARM_UP), load, beside=[database])
