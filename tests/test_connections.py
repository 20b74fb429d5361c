"""Connections: whose they are, how many there may be, and how long they stay."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.config import Destination
from gateway.sending import connect, connections
from gateway.sending.connect import ConnectFailed, Names
from gateway.sending.connections import Connections
from gateway.sending.forwarder import Target, target_of
from gateway.sending.http1 import Answer
from tests.raw_server import OK, RawServer, read_request
from tests.support import SECRET, until

ROOT = Path(__file__).parent.parent
BODY = b"Content-Length: 0\r\n\r\n"


def target(url: str, **settings: Any) -> Target:
    return target_of(Destination(tenant="acme", name="crm", url=url, secrets=[SecretStr(SECRET)], **settings))


class Door:
    """A server that answers only once `open` is set; until then requests wait."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            self.waiting += 1
            await self.open.wait()
            self.waiting -= 1
            writer.write(OK)


@pytest.fixture
async def pools() -> AsyncIterator[Connections]:
    pools = Connections(asyncio.get_running_loop())
    yield pools
    pools.close()


async def post(pools: Connections, to: Target) -> Answer:
    return await pools.post(to, to.head + BODY, lambda: None)


async def test_no_destination_has_more_connections_than_attempts(pools: Connections) -> None:
    door = Door()
    async with RawServer(door).run() as server:
        to = target(server.url, concurrency=3)
        posts = [asyncio.create_task(post(pools, to)) for _ in range(10)]
        await until(lambda: door.waiting == 3)
        door.open.set()
        assert [answer.status for answer in await asyncio.gather(*posts)] == [200] * 10
        assert server.connections == 3


async def test_one_that_hangs_takes_nothing_of_another_on_the_same_host(pools: Connections) -> None:
    door = Door()
    async with RawServer(door).run() as server:
        hanging, other = target(server.url, concurrency=2, timeout=60.0), target(server.url, concurrency=1)
        stuck = [asyncio.create_task(post(pools, hanging)) for _ in range(5)]
        await until(lambda: door.waiting == 2)
        third = asyncio.create_task(post(pools, other))
        await until(lambda: door.waiting == 3)
        door.open.set()
        assert (await third).status == 200
        await asyncio.gather(*stuck)
        assert server.connections == 3, "no connection is shared between destinations"


async def test_waiting_for_a_turn_is_no_part_of_the_attempts_time(pools: Connections) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            await asyncio.sleep(0.1)
            writer.write(OK)

    async with RawServer(slow).run() as server:
        to = target(server.url, concurrency=1, timeout=0.3)
        answers = await asyncio.gather(*(post(pools, to) for _ in range(5)))
    assert [answer.status for answer in answers] == [200] * 5


async def test_idle_connections_are_closed(pools: Connections) -> None:
    door = Door()
    door.open.set()
    async with RawServer(door).run() as server:
        to = target(server.url)
        await asyncio.gather(*(post(pools, to) for _ in range(3)))
        pools.sweep()
        assert server.open == 3
        pools.sweep(idle_s=0.0)
        await until(lambda: server.open == 0, "idle connections to be closed")
        assert len(pools._idle) == 0, "a destination to which nothing is sent costs nothing"
        assert (await post(pools, to)).status == 200


async def test_the_least_recently_used_are_closed_first(pools: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_CONNECTIONS", 2)
    door = Door()
    door.open.set()
    async with RawServer(door).run() as server:
        first, second, third = (target(server.url) for _ in range(3))
        for to in (first, second, first, third):
            await post(pools, to)
        await until(lambda: server.open == 2)
        assert server.connections == 3
        await post(pools, first)
        assert server.connections == 3, "its connection is still there"
        await post(pools, second)
        assert server.connections == 4
        pools.sweep(idle_s=0.0)
        assert (pools._kept, len(pools._idle)) == (0, 0)


async def test_one_in_use_is_never_closed(pools: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_CONNECTIONS", 0)
    door = Door()
    async with RawServer(door).run() as server:
        busy, other = target(server.url), target(server.url)
        waiting = asyncio.create_task(post(pools, busy))
        await until(lambda: door.waiting == 1)
        door.open.set()
        await post(pools, other)
        assert (await waiting).status == 200
        await until(lambda: server.open == 0)


async def test_destinations_that_trust_the_same_share_it(pools: Connections) -> None:
    first, second = (target("https://crm.example/") for _ in range(2))
    assert pools._tls(first.endpoint) is pools._tls(second.endpoint) is not None


async def test_cancelling_gives_the_place_back(pools: Connections) -> None:
    door = Door()
    async with RawServer(door).run() as server:
        to = target(server.url, concurrency=1)
        waiting = asyncio.create_task(post(pools, to))
        await until(lambda: door.waiting == 1)
        queued = asyncio.create_task(post(pools, to))
        await asyncio.sleep(0)
        for task in (queued, waiting):
            task.cancel()
        await asyncio.gather(queued, waiting, return_exceptions=True)
        door.open.set()
        assert (await post(pools, to)).status == 200
        await until(lambda: server.open == 1, "the connection of the cancelled request to be closed")


# Names


async def test_a_name_is_asked_for_once_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[Any]:
        asked.append(host)
        if host == "nobody.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(connect, "_resolve", resolve)
    names = Names(asyncio.get_running_loop())
    try:
        found = await asyncio.gather(*(names.addresses("crm.example", 443) for _ in range(20)))
        assert found == [found[0]] * 20
        await names.addresses("crm.example", 443)
        assert asked == ["crm.example"]
        names.forget("crm.example", 443)
        await names.addresses("crm.example", 443)
        assert asked == ["crm.example"] * 2
        for _ in range(2):
            with pytest.raises(socket.gaierror):
                await names.addresses("nobody.example", 443)
        assert asked[2:] == ["nobody.example"] * 2, "what failed is asked again"
    finally:
        names.close()


async def test_who_stops_waiting_for_a_name_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    found: list[Any] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    def resolve(host: str, port: int) -> list[Any]:
        go.wait(10)
        return found

    monkeypatch.setattr(connect, "_resolve", resolve)
    names = Names(asyncio.get_running_loop())
    first, second = (asyncio.create_task(names.addresses("crm.example", 443)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    go.set()
    assert await second == found
    names.close()


def test_a_resolver_that_hangs_holds_up_no_exit() -> None:
    program = """
import asyncio, time
from gateway.sending import connect
connect._resolve = lambda host, port: time.sleep(600)
async def main():
    names = connect.Names(asyncio.get_running_loop())
    asking = asyncio.create_task(names.addresses("crm.example", 443))
    await asyncio.sleep(0.01)
    names.close()
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60, cwd=ROOT)


async def test_an_address_that_nobody_answers_is_looked_up_again(pools: Connections) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    to = target(f"http://127.0.0.1:{port}/")
    with pytest.raises(ConnectFailed):
        await post(pools, to)
    assert pools._names._known == {}
