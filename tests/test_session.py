"""The connection beside the gateway's: what it opens, what it refuses, and that it keeps out of the way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from gateway.config.values import StoreUrl
from gateway.config.values import parse_store as parse
from gateway.store import session_sqlite
from gateway.store.base import StoreError, StoreUnavailable
from gateway.store.engines import store_of
from gateway.store.postgres_schema import explanation, prepare
from gateway.store.session import StoreAway, open_session
from gateway.store.session_postgres import _translated
from tests.operating import store
from tests.postgres import (
    RestartableServer,
    create_database,
    drop_database,
    postgres_server,
    postgres_template,
)

__all__ = ["postgres_server", "postgres_template", "store"]

ROLE = "DO $$ BEGIN CREATE ROLE wagw_stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


@pytest.fixture
async def made(store: str, tmp_path: Path) -> StoreUrl:
    """A store that a gateway has opened once."""
    url = parse(store)
    if url.kind == "sqlite":
        url = url._replace(path=tmp_path / url.path)
    opened = store_of(url)
    await opened.open()
    await opened.close()
    return url


async def test_reading_changes_nothing(made: StoreUrl) -> None:
    async with open_session(made) as session:
        assert await session.fetch("SELECT count(*) FROM events") == [(0,)]
        with pytest.raises(StoreUnavailable, match=r"read.?only"):
            await session.execute("DELETE FROM events")


async def test_a_transaction_is_all_or_nothing(made: StoreUrl) -> None:
    async def insert(*names: str, then: type[Exception] | None = None) -> None:
        async with session.transaction():
            for name in names:
                assert (
                    await session.execute("INSERT INTO destinations (tenant, name) VALUES ('acme', :name)", name=name)
                    == 1
                )
            if then is not None:
                raise then

    async with open_session(made, write=True) as session:
        with pytest.raises(ZeroDivisionError):
            await insert("crm", then=ZeroDivisionError)
        await insert("bot")
        with pytest.raises(StoreUnavailable):
            await insert("help", "bot")
        assert [tuple(row) for row in await session.fetch("SELECT name FROM destinations")] == [("bot",)]


async def test_a_snapshot_stands_still(made: StoreUrl) -> None:
    insert = "INSERT INTO destinations (tenant, name) VALUES ('acme', :name)"
    async with open_session(made) as reader, open_session(made, write=True) as writer:
        async with reader.snapshot():
            before = await reader.fetch("SELECT count(*) FROM destinations")
            await writer.execute(insert, name="crm")
            assert await reader.fetch("SELECT count(*) FROM destinations") == before
        assert await reader.fetch("SELECT count(*) FROM destinations") != before


async def test_a_query_that_is_given_up_ends(made: StoreUrl) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
        "postgresql": "SELECT pg_sleep(600)",
    }
    async with open_session(made) as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await session.fetch(endless[made.kind])
        assert await session.fetch("SELECT count(*) FROM runs") == [(0,)]


async def test_there_is_no_store_yet(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreError, match="comes with the first `wa-gateway run`"):
        async with open_session(StoreUrl("sqlite", path), write=True):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_an_empty_database_is_no_store(postgres_server: str) -> None:
    url = await create_database(postgres_server)
    with pytest.raises(StoreError, match="comes with the first `wa-gateway run`"):
        async with open_session(parse(url), write=True):
            pass


async def test_another_schema_is_refused_with_what_to_do(made: StoreUrl) -> None:
    async def at(version: int) -> None:
        if made.kind == "sqlite":
            database = sqlite3.connect(made.path)
            database.execute(f"PRAGMA user_version = {version}")
            database.close()
            return
        connection = await asyncpg.connect(made.url.get_secret_value())
        await connection.execute("UPDATE meta SET value = $1 WHERE name = 'version'", str(version).encode())
        await connection.close()

    older = 1 if made.kind == "sqlite" else 0
    for version, remedy in ((older, "wa-gateway (migrate|run)"), (99, "run the newer wa-gateway")):
        await at(version)
        with pytest.raises(StoreError, match=remedy):
            async with open_session(made):
                pass


async def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE other (id INTEGER)")
    database.close()
    with pytest.raises(StoreError, match="is no store of wa-gateway"):
        async with open_session(StoreUrl("sqlite", path)):
            pass
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="damaged or no SQLite database"):
        async with open_session(StoreUrl("sqlite", path)):
            pass


async def test_a_commit_waits_for_that_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_sqlite, "BUSY_S", 0.1)
    url = StoreUrl("sqlite", tmp_path / "store.db")
    opened = store_of(url)
    await opened.open()
    await opened.close()
    other = sqlite3.connect(url.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with open_session(url, write=True) as session:
        with pytest.raises(StoreUnavailable, match="locked"):
            async with session.transaction():
                pass
        other.execute("COMMIT")
        async with session.transaction():
            pass
    other.close()


async def test_a_file_that_has_become_read_only(tmp_path: Path) -> None:
    url = StoreUrl("sqlite", tmp_path / "store.db")
    opened = store_of(url)
    await opened.open()
    await opened.close()
    async with open_session(url, write=True) as session:
        await session.execute("PRAGMA query_only = 1")
        with pytest.raises(StoreUnavailable, match="Run this as the user of the gateway"):
            await session.execute("INSERT INTO destinations (tenant, name) VALUES ('acme', 'crm')")


# PostgreSQL


@pytest.fixture
async def database(postgres_server: str, postgres_template: str) -> AsyncIterator[str]:
    url = await create_database(postgres_server, postgres_template)
    yield url
    await drop_database(postgres_server, url)


async def administer(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_a_database_that_has_become_read_only(database: str) -> None:
    async with open_session(parse(database), write=True) as session:
        await session.execute("SET default_transaction_read_only = on")
        with pytest.raises(StoreUnavailable, match="`store` must name the primary, not a replica") as caught:
            async with session.transaction():
                await session.execute("INSERT INTO destinations (tenant, name) VALUES ('acme', 'crm')")
    assert "cannot execute INSERT in a read-only transaction" in str(caught.value)


async def test_a_user_without_rights_on_the_tables(database: str) -> None:
    await administer(database, ROLE)
    other = database.replace("postgres@", "wagw_stranger@", 1)
    with pytest.raises(StoreUnavailable, match="GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"):
        async with open_session(parse(other)):
            pass
    with pytest.raises(StoreError, match="GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"):
        await prepare(other)
    await administer(database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO wagw_stranger")
    async with open_session(parse(other), write=True) as session:
        assert await session.accounts() == []
        with pytest.raises(StoreUnavailable, match="USAGE ON ALL SEQUENCES"):
            await session.execute("INSERT INTO destinations (tenant, name) VALUES ('acme', 'crm')")


async def test_only_their_owner_changes_tables(database: str) -> None:
    await administer(
        database,
        ROLE,
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO wagw_stranger",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "DROP TABLE gaps",
        "UPDATE meta SET value = '1' WHERE name = 'version'",
    )
    with pytest.raises(StoreError, match="run `wa-gateway migrate` as that user"):
        await prepare(database.replace("postgres@", "wagw_stranger@", 1))


async def test_a_server_that_goes_is_told_from_what_stays_wrong(postgres_template: str) -> None:
    with RestartableServer() as server:
        url = server.database()
        await prepare(url)
        async with open_session(parse(url)) as session:
            server.stop("fast")
            for _ in range(2):
                with pytest.raises(StoreAway):
                    await session.fetch("SELECT count(*) FROM events")
        with pytest.raises(StoreAway, match="is the server running"):
            async with open_session(parse(url)):
                pass
        server.start()
        for wrong in (url.replace("postgres@", "nobody@", 1), server.url.replace("/postgres?", "/nowhere?", 1)):
            with pytest.raises(StoreError):
                async with open_session(parse(wrong)):
                    pass


async def test_a_pooler_that_keeps_no_plans_will_do(database: str) -> None:
    url = parse(f"{database}&statement_cache_size=0")
    async with open_session(url, write=True) as session:
        async with session.transaction():
            await session.execute("INSERT INTO destinations (tenant, name) VALUES ('acme', 'crm')")
        async with session.snapshot():
            assert await session.fetch("SELECT name FROM destinations") == [("crm",)]
    async with open_session(url) as session:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await session.execute("DELETE FROM destinations")


@pytest.mark.parametrize(
    ("password", "error", "told"),
    [
        ("x", 'relation "meta" does not exist', 'relation "meta" does not exist'),
        ("x", "bad value 'x' in postgresql://u:x@h/d", "bad value '***' in postgresql://u:***@h/d"),
        ("%24", "is $ not right", "is *** not right"),
        ("hunter2", "no hunter2hunter2", "no ******"),
        ("p%40ss", "p@ss or p%40ss", "*** or ***"),
    ],
)
def test_a_password_is_masked_and_words_are_not(password: str, error: str, told: str) -> None:
    for url in (f"postgresql://u:{password}@h/d", f"postgresql://h/d?user=u&password={password}"):
        assert explanation(ValueError(error), url).endswith(f": {told}")


def test_parameters_become_numbers() -> None:
    sql = "SELECT :one::text, :other, ':none' WHERE a = :one"
    assert _translated(sql)[0].startswith("SELECT $1::text, $2, ")
    assert _translated("UPDATE t SET a = :b WHERE c = :b AND d = :e") == (
        "UPDATE t SET a = $1 WHERE c = $1 AND d = $2",
        ("b", "e"),
    )
