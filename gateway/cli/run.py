"""`wa-gateway run`"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import click

from gateway.cli.failures import BadConfig, Failed, open_config
from gateway.config import Config
from gateway.config.values import Address
from gateway.seat import Seat
from gateway.serve import serve
from gateway.sockets import CannotListen
from gateway.store.base import StoreError, StoreUnavailable
from gateway.supervisor import Supervisor
from gateway.telemetry import Log, configure_logging

MAX_WORKERS = 128


@click.command()
@click.option(
    "--config", "path", default="config.yaml", show_default=True, metavar="FILE",
    type=click.Path(path_type=Path), help="The configuration.",
)  # fmt: skip
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, MAX_WORKERS), metavar="NUMBER",
    help="Processes behind one port; above 1 with PostgreSQL only. The admin listener of the second is one port "
    "above that of the first, and so on.",
)  # fmt: skip
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"]),
    help="The least important lines that are written.",
)  # fmt: skip
@click.option(
    "--log-format", default="auto", show_default=True, type=click.Choice(["auto", "console", "json"]),
    help="How lines look; auto is console on a terminal, and JSON elsewhere.",
)  # fmt: skip
@click.option("--seat", hidden=True, help="A worker's place, from its supervisor.")
def command(path: Path, workers: int, log_level: str, log_format: str, seat: str | None) -> int:
    """Receive webhooks, and deliver their events.

    SIGTERM and SIGINT end it in order: it accepts nothing more, finishes what is in flight, and leaves the rest in
    the store for the next start.
    """
    config = open_config(path)
    sitting = Seat.parse(seat) if seat else None
    log = configure_logging(log_level, log_format, **({"worker": sitting.number} if sitting else {}))
    try:
        if workers > 1:
            _check(config, workers)
            options = ("--config", str(path), "--log-level", log_level, "--log-format", log_format)
            return asyncio.run(_supervise(config, options, workers, log))
        asyncio.run(serve(_of_worker(config, sitting.number) if sitting else config, log, sitting))
    except (StoreError, CannotListen) as error:
        raise Failed(str(error)) from None
    except StoreUnavailable as error:
        named = "" if config.store.kind == "sqlite" else f"cannot use {config.store}: "  # a file is named already
        raise Failed(f"{named}{error}") from None
    return 0


def _check(config: Config, workers: int) -> None:
    if config.store.kind == "sqlite":
        raise BadConfig(
            f"{config.store} has one writer: use `store: postgresql://…` to share it among {workers} workers, "
            "or run one worker"
        )
    port = config.admin.listen.port
    if port and port + workers - 1 > 65535:
        raise BadConfig(
            f"admin.listen: {workers} workers need ports {port} to {port + workers - 1}: choose a lower one"
        )


async def _supervise(config: Config, options: tuple[str, ...], workers: int, log: Log) -> int:
    program = (sys.executable, "-m", "gateway", "run", *options)
    return await Supervisor(program, workers, log, config.limits.shutdown).run(config.listen)


def _of_worker(config: Config, number: int) -> Config:
    """Each has an admin listener of its own: health and metrics are a process's."""
    host, port = config.admin.listen
    listen = Address(host, port + number if port else 0)
    return replace(config, admin=config.admin.model_copy(update={"listen": listen}))
