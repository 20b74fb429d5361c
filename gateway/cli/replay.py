"""`wa-gateway replay`"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from gateway.cli.operating import (
    Operation,
    config_option,
    confirm,
    json_option,
    now_ms,
    operation,
    selecting,
    yes_option,
)
from gateway.cli.runs import carry_out, conduct, run_options
from gateway.cli.table import counted, each, print_json, print_table, time_text
from gateway.operations import control, replay
from gateway.operations.replay import Group, Plan
from gateway.operations.runs import Run
from gateway.operations.selection import Key
from gateway.trying.summary import short_type

HEADINGS = ("destination", "type", "deliveries", "oldest", "newest", "note")


@click.command()
@selecting("ids", "since", "until", "tenant", "source", "types", "destination", "states", "person")
@click.option("--dry-run", is_flag=True, help="Show the plan, and end.")
@yes_option
@run_options
@config_option
@json_option
def command(
    path: Path, as_json: bool, dry_run: bool, yes: bool, wants_list: bool, cancel: int | None, resume: int | None,
    **given: Any,
) -> None:  # fmt: skip
    """Deliver events again: to the destinations that they were for, or one of these.

    It shows what it is about to do, and asks. Events go out behind those that come in, in order, and carry the run's
    number as `replay`; readers that know their ids pass them over. Without --state, those named by --id are sent
    whatever became of them, all others if they are delivered, dead, suppressed or expired.

    What is dead stays dead when it is sent again: the run has its own deliveries. So with --state, what another run
    has delivered, or is still to deliver, is left out and counted; --id sends it all the same.

    Ctrl-C pauses the run; --resume goes on, --cancel ends it. The gateway may be running or not.
    """
    conduct(
        "replay", path,
        partial(_replay, path, given, dry_run=dry_run, yes=yes, as_json=as_json),
        partial(_carry_out, as_json=as_json),
        wants_list=wants_list, cancel=cancel, resume=resume, as_json=as_json,
    )  # fmt: skip


async def _replay(path: Path, given: dict[str, Any], *, dry_run: bool, yes: bool, as_json: bool) -> int:
    async with operation(path, write=not dry_run) as verb:
        criteria = await verb.criteria(**given)
        if not criteria.told():
            raise click.UsageError("say which events: --since, --id, --state, --destination or others")
        plan = await replay.plan(verb.session, criteria)
        await _print_plan(plan, await control.served(verb.session), as_json=as_json)
        if dry_run or not plan.deliveries:
            return 0 if plan.deliveries or not (plan.unknown or plan.pruned) else 1
        confirm(f"Deliver {plan.deliveries} again?", yes=yes)
        return await _carry_out(verb, await replay.start(verb.session, plan, now_ms()), as_json=as_json)


async def _carry_out(verb: Operation, run: Run, *, as_json: bool) -> int:
    return await carry_out(verb, run, _fill, "delivery", "made", as_json=as_json)


def _fill(verb: Operation, run: Run) -> AsyncIterator[int]:
    destinations = verb.destinations
    unordered = {key for key, destination in destinations.items() if destination.ordering == "none"}
    return replay.fill(verb.session, run, unordered.__contains__)


async def _print_plan(plan: Plan, served: set[Key], *, as_json: bool) -> None:
    if as_json:
        await print_json(each(_group_told(group) for group in plan.groups))
    elif plan.groups:
        await print_table(HEADINGS, each(_group_cells(group, served) for group in plan.groups))
    for number, unit, why in (
        (plan.elsewhere, "delivery", "that another run has made, delivered or pending"),
        (plan.pruned, "event", "pruned"),
        (plan.unknown, "event", "not in the store"),
    ):
        if number:
            click.echo(f"left out: {counted(number, unit)} {why}", err=True)
    if not as_json:
        click.echo(counted(plan.deliveries, "delivery"))


def _group_cells(group: Group, served: set[Key]) -> tuple[object, ...]:
    gone = (group.tenant, group.destination) not in served
    return (
        f"{group.tenant}/{group.destination}", short_type(group.type), group.deliveries,
        time_text(group.oldest_ms), time_text(group.newest_ms), "gone from the configuration: parked" if gone else "",
    )  # fmt: skip


def _group_told(group: Group) -> dict[str, object]:
    told = group._asdict()
    return told | {"oldest": time_text(told.pop("oldest_ms")), "newest": time_text(told.pop("newest_ms"))}
