"""`wa-gateway schema`"""

from __future__ import annotations

import difflib
import json
from typing import Any

import click

from gateway.config.values import parse_origin
from gateway.schemas.asyncapi import asyncapi
from gateway.schemas.openapi import openapi
from normalized import json_schema
from normalized.schema import DATA, EVENT, data_schema, index


@click.command()
@click.argument("name", required=False)
@click.option("--list", "form", flag_value="list", help="Name the schemas, with the event types each is for.")
@click.option("--asyncapi", "form", flag_value="asyncapi", help="The stream of events instead, as AsyncAPI 3.1.")
@click.option("--openapi", "form", flag_value="openapi", help="The gateway's HTTP side instead, as OpenAPI 3.1.")
@click.option(
    "--origin",
    default="",
    metavar="URL",
    help="The gateway's public URL, as in config.yaml: begins the documents' addresses.",
)
def command(name: str | None, form: str | None, origin: str) -> None:
    """Print the JSON Schema (2020-12) of the events that destinations receive.

    With a NAME, that of their data: what `dataschema` ends with, such as message or status.
    """
    if origin:
        try:
            origin = parse_origin(origin)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--origin") from None
    if name is not None and form is not None:
        raise click.UsageError(f"--{form} takes no NAME")
    if form == "list":
        _show_list()
    else:
        click.echo(json.dumps(_document(name or EVENT, form, origin), indent=2, ensure_ascii=False))


def _document(name: str, form: str | None, origin: str) -> dict[str, Any]:
    if form is not None:
        return {"asyncapi": asyncapi, "openapi": openapi}[form](origin)
    if name == EVENT:
        return json_schema(origin)
    if name not in DATA:
        near = difflib.get_close_matches(name, [EVENT, *DATA], n=1)
        hint = f"did you mean {near[0]}?" if near else "--list names them"
        raise click.BadParameter(f"there is no schema {name!r}; {hint}", param_hint="NAME")
    return data_schema(name, origin)


def _show_list() -> None:
    for schema in index()["schemas"]:
        click.echo(f"{schema['name']:<14}{', '.join(schema.get('types', ['every event']))}")
