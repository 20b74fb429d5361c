"""The gateway, its peers and the sink, each as a child process on its core."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from bench.machine import LOAD_CORE, Server, free_port
from bench.messages import APP_SECRET

_WEBHOOK_SECRET = "whsec_YmVuY2htYXJrLXNlY3JldC1vZi0zMi1ieXRlcyE="
_CONFIG = """
listen: 127.0.0.1:{port}
admin: {{listen: "127.0.0.1:{admin}"}}
origin: https://hooks.example.com
store: sqlite:store.db
tenants:
  bench:
    sources:
      cloud: {{provider: cloud_api, app_secret: {secret}, verify_token: bench-verify-token}}
"""
_DESTINATION = """
    destinations:
      sink: {{url: "{sink}", secret: {secret}, concurrency: 16}}
"""


def bare() -> Server:
    port = free_port()
    return Server("bare", ["-m", "bench.peers.bare", str(port)], port)


def relay(sink: Server) -> Server:
    port = free_port()
    return Server("relay", ["-m", "bench.peers.relay", str(port), sink.url, APP_SECRET], port)


def sink() -> Server:
    port = free_port()
    return Server("sink", ["-m", "bench.sink", str(port)], port, core=LOAD_CORE)


def gateway(directory: Path, destination: Server | None = None) -> Server:
    """The program as anybody runs it, with its log thrown away. `directory` gets configuration and store."""
    port = free_port()
    text = _CONFIG.format(port=port, admin=free_port(), secret=APP_SECRET)
    if destination is not None:
        text += _DESTINATION.format(sink=destination.url, secret=_WEBHOOK_SECRET)
    path = directory / "config.yaml"
    path.write_text(text)
    return Server("gateway", ["-m", "gateway", "run", "--config", str(path)], port, quiet=True)


def new_directory(parent: Path) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="wa-gateway-bench-", dir=parent)


def stored_events(directory: Path) -> int:
    """Events in the store of a gateway that has ended."""
    database = sqlite3.connect(directory / "store.db")
    try:
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])
    finally:
        database.close()
