"""`wa-gateway events`"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.cli import deliveries
from gateway.cli.failures import Failed, open_config
from gateway.cli.operating import (
    Operation,
    config_option,
    json_option,
    limit_option,
    operate,
    operation,
    selecting,
)  # fmt: skip
from gateway.cli.table import each, print_json, print_table, time_text
from gateway.config import Config
from gateway.operations import listing
from gateway.operations.listing import ListedDelivery, ListedEvent, ShownEvent
from gateway.operations.selection import event_id_of
from gateway.sending.raw import cut_raw
from gateway.store.session import Session, StoreAway, open_session
from gateway.trying.summary import short_type
from providers import Malformed
from providers.wire import load_json

HEADINGS = ("received", "id", "sequence", "type", "source", "provider", "revision")
WIDTHS = (20, 32, 8, 20, 20, 12, 8)
"""Of lines that are printed as they come."""
POLL_S = 0.5


@click.group()
def command() -> None:
    """List, show and follow events, whether or not a gateway runs."""


@command.command("list", short_help="List events, those received last first.")
@config_option
@selecting("since", "until", "tenant", "source", "provider", "types", "person", "ids")
@limit_option(50)
@json_option
def list_command(path: Path, limit: int, as_json: bool, **given: Any) -> None:
    """List events, those received last first. What they say is not shown: see `events show`."""

    async def work() -> None:
        async with operation(path) as verb:
            found = listing.events(verb.session, await verb.criteria(**given), limit or None)
            await _print(found, as_json)

    operate(work())


@command.command("tail", short_help="Print events as they come.")
@config_option
@selecting("since", "tenant", "source", "provider", "types", "person")
@json_option
def tail_command(path: Path, as_json: bool, **given: Any) -> None:
    """Print events as they come, with --since those that came since then first. Ctrl-C ends it.

    While the database cannot be reached it waits, and then goes on where it was.
    """
    operate(_print(_follow(open_config(path), given), as_json, WIDTHS))


@command.command("show", short_help="Show an event with its deliveries.")
@click.argument("event", metavar="EVENT")
@config_option
@click.option("--raw", "wants_raw", is_flag=True, help="With the provider's own JSON, as the receipt has it.")
@json_option
def show_command(event: str, path: Path, wants_raw: bool, as_json: bool) -> None:
    """Show an event with all that it says, the headers of its receipt, and its deliveries."""

    async def work() -> None:
        async with operation(path) as verb:
            event_id = event_id_of(event)
            shown = await listing.show(verb.session, event_id)
            if shown is None:
                raise Failed(f"there is no event {event_id}")
            its_deliveries = await listing.deliveries_of(verb.session, event_id)
            described = _described(shown, _raw(verb, shown) if wants_raw else None)
            if as_json:
                click.echo(orjson.dumps(described | {"deliveries": list(map(deliveries.told, its_deliveries))}))
            else:
                await _print_shown(described, its_deliveries)

    operate(work())


async def _print(events: AsyncIterator[ListedEvent], as_json: bool, widths: Sequence[int] = ()) -> None:
    if as_json:
        await print_json(_told(event) async for event in events)
    else:
        await print_table(HEADINGS, (_cells(event) async for event in events), widths)


async def _follow(config: Config, given: dict[str, Any]) -> AsyncIterator[ListedEvent]:
    async with open_session(config.store) as session:
        follower = listing.Follower(await Operation(config, session).criteria(**given))
    away = False
    while True:
        try:
            async with open_session(config.store) as session:
                if away:
                    click.echo("the store is back", err=True)
                    away = False
                async for event in _from(session, follower):
                    yield event
        except StoreAway as error:
            if not away:
                click.echo(f"the store is away, waiting for it: {error}", err=True)
            away = True
            await asyncio.sleep(POLL_S)


async def _from(session: Session, follower: listing.Follower) -> AsyncIterator[ListedEvent]:
    """For as long as the session lasts."""
    while True:
        found, more = await follower.next(session)
        for event in found:
            yield event
        if not more:
            await asyncio.sleep(POLL_S)


def _cells(event: ListedEvent) -> tuple[object, ...]:
    return (
        time_text(event.received_ms),
        event.id,
        event.sequence,
        short_type(event.type),
        f"{event.tenant}/{event.source}",
        event.provider,
        event.revision,
    )


def _told(event: ListedEvent) -> dict[str, object]:
    told = event._asdict()
    for name in ("received", "time"):
        told[name] = time_text(told.pop(f"{name}_ms"))
    return told


def _described(shown: ShownEvent, raw: bytes | None) -> dict[str, Any]:
    """For machines; for people it is laid out."""
    described: dict[str, Any] = _told(shown.event) | {"pruned": shown.pruned}
    if shown.pruned:
        return described
    described |= {
        "envelope": orjson.Fragment(shown.head),
        "data": orjson.Fragment(shown.data),
        "receipt": {"outcome": shown.outcome, "headers": orjson.Fragment(shown.headers), "bytes": len(shown.body)},
        "pointer": shown.pointer,
    }
    return described | ({"raw": orjson.Fragment(raw)} if raw is not None else {})


def _raw(verb: Operation, shown: ShownEvent) -> bytes | None:
    """The provider's fragment without what decrypts media, as destinations get it."""
    tenant = verb.config.tenants.get(shown.event.tenant)
    source = tenant.sources.get(shown.event.source) if tenant else None
    if shown.pruned or source is None:
        return None
    try:
        document = load_json(shown.body)
    except Malformed:
        return None
    return cut_raw(document, shown.pointer, source.adapter.media_secrets, source.adapter.bulky)


async def _print_shown(described: dict[str, Any], its_deliveries: list[ListedDelivery]) -> None:
    click.echo(orjson.dumps(described, option=orjson.OPT_INDENT_2))
    click.echo()
    if its_deliveries:
        await print_table(deliveries.HEADINGS, each(map(deliveries.cells, its_deliveries)))
    else:
        click.echo("no deliveries")
