"""A store with something in it, and the program's commands on it: for tests of what operators do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from gateway.cli.program import exit_code
from gateway.config import Config, load_config
from gateway.operations import stats
from gateway.operations.mapping import Mapper, StoredReceipt
from gateway.stamp import Event, new_receipt_id
from gateway.store.base import DestinationRow, Receipt, Route, SourceRow, State, Submission
from gateway.store.engines import store_of
from gateway.store.session import Row, Session, open_session
from providers import load_adapters
from tests.postgres import create_database, drop_database
from tests.support import NOW_MS, event, write_config

DESTINATIONS = {"crm": {"url": "http://127.0.0.1:1/crm"}, "bot": {"url": "http://127.0.0.1:1/bot"}}


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Shop:
    """A tenant `acme` with its store. Its methods run a loop of their own."""

    path: Path
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: object) -> Outcome:
        self.capture.readouterr()
        code = exit_code([*map(str, arguments), "--config", str(self.path)])
        return Outcome(code, *self.capture.readouterr())

    @property
    def config(self) -> Config:
        return load_config(self.path, {}, load_adapters())

    def receive(self, *events: Event, destinations: tuple[str, ...] = ("crm", "bot"), **receipt: Any) -> None:
        """Each event in a receipt of its own, a second after the last one."""
        asyncio.run(self._receive([[one] for one in events], destinations, receipt))

    def receive_body(self, body: bytes, *, outcome: str = "parsed", source: str = "cloud") -> None:
        """One webhook, mapped as the gateway does it; if it is `unmapped`, it gives no events."""
        mapper = Mapper(self.config, b"")
        receipt = StoredReceipt(1, new_receipt_id(NOW_MS), 1, "acme", source, NOW_MS, outcome, b"{}", body)
        events = list(mapper.read(receipt, ()).events) if outcome == "parsed" else []
        asyncio.run(self._receive([events], ("crm", "bot"), {"body": body, "outcome": outcome, "id_": receipt.id}))

    async def _receive(self, groups: list[list[Event]], destinations: tuple[str, ...], receipt: dict[str, Any]) -> None:
        store = store_of(self.config.store)
        await store.open()
        try:
            sources = [SourceRow("acme", name, f"acme/{name}", one.provider) for name, one in self._sources()]
            [cloud, *_] = await store.register_sources(sources)
            rows = [DestinationRow("acme", name) for name in self.config.tenants["acme"].destinations]
            numbers = dict(zip([row.name for row in rows], await store.register_destinations(rows), strict=True))
            routes = [Route(numbers[name]) for name in destinations]
            submissions = [
                Submission(_receipt(cloud, index, **receipt), events, [routes] * len(events))
                for index, events in enumerate(groups)
            ]
            await asyncio.gather(*map(store.append, submissions))
        finally:
            await store.close()

    def _sources(self) -> list[tuple[str, Any]]:
        return list(self.config.tenants["acme"].sources.items())

    def sql(self, statement: str, **parameters: Any) -> list[Row]:
        """Rows of a query; none of another statement, which is committed."""

        async def work() -> list[Row]:
            async with open_session(self.config.store, write=True) as session:
                if statement.startswith("SELECT"):
                    return await session.fetch(statement, **parameters)
                await session.execute(statement, **parameters)
                return []

        return asyncio.run(work())

    def settle(self, number: int, destination: str, state: State) -> None:
        """As an attempt would have left it."""
        self.sql(
            "UPDATE deliveries SET state = :state, attempts = 1, settled_ms = :now_ms, last_status = :status "
            "WHERE event = (SELECT seq FROM events WHERE id = :id) AND destination = "
            "(SELECT id FROM destinations WHERE name = :destination AND run = 0)",
            state=int(state), now_ms=NOW_MS, status=200 if state is State.DELIVERED else 500, id=event(number).id,
            destination=destination,
        )  # fmt: skip

    def states(self, run: int = 0) -> dict[str, list[str]]:
        """By destination, the states of deliveries in order."""
        found: dict[str, list[str]] = {}
        for name, state in self.sql(
            "SELECT n.name, d.state FROM deliveries d JOIN destinations n ON n.id = d.destination "
            "WHERE n.run = :run ORDER BY n.name, d.event",
            run=run,
        ):
            found.setdefault(name, []).append(State(state).name.lower())
        return found

    def balances(self) -> bool:
        async def work() -> bool:
            async with self.session() as session:
                return all(account.balances for account in await stats.ledger(session))

        return asyncio.run(work())

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        async with open_session(self.config.store, write=True) as session:
            yield session


def _receipt(
    source: int, index: int, *, body: bytes = b"[{}]", outcome: str = "parsed", id_: bytes | None = None
) -> Receipt:
    received_ms = NOW_MS + index * 1000
    return Receipt(id_ or new_receipt_id(received_ms), source, received_ms, outcome, b"{}", body)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """What stands in a configuration, for each engine."""
    if request.param == "sqlite":
        yield "sqlite:store.db"
        return
    server = request.getfixturevalue("postgres_server")
    url = asyncio.run(create_database(server, request.getfixturevalue("postgres_template")))
    yield url
    asyncio.run(drop_database(server, url))


@pytest.fixture
def shop(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """On each engine."""
    path = write_config(tmp_path, DESTINATIONS)
    path.write_text(path.read_text().replace("sqlite:store.db", orjson.dumps(store).decode()))
    return Shop(path, capsys)
