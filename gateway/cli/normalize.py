"""`wa-gateway normalize`"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from pydantic import BaseModel, ValidationError

from gateway import lossless
from gateway.cli.failures import STDIN, config_problems
from gateway.config.errors import suggestion
from gateway.config.explain import explain_briefly
from gateway.config.load import load_source
from gateway.config.model import NAME, Channel, Source
from gateway.config.secrets import placeholders
from gateway.lossless.report import described, table
from gateway.sending.raw import cut_raw
from gateway.stamp import Event, SourceStamp, compose, stamp
from providers import Adapter, Malformed, RawRequest, load_adapters
from providers.wire import dump_json

Model = TypeVar("Model", bound=BaseModel)

RAW: dict[str, Callable[[Event], bool]] = {
    "never": lambda event: False,
    "unknown": lambda event: event.partial,
    "always": lambda event: True,
}


def _pairs(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    if wrong := [text for text in given if "=" not in text]:
        raise click.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", context, parameter)
    return dict(text.split("=", 1) for text in given)


def _instant(context: click.Context, parameter: click.Parameter, given: str | None) -> datetime:
    if given is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(given)
    except ValueError:
        instant = datetime.min
    if instant.tzinfo is None:
        raise click.BadParameter("must be RFC 3339, such as 2026-06-08T20:59:43Z", context, parameter)
    if not 1970 < instant.year < 2106:  # ids of events begin with 32 bits of seconds
        raise click.BadParameter("must be after 1970 and before 2106", context, parameter)
    return instant.astimezone(UTC)


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--provider", metavar="NAME", help="Whose webhooks they are. Not with --config, which says so.")
@click.option("--tenant", default="local", show_default=True, metavar="NAME", help="Tenant that the events name.")
@click.option("--source", metavar="NAME", help="Source that the events name; by default as the provider.")
@click.option(
    "--set", "settings", multiple=True, callback=_pairs, metavar="KEY=VALUE",
    help="A setting of the provider, such as ack_scale=baileys.",
)  # fmt: skip
@click.option(
    "--channel", multiple=True, callback=_pairs, metavar="KEY=VALUE",
    help="The business's number where bodies do not name it: id, phone, phone_number_id or account_id.",
)  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE",
              help="Take provider, settings, channel and uid from --tenant and --source of this file. "
              "Its secrets need not be there.")  # fmt: skip
@click.option("--raw", type=click.Choice(list(RAW)), default="unknown", show_default=True,
              help="Whether events carry the provider's own JSON.")  # fmt: skip
@click.option("--explain", is_flag=True,
              help="Instead of events, say where each leaf of a body went: found by changing it.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="With --explain: a JSON object per leaf, one per line.")
@click.option("--lines", is_flag=True, help="Each line of a FILE is a body (JSON Lines).")
@click.option(
    "--received-at",
    callback=_instant,
    metavar="TIME",
    help="When they were received, RFC 3339; by default now.",
)
@click.pass_context
def command(
    context: click.Context,
    files: tuple[Path, ...],
    provider: str | None,
    tenant: str,
    source: str | None,
    settings: dict[str, str],
    channel: dict[str, str],
    config: Path | None,
    raw: str,
    explain: bool,
    as_json: bool,
    lines: bool,
    received_at: datetime,
) -> None:
    """Turn webhook bodies into events, one per line. Works offline, and asks for no proof of origin.

    With --explain it says instead where each leaf of a body went: into which part of an event, only into raw,
    nowhere on purpose (noise), or nowhere at all (lost).

    Each FILE holds one body; without a FILE, or for -, it is read from standard input. What cannot be read is
    named on stderr, the other files are still done, and the command ends with 1.
    """
    named = {"--provider": provider, "--set": settings, "--channel": channel}
    if config is not None:
        origin = _configured(config, tenant, source, [option for option, given in named.items() if given])
    elif provider is not None:
        origin = _described(provider, tenant, source or provider, settings, channel)
    else:
        raise click.UsageError("give --provider, or --config with --tenant and --source")
    if as_json and not explain:
        raise click.UsageError("--json goes with --explain; events are JSON anyway")

    def told(body: bytes) -> Iterator[bytes | str]:
        if explain:
            return explanation(origin.adapter, body, as_json)
        return events(origin, body, received_at, RAW[raw])

    results = [_print_file(path, origin.provider, lines, told) for path in files or (STDIN,)]
    context.exit(0 if all(results) else 1)


def events(source: Source, body: bytes, received_at: datetime, wants_raw: Callable[[Event], bool]) -> Iterator[bytes]:
    """The events of a body, as a destination gets them but for what only a store knows. Raises Malformed."""
    adapter = source.adapter
    receipt_id = hashlib.sha256(body).digest()[:16]  # derived, so that the same body gives the same events
    body = adapter.redact(body)
    request = RawRequest(headers={"content-type": "application/json"}, body=body, received_at=received_at)
    origin = SourceStamp(source.tenant, source.name, source.provider, uid=source.uid, channel=dict(source.channel))
    received_ms = int(received_at.timestamp() * 1000)
    for event in stamp(origin, adapter.parse(request), receipt_id=receipt_id, received_ms=received_ms):
        raw = cut_raw(request.json(), event.pointer, adapter.media_secrets, adapter.bulky) if wants_raw(event) else None
        yield compose(event.head, event.data, raw=raw)


def explanation(adapter: Adapter, body: bytes, as_json: bool) -> Iterator[str]:
    """Where each leaf of a body went, and a line that sums up; as JSON, the leaves alone. Raises Malformed."""
    leaves = lossless.explain(adapter, body)
    return (dump_json(described(leaf)).decode() for leaf in leaves) if as_json else table(leaves)


def _print_file(path: Path, provider: str, lines: bool, told: Callable[[bytes], Iterator[bytes | str]]) -> bool:
    """Print what is told of each body of a file; False if it, or a line of it, cannot be read."""
    try:
        content = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        click.echo(f"{path}: cannot read the file: {error.strerror}", err=True)
        return False
    name = "<stdin>" if path == STDIN else str(path)
    good = True
    for place, body in _by_line(name, content) if lines else [(name, content)]:
        try:
            for line in told(body):
                click.echo(line)
        except Malformed as error:
            click.echo(f"{place}: {_reason(error, provider)}", err=True)
            good = False
    return good


def _by_line(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield f"{name}:{number}", line


def _reason(error: Malformed, provider: str) -> str:
    what = {"not_json": "not JSON", "too_deep": "not readable"}.get(error.code, f"not a webhook of {provider}")
    return f"{what}: {error.detail or error.code}"


def _configured(config: Path, tenant: str, source: str | None, misplaced: list[str]) -> Source:
    """The source that a configuration file describes."""
    if misplaced or source is None:
        raise click.UsageError("--config goes with --tenant and --source, and without --provider, --set and --channel")
    with config_problems():
        return load_source(config, os.environ, load_adapters(), tenant, source)


def _described(provider: str, tenant: str, source: str, settings: dict[str, str], channel: dict[str, str]) -> Source:
    """The source that the options describe."""
    with config_problems():
        adapters = load_adapters()
    if provider not in adapters:
        raise click.UsageError(f"there is no provider {provider!r}; {suggestion(provider, adapters)}")
    for option, name in (("--tenant", tenant), ("--source", source)):
        if not NAME.fullmatch(name):
            raise click.UsageError(f"{option}: a name has lower-case letters, digits, - and _")
    model = adapters[provider].Settings
    return Source(
        tenant=tenant,
        name=source,
        provider=provider,
        adapter=adapters[provider](_checked(model, {**placeholders(model), **settings}, "--set")),
        uid=f"{tenant}/{source}",
        channel=_checked(Channel, channel, "--channel").model_dump(exclude_none=True),
    )


def _checked(model: type[Model], values: dict[str, str], option: str) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise click.UsageError("\n".join(f"{option}: {line}" for line in explain_briefly(error, model))) from None
