"""What a second worker process adds, on PostgreSQL, where nothing is kept to a core."""

from __future__ import annotations

from pathlib import Path

from bench import postgres
from bench.figures import Row, Sample, pair
from bench.machine import ALL_CORES
from bench.measures import postgresql
from bench.postgres import Postgres
from bench.runs import Bench, in_turns
from bench.trials import check_option

SHARED_S = 6.0
"""By then workers have shared among them what is to be delivered."""


def rows(bench: Bench) -> list[Row]:
    check_option("workers")
    postgresql.check_store()
    with bench.new_directory() as name, postgres.serve(Path(name), cores=ALL_CORES) as database:
        two, one = in_turns(bench.rounds, lambda: _run(bench, database, 2), lambda: _run(bench, database, 1))
    return [
        pair(
            "two workers, PostgreSQL", "ev/s", two, one, 1.2,
            f"end to end, against one; nothing kept to a core, {len(ALL_CORES)} cores with load and sink",
        )
    ]  # fmt: skip


def _run(bench: Bench, database: Postgres, workers: int) -> Sample:
    options = ("--workers", str(workers))
    return postgresql.run(bench, database, cores=ALL_CORES, options=options, settle_s=SHARED_S)
