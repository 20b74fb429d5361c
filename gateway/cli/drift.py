"""`wa-gateway drift`"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import orjson

from gateway.cli.operating import config_option, json_option, operate, operation
from gateway.cli.table import time_text
from gateway.operations import drift
from gateway.operations.selection import provider_of
from gateway.store.base import DriftSample


@click.command()
@config_option
@click.option("--provider", metavar="NAME", help="This provider's alone.")
@json_option
def command(path: Path, provider: str | None, as_json: bool) -> None:
    """List what providers sent that their adapters do not know: members, words and types, last seen first.

    Each comes with how often it was seen since when, and the shape of one example: letters are shown as x and
    digits as 0, so that it can be reported as it is. The gateway may be running meanwhile.
    """

    async def work() -> None:
        async with operation(path) as verb:
            wanted = await provider_of(verb.session, provider)
            for sample in await drift.samples(verb.session):
                if wanted in (None, sample.provider):
                    click.echo(_json(sample) if as_json else "\n".join(_lines(sample)))

    operate(work())


def _lines(sample: DriftSample) -> Iterator[str]:
    seen = f"{sample.seen} x, {time_text(sample.first_ms)} to {time_text(sample.last_ms)}"
    yield f"{sample.provider}  {sample.kind} {sample.name}  ({seen})"
    if sample.sample is not None:
        yield f"    {sample.sample.decode()}"


def _json(sample: DriftSample) -> bytes:
    told = sample._asdict()
    times = {"first_seen": time_text(told.pop("first_ms")), "last_seen": time_text(told.pop("last_ms"))}
    shape = told.pop("sample")
    return orjson.dumps(told | times | ({"sample": orjson.Fragment(shape)} if shape else {}))
