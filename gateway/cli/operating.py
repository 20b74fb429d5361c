"""What operators' verbs share: the configuration and a session, options that select, how they fail."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.cli.failures import Failed, open_config
from gateway.clock import SystemClock
from gateway.config import Config, Destination
from gateway.config.values import parse_duration
from gateway.operations import control
from gateway.operations.runs import NotPossible
from gateway.operations.selection import (
    STATES,
    Criteria,
    Key,
    NotUnderstood,
    event_id_of,
    named,
    provider_of,
    tenant_of,
    types_of,
    with_person,
    within,
)
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.session import Session, open_session

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

config_option = click.option(
    "--config", "path", default="config.yaml", show_default=True, metavar="FILE", type=click.Path(path_type=Path),
    help="The gateway's configuration, which says where its store is.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def limit_option(default: int) -> Callable[[Command], Command]:
    return click.option(
        "--limit", default=default, show_default=True, type=click.IntRange(0), metavar="N",
        help="End after so many; 0 is all.",
    )  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """What a verb works with."""

    config: Config
    session: Session

    @cached_property
    def destinations(self) -> dict[Key, Destination]:
        """Those of the configuration."""
        return {
            (one.tenant, one.name): one
            for tenant in self.config.tenants.values()
            for one in tenant.destinations.values()
        }

    async def destination(self, text: str) -> Key:
        """TENANT/NAME, or the name alone where one tenant has it; of the configuration or of the store."""
        return named(text, {*self.destinations, *await control.known(self.session)}, "destination")

    async def tenant(self, text: str | None) -> str | None:
        """Of the configuration or of the store; None, where none is named."""
        return await tenant_of(self.session, text, self.config.tenants)

    async def criteria(self, **given: Any) -> Criteria:
        """What the options of `selecting` say. Raises NotUnderstood."""
        tenant = await self.tenant(given.get("tenant"))
        source, destination = given.get("source"), given.get("destination")
        if source is not None:
            sources = {(row[0], row[1]) for row in await self.session.fetch("SELECT tenant, name FROM sources")}
            tenant, source = named(source, within(tenant, sources), "source")
        if destination is not None:
            keys = {*self.destinations, *await control.known(self.session)}
            tenant, destination = named(destination, within(tenant, keys), "destination")
        criteria = Criteria(
            since_ms=given.get("since"),
            until_ms=given.get("until"),
            tenant=tenant,
            source=source,
            destination=destination,
            provider=await provider_of(self.session, given.get("provider")),
            outcome=given.get("outcome"),
            types=types_of(given.get("types", ())),
            states=given.get("states", ()),
            ids=tuple(map(event_id_of, given.get("ids", ()))),
        )
        return await with_person(self.session, criteria, given.get("person"))


def now_ms() -> int:
    return SystemClock().now_ms()


def operate(work: Coroutine[Any, Any, T]) -> T:
    """Carry it out; what goes wrong ends the command with a message."""
    try:
        return asyncio.run(work)
    except NotUnderstood as error:
        raise click.UsageError(str(error)) from None
    except (StoreError, StoreUnavailable, NotPossible) as error:
        raise Failed(str(error)) from None


@asynccontextmanager
async def operation(path: Path, *, write: bool = False) -> AsyncIterator[Operation]:
    """On the store of a configuration file."""
    config = open_config(path)
    async with open_session(config.store, write=write) as session:
        yield Operation(config, session)


def selecting(*names: str) -> Callable[[Command], Command]:
    """The options of these criteria, for Operation.criteria."""

    def decorated(command: Command) -> Command:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return command

    return decorated


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere nobody can answer, so --yes must have been given."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this asks before it does anything: give --yes where nobody can answer")
    click.confirm(question, abort=True, err=True)


def duration(context: click.Context, parameter: click.Parameter, given: str | None) -> float | None:
    """Seconds; a callback of options."""
    try:
        return None if given is None else parse_duration(given)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _instant(context: click.Context, parameter: click.Parameter, given: str | None) -> int | None:
    """Milliseconds of a time, or of a duration ago."""
    if given is None:
        return None
    if re.match(r"\d+(\.\d+)?(ms|s|m|h|d)", given):
        return now_ms() - int((duration(context, parameter, given) or 0) * 1000)
    try:
        instant = datetime.fromisoformat(given)
        if instant.tzinfo is None:
            raise ValueError
        return int(instant.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "must be a time by RFC 3339, such as 2026-06-08T20:59:43Z, or how long ago, such as 90m", context, parameter
        ) from None


_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "since": click.option(
        "--since", callback=_instant, metavar="TIME",
        help="Received then or later: a time by RFC 3339, or how long ago, such as 90m or 2d.",
    ),
    "until": click.option("--until", callback=_instant, metavar="TIME", help="Received then or earlier."),
    "tenant": click.option("--tenant", metavar="NAME", help="This tenant's alone."),
    "source": click.option("--source", metavar="[TENANT/]NAME", help="From this source alone."),
    "provider": click.option("--provider", metavar="NAME", help="From this provider's sources alone."),
    "outcome": click.option(
        "--outcome", type=click.Choice(["parsed", "unmapped"]), help="Receipts that were read, or could not be."
    ),
    "types": click.option(
        "--type", "types", multiple=True, metavar="PATTERN",
        help="Of this type, such as message.* or whatsapp.message.status. Several may be given.",
    ),
    "destination": click.option("--destination", metavar="[TENANT/]NAME", help="For this destination alone."),
    "states": click.option(
        "--state", "states", multiple=True, type=click.Choice(list(STATES)),
        help="In this state; pending is queued, held, waiting and beside. Several may be given.",
    ),
    "person": click.option(
        "--person", metavar="ID", help="Of this person, by the id that events give: sender.id, recipient.id."
    ),
    "ids": click.option("--id", "ids", multiple=True, metavar="EVENT", help="This event. Several may be given."),
}  # fmt: skip
