"""`wa-gateway run`"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from gateway.app import CannotListen, serve
from gateway.cli.failures import Failed, open_config
from gateway.store.base import StoreError, StoreUnavailable
from gateway.telemetry import configure_logging


@click.command()
@click.option(
    "--config", "path", default="config.yaml", show_default=True, metavar="FILE",
    type=click.Path(path_type=Path), help="The configuration.",
)  # fmt: skip
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"]),
    help="The least important lines that are written.",
)  # fmt: skip
@click.option(
    "--log-format", default="auto", show_default=True, type=click.Choice(["auto", "console", "json"]),
    help="How lines look; auto is console on a terminal, and JSON elsewhere.",
)  # fmt: skip
def command(path: Path, log_level: str, log_format: str) -> None:
    """Receive webhooks, and deliver their events.

    SIGTERM and SIGINT end it in order: it accepts nothing more, finishes what is in flight, and leaves the rest in
    the store for the next start.
    """
    config = open_config(path)
    log = configure_logging(log_level, log_format)
    try:
        asyncio.run(serve(config, log))
    except (StoreError, CannotListen) as error:
        raise Failed(str(error)) from None
    except StoreUnavailable as error:
        raise Failed(f"cannot use {config.store.path}: {error}") from None
