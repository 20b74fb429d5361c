"""`wa-gateway listen`"""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime

import click

from gateway.cli.failures import Failed
from gateway.config import DEVELOPMENT_SECRET
from gateway.sending.signing import BadSecret, Key, decode_signing_secret
from gateway.trying.receiver import Received, Receiver
from gateway.trying.summary import clean, short_type, summarize
from providers.wire import Object, as_object, as_text, dump_json


def _keys(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> list[Key]:
    try:
        return [decode_signing_secret(secret) for secret in given]
    except BadSecret as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 is any free one.")
@click.option(
    "--secret", "keys", multiple=True, default=(DEVELOPMENT_SECRET,), callback=_keys, metavar="SECRET",
    help="The destination's secret, whsec_… or whsk_… Several may be given. By default the example configuration's.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print each event as JSON, one per line.")
@click.option(
    "--status", default=200, show_default=True, type=click.IntRange(200, 599),
    help="What deliveries are answered with: 500 shows retries.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N events.")
def command(host: str, port: int, keys: list[Key], as_json: bool, status: int, count: int | None) -> None:
    """Receive deliveries on this machine, verify their signatures, and print their events.

    It stands in for your application while you try things. Ctrl-C ends it.
    """
    asyncio.run(_listen(host, port, keys, as_json=as_json, status=status, count=count))


async def _listen(host: str, port: int, keys: list[Key], *, as_json: bool, status: int, count: int | None) -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(error: OSError | None = None) -> None:
        if not ended.done():
            ended.set_exception(error) if error else ended.set_result(None)

    def show(received: Received) -> None:
        try:
            click.echo(dump_json(received.event) if as_json else "\n".join(lines(received)))
        except OSError as error:  # nobody reads any more
            end(error)
        if receiver.events == count:
            end()

    def complain(reason: str) -> None:
        click.echo(f"refused: {reason}", err=True)

    receiver = Receiver(keys, show, complain, status=status)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        await receiver.start(host, port)
    except OSError as error:
        raise Failed(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    click.echo(f"listening on {receiver.url}, answering {status}; Ctrl-C ends", err=True)
    try:
        await ended
    finally:
        await receiver.stop()
    click.echo(f"{receiver.events} events, {receiver.distinct} distinct, {receiver.refused} refused", err=True)


def lines(received: Received) -> list[str]:
    """An event for people: what happened, and below it which event that is."""
    event = received.event
    kind, subject = _text(event, "type"), _text(event, "subject")
    told = summarize(as_object(event.get("data")))
    marks = [mark for mark, applies in (("again", received.again), ("gap", event.get("gap") is True)) if applies]
    revision = as_text(event.get("revision"))
    details = [
        clean(_text(event, "id")),
        f"sequence {clean(_text(event, 'sequence')).lstrip('0') or '-'}",
        f"{clean(_text(event, 'tenant'))}, {clean(_text(event, 'provider'))}",
        *([f"revision {revision}"] if revision else []),
        *marks,
    ]
    head = f"{_clock(event)}  {clean(short_type(kind)):<20} {clean(subject):<22} {told}".rstrip()
    return [head, f"          {'  '.join(details)}"]


def _text(event: Object, name: str) -> str:
    return as_text(event.get(name)) or ""


def _clock(event: Object) -> str:
    """Time of day, UTC, at which it happened."""
    try:
        return f"{datetime.fromisoformat(_text(event, 'time')).astimezone(UTC):%H:%M:%S}"
    except ValueError:
        return "--:--:--"
