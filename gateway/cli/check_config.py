"""`wa-gateway check-config`"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click

from gateway.cli.failures import EX_CONFIG, STDIN, config_problems, read_input
from gateway.config import Config, ConfigError, Destination, Source, load_config
from providers import Adapter, load_adapters


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path, allow_dash=True))
@click.pass_context
def command(context: click.Context, files: tuple[Path, ...]) -> None:
    """Check configuration files, and say what they hold. Starts nothing.

    Without a FILE it checks config.yaml; - is standard input. Every error of every file is named; if there is
    one, the command ends with 78.
    """
    with config_problems():
        adapters = load_adapters()
    bad = 0
    for path in files or (Path("config.yaml"),):
        body = read_input(path) if path == STDIN else None
        try:
            config = load_config(Path("<stdin>") if path == STDIN else path, os.environ, adapters, body=body)
        except ConfigError as error:
            click.echo(error, err=True)
            bad += 1
            continue
        for warning in config.warnings:
            click.echo(f"warning: {warning}", err=True)
        click.echo("\n".join(describe(config)))
    context.exit(EX_CONFIG if bad else 0)


def describe(config: Config) -> Iterator[str]:
    """What the configuration holds, for people; no secret is in it."""
    yield f"{config.path}: ok"
    yield f"  listen {config.listen}, admin {config.admin.listen}, store {config.store}"
    for tenant in config.tenants.values():
        yield f"  tenant {tenant.name}"
        for source in tenant.sources.values():
            yield f"    source {source.name}: {source.provider}, {route(source)}"
        for destination in tenant.destinations.values():
            wanted = f"events {', '.join(destination.events)}, sources {', '.join(destination.sources)}"
            yield f"    destination {destination.name}: {target(destination)}, {wanted}"


def route(source: Source) -> str:
    """Methods and path of the source's webhook; the token is masked."""
    methods = "POST" if type(source.adapter).handshake is Adapter.handshake else "GET|POST"
    token = "/***" if source.adapter.settings.path_token else ""
    return f"{methods} /hooks/{source.tenant}/{source.name}{token}"


def target(destination: Destination) -> str:
    """The URL without its query, which may hold a key."""
    parts = urlsplit(destination.url)
    return parts._replace(query="***" if parts.query else "").geturl()
