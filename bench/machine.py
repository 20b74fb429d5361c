"""The machine: its cores, what a sync to disk costs, and processes that run on one core."""

from __future__ import annotations

import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]
"""The server has a core to itself; generator and sink share another. (With one core only, everything shares it.)"""
_TICKS = os.sysconf("SC_CLK_TCK")
_IN_MEMORY = {"tmpfs", "ramfs"}


class ServerError(Exception):
    """A server did not start, or died."""


class Server:
    """A child process; a context manager that ends it. Its port is answering once it is entered."""

    def __init__(
        self, name: str, command: Sequence[str], port: int, *, core: int = SERVER_CORE, quiet: bool = False
    ) -> None:
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self._command = [sys.executable, *command]
        self._core = core
        self._output = subprocess.DEVNULL if quiet else None

    def __enter__(self) -> Server:
        own = os.sched_getaffinity(0)
        pin(self._core)  # children inherit it
        try:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output
            )
        finally:
            os.sched_setaffinity(0, own)
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
        """Seconds of processor time so far, all threads, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak_mb(self) -> float:
        """The most memory that it has had resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                command = " ".join(self._command)
                raise ServerError(f"{self.name} ended at start with code {self._process.returncode}; see: {command}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise ServerError(f"{self.name} does not listen on port {self.port}")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def pin(core: int) -> None:
    """Keep this process, and the children that it starts from now on, to one core."""
    os.sched_setaffinity(0, {core})


def disk_directory() -> Path:
    """A place on a disk for stores: the temporary directory, or the project's build directory where that is memory."""
    temporary = Path(tempfile.gettempdir())
    if file_system(temporary) not in _IN_MEMORY:
        return temporary
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    return build


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
