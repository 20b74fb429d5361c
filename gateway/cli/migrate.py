"""`wa-gateway migrate`"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from gateway.cli.failures import Failed, open_config
from gateway.config.values import StoreUrl
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.engines import store_of
from gateway.store.migrate import Migration
from gateway.store.versions import outstanding_of


@click.command()
@click.option(
    "--config", "path", default="config.yaml", show_default=True, metavar="FILE",
    type=click.Path(path_type=Path), help="The gateway's configuration, which says where its store is.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="List what would be done, and change nothing.")
def command(path: Path, dry_run: bool) -> None:
    """Bring the store's schema up to date.

    `run` does it as well; this is for those who want it done before, such as in a deploy, or by a user who may. Several
    may try at once: one does it. PostgreSQL may be in use meanwhile; of SQLite the gateway has to be stopped.
    """
    store = open_config(path).store
    try:
        lacking = asyncio.run(_migrate(store, dry_run))
    except (StoreError, StoreUnavailable) as error:
        raise Failed(str(error)) from None
    if not lacking:
        click.echo(f"{store} is up to date")
    for migration in lacking:
        click.echo(f"{'outstanding' if dry_run else 'done'}: {migration.name}")


async def _migrate(url: StoreUrl, dry_run: bool) -> list[Migration]:
    lacking = await outstanding_of(url)
    if lacking and not dry_run:
        store = store_of(url)
        await store.open()
        await store.close()
    return lacking
