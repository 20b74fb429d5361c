"""Whether this gateway can do what a measure needs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.machine import free_port
from bench.runs import LeftOut
from bench.servers import STORE, Tenants, write_config
from gateway.cli.run import command
from gateway.config import ConfigError, load_config
from providers import load_adapters


def check_config(tenants: Tenants, store: str = STORE) -> None:
    """Raises LeftOut where this gateway refuses the configuration."""
    with tempfile.TemporaryDirectory(prefix="wa-gateway-bench-") as name:
        path = write_config(Path(name), tenants, port=free_port(), store=store)
        try:
            load_config(path, {}, load_adapters())
        except ConfigError as error:
            problem = error.problems[0]
            raise LeftOut(f"this gateway refuses the configuration: {problem.path}: {problem.message}") from None


def check_option(name: str) -> None:
    """Raises LeftOut where `wa-gateway run` has no such option."""
    if not any(f"--{name}" in parameter.opts for parameter in command.params):
        raise LeftOut(f"`wa-gateway run` has no option --{name}")
