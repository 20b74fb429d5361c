"""`wa-gateway destinations`"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import click
import orjson

from gateway.cli.failures import open_config
from gateway.cli.operating import Operation, config_option, json_option, now_ms, operate, operation
from gateway.cli.table import each, print_json, print_table, time_text
from gateway.control import Control, Mode, Order
from gateway.operations import control
from gateway.operations.control import Standing
from gateway.operations.probe import Result, probe
from gateway.operations.selection import named
from gateway.trying.summary import clean

HEADINGS = (
    "destination", "mode", "since", "config", "breaker", "pending", "parked", "dead", "oldest", "host", "reason",
)  # fmt: skip

CONFIG = {
    (True, True): "in config",
    (True, False): "not served",
    (False, True): "still served",
    (False, False): "gone",
}
"""By whether this configuration has it, and whether the processes have it."""
SHOWN = 200
"""Characters of an answer."""

name_argument = click.argument("name", metavar="[TENANT/]NAME")
reason_option = click.option("--reason", default="", metavar="TEXT", help="Why, for those who look later.")


@click.group()
def command() -> None:
    """See how destinations stand, stop and start them, and try them.

    What is told here stays until it is told otherwise: neither a restart nor a change of the configuration makes a
    paused destination active.
    """


@command.command("list", short_help="Show how destinations stand.")
@config_option
@json_option
def list_command(path: Path, as_json: bool) -> None:
    """Show how destinations stand: what they were told, whether they are served, what waits for them.

    `config` compares this configuration with that of the processes that run, or else ran last: `gone` is in neither,
    `still served` in theirs alone, `not served` in this one alone.
    """

    async def work() -> None:
        async with operation(path) as verb:
            standings = await control.standings(verb.session, verb.destinations)
            if as_json:
                await print_json(each(_told(verb, standing) for standing in standings))
            else:
                await print_table(HEADINGS, each(_cells(verb, standing) for standing in standings))

    operate(work())


@command.command("pause", short_help="Deliver nothing there for now; what comes is parked.")
@name_argument
@reason_option
@config_option
@json_option
def pause_command(name: str, reason: str, path: Path, as_json: bool) -> None:
    """Deliver nothing there for now. What comes meanwhile is parked, and delivered in order after `resume`.

    One that is disabled stays so.
    """
    _tell(path, name, Order.PAUSE, reason or "paused by an operator", as_json=as_json)


@command.command("disable", short_help="Deliver nothing there until further notice; what comes is parked.")
@name_argument
@reason_option
@config_option
@json_option
def disable_command(name: str, reason: str, path: Path, as_json: bool) -> None:
    """Deliver nothing there until further notice. What comes is parked all the same; `enable` ends it."""
    _tell(path, name, Order.DISABLE, reason or "disabled by an operator", as_json=as_json)


@command.command("resume", short_help="Go on after a pause.")
@name_argument
@config_option
@json_option
def resume_command(name: str, path: Path, as_json: bool) -> None:
    """Go on after a pause: what was parked is delivered, in order. One that is disabled is refused: see `enable`."""
    _tell(path, name, Order.RESUME, "", as_json=as_json)


@command.command("enable", short_help="Go on after having been disabled, or paused.")
@name_argument
@config_option
@json_option
def enable_command(name: str, path: Path, as_json: bool) -> None:
    """Go on after having been disabled, by an operator or by lasting answers 410: what was parked is delivered."""
    _tell(path, name, Order.ENABLE, "", as_json=as_json)


@command.command("test", short_help="Send a test event, and show what is answered.")
@name_argument
@config_option
@json_option
@click.pass_context
def test_command(context: click.Context, name: str, path: Path, as_json: bool) -> None:
    """Send one signed test event of type whatsapp.unknown, kind test, and show what is answered.

    It goes out right now, from this machine, whether the destination is paused or not. It is stored nowhere and not
    repeated. Without a 2xx the command ends with 1.
    """
    config = open_config(path)
    known = {(one.tenant, one.name): one for tenant in config.tenants.values() for one in tenant.destinations.values()}

    async def work() -> Result:
        return await probe(known[named(name, known, "destination")], config.origin)

    result = operate(work())
    if as_json:
        click.echo(orjson.dumps(_result_told(result)))
    else:
        click.echo("\n".join(_result_lines(result)))
    context.exit(0 if result.good else 1)


def _tell(path: Path, name: str, order: Order, reason: str, *, as_json: bool) -> None:
    async def work() -> None:
        async with operation(path, write=True) as verb:
            key = await verb.destination(name)
            before, after = await control.tell(verb.session, key, order, reason, now_ms())
            if as_json:
                told = {"mode": after.mode.value, "reason": after.reason, "before": before.mode.value}
                click.echo(orjson.dumps({"tenant": key[0], "destination": key[1], **told}))
            else:
                click.echo(f"{'/'.join(key)}: {_changed(before, after)}")

    operate(work())


def _changed(before: Control, after: Control) -> str:
    said = f" ({after.reason})" if after.reason else ""
    if before.mode is after.mode:
        hint = "; enable it to go on" if after.mode is Mode.DISABLED else ""
        return f"is {after.mode} already{said}{hint}"
    return f"{before.mode} -> {after.mode}{said}"


def _cells(verb: Operation, standing: Standing) -> tuple[object, ...]:
    its_control = standing.control
    return (
        f"{standing.tenant}/{standing.name}",
        its_control.mode,
        time_text(its_control.mode_since_ms),
        CONFIG[standing.configured, standing.served],
        f"open since {time_text(its_control.open_since_ms)}" if its_control.open_since_ms else "closed",
        standing.pending - standing.parked,
        standing.parked,
        standing.dead,
        time_text(standing.oldest_ms),
        _host(verb, standing),
        its_control.reason,
    )


def _told(verb: Operation, standing: Standing) -> dict[str, object]:
    its_control = standing.control
    return {
        "tenant": standing.tenant,
        "destination": standing.name,
        "mode": its_control.mode.value,
        "reason": its_control.reason,
        "mode_since": time_text(its_control.mode_since_ms),
        "configured": standing.configured,
        "served": standing.served,
        "breaker": "open" if its_control.open_since_ms else "closed",
        "breaker_since": time_text(its_control.open_since_ms),
        "pending": standing.pending - standing.parked,
        "parked": standing.parked,
        "dead": standing.dead,
        "oldest": time_text(standing.oldest_ms),
        "host": _host(verb, standing),
    }


def _host(verb: Operation, standing: Standing) -> str | None:
    destination = verb.destinations.get((standing.tenant, standing.name))
    return urlsplit(destination.url).netloc if destination else None


def _result_lines(result: Result) -> list[str]:
    answered = str(result.status or ": ".join(filter(None, (result.word, result.reason))))
    start = clean(result.start.decode("utf-8", "replace"), SHOWN)
    return [f"{answered}, {result.took_ms} ms, event {result.event_id}", *([f"  {start}"] if start else [])]


def _result_told(result: Result) -> dict[str, object]:
    return {
        "event": result.event_id,
        "status": result.status,
        "took_ms": result.took_ms,
        "error": result.word or None,
        "reason": result.reason or None,
        "answer": result.start.decode("utf-8", "replace"),
    }
