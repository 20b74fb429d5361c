"""The gateway, its peers and the sink, each as a child process on its cores."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.machine import LOAD_CORE, SERVER_CORE, Server, free_port, python
from bench.messages import APP_SECRET

SOURCE = {"provider": "cloud_api", "app_secret": APP_SECRET, "verify_token": "bench-verify-token"}
STORE = "sqlite:store.db"
PATIENCE_S = 60.0
"""How long a gateway may take to begin to listen: with many tenants, or a large store."""
_WEBHOOK_SECRET = "whsec_YmVuY2htYXJrLXNlY3JldC1vZi0zMi1ieXRlcyE="

Tenants = Mapping[str, Mapping[str, Any]]


def bare() -> Server:
    port = free_port()
    return Server("bare", python("-m", "bench.peers.bare", str(port)), port)


def relay(sink: Server, *, cores: Collection[int] = (SERVER_CORE,)) -> Server:
    port = free_port()
    return Server("relay", python("-m", "bench.peers.relay", str(port), sink.url, APP_SECRET), port, cores=cores)


def sink() -> Server:
    port = free_port()
    return Server("sink", python("-m", "bench.sink", str(port)), port, cores=(LOAD_CORE,))


@contextmanager
def silence() -> Iterator[str]:
    """The URL of a downstream that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def destination(url: str, **settings: Any) -> dict[str, Any]:
    """A destination's block."""
    return {"url": url, "secret": _WEBHOOK_SECRET, "concurrency": 16, **settings}


def bench_tenant(**destinations: Mapping[str, Any]) -> Tenants:
    """The tenant that messages go to by default."""
    return {"bench": {"sources": {"cloud": SOURCE}, "destinations": destinations}}


def gateway(
    directory: Path,
    tenants: Tenants,
    *,
    store: str = STORE,
    options: Sequence[str] = (),
    cores: Collection[int] = (SERVER_CORE,),
) -> Server:
    """The program as anybody runs it, with its log thrown away. `directory` gets configuration and store."""
    port = free_port()
    path = write_config(directory, tenants, port=port, store=store)
    command = python("-m", "gateway", "run", "--config", str(path), *options)
    return Server("gateway", command, port, cores=cores, quiet=True, patience_s=PATIENCE_S)


def write_config(directory: Path, tenants: Tenants, *, port: int, store: str = STORE) -> Path:
    document = {
        "listen": f"127.0.0.1:{port}",
        "admin": {"listen": f"127.0.0.1:{free_port(following=3)}"},  # workers have the next ones
        "origin": "https://hooks.example.com",
        "store": store,
        "limits": {"shutdown": "1s"},
        "tenants": tenants,
    }
    path = directory / "config.yaml"
    with path.open("w") as file:
        yaml.dump(document, file, _Dumper, sort_keys=False)
    return path


class _Dumper(yaml.CSafeDumper):
    """Without anchors: people repeat themselves."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def stored_events(directory: Path) -> int:
    """Events in the store of a gateway that has ended."""
    with closing(sqlite3.connect(directory / "store.db")) as database:
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])
