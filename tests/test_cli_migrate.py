"""`wa-gateway migrate`"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.store.migrate import migrations
from tests.postgres import create_database, postgres_server
from tests.processes import Process, gateways, write_configuration
from tests.program import run

__all__ = ["postgres_server"]


async def test_it_brings_a_file_up_to_date_and_says_what_it_did(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, {})
    names = [migration.name for migration in migrations("sqlite")]
    dry = await run("migrate", "--config", str(config), "--dry-run")
    assert dry.out.splitlines() == [f"outstanding: {name}" for name in names]
    assert not (tmp_path / "store.db").exists()
    done = await run("migrate", "--config", str(config))
    assert done.out.splitlines() == [f"done: {name}" for name in names]
    for options in ([], ["--dry-run"]):
        again = await run("migrate", "--config", str(config), *options)
        assert again.out == f"sqlite:{tmp_path}/store.db is up to date\n"


async def test_it_does_what_an_older_program_left(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, {})
    first, *others = migrations("sqlite")
    database = sqlite3.connect(tmp_path / "store.db")
    database.executescript(f"{first.sql}; PRAGMA application_id = 0x57414757; PRAGMA user_version = 1")
    database.close()
    done = await run("migrate", "--config", str(config))
    assert done.out.splitlines() == [f"done: {one.name}" for one in others]


async def test_a_database_is_brought_up_to_date(tmp_path: Path, postgres_server: str) -> None:
    config = write_configuration(tmp_path, {}, store=await create_database(postgres_server))
    names = [migration.name for migration in migrations("postgres")]
    dry = await run("migrate", "--config", str(config), "--dry-run")
    assert dry.out.splitlines() == [f"outstanding: {name}" for name in names]
    assert (await run("migrate", "--config", str(config))).out.splitlines() == [f"done: {name}" for name in names]
    assert "is up to date" in (await run("migrate", "--config", str(config))).out


async def test_a_file_that_is_in_use_is_left_to_its_gateway(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, {})
    process = Process(config)
    async with gateways(process):
        assert "is up to date" in (await run("migrate", "--config", str(config))).out
        database = sqlite3.connect(tmp_path / "store.db")
        database.execute("PRAGMA user_version = 2")
        database.close()
        refused = await run("migrate", "--config", str(config))
    assert refused.code == 1
    assert f"another wa-gateway uses {tmp_path}/store.db: stop it" in refused.err


async def test_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, {})
    await run("migrate", "--config", str(config))
    database = sqlite3.connect(tmp_path / "store.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    refused = await run("migrate", "--config", str(config))
    assert refused.code == 1
    assert "run the newer wa-gateway that wrote it" in refused.err


async def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, {}, store="postgresql://somebody:hush-hush@127.0.0.1:1/none")
    refused = await run("migrate", "--config", str(config))
    assert refused.code == 1
    assert "127.0.0.1:1" in refused.err
    assert "hush-hush" not in refused.err
