"""`wa-gateway deliveries`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.cli.operating import config_option, json_option, limit_option, operate, operation, selecting
from gateway.cli.table import print_json, print_table, time_text
from gateway.operations import listing
from gateway.operations.listing import ListedDelivery
from gateway.trying.summary import short_type

HEADINGS = ("received", "id", "type", "destination", "state", "attempts", "last", "next", "run")


@click.group()
def command() -> None:
    """List deliveries: events on their way to destinations, and those that are through or given up."""


@command.command("list", short_help="List deliveries by state, destination, time and more.")
@config_option
@selecting("states", "destination", "since", "until", "tenant", "source", "types", "person", "ids")
@limit_option(50)
@json_option
def list_command(path: Path, limit: int, as_json: bool, **given: Any) -> None:
    """List deliveries, the latest first.

    Those pending or dead come state by state and destination by destination: what is being retried first, then what
    waits behind it, what was not tried yet, and what is dead. All others come by the time of receipt.
    """

    async def work() -> None:
        async with operation(path) as verb:
            found = listing.deliveries(verb.session, await verb.criteria(**given), limit or None)
            if as_json:
                await print_json(told(delivery) async for delivery in found)
            else:
                await print_table(HEADINGS, (cells(delivery) async for delivery in found))

    operate(work())


def cells(delivery: ListedDelivery) -> tuple[object, ...]:
    """For people."""
    return (
        time_text(delivery.received_ms),
        delivery.id,
        short_type(delivery.type),
        f"{delivery.tenant}/{delivery.destination}",
        "parked" if delivery.parked else delivery.state,
        delivery.attempts,
        delivery.status or delivery.error,
        time_text(delivery.due_ms) if delivery.state in ("held", "beside") else None,
        delivery.run or None,
    )


def told(delivery: ListedDelivery) -> dict[str, object]:
    """For machines."""
    told = delivery._asdict()
    for name in ("received", "due", "settled"):
        told[name] = time_text(told.pop(f"{name}_ms"))
    return told
