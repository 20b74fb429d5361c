"""Fuzz `redact` and `parse` of every adapter with atheris, seeded with the fixtures, for some seconds in all.

Each provider is fuzzed in a process of its own, since libFuzzer ends its process. A body that breaks a promise is
left in the directory named by --artifacts, and the command ends with 1. Needs atheris (the dev extra, on Linux).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from providers import load_adapters
from tests.golden import payloads

PARITY = Path(__file__).parent.parent / "parity"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all providers together, at most")
    parser.add_argument("--runs", type=int, default=-1, help="bodies of each provider; the same ones with one seed")
    parser.add_argument("--provider", help="this one alone")
    parser.add_argument("--artifacts", type=Path, default=Path("build/fuzz"), help="where findings are left")
    parser.add_argument("--corpus", type=Path, help="kept and grown from run to run; by default, forgotten")
    parser.add_argument("--seed", type=int, default=1, help="0 is another one each time")
    args = parser.parse_args()
    names = [name for name in load_adapters() if seeds(name) and args.provider in (None, name)]
    if not names:
        parser.error(f"there is no provider {args.provider!r} with payloads to start from")
    args.artifacts.mkdir(parents=True, exist_ok=True)
    seconds = max(1, args.seconds // len(names))
    failed = [name for name in names if _fuzz(name, seconds, args.runs, args.artifacts, args.corpus, args.seed)]
    if failed:
        sys.exit(f"broken: {', '.join(failed)}; the bodies are in {args.artifacts}")


def seeds(provider: str) -> list[Path]:
    return [*payloads(provider), *PARITY.glob(f"*/{provider}.json")]


def _fuzz(provider: str, seconds: int, runs: int, artifacts: Path, corpus: Path | None, seed: int) -> int:
    """libFuzzer's exit code."""
    with tempfile.TemporaryDirectory() as forgotten:
        grown = corpus / provider if corpus else Path(forgotten)
        grown.mkdir(parents=True, exist_ok=True)
        for path in seeds(provider):
            (grown / f"{path.parent.name}-{path.stem}").write_bytes(path.read_bytes())
        command = [
            sys.executable, "-m", "tests.fuzz.target", provider, str(grown),
            f"-max_total_time={seconds}", f"-runs={runs}",
            f"-artifact_prefix={artifacts / provider}-", f"-seed={seed}", "-timeout=5", "-max_len=65536",
            "-rss_limit_mb=2048", "-print_final_stats=1",
        ]  # fmt: skip
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    if done.returncode:
        print(done.stdout)
    units = re.search(r"number_of_executed_units: (\d+)", done.stdout)
    print(f"{provider}: {seconds} s, {units[1] if units else 'no'} bodies, exit code {done.returncode}", flush=True)
    return done.returncode


if __name__ == "__main__":
    main()
