"""`wa-gateway attempts`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.failures import Failed
from gateway.cli.operating import config_option, json_option, operate, operation
from gateway.cli.table import each, print_json, print_table, time_text
from gateway.operations import listing
from gateway.operations.listing import Attempt
from gateway.operations.selection import event_id_of

HEADINGS = ("at", "destination", "attempt", "answer", "took", "run")


@click.command()
@click.argument("event", metavar="EVENT")
@config_option
@json_option
def command(event: str, path: Path, as_json: bool) -> None:
    """List the attempts to deliver an event: when, what was answered, or why there was no answer."""

    async def work() -> None:
        async with operation(path) as verb:
            event_id = event_id_of(event)
            shown = await listing.show(verb.session, event_id)
            if shown is None:
                raise Failed(f"there is no event {event_id}")
            if shown.pruned:
                click.echo(f"event {event_id} is pruned, and its attempts with it", err=True)
            attempts = await listing.attempts(verb.session, event_id)
            if as_json:
                await print_json(each(_told(attempt) for attempt in attempts))
            else:
                await print_table(HEADINGS, each(_cells(attempt) for attempt in attempts))

    operate(work())


def _cells(attempt: Attempt) -> Sequence[object]:
    return (
        time_text(attempt.at_ms),
        f"{attempt.tenant}/{attempt.destination}",
        attempt.number,
        attempt.status or attempt.error,
        None if attempt.took_ms is None else f"{attempt.took_ms} ms",
        attempt.run or None,
    )


def _told(attempt: Attempt) -> dict[str, object]:
    told = attempt._asdict()
    told["at"] = time_text(told.pop("at_ms"))
    return told
