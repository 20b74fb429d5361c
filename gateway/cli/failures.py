"""How commands fail: a message on stderr and an exit code, and the configuration that they all start from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from gateway.config import Config, ConfigError, load_config
from providers import AdapterClash, load_adapters

EX_CONFIG = 78
STDIN = Path("-")


class Failed(click.ClickException):
    """The command could not do its work."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.format_message(), file=file, err=True)


class BadConfig(Failed):
    """The configuration cannot be used; the message names every problem."""

    exit_code = EX_CONFIG


def read_input(path: Path) -> bytes:
    """A file that the user names, or standard input. Ends the command if it cannot be read."""
    try:
        return sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None


@contextmanager
def config_problems() -> Iterator[None]:
    """What is wrong with a configuration, or with the adapters that it needs, ends the command."""
    try:
        yield
    except (ConfigError, AdapterClash) as error:
        raise BadConfig(str(error)) from None


def open_config(path: Path) -> Config:
    """The configuration of a command; its warnings go to stderr. Ends the command if it is bad."""
    with config_problems():
        config = load_config(path, os.environ, load_adapters())
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    return config
