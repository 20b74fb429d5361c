"""What `replay` and `remap` share: runs that are listed, cancelled, resumed, filled with a progress bar."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import click
import orjson
from click.core import ParameterSource

from gateway.cli.failures import Failed
from gateway.cli.operating import Command, Operation, now_ms, operate, operation
from gateway.cli.program import INTERRUPTED
from gateway.cli.table import counted, each, print_json, print_table, time_text
from gateway.operations import runs
from gateway.operations.runs import Run, RunStanding
from gateway.store.base import StoreUnavailable

HEADINGS = ("run", "kind", "state", "created", "planned", "made", "delivered", "pending", "dead", "expired")
_EXIT_CODES = {"running": 0, "done": 0, "paused": INTERRUPTED}
"""By the state that a run is left in."""

_ON_RUNS = ("--list", "--cancel", "--resume")
_BESIDE = ("--config", "--json", "--yes")
"""All that may stand beside one of _ON_RUNS: the rest would be ignored."""

Filling = Callable[[Operation, Run], AsyncIterator[int]]
Work = Coroutine[Any, Any, int]
"""Gives the exit code."""


def run_options(command: Command) -> Command:
    """Instead of criteria: what to do with a run that is there."""
    for option in (
        click.option("--list", "wants_list", is_flag=True, help="List replays and remaps, and how far they are."),
        click.option("--cancel", type=int, metavar="RUN", help="End a replay or remap: what is pending is expired."),
        click.option("--resume", type=int, metavar="RUN", help="Go on with one that was interrupted."),
    ):
        command = option(command)
    return command


def conduct(
    kind: str, path: Path, begin: Callable[[], Work], go_on: Callable[[Operation, Run], Work], *, wants_list: bool,
    cancel: int | None, resume: int | None, as_json: bool,
) -> None:  # fmt: skip
    """What `run_options` ask for; without any of them, `begin`. Ends the command."""
    _check_alone()
    if cancel is not None:
        work = _cancel(path, cancel, as_json=as_json)
    elif wants_list:
        work = _list(path, as_json=as_json)
    elif resume is not None:
        work = _resume(kind, path, resume, go_on)
    else:
        work = begin()
    click.get_current_context().exit(operate(work))


def _check_alone() -> None:
    """What is done with a run takes no selection, no --dry-run, and nothing else that is done with one."""
    context = click.get_current_context()
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    asked = [option for option in _ON_RUNS if option in given]
    others = [option for option in given if option not in (*asked[:1], *_BESIDE)]
    if asked and others:
        raise click.UsageError(f"{asked[0]} goes without {', '.join(others)}: nothing is done")


async def _list(path: Path, *, as_json: bool) -> int:
    async with operation(path, write=True) as verb:
        await runs.finish(verb.session)
        standings = await runs.standings(verb.session)
        if as_json:
            await print_json(each(map(_told, standings)))
        else:
            await print_table(HEADINGS, each(map(_cells, standings)))
    return 0


async def _cancel(path: Path, number: int, *, as_json: bool) -> int:
    async with operation(path, write=True) as verb:
        run = await runs.find(verb.session, number)
        expired = await runs.cancel(verb.session, run, now_ms())
    if as_json:
        click.echo(orjson.dumps({"run": run.id, "kind": run.kind, "state": "cancelled", "expired": expired}))
    else:
        click.echo(f"{run.kind} {run.id} is cancelled: {counted(expired, 'delivery')} expired")
    if expired:
        click.echo("any that are on their way right now count as delivered if they arrive", err=True)
    return 0


async def _resume(kind: str, path: Path, number: int, go_on: Callable[[Operation, Run], Work]) -> int:
    async with operation(path, write=True) as verb:
        run = await runs.find(verb.session, number, kind)
        await runs.resume(verb.session, run)
        return await go_on(verb, run)


async def carry_out(verb: Operation, run: Run, fill: Filling, unit: str, does: str, *, as_json: bool) -> int:
    """Fill a run, with a progress bar; SIGINT and SIGTERM pause it. Returns the exit code.

    `does` is what happens to each `unit`, such as made.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    done = run.made
    with click.progressbar(length=run.planned, label=f"{run.kind} {run.id}", file=sys.stderr) as bar:
        bar.update(done)
        try:
            async for made in fill(verb, run):
                bar.update(made)
                done += made
                if stopped.is_set():
                    await runs.pause(verb.session, run.id)
                    break
        except StoreUnavailable as error:
            raise Failed(f"{error}\n{_go_on(run)}") from None
    state = (await runs.find(verb.session, run.id)).state
    if as_json:
        told = {"run": run.id, "kind": run.kind, "state": state, "planned": run.planned, "made": done}
        click.echo(orjson.dumps(told))
    else:
        click.echo(f"{run.kind} {run.id}: {done} of {counted(run.planned, unit)} {does}, {state}")
    if state == "paused":
        click.echo(_go_on(run), err=True)
    if state == "filling":
        click.echo("another process goes on with it", err=True)
    return _EXIT_CODES.get(state, 1)


def _go_on(run: Run) -> str:
    return f"go on with: wa-gateway {run.kind} --resume {run.id}"


def _cells(standing: RunStanding) -> tuple[object, ...]:
    run = standing.run
    return (run.id, run.kind, run.state, time_text(run.created_ms), run.planned, run.made, *standing[1:])


def _told(standing: RunStanding) -> dict[str, object]:
    run = standing.run
    return {
        "run": run.id,
        "kind": run.kind,
        "state": run.state,
        "created": time_text(run.created_ms),
        "criteria": run.criteria.told(),
        "planned": run.planned,
        "made": run.made,
        "delivered": standing.delivered,
        "pending": standing.pending,
        "dead": standing.dead,
        "expired": standing.expired,
    }
