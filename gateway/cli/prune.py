"""`wa-gateway prune`"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.operating import (
    Operation,
    config_option,
    confirm,
    duration,
    now_ms,
    operate,
    operation,
    yes_option,
)
from gateway.operations import pruning
from gateway.operations.selection import Key
from gateway.store.ledger import Cutoffs


@click.command()
@click.option("--older-than", callback=duration, metavar="DURATION",
              help="Instead of `retention.receipts` of the configuration, such as 7d.")  # fmt: skip
@click.option("--expire-parked", "parked", metavar="[TENANT/]NAME",
              help="Instead: expire what is parked at this destination, all or --older-than.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say how much it is, and end.")
@yes_option
@config_option
def command(older_than: float | None, parked: str | None, dry_run: bool, yes: bool, path: Path) -> None:
    """Delete webhooks, events and deliveries that are older than they have to be kept.

    A running gateway does the same by itself. What is still to be delivered is never deleted; what is parked leaves
    by --expire-parked alone, and is counted as expired. Ids are remembered for as long as `retention.ids` says.
    Replays and remaps that are over and older go as well: `--list` does not show them any more.
    """

    async def work() -> None:
        async with operation(path, write=not dry_run) as verb:
            if parked is not None:
                await _expire(verb, await verb.destination(parked), older_than or 0, dry_run=dry_run, yes=yes)
            else:
                await _prune(verb, older_than, dry_run=dry_run, yes=yes)

    operate(work())


async def _prune(verb: Operation, older_than: float | None, *, dry_run: bool, yes: bool) -> None:
    kept = verb.config.retention
    age_s = kept.receipts if older_than is None else older_than
    cutoffs = Cutoffs(now_ms() - int(age_s * 1000), now_ms() - int(kept.ids * 1000))
    expected = await pruning.expected(verb.session, cutoffs)
    click.echo(f"{expected.receipts} webhooks with {expected.body_bytes} bytes are done with, and older than that")
    if dry_run or not expected.receipts:
        return
    confirm("Delete them, with their events and deliveries?", yes=yes)
    receipts = events = deliveries = 0
    async for pruned in pruning.prune(verb.session, cutoffs):
        receipts += pruned.receipts
        events += pruned.events
        deliveries += pruned.deliveries
    click.echo(f"{receipts} webhooks, {events} events and {deliveries} deliveries deleted")


async def _expire(verb: Operation, key: Key, age_s: float, *, dry_run: bool, yes: bool) -> None:
    now = now_ms()
    before_ms = now - int(age_s * 1000)
    name = "/".join(key)
    waiting = await pruning.parked(verb.session, key, before_ms)
    click.echo(f"{waiting} deliveries are parked at {name}{', and older than that' if age_s else ''}")
    if dry_run or not waiting:
        return
    confirm("Expire them? They will not be delivered, unless they are replayed.", yes=yes)
    expired = [count async for count in pruning.expire_parked(verb.session, key, before_ms, now)]
    click.echo(f"{sum(expired)} deliveries expired")
