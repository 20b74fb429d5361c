"""`wa-gateway version`"""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version

import click

from gateway.version import VERSION

LIBRARIES = ("aiohttp", "orjson", "pydantic", "PyYAML")


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Also Python and the libraries that matter in a bug report.")
def command(verbose: bool) -> None:
    """Print the version."""
    click.echo(f"wa-gateway {VERSION}")
    if verbose:
        click.echo(f"Python {platform.python_version()} on {platform.platform()}")
        for library in LIBRARIES:
            click.echo(f"{library} {version(library)}")
        click.echo(f"SQLite {sqlite3.sqlite_version}")
