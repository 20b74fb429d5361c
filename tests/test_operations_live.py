"""What operators do while a gateway runs: real processes, on both engines."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.config import load_config
from gateway.store.session import open_session
from providers import load_adapters
from tests import program
from tests.operating import DESTINATIONS, Shop, store
from tests.postgres import RestartableServer, postgres_server, postgres_template
from tests.processes import PATH, Process, signed, webhook, write_configuration
from tests.support import Delivered, Downstream, event, until, write_config

__all__ = ["postgres_server", "postgres_template", "store"]

PERSON = "15550100001"


@dataclass
class Live:
    """A gateway with a downstream."""

    path: Path
    gateway: Process
    downstream: Downstream
    http: aiohttp.ClientSession

    async def write(self, *numbers: int, person: str = PERSON) -> None:
        for number in numbers:
            body = webhook(person, number)
            async with self.http.post(self.gateway.url + PATH, data=body, headers=signed(body)) as answer:
                assert answer.status == 200

    async def verb(self, *arguments: object, code: int = 0) -> program.Result:
        result = await program.run(*arguments, "--config", self.path)
        assert result.code == code, result.err
        return result

    async def sql(self, statement: str, **parameters: Any) -> None:
        config = load_config(self.path, {}, load_adapters())
        async with open_session(config.store, write=True) as session, session.transaction():
            await session.execute(statement, **parameters)

    @property
    def texts(self) -> list[str]:
        """Numbers of the messages that arrived, with what the envelope says beside."""
        return [_told(got) for got in self.downstream.got]

    async def arrived(self, *texts: str) -> None:
        await until(lambda: len(self.downstream.got) >= len(texts), f"{texts}, got {self.texts}")
        assert self.texts == list(texts)

    async def balanced(self) -> None:
        """Once all is settled."""
        assert (await self.verb("stats", "--check")).err == ""


def _told(got: Delivered) -> str:
    marks = [f"{name} {got.event[name]}" for name in ("replay", "revision") if name in got.event]
    return " ".join([got.event["data"]["message"]["id"].rpartition(".")[2], *marks])


@pytest.fixture
async def live(store: str, tmp_path: Path) -> AsyncIterator[Live]:
    async with Downstream().serve() as downstream, aiohttp.ClientSession() as http:
        path = write_configuration(tmp_path, {"crm": {"url": downstream.url, "timeout": "30s"}}, store=store)
        gateway = Process(path)
        await gateway.start()
        try:
            yield Live(path, gateway, downstream, http)
        finally:
            if gateway.runs:
                await gateway.end(signal.SIGTERM)


async def test_what_comes_during_a_pause_is_parked_and_arrives_in_order(live: Live) -> None:
    await live.write(1)
    await live.arrived("1")
    await live.verb("destinations", "pause", "crm", "--reason", "upgrade")
    number = 1
    crm = {"parked": 0}
    async with asyncio.timeout(program.LIMIT_S):
        while crm["parked"] < 3:  # the gateway sees the pause within a moment: until then events go out
            number += 1
            await live.write(number)
            crm = json.loads((await live.verb("destinations", "list", "--json")).out)
    assert (crm["mode"], crm["reason"], crm["pending"]) == ("paused", "upgrade", 0)
    numbers = list(map(str, range(1, number + 1)))
    assert len(live.texts) <= number - 3
    assert (await live.verb("destinations", "resume", "crm")).out == "acme/crm: paused -> active\n"
    await live.arrived(*numbers)
    await live.balanced()


async def test_a_replay_does_not_hold_up_what_is_live(live: Live) -> None:
    await live.write(1, 2, 3)
    await live.arrived("1", "2", "3")
    released = asyncio.Event()

    async def answer(got: Delivered) -> web.Response:
        if "replay" in got.event:
            await released.wait()
        return web.Response()

    live.downstream.answer = answer
    result = await live.verb("replay", "--since", "1h", "--yes")
    assert "3 of 3" in result.out
    await live.arrived("1", "2", "3", "1 replay 1")
    await live.write(4)
    await live.arrived("1", "2", "3", "1 replay 1", "4")
    released.set()
    await live.arrived("1", "2", "3", "1 replay 1", "4", "2 replay 1", "3 replay 1")
    first, again = live.downstream.got[0], live.downstream.got[3]
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.event["sequence"] == again.event["sequence"]
    await live.balanced()
    async with asyncio.timeout(program.LIMIT_S):
        while json.loads((await live.verb("replay", "--list", "--json")).out)["state"] != "done":
            pass
    await live.write(5)
    await live.arrived("1", "2", "3", "1 replay 1", "4", "2 replay 1", "3 replay 1", "5")


async def test_a_replay_is_cancelled_under_way(live: Live) -> None:
    await live.write(1, 2, 3)
    await live.arrived("1", "2", "3")
    asked = asyncio.Event()
    released = asyncio.Event()

    async def answer(got: Delivered) -> web.Response:
        if "replay" in got.event:
            asked.set()
            await released.wait()
        return web.Response()

    live.downstream.answer = answer
    await live.verb("replay", "--since", "1h", "--yes")
    await asked.wait()
    cancelled = await live.verb("replay", "--cancel", 1)
    assert cancelled.out == "replay 1 is cancelled: 3 deliveries expired\n"
    assert cancelled.err == "any that are on their way right now count as delivered if they arrive\n"
    released.set()
    await live.write(4)
    await until(lambda: "4" in live.texts)
    assert await live.gateway.end() == 0
    await live.balanced()
    [run] = [json.loads(line) for line in (await live.verb("replay", "--list", "--json")).out.splitlines()]
    arrived = [text for text in live.texts if "replay" in text]
    assert (run["state"], run["pending"], run["delivered"] + run["expired"]) == ("cancelled", 0, 3)
    assert run["delivered"] == len(arrived) > 0, "also what was on its way when it was cancelled"


async def test_a_replay_that_was_cancelled_while_it_was_parked_never_leaves(live: Live) -> None:
    await live.write(1, 2, 3)
    await live.arrived("1", "2", "3")
    await live.verb("destinations", "pause", "crm")
    await live.verb("replay", "--since", "1h", "--yes")
    [run] = [json.loads(line) for line in (await live.verb("replay", "--list", "--json")).out.splitlines()]
    await live.verb("replay", "--cancel", 1)
    await live.write(4)
    await live.verb("destinations", "resume", "crm")
    await until(lambda: "4" in live.texts)
    assert await live.gateway.end() == 0
    assert len([text for text in live.texts if "replay" in text]) == run["delivered"]
    await live.balanced()


async def test_a_remap_corrects_and_adds_while_events_come_in(live: Live) -> None:
    await live.write(1, 2)
    await live.arrived("1", "2")
    await live.balanced()
    first = live.downstream.got[0].event
    older = json.dumps({**first["data"], "message": {**first["data"]["message"], "content": {"type": "unknown"}}})
    await live.sql("UPDATE events SET data = :data WHERE seq = 1", data=older.encode())
    for statement in (
        "DELETE FROM tallies",
        "DELETE FROM deliveries WHERE event = 2",
        "DELETE FROM events WHERE seq = 2",
        "UPDATE receipts SET outcome = 'unmapped' WHERE seq = 2",
        "INSERT INTO tallies (destination, day, shard, matched) SELECT d.destination, r.received_ms / 86400000, 0, "
        "count(*) FROM deliveries d JOIN events e ON e.seq = d.event JOIN receipts r ON r.seq = e.receipt "
        "GROUP BY d.destination, r.received_ms / 86400000",
    ):
        await live.sql(statement)
    await live.balanced()
    result = await live.verb("remap", "--since", "1h", "--yes")
    assert "1 new event, to be delivered 1 time\n1 corrected event, to be delivered 1 time\n" in result.out
    await until(lambda: len(live.downstream.got) == 4)
    assert sorted(live.texts[2:]) == ["1 revision 2", "2"]
    corrected = next(got for got in live.downstream.got if "revision" in got.event)
    assert corrected.headers["webhook-id"] == f"{first['id']}_r2"
    assert corrected.event["data"] == first["data"]
    await live.write(3)
    await until(lambda: live.texts[-1] == "3")
    sequences = [int(got.event["sequence"]) for got in live.downstream.got]
    assert sequences[-1] > max(sequences[:-1]), "the gateway counts on from what the remap has added"
    await live.balanced()


async def test_events_are_followed(live: Live) -> None:
    await live.write(1)
    arguments = ["events", "tail", "--since", "1h", "--json", "--config", live.path]
    async with program.started(*arguments) as tail:
        await tail.expect(r'"sequence":1,')
        await live.write(2, 3)
        await tail.expect(r'"sequence":2,[^\n]*\n[^\n]*"sequence":3,')
        result = await tail.end(signal.SIGINT)
    assert (result.code, result.err.strip()) == (130, "")
    assert len(result.out.splitlines()) == 3


async def test_following_outlives_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RestartableServer() as server:
        path = write_config(tmp_path, DESTINATIONS)
        path.write_text(path.read_text().replace("sqlite:store.db", json.dumps(server.database())))
        shop = Shop(path, capsys)
        await asyncio.to_thread(shop.receive, event(0))
        arguments = ["events", "tail", "--since", "2020-01-01T00:00:00Z", "--json", "--config", shop.path]
        async with program.started(*arguments) as tail:
            await tail.expect(event(0).id.hex())
            for number, end in enumerate((server.kill, server.stop), 1):
                end()
                await until(lambda times=number: tail.err.count(b"the store is away") == times)
                server.start()
                await asyncio.to_thread(shop.receive, event(number))
                await tail.expect(event(number).id.hex())
            result = await tail.end(signal.SIGINT)
        assert result.code == 130
        assert [json.loads(line)["id"] for line in result.out.splitlines()] == [event(n).id.hex() for n in range(3)]
        said = [line.partition(":")[0] for line in result.err.strip().splitlines()]
        assert said == ["the store is away, waiting for it", "the store is back"] * 2
        server.stop()
        at_once = await program.run(*arguments)
        assert (at_once.code, "is the server running" in at_once.err) == (1, True)
