"""The machine: its cores, what a sync to disk costs, and processes that run on the cores they are given."""

from __future__ import annotations

import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent
_CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]  # elsewhere only what needs no server runs
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]
"""The server has a core to itself; generator and sink share another. (With one core only, everything shares it.)"""
ALL_CORES = frozenset(_CORES)
_TICKS = os.sysconf("SC_CLK_TCK")
_IN_MEMORY = {"tmpfs", "ramfs"}
_CACHE = "wa-gateway-bench"


class ServerError(Exception):
    """A server did not start, or died."""


class Server:
    """A child process; a context manager that ends it. Its port is answering once it is entered.

    `started` is when it was started, on the monotonic clock.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        *,
        cores: Collection[int] = (SERVER_CORE,),
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
        patience_s: float = 20.0,
    ) -> None:
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self._command = command
        self._cores = cores
        self._environment = {**os.environ, **(environment or {})}
        self._output = subprocess.DEVNULL if quiet else None
        self._patience_s = patience_s

    def __enter__(self) -> Server:
        with pinned(self._cores):  # children inherit it
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output,
            )  # fmt: skip
        try:
            self._wait_until_it_listens()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_s(self) -> float:
        return tree_cpu_s(self.pid)

    def resident_mb(self) -> float:
        return self._memory_mb("VmRSS")

    def peak_mb(self) -> float:
        """The most memory that it has had resident."""
        return self._memory_mb("VmHWM")

    def _memory_mb(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) / 1024

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + self._patience_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(
                    f"{self.name} ended at start with code {self._process.returncode}: {self._complaint()}"
                )
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise ServerError(f"{self.name} does not listen on port {self.port} after {self._patience_s:.0f} s")

    def _complaint(self) -> str:
        """The last line that it writes. It is started once more for that: while it is measured nobody reads."""
        try:
            again = subprocess.run(
                self._command, cwd=ROOT, env=self._environment,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "started once more, it did not"
        return next(reversed((again.stdout + again.stderr).strip().splitlines()), "it does not say why")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def python(*arguments: str) -> list[str]:
    """The command that runs this interpreter."""
    return [sys.executable, *arguments]


def tree_cpu_s(pid: int) -> float:
    """Seconds of processor time so far: of all threads, of all descendants, and of those that have ended."""
    spent, children = {}, defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        number = int(path.parent.name)
        children[int(fields[1])].append(number)
        spent[number] = sum(map(int, fields[11:15])) / _TICKS  # user, system, and both of its dead children
    total, left = 0.0, [pid]
    while left:
        one = left.pop()
        total += spent.get(one, 0.0)
        left += children[one]
    return total


def free_port(following: int = 0) -> int:
    """A port that nobody has, nor so many after it."""
    while True:
        with ExitStack() as stack:
            port = 0
            try:
                for offset in range(following + 1):
                    one = stack.enter_context(socket.socket())
                    one.bind(("127.0.0.1", port and port + offset))
                    port = port or int(one.getsockname()[1])
            except OSError:
                continue
            return port


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Keep this process, and the children that it starts meanwhile, to these cores."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def disk_directory() -> Path:
    """A place on a disk for stores: the temporary directory, or the project's build directory where that is memory."""
    temporary = Path(tempfile.gettempdir())
    if file_system(temporary) not in _IN_MEMORY:
        return temporary
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    return build


def cache_directory() -> Path:
    """Where what peers need is installed: outside of the project."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _CACHE
    path.mkdir(parents=True, exist_ok=True)
    return path


def file_system(path: Path) -> str:
    """The type of the file system that holds the path."""
    best, kind = "", "unknown"
    resolved = str(path.resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, mount_kind = line.split()[:3]
        inside = resolved == mount or resolved.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, mount_kind
    return kind


def fsync_us(directory: Path, samples: int = 200) -> float:
    """Median microseconds of writing 4 KiB and fdatasync."""
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(samples):
            started = time.perf_counter()
            os.write(file.fileno(), bytes(4096))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    return statistics.median(took) * 1e6


def describe(directory: Path) -> str:
    return (
        f"{len(_CORES)} cores ({_cpu_model()}), server on {SERVER_CORE}, load on {LOAD_CORE}; Python "
        f"{platform.python_version()}, Linux {platform.release()}; {directory} is {file_system(directory)}, "
        f"4 KiB write + fdatasync {fsync_us(directory):.0f} µs"
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
