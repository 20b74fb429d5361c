"""What is measured: a file for each, and the table of them in the order of running."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.figures import Row
from bench.measures import (
    accept,
    backlog,
    batches,
    curve,
    end_to_end,
    growth,
    hanging,
    latency,
    normalize,
    postgresql,
    recipe,
    tenants,
    workers,
)
from bench.runs import Bench


class Measure(NamedTuple):
    name: str
    rows: Callable[[Bench], list[Row]]


MEASURES = (
    Measure("accept", accept.rows),
    Measure("latency", latency.rows),
    Measure("end-to-end", end_to_end.rows),
    Measure("batches", batches.rows),
    Measure("recipe", recipe.rows),
    Measure("postgresql", postgresql.rows),
    Measure("workers", workers.rows),
    Measure("hanging", hanging.rows),
    Measure("tenants", tenants.rows),
    Measure("backlog", backlog.rows),
    Measure("normalize", normalize.rows),
    Measure("growth", growth.rows),
    Measure("curve", curve.rows),
)
