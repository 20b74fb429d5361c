"""`python -m bench`: measures everything in one run, and prints one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from bench import plots
from bench.figures import Row, notes, table
from bench.load import LoadError
from bench.machine import LOAD_CORE, ServerError, describe, disk_directory, pinned
from bench.measures import MEASURES, Measure
from bench.runs import Bench, LeftOut

FAILED = "FAILED"


def main() -> int:
    args = _arguments()
    bench = Bench(args.directory or disk_directory(), args.quick)
    others = os.getloadavg()[0]
    with pinned((LOAD_CORE,)):
        rows = [row for measure in args.only for row in _measure(measure, bench)]
    machine = f"{describe(bench.directory)}; load average before: {others:.1f}"
    print(f"{table(rows)}\n\n{notes(rows)}\n\n{machine}")
    figures = {"machine": machine, "quick": args.quick, "rows": [row.as_json() for row in rows]}
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    if args.plots:
        plots.write(figures, args.plots)
    return 1 if any(row.ours == FAILED for row in rows) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, epilog=f"Measures: {', '.join(one.name for one in MEASURES)}."
    )
    parser.add_argument("--only", type=_chosen, default=MEASURES, metavar="NAME,...", help="run these measures")
    parser.add_argument("--skip", type=_chosen, default=(), metavar="NAME,...", help="run all but these")
    parser.add_argument("--quick", action="store_true", help="shorter runs, fewer rounds: a few minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, with all samples")
    parser.add_argument("--plots", type=Path, metavar="DIRECTORY", help="draw the curves")
    parser.add_argument("--directory", type=Path, help="where stores are made; on a disk")
    args = parser.parse_args()
    args.only = [measure for measure in args.only if measure not in args.skip]
    if args.plots and not any(measure.name == plots.MEASURE for measure in args.only):
        parser.error(f"--plots needs the measure {plots.MEASURE}")
    return args


def _chosen(text: str) -> Iterable[Measure]:
    known = {measure.name: measure for measure in MEASURES}
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no measure {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names]


def _measure(measure: Measure, bench: Bench) -> list[Row]:
    """One that fails, or cannot run here, leaves the others alone."""
    print(f"{measure.name} …", end=" ", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        rows = measure.rows(bench)
    except LeftOut as reason:
        rows = [Row(measure.name, "left out", note=f"left out: {reason}")]
    except (LoadError, ServerError, OSError) as error:
        rows = [Row(measure.name, FAILED, note=f"failed: {error}")]
    except Exception as error:  # the figures of an hour must not go with it
        traceback.print_exc()
        rows = [Row(measure.name, FAILED, note=f"failed: {type(error).__name__}: {error}")]
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return rows


if __name__ == "__main__":
    sys.exit(main())
