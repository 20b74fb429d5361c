"""`wa-gateway remap`"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import orjson

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
from gateway.cli.table import counted, each, print_json, print_table
from gateway.operations import remap
from gateway.operations.mapping import Change, leaves
from gateway.operations.remap import Done, Plan
from gateway.operations.runs import Run
from gateway.trying.summary import clean

HEADINGS = ("source", "receipts", "unmapped")
SHOWN = 10
"""Differences of the example that are printed."""
CUT = 40


@click.command()
@selecting("since", "until", "tenant", "source", "provider", "outcome")
@click.option("--dry-run", is_flag=True, help="Parse everything, say what would change, and change nothing.")
@yes_option
@run_options
@config_option
@json_option
def command(
    path: Path, as_json: bool, dry_run: bool, yes: bool, wants_list: bool, cancel: int | None, resume: int | None,
    **given: Any,
) -> None:  # fmt: skip
    """Parse stored webhooks again with today's adapters and settings, and deliver what that changes.

    Events keep their ids. One that is new goes to the destinations that want it. One that is other than before is
    corrected, its `revision` rises, and it is delivered again where the destination's own bytes differ. What stays
    the same is left alone.

    Ctrl-C pauses the run; --resume goes on, --cancel ends it. The gateway may be running or not.
    """
    conduct(
        "remap", path,
        partial(_remap, path, given, dry_run=dry_run, yes=yes, as_json=as_json),
        partial(_carry_out, as_json=as_json),
        wants_list=wants_list, cancel=cancel, resume=resume, as_json=as_json,
    )  # fmt: skip


async def _remap(path: Path, given: dict[str, Any], *, dry_run: bool, yes: bool, as_json: bool) -> int:
    async with operation(path, write=not dry_run) as verb:
        criteria = await verb.criteria(**given)
        if not criteria.told():
            raise click.UsageError("say which webhooks: --since, --outcome unmapped, --source or others")
        plan = await remap.plan(verb.session, criteria)
        if dry_run:
            return await _survey(verb, plan, as_json=as_json)
        await _print_plan(plan, as_json=as_json)
        if not plan.receipts:
            return 0
        confirm(f"Parse {counted(plan.receipts, 'webhook')} again, and deliver what that changes?", yes=yes)
        return await _carry_out(verb, await remap.start(verb.session, plan, now_ms()), as_json=as_json)


async def _carry_out(verb: Operation, run: Run, *, as_json: bool) -> int:
    total = remap.NOTHING

    async def fill(verb: Operation, run: Run) -> AsyncIterator[int]:
        nonlocal total
        async for done in remap.fill(verb.session, await remap.mapper(verb.session, verb.config), run):
            total = total.plus(done)
            yield done.receipts

    code = await carry_out(verb, run, fill, "webhook", "parsed", as_json=as_json)
    click.echo(orjson.dumps(_told(total)) if as_json else "\n".join(_lines(total)))
    return code


async def _survey(verb: Operation, plan: Plan, *, as_json: bool) -> int:
    total = remap.NOTHING
    async for done in remap.survey(verb.session, await remap.mapper(verb.session, verb.config), plan):
        total = total.plus(done)
    if as_json:
        await print_json(each([_told(total)]))
    else:
        click.echo(f"{counted(total.receipts, 'webhook')} parsed")
        click.echo("\n".join([*_lines(total), *(_example(total.example) if total.example else ())]))
    return 0


async def _print_plan(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        await print_json(each({"tenant": t, "source": n, "receipts": c, "unmapped": u} for t, n, c, u in plan.groups))
    elif plan.groups:
        await print_table(HEADINGS, each((f"{t}/{n}", c, u) for t, n, c, u in plan.groups))
    else:
        click.echo("no such webhooks")


def _lines(done: Done) -> list[str]:
    unreadable = ", ".join(f"{count} {word}" for word, count in sorted(done.unreadable.items()))
    return [
        f"{counted(done.new, 'new event')}, to be delivered {counted(done.live, 'time')}",
        f"{counted(done.revised, 'corrected event')}, to be delivered {counted(done.again, 'time')}",
        *([f"not read: {unreadable}"] if unreadable else []),
    ]


def _told(done: Done) -> dict[str, object]:
    told = done._asdict()
    example = told.pop("example")
    return told | {"unreadable": dict(done.unreadable), "example": _example_told(example) if example else None}


def _example(change: Change) -> list[str]:
    """What changes in one event; texts are cut."""
    told = [f"for example {change.kept.id.hex()}, {change.kept.type}:"]
    found = _differences(change)
    told += [f"  {pointer}: {_short(before)} -> {_short(after)}" for pointer, before, after in found[:SHOWN]]
    return [*told, f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else told


def _example_told(change: Change) -> dict[str, object]:
    found = _differences(change)[:SHOWN]
    return {
        "id": change.kept.id.hex(),
        "changed": [{"pointer": p, "before": _short(before), "after": _short(after)} for p, before, after in found],
    }


def _differences(change: Change) -> list[tuple[str, Any, Any]]:
    kept, event = change.kept, change.event
    found = [*leaves(kept.head, event.head)]
    found += [(f"/data{pointer}", before, after) for pointer, before, after in leaves(kept.data, event.data)]
    if (kept.partial, kept.pointer) != (event.partial, event.pointer):
        found.append(("raw", kept.pointer if kept.partial else "", event.pointer if event.partial else ""))
    return found


def _short(value: object) -> str:
    return "-" if value is None else clean(str(value), CUT)
