"""`wa-gateway listen`: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.cli.listen import lines
from gateway.config import DEVELOPMENT_SECRET
from gateway.sending.signing import decode_secret, sign
from gateway.trying.receiver import BATCH, Received, Untrusted, check_delivery
from tests.program import Program, started
from tests.support import SECRET

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "6a272d3f9d1c5b7e3a9e6f210f8c1f0c",
    "type": "whatsapp.message.received",
    "subject": "+16505551234",
    "time": "2026-06-08T20:59:43Z",
    "sequence": "000000000000000042",
    "tenant": "acme",
    "provider": "cloud_api",
    "data": {"message": {"content": {"type": "text", "text": "Does it come in another color?"}}},
}


def signed(body: bytes, *, secret: str = DEVELOPMENT_SECRET, age_s: int = 0) -> dict[str, str]:
    timestamp = int(time.time()) - age_s
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign([decode_secret(secret)], "msg_1", timestamp, body),
    }


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def url_of(program: Program) -> str:
    return (await program.expect(r"listening on (http://\S+/),"))[1]


async def deliver(
    session: aiohttp.ClientSession, url: str, document: Any, kind: str = "application/json", **options: Any
) -> int:
    body = orjson.dumps(document)
    headers = {**signed(body, **options), "Content-Type": kind}
    async with session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_prints_each_event_and_marks_what_comes_again(session: aiohttp.ClientSession) -> None:
    async with started("listen", "--port", 0, "--count", 3) as program:
        url = await url_of(program)
        assert await deliver(session, url, EVENT) == 200
        await program.expect(r"sequence 42")  # each event is flushed as it comes
        assert await deliver(session, url + "any/path", EVENT) == 200
        assert await deliver(session, url, {**EVENT, "revision": 2, "gap": True}) == 200
        result = await program.end()
    assert result.code == 0
    head = '20:59:43  message.received     +16505551234           text "Does it come in another color?"'
    below = "          6a272d3f9d1c5b7e3a9e6f210f8c1f0c  sequence 42  acme, cloud_api"
    assert result.out.splitlines() == [
        head,
        below,
        head,
        f"{below}  again",
        head,
        f"{below}  revision 2  gap",
    ]
    assert result.err.splitlines()[-1] == "3 events, 2 distinct, 0 refused"


async def test_prints_json_one_event_a_line_and_a_batch_too(session: aiohttp.ClientSession) -> None:
    async with started("listen", "--port", 0, "--json", "--count", 3, "--secret", SECRET) as program:
        url = await url_of(program)
        assert await deliver(session, url, EVENT, secret=SECRET) == 200
        assert await deliver(session, url, [EVENT, {**EVENT, "id": "b"}], BATCH, secret=SECRET) == 200
        result = await program.end()
    assert [orjson.loads(line) for line in result.out.splitlines()] == [EVENT, EVENT, {**EVENT, "id": "b"}]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    async with started("listen", "--port", 0) as program:
        await url_of(program)
        result = await program.end(number)
    assert (result.code, result.out) == (0, "")
    assert result.err.splitlines()[-1] == "0 events, 0 distinct, 0 refused"


async def test_refuses_what_is_not_signed_right_and_says_why(session: aiohttp.ClientSession) -> None:
    async with started("listen", "--port", 0) as program:
        url = await url_of(program)
        async with session.post(url, data=b"{}") as answer:
            assert answer.status == 401
        assert await deliver(session, url, EVENT, secret=SECRET) == 401
        assert await deliver(session, url, EVENT, age_s=301) == 401
        assert await deliver(session, url, EVENT, age_s=-400) == 401
        assert await deliver(session, url, ["no event"]) == 400
        async with session.get(url) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        result = await program.end(signal.SIGTERM)
    reasons = [line for line in result.err.splitlines() if line.startswith("refused")]
    expected = ["no header webhook-id", "another secret", "s old", "s ahead", "no event"]
    assert [part in reason for part, reason in zip(expected, reasons, strict=True)] == [True] * 5
    assert result.out == ""
    assert result.err.splitlines()[-1] == "0 events, 0 distinct, 5 refused"


async def test_answers_what_it_is_told_to(session: aiohttp.ClientSession) -> None:
    async with started("listen", "--port", 0, "--status", 503, "--count", 1) as program:
        assert await deliver(session, await url_of(program), EVENT) == 503
        assert (await program.end()).code == 0


async def test_an_address_in_use_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with started("listen", "--port", port) as program:
            result = await program.end()
    assert result.code == 1
    assert result.err.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in result.err


async def test_a_secret_of_another_kind_is_wrong_usage() -> None:
    async with started("listen", "--secret", "hunter2hunter2") as program:
        result = await program.end()
    assert result.code == 2
    assert "whsec_" in result.err
    assert "hunter2" not in result.err


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"webhook-signature": "v1,AAAA"}, "another secret"),
        ({"webhook-timestamp": "soon"}, "another secret"),
        ({"webhook-timestamp": "9" * 5000}, "another secret"),
        ({"webhook-id": "msg_2"}, "another secret"),
        ({"webhook-id": "\udcff"}, "another secret"),
        ({"webhook-id": ""}, "no header webhook-id"),
    ],
)
def test_a_delivery_that_was_tampered_with_is_not_trusted(changed: dict[str, str], reason: str) -> None:
    keys = [decode_secret(SECRET)]
    headers = signed(b"{}", secret=SECRET)
    check_delivery(keys, headers, b"{}", time.time())
    with pytest.raises(Untrusted, match=reason):
        check_delivery(keys, {**headers, **changed}, b"{}", time.time())
    with pytest.raises(Untrusted, match="another secret"):
        check_delivery(keys, headers, b"{ }", time.time())


def test_an_event_that_lacks_everything_is_still_printed() -> None:
    assert lines(Received({"id": "x"}, again=False)) == ["--:--:--", "          x  sequence -  , "]
