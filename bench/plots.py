"""Plots of rate and latency against load, as SVG: `python -m bench.plots FILE.json [DIRECTORY]`.

FILE is what `python -m bench --json FILE` wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.svg import Axis, Line, Plot, decades, steps

MEASURE = "curve"
NAMES = {"gateway": "wa-gateway", "bare": "bare aiohttp handler"}


def write(figures: Mapping[str, Any], directory: Path) -> list[Path]:
    """Raises LookupError where the figures have no curves."""
    curves = next((row["curves"] for row in figures["rows"] if "curves" in row), None)
    if curves is None:
        raise LookupError(f"no curves in the figures: run the measure {MEASURE}")
    directory.mkdir(parents=True, exist_ok=True)
    drawn = {"throughput": throughput(curves), "latency": latency(curves)}
    paths = []
    for name, plot in drawn.items():
        path = directory / f"performance-{name}.svg"
        path.write_text(plot.svg())
        paths.append(path)
    return paths


def throughput(curves: Mapping[str, Any]) -> Plot:
    """Answers against requests, each a second."""
    lines = [
        Line(NAMES[name], number, [(point["offered"], point["achieved"]) for point in curve["points"]])
        for number, (name, curve) in enumerate(curves.items())
    ]
    most = max(max(pair) for line in lines for pair in line.points)
    axis = steps(most)
    ideal = Line("all of them", None, [(0.0, 0.0), (axis[-1], axis[-1])], dashed=True)
    return Plot(
        title="Accepting: what is answered of what is asked",
        x=Axis("requests a second, offered", axis, label=_thousands),
        y=Axis("answers a second", axis, label=_thousands),
        lines=[*lines, ideal],
    )


def latency(curves: Mapping[str, Any]) -> Plot:
    """Milliseconds, by powers of ten, against shares of what each server can."""
    lines = [
        Line(
            f"{NAMES[name]}, {quantile}",
            number,
            [(point["share"], point[f"{quantile}_ms"]) for point in curve["points"]],
            dashed=quantile == "p50",
        )
        for number, (name, curve) in enumerate(curves.items())
        for quantile in ("p99", "p50")
    ]
    values = [value for line in lines for _, value in line.points]
    most = {name: f"{curve['capacity']:,.0f}" for name, curve in curves.items()}
    return Plot(
        title="Accepting: how long an answer takes",
        x=Axis(
            f"share of the most that each can: wa-gateway {most['gateway']}, bare {most['bare']} requests a second",
            (0.0, 0.25, 0.5, 0.75, 1.0), label=lambda value: f"{value * 100:.0f} %",
        ),
        y=Axis("milliseconds", decades(min(values), max(values)), label=_milliseconds, logarithmic=True),
        lines=lines,
    )  # fmt: skip


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def _milliseconds(value: float) -> str:
    return f"{value:g}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description=__doc__)
    parser.add_argument("figures", type=Path, metavar="FILE", help="what `python -m bench --json` wrote")
    parser.add_argument(
        "directory", type=Path, nargs="?", default=Path("docs/explanation"), help="where the plots go; %(default)s"
    )
    args = parser.parse_args()
    try:
        paths = write(json.loads(args.figures.read_text()), args.directory)
    except LookupError as error:
        print(f"bench.plots: {error}", file=sys.stderr)
        return 1
    print("\n".join(map(str, paths)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
