"""The tutorial's bot, as it stands there, at the end of a real delivery."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.config import DEVELOPMENT_SECRET
from tests.papers import ROOT, code_blocks
from tests.support import SECRET, Delivered, Downstream, running, until, write_config
from tests.test_ingress import Client, envelope, message

TUTORIAL = ROOT / "docs" / "tutorials" / "write-a-bot.md"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Graph:
    """The provider's API: takes what the bot sends."""

    url: str = ""
    sent: list[Any] = field(default_factory=list)
    status: int = 200

    async def handle(self, request: web.BaseRequest) -> web.Response:
        assert request.headers["Authorization"] == "Bearer test-token"
        if self.status == 200:
            self.sent.append((request.path, json.loads(await request.read())))
        return web.Response(status=self.status)


@dataclass
class Bot:
    url: str
    graph: Graph
    folder: Path


@asynccontextmanager
async def serving(handler: Any) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    (code,) = code_blocks(TUTORIAL, "python")
    (tmp_path / "bot.py").write_text(code.text)
    graph, port = Graph(), free_port()
    async with serving(graph.handle) as graph.url:
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PORT": str(port),
            "WEBHOOK_SECRET": SECRET, "WHATSAPP_TOKEN": "test-token", "GRAPH_URL": graph.url,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "bot.py", cwd=tmp_path, env=environment, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await _listening(port)
            yield Bot(f"http://127.0.0.1:{port}/", graph, tmp_path)
        finally:
            process.kill()
            await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def captured(tmp_path: Path, *messages: dict[str, Any]) -> list[Delivered]:
    """Deliveries of a gateway, as they leave."""
    async with Downstream().serve() as downstream, aiohttp.ClientSession() as session:
        async with running(write_config(tmp_path, {"bot": {"url": downstream.url}})) as gateway:
            client = Client(session, gateway, downstream)
            await client.post(envelope(list(messages)))
            await client.arrived(len(messages))
    return downstream.got


def signed(got: Delivered) -> dict[str, str]:
    """The headers that prove a delivery."""
    return {name: value for name, value in got.headers.items() if name.startswith("webhook-")}


async def test_it_answers_what_a_gateway_delivers(bot: Bot, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with running(write_config(tmp_path, {"bot": {"url": bot.url}})) as gateway:
            client = Client(session, gateway, Downstream())
            await client.post(envelope([message(1)]))
            await client.post(envelope([message(1)]))
            await client.post(envelope([message(2, type="hologram"), message(3)]))
            await until(lambda: len(bot.graph.sent) == 2, "two answers")
    assert bot.graph.sent == [
        (
            "/106540352242922/messages",
            {"messaging_product": "whatsapp", "to": "16505551234", "type": "text", "text": {"body": f"text {number}"}},
        )
        for number in (1, 3)
    ]


async def test_it_takes_each_event_once_and_only_from_the_gateway(bot: Bot, tmp_path: Path) -> None:
    (got,) = await captured(tmp_path, message(1))
    async with aiohttp.ClientSession() as session:

        async def deliver(body: bytes, **changes: str) -> int:
            async with session.post(bot.url, data=body, headers={**signed(got), **changes}) as response:
                return response.status

        assert await deliver(got.body + b" ") == 401
        assert await deliver(got.body, **{"webhook-signature": "v1,AAAA"}) == 401
        assert await deliver(got.body, **{"webhook-timestamp": "1600000000"}) == 401
        assert await deliver(got.body, **{"webhook-timestamp": "soon"}) == 401
        assert bot.graph.sent == []
        assert await deliver(got.body) == 200
        assert await deliver(got.body) == 200
    assert len(bot.graph.sent) == 1


async def test_what_could_not_be_answered_comes_again(bot: Bot, tmp_path: Path) -> None:
    (got,) = await captured(tmp_path, message(1))
    bot.graph.status = 500
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(bot.url, data=got.body, headers=signed(got))
        bot.graph.status = 200
        async with session.post(bot.url, data=got.body, headers=signed(got)) as response:
            assert response.status == 200
    assert len(bot.graph.sent) == 1


def test_it_is_what_the_tutorial_says() -> None:
    (code,) = code_blocks(TUTORIAL, "python")
    assert len(code.text.splitlines()) <= 65, "60 lines"
    assert re.findall(r"whsec_\S+", TUTORIAL.read_text().partition("## 3.")[2]) == [DEVELOPMENT_SECRET]
    assert "http://127.0.0.1:9000/" in (ROOT / "config.yaml").read_text()
    needed = {"base64", "hashlib", "hmac", "http", "json", "os", "sqlite3", "time", "urllib", "normalized"}
    assert set(re.findall(r"^(?:import|from) (\w+)", code.text, re.MULTILINE)) == needed
