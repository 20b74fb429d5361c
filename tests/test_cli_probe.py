"""`wa-gateway destinations test`: what it sends, and what it says of the answer."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from normalized import UnknownData, parse_event
from tests import program
from tests.certificates import Authority
from tests.support import SECRET, Delivered, Downstream, write_config


async def probed(path: Path, *options: str) -> program.Result:
    return await program.run("destinations", "test", "crm", "--config", path, *options)


async def test_a_signed_event_that_says_that_it_is_a_test(tmp_path: Path) -> None:
    async with Downstream().serve() as downstream:
        downstream.answer = lambda got: web.Response(status=202, text="thanks\x1b[31m")
        result = await probed(write_config(tmp_path, {"crm": {"url": downstream.url, "headers": {"X-Team": "blue"}}}))
    assert (result.code, result.err) == (0, "")
    answered, said = result.out.splitlines()
    assert answered.startswith("202, ")
    assert said == "  thanks·[31m", "it cannot change the terminal"
    [got] = downstream.got
    Webhook(SECRET).verify(got.body, got.headers)
    event = parse_event(got.body)
    assert (event.type, event.tenant, event.source) == (
        "whatsapp.unknown", "acme", "https://hooks.acme.example/tenants/acme/sources/test",
    )  # fmt: skip
    assert isinstance(event.data, UnknownData)
    assert event.data.kind == "test"
    assert got.headers["X-Team"] == "blue"
    assert event.id in answered
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (302, 1), (404, 1), (500, 1)])
async def test_only_a_2xx_is_good(tmp_path: Path, status: int, code: int) -> None:
    async with Downstream().serve() as downstream:
        downstream.answer = lambda got: web.Response(status=status)
        result = await probed(write_config(tmp_path, {"crm": {"url": downstream.url}}), "--json")
    told = json.loads(result.out)
    assert (result.code, told["status"], told["error"]) == (code, status, None)
    assert told["took_ms"] > 0


async def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=200)

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    result = await probed(write_config(tmp_path, {"crm": {"url": url}}))
    assert result.code == 1
    assert result.out.startswith("tls: ")
    assert "certificate" in result.out
    result = await probed(write_config(tmp_path, {"crm": {"url": url, "ca": str(authority.ca)}}))
    assert (result.code, result.out[:3]) == (0, "200")
    await runner.cleanup()


async def test_nobody_is_there_or_does_not_answer(tmp_path: Path) -> None:
    result = await probed(write_config(tmp_path, {"crm": {"url": "http://127.0.0.1:1/"}}))
    assert (result.code, result.out.startswith("connect: ")) == (1, True)
    never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def hang(got: Delivered) -> web.Response:
        await never
        return web.Response()

    async with Downstream().serve() as downstream:
        downstream.answer = hang
        result = await probed(write_config(tmp_path, {"crm": {"url": downstream.url, "timeout": "300ms"}}))
    assert (result.code, result.out.startswith("timeout")) == (1, True)


async def test_a_name_that_nobody_has(tmp_path: Path) -> None:
    path = write_config(tmp_path, {"help-desk": {"url": "http://127.0.0.1:1/"}})
    result = await program.run("destinations", "test", "acme/helpdesk", "--config", path)
    assert result.code == 2
    assert "did you mean acme/help-desk?" in result.err
