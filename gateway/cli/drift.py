"""`wa-gateway drift`"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from gateway.cli.failures import Failed, open_config
from gateway.store.base import DriftSample, StoreError
from gateway.store.sqlite_drift import read_samples


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path("config.yaml"), show_default=True, metavar="FILE",
    help="The gateway's configuration, which says where its store is.",
)  # fmt: skip
@click.option("--provider", metavar="NAME", help="This provider's alone.")
@click.option("--json", "as_json", is_flag=True, help="Print each as JSON, one per line.")
def command(config: Path, provider: str | None, as_json: bool) -> None:
    """List what providers sent that their adapters do not know: members, words and types, last seen first.

    Each comes with how often it was seen since when, and the shape of one example: letters are shown as x and
    digits as 0, so that it can be reported as it is. The gateway may be running meanwhile.
    """
    try:
        samples = read_samples(open_config(config).store.path)
    except StoreError as error:
        raise Failed(str(error)) from None
    for sample in samples:
        if provider in (None, sample.provider):
            click.echo(_json(sample) if as_json else "\n".join(_lines(sample)))


def _lines(sample: DriftSample) -> Iterator[str]:
    seen = f"{sample.seen} x, {_time(sample.first_ms)} to {_time(sample.last_ms)}"
    yield f"{sample.provider}  {sample.kind} {sample.name}  ({seen})"
    if sample.sample is not None:
        yield f"    {sample.sample.decode()}"


def _json(sample: DriftSample) -> bytes:
    told = sample._asdict()
    times = {"first_seen": _time(told.pop("first_ms")), "last_seen": _time(told.pop("last_ms"))}
    shape = told.pop("sample")
    return orjson.dumps(told | times | ({"sample": orjson.Fragment(shape)} if shape else {}))


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat().replace("+00:00", "Z")
