"""What befalls a gateway's process, and what its downstreams do to it. Nothing that was answered 200 is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.postgres import postgres_server, postgres_template, postgres_url
from tests.processes import (
    PATH,
    Mood,
    People,
    Process,
    Witness,
    accounts,
    assert_all_is_well,
    gateways,
    signed,
    webhook,
    write_configuration,
)
from tests.support import until

__all__ = ["postgres_server", "postgres_template", "postgres_url"]

ROUNDS = int(os.environ.get("WAGW_ROUNDS", "3"))
"""Of being killed, on each engine."""


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    """A store of each engine, as configuration names it."""
    return "sqlite:store.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


async def test_every_200_arrives_though_the_process_is_killed_again_and_again(tmp_path: Path, store: str) -> None:
    dice = random.Random(20261120)
    async with Witness().serve() as witness:
        process = Process(write_configuration(tmp_path, {"crm": {"url": witness.url}}, store=store))
        people = People(lambda: [process.url], 7)
        async with gateways(process):
            async with people.writing():
                for _ in range(ROUNDS):
                    await people.more(100 + dice.randrange(100))
                    assert await process.end(signal.SIGKILL) == -signal.SIGKILL
                    await process.start()
                await people.more(50)
            await people.arrived(witness, process)
    assert witness.repeated < people.total / 2, "only what was in flight is repeated"
    await assert_all_is_well(process.config, people, witness)


async def test_whatever_a_downstream_does_now_and_then_nothing_is_lost(tmp_path: Path, store: str) -> None:
    dice = random.Random(7)
    bad = [Mood.FAIL, Mood.RESET, Mood.CUT, Mood.CLOSE, Mood.HANG]
    async with Witness().serve() as witness:
        block = {"url": witness.url, "timeout": "500ms"}
        process = Process(write_configuration(tmp_path, {"crm": block}, store=store))
        people = People(lambda: [process.url], 20)
        async with gateways(process):
            async with people.writing():
                await people.more(20)
                witness.mood = lambda body: dice.choice(bad) if dice.random() < 0.2 else Mood.TAKE
                await people.more(600)
                witness.mood = lambda body: Mood.TAKE
            await people.arrived(witness, process)
    await assert_all_is_well(process.config, people, witness)


@pytest.mark.parametrize("mood", [Mood.FAIL, Mood.RESET, Mood.CUT, Mood.HANG])
async def test_a_downstream_that_is_broken_for_a_while_gets_everything_later(tmp_path: Path, mood: Mood) -> None:
    async with Witness().serve() as broken, Witness().serve() as sound:
        blocks = {"broken": {"url": broken.url, "timeout": "500ms"}, "sound": {"url": sound.url}}
        process = Process(write_configuration(tmp_path, blocks))
        people = People(lambda: [process.url], 20, pause_s=0.005)
        async with gateways(process):
            async with people.writing():
                await people.more(50)
                broken.mood = lambda body: mood
                before = len(sound.seen)
                await people.more(600)
                await until(lambda: len(sound.seen) >= before + 590, "the other one to go on", 5)
            broken.mood = lambda body: Mood.TAKE
            await people.arrived(broken, process)
            await people.arrived(sound, process)
    assert sound.repeated == 0
    await assert_all_is_well(process.config, people, broken)
    assert people.lost(sound) == sound.disordered() == []


async def test_connections_that_are_closed_though_they_were_to_be_kept_cost_nothing(tmp_path: Path) -> None:
    async with Witness(lambda body: Mood.CLOSE).serve() as witness:
        process = Process(write_configuration(tmp_path, {"crm": {"url": witness.url}}))
        people = People(lambda: [process.url], 20)
        async with gateways(process):
            async with people.writing():
                await people.more(500)
            await people.arrived(witness, process, 5)
    assert witness.repeated == 0
    await assert_all_is_well(process.config, people, witness)


@asynccontextmanager
async def raw_server(answer: bytes, *, endless: bytes = b"") -> AsyncIterator[str]:
    """Answers every request with these bytes, and goes on with the endless ones."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                writer.write(answer)
                while endless:
                    writer.write(endless)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()


def resident(pid: int) -> int:
    """Megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", b"x" * 65536, id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 16384 + b"\r\n",
                     id="chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"x" * 65536 + b"\r\n", id="head"),
        pytest.param(b"", b"x" * 65536, id="no HTTP at all"),
    ],
)  # fmt: skip
async def test_an_answer_without_end_costs_neither_memory_nor_others(
    tmp_path: Path, head: bytes, endless: bytes
) -> None:
    async with raw_server(head, endless=endless) as url, Witness().serve() as witness:
        blocks = {"endless": {"url": url}, "sound": {"url": witness.url}}
        process = Process(write_configuration(tmp_path, blocks))
        people = People(lambda: [process.url], 5)
        async with gateways(process):
            before = resident(process.pid)
            async with people.writing():
                await people.more(200)
            await until(lambda: len(witness.seen) >= people.total, "the other one to have all")
            assert resident(process.pid) - before < 40
    ledger = {account.destination: account for account in await accounts(process.config)}
    assert all(account.balances for account in ledger.values())
    assert ledger["sound"].delivered == ledger["endless"].matched == people.total


async def test_an_event_that_is_refused_for_ever_holds_its_lane_for_three_attempts(tmp_path: Path) -> None:
    refused = b"wamid.15550100000.3"
    seen: list[str] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                seen.append(orjson.loads(body)["data"]["message"]["id"])
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (422 if refused in body else 200))
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    block = {"url": url, "retry": {"schedule": ["50ms"], "give_up_after": "2s"}}
    process = Process(write_configuration(tmp_path, {"crm": block}))
    async with gateways(process), aiohttp.ClientSession() as session:
        for number in range(1, 7):
            body = webhook("15550100000", number)
            async with session.post(process.url + PATH, data=body, headers=signed(body)) as response:
                assert response.status == 200
        await until(lambda: "wamid.15550100000.6" in seen, "those behind it")
        assert seen.index("wamid.15550100000.4") >= 5, "three attempts came first"
        await until(lambda: process.told("attempt")[-1]["outcome"] == "dead", "it to be given up")
        assert await process.end() == 0
    server.close()
    distinct = list(dict.fromkeys(seen))
    assert distinct == [f"wamid.15550100000.{number}" for number in range(1, 7)]
    (account,) = await accounts(process.config)
    assert (account.balances, account.delivered, account.dead) == (True, 5, 1)
