"""Measure every adapter on a directory that has a folder of payloads per provider, named like the provider.

Payloads that an INDEX.md there labels as composed are left out. Ends with 1 if an adapter raised an exception.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.lossless import Verdict
from gateway.lossless.report import summary
from providers import load_adapters
from tests.conformance.measure import Outcome, left_out, measure
from tests.golden import adapter_for


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--provider", help="this provider's folder alone")
    parser.add_argument("--json", action="store_true", help="print one JSON object per provider")
    args = parser.parse_args()
    outcomes = []
    for folder in sorted(path for path in args.directory.iterdir() if path.is_dir()):
        if args.provider not in (None, folder.name):
            continue
        if folder.name not in load_adapters():
            print(f"{folder.name}: skipped, there is no such provider", file=sys.stderr)
            continue
        outcome = _measured(folder, left_out(args.directory))
        outcomes.append(outcome)
        print(json.dumps(as_json(outcome)) if args.json else "\n".join(as_text(outcome)))
    sys.exit(1 if any(outcome.exceptions for outcome in outcomes) else 0)


def _measured(folder: Path, without: set[str]) -> Outcome:
    paths = [path for path in sorted(folder.glob("*.json")) if f"{folder.name}/{path.name}" not in without]
    adapter = adapter_for(folder.name)
    return measure(folder.name, paths, dict.fromkeys(paths, adapter))


def as_text(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.provider}: {outcome.payloads} payloads, {len(outcome.exceptions)} exceptions"
    yield f"  {summary(outcome.verdicts)}; {outcome.envelope_only} of the typed in the envelope alone"
    yield from _counted("events", outcome.events)
    yield from _counted("unknown", outcome.unknown)
    yield from _counted("drift", outcome.drift)
    for title, lines in (("exception", outcome.exceptions), ("no webhook of the provider", outcome.malformed)):
        yield from (f"  {title}: {line}" for line in lines)
    for verdict in (Verdict.LOST, Verdict.RAW, Verdict.NOISE):
        rows = [(gap, pattern) for (kind, pattern), gap in outcome.gaps.items() if kind is verdict]
        for gap, pattern in sorted(rows, key=lambda row: (-row[0].count, row[1])):
            reason = f" ({gap.reason})" if gap.reason else ""
            yield f"  {verdict:<5} {gap.count:>4}  {pattern}{reason}  {gap.example}"


def _counted(title: str, counter: Counter[str]) -> Iterator[str]:
    if counter:
        yield f"  {title}: " + ", ".join(f"{count} {name}" for name, count in counter.most_common())


def as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "provider": outcome.provider,
        "payloads": outcome.payloads,
        "exceptions": outcome.exceptions,
        "malformed": outcome.malformed,
        "events": outcome.events,
        "unknown": outcome.unknown,
        "drift": outcome.drift,
        "leaves": {verdict.value: outcome.verdicts[verdict] for verdict in Verdict},
        "envelope_only": outcome.envelope_only,
        "share_typed": round(outcome.share, 4),
        "not_typed": [
            {"pattern": pattern, "verdict": verdict.value, "count": gap.count, "example": gap.example}
            | ({"reason": gap.reason} if gap.reason else {})
            for (verdict, pattern), gap in outcome.gaps.items()
        ],
    }


if __name__ == "__main__":
    main()
