"""`wa-gateway schema`"""

from __future__ import annotations

import json

import click

from gateway.config.values import parse_origin
from normalized import json_schema


@click.command()
@click.option(
    "--origin",
    default="",
    metavar="URL",
    help="The gateway's public URL, as in config.yaml: begins the schema's $id.",
)
def command(origin: str) -> None:
    """Print the JSON Schema (2020-12) of the events that destinations receive."""
    if origin:
        try:
            origin = parse_origin(origin)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--origin") from None
    click.echo(json.dumps(json_schema(origin), indent=2, ensure_ascii=False))
