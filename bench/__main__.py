"""`python -m bench`: measures everything in one run, and prints one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from bench import growth, http, normalize
from bench.figures import Row, table
from bench.load import LoadError
from bench.machine import LOAD_CORE, SERVER_CORE, ServerError, describe, disk_directory, pin


def main() -> int:
    args = _arguments()
    directory = args.directory or disk_directory()
    others = os.getloadavg()[0]
    try:
        rows = _measure(args, directory)
    except (LoadError, ServerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    machine = f"{describe(directory)}; load average before: {others:.1f}"
    print(f"{table(rows)}\n\n{machine}")
    if args.json:
        figures = {"machine": machine, "rows": [row.as_json() for row in rows]}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter runs, fewer rounds: under a minute")
    parser.add_argument("--skip-growth", action="store_true", help="do not fill a store with millions of rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--directory", type=Path, help="where stores are made; on a disk")
    return parser.parse_args()


def _measure(args: argparse.Namespace, directory: Path) -> list[Row]:
    pin(SERVER_CORE)
    rows = normalize.rows(repeats=10 if args.quick else 40)
    pin(LOAD_CORE)
    rows = http.HttpMeasures(http.QUICK if args.quick else http.FULL, directory).rows() + rows
    if not args.skip_growth:
        pin(SERVER_CORE)
        rows.append(growth.row(directory, quick=args.quick))
    return rows


if __name__ == "__main__":
    sys.exit(main())
