"""`wa-gateway stats`"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.failures import Failed
from gateway.cli.operating import config_option, json_option, operate, operation
from gateway.cli.table import each, print_json, print_table
from gateway.operations import stats
from gateway.store.ledger import Account

HEADINGS = ("destination", "matched", "delivered", "pending", "parked", "dead", "suppressed", "expired")


@click.command()
@click.option("--tenant", metavar="NAME", help="This tenant's alone.")
@click.option("--check", is_flag=True, help="End with 1 where anything is missing, and say where.")
@config_option
@json_option
def command(tenant: str | None, check: bool, path: Path, as_json: bool) -> None:
    """Show the ledger: how many events each destination was to get, and what became of them.

    Replays and remaps count with their destination. What was matched, and what has been pruned, is written down
    together with the rows themselves; the rest is counted row by row. So matched is the sum of all others, or something
    was lost: --check tells. Every row is counted: with many millions of them it takes a while, and holds nobody up.
    """

    async def work() -> list[Account]:
        async with operation(path) as verb:
            wanted = await verb.tenant(tenant)
            ledger = [account for account in await stats.ledger(verb.session) if wanted in (None, account.tenant)]
            if as_json:
                await print_json(each(account._asdict() | {"balances": account.balances} for account in ledger))
            else:
                rows = [(f"{account.tenant}/{account.destination}", *account[2:]) for account in ledger]
                await print_table(HEADINGS, each([*rows, ("total", *stats.total(ledger)[2:])]))
            return ledger

    wrong = [account for account in operate(work()) if not account.balances]
    for account in wrong:
        click.echo(f"{account.tenant}/{account.destination}: {_said(account.missing)}", err=True)
    if check and wrong:
        raise Failed("the ledger does not balance")


def _said(missing: int) -> str:
    return f"{missing} missing" if missing > 0 else f"{-missing} too many"
