"""Where the gateway's time goes: `python -m bench.profile accept`, or `end-to-end`. Needs py-spy installed.

Prints, for each thread, the functions that it was in most; --stacks FILE keeps the collapsed stacks, which flame graph
tools read. Waiting for work is left out; waiting for the interpreter lock cannot be told from working, and shows where
the lock was given up (recv, send, hashing, each SQL statement).
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from bench import servers
from bench.machine import LOAD_CORE, Server, disk_directory, pinned
from bench.runs import WARM_UP, Bench, answered, await_drained

COUNT = {"accept": 30_000, "end-to-end": 15_000}
SAMPLES_PER_S = 500
IDLE = ("EpollSelector.select", "Worker._next_batch (gateway", "_worker (concurrent/futures")
NATIVE_DEPTH = 10
"""So many frames of C may lie above the one that waits."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("what", choices=sorted(COUNT))
    parser.add_argument("--top", type=int, default=25, metavar="N", help="how many functions are printed")
    parser.add_argument("--stacks", type=Path, metavar="FILE", help="keep the collapsed stacks")
    parser.add_argument("--native", action="store_true", help="look into C extensions, too")
    args = parser.parse_args()
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        print("bench.profile: py-spy is not installed: pip install py-spy", file=sys.stderr)
        return 1
    bench = Bench(disk_directory(), quick=False)
    with pinned((LOAD_CORE,)), bench.new_directory() as name:
        stacks = args.stacks or Path(name) / "stacks.txt"
        command = [spy, "record", "--format", "raw", "--rate", str(SAMPLES_PER_S), "--threads", "--output", str(stacks)]
        _record(bench, [*command, "--native"] if args.native else command, args.what, Path(name))
        _print(stacks.read_text(), args.top)
    return 0


def _record(bench: Bench, command: list[str], what: str, directory: Path) -> None:
    with servers.sink() as sink:
        downstream = sink if what == "end-to-end" else None
        destinations = {"sink": servers.destination(sink.url)} if downstream else {}
        with servers.gateway(directory, servers.bench_tenant(**destinations)) as server:
            answered(server, bench.requests(WARM_UP))
            load = bench.requests(COUNT[what])
            spy = subprocess.Popen([*command, "--pid", str(server.pid)], stdout=subprocess.DEVNULL)
            try:
                _work(server, downstream, load)
            finally:
                spy.send_signal(signal.SIGINT)
                spy.wait(30)


def _work(server: Server, sink: Server | None, load: list[bytes]) -> None:
    answered(server, load)
    if sink is not None:
        await_drained(sink, WARM_UP + len(load))


def _print(stacks: str, top: int) -> None:
    """Shares of a thread's samples: a function's own, and those with all that it called."""
    own: dict[str, Counter[str]] = {}
    total: dict[str, Counter[str]] = {}
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        thread, *calls = frames.split(";")
        names = [_function(call) for call in calls]
        if not names or any(name.startswith(IDLE) for name in names[-NATIVE_DEPTH:]):
            continue
        own.setdefault(thread, Counter())[names[-1]] += int(count)
        total.setdefault(thread, Counter()).update(dict.fromkeys(names, int(count)))
    for thread, alone in own.items():
        samples = alone.total()
        for title, counter in (("own time", alone), ("with calls", total[thread])):
            print(f"\n{thread}: {title}, {samples} samples")
            for name, number in counter.most_common(top):
                print(f"{number / samples:6.1%}  {name}")


def _function(frame: str) -> str:
    """Without the line: lines of a function belong together."""
    return frame.rpartition(":")[0] + ")" if frame.endswith(")") and ":" in frame else frame


if __name__ == "__main__":
    sys.exit(main())
