"""End to end against the classic recipe: Express, a Bull queue on Redis that syncs each write, and a worker."""

from __future__ import annotations

from pathlib import Path

from bench import servers
from bench.figures import Row, Sample, pair
from bench.measures.end_to_end import fresh
from bench.peers import express_bull
from bench.peers.express_bull import Recipe
from bench.runs import Bench, in_turns, saturate_through

WARM_UP = 3_000
"""Enough for the compiler of Node.js to have seen it all."""


def rows(bench: Bench) -> list[Row]:
    recipe = express_bull.install()
    ours, peers = in_turns(bench.rounds, lambda: fresh(bench), lambda: _recipe(bench, recipe))
    return [
        pair(
            "end to end, against the recipe", "ev/s", ours, peers, 1.5,
            f"Express and Bull, worker included, {recipe.versions}, appendfsync always; all on the server's core",
        )
    ]  # fmt: skip


def _recipe(bench: Bench, recipe: Recipe) -> Sample:
    with (
        bench.new_directory() as name,
        servers.sink() as sink,
        express_bull.serve(recipe, Path(name), sink) as (server, redis),
    ):
        load = bench.requests(bench.size(8_000, quick=3_000))
        return saturate_through(server, sink, bench.requests(WARM_UP), load, beside=[redis])
