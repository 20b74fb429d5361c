"""One attempt, against real servers: what arrives there, and what is said of it here."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from pydantic import SecretStr
from standardwebhooks import Webhook

from gateway.clock import SystemClock
from gateway.config import Destination
from gateway.sending import documents
from gateway.sending.forwarder import Forwarder, NotHeld, Target, target_of
from gateway.store.base import StoredEvent
from providers.wire import load_json
from tests.certificates import Authority, Pair
from tests.forward_proxy import ForwardProxy
from tests.raw_server import OK, RawServer, read_request
from tests.support import NOW_MS, SECRET, Downstream, until

EVENT = StoredEvent(
    seq=1, id=b"0123456789abcdef", revision=1, type="whatsapp.message.received", received_ms=NOW_MS, partial=False,
    pointer="", head=b'{"specversion":"1.0","id":"30313233343536373839616263646566","source":"/a","type":"t"}',
    data=b'{"number":1}', receipt=1,
)  # fmt: skip
OTHER = replace(EVENT, seq=2, id=b"fedcba9876543210", revision=3, data='{"text":"ünïcode 👍"}'.encode())


def target(url: str, **settings: Any) -> Target:
    return target_of(Destination(tenant="acme", name="crm", url=url, secrets=[SecretStr(SECRET)], **settings))


class Stored:
    """Bodies of receipts."""

    def __init__(self, *bodies: bytes) -> None:
        self._bodies = bodies
        self.asked: list[int] = []

    async def body(self, receipt: int) -> bytes:
        self.asked.append(receipt)
        return self._bodies[receipt]


@pytest.fixture
async def forwarder() -> AsyncIterator[Forwarder]:
    async with Forwarder(Stored(), SystemClock(), frozenset()) as forwarder:
        yield forwarder


# What arrives


async def test_an_event_arrives_signed(forwarder: Forwarder) -> None:
    async with Downstream().serve() as downstream:
        outcome = await forwarder.send(target(f"{downstream.url}?a=b%20c"), EVENT)
    assert (outcome.status, outcome.error) == (200, None)
    (got,) = downstream.got
    assert Webhook(SECRET).verify(got.body.decode(), got.headers) == got.event
    assert got.headers["webhook-id"] == EVENT.id.hex()
    assert got.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert got.headers["User-Agent"].startswith("wa-gateway/")
    assert got.headers["Host"] == downstream.url.split("/")[2]
    assert got.event["sequence"] == "000000000000000001"
    assert got.event.keys().isdisjoint({"gap", "replay", "revision"})


async def test_what_is_known_only_at_sending(forwarder: Forwarder) -> None:
    async with Downstream().serve() as downstream:
        await forwarder.send(target(downstream.url), OTHER, gap=True, replay=7)
    (got,) = downstream.got
    assert (got.event["revision"], got.event["gap"], got.event["replay"]) == (3, True, "7")
    assert got.headers["webhook-id"] == f"{OTHER.id.hex()}_r3"


async def test_a_batch_arrives_signed(forwarder: Forwarder) -> None:
    async with Downstream().serve() as downstream:
        to = target(downstream.url)
        outcome = await forwarder.send_batch(to, [(EVENT, False), (OTHER, True)], replay=7)
        await forwarder.send(to, EVENT, replay=7)
        for members in ([(EVENT, True), (OTHER, True)], [(OTHER, False), (EVENT, False)], [(EVENT, False)]):
            await forwarder.send_batch(to, members)
    assert outcome.status == 200
    batch, single, same, turned, alone = downstream.got
    assert Webhook(SECRET).verify(batch.body.decode(), batch.headers) == json.loads(batch.body)
    assert batch.headers["Content-Type"] == "application/cloudevents-batch+json; charset=utf-8"
    first, second = json.loads(batch.body)
    assert batch.body.startswith(b"[" + single.body + b","), "members are the bytes that they would be alone"
    assert ("gap" in first, second["gap"], first["replay"], second["data"]["text"]) == (False, True, "7", "ünïcode 👍")
    ids = [got.headers["webhook-id"] for got in (batch, same, turned, alone)]
    assert all(len(webhook_id) == 34 and webhook_id.startswith("b_") for webhook_id in ids)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    for member in (first, second):
        body = json.dumps(member).encode()
        read = from_structured_event(HTTPMessage({"content-type": "application/cloudevents+json"}, body), JSONFormat())
        assert read.get_id() == member["id"]


async def test_headers_of_ones_own(forwarder: Forwarder) -> None:
    own = {"Authorization": SecretStr("Bearer hunter2"), "user-agent": SecretStr("us/1"), "X-Empty": SecretStr("")}
    async with Downstream().serve() as downstream:
        await forwarder.send(target(downstream.url, headers=own), EVENT)
    headers = downstream.got[0].headers
    assert (headers["Authorization"], headers["User-Agent"], headers["X-Empty"]) == ("Bearer hunter2", "us/1", "")
    assert Webhook(SECRET).verify(downstream.got[0].body.decode(), headers)


@pytest.mark.parametrize("path", ["/a%20b", "/ünï?ö=é&x=%0d%0aX-Other:%20a", "?", '/{}|"<>'])
async def test_urls_leave_in_ascii_and_in_one_line(path: str, forwarder: Forwarder) -> None:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(OK)

    async with RawServer(serve).run() as server:
        assert (await forwarder.send(target(f"http://localhost:{server.port}{path}"), EVENT)).status == 200
    line, *headers = requests[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert line.isascii()
    assert len(line.split(b" ")) == 3
    assert sorted(header.partition(b":")[0].lower() for header in headers) == [
        b"accept", b"content-length", b"content-type", b"host", b"user-agent", b"webhook-id", b"webhook-signature",
        b"webhook-timestamp",
    ]  # fmt: skip


# TLS


def server_tls(pair: Pair, clients: Path | None = None) -> ssl.SSLContext:
    """Asks for certificates that `clients` signed, where it is given."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
    context.load_cert_chain(pair.cert, pair.key)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_an_authority_of_ones_own(tmp_path: Path, forwarder: Forwarder) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    async with Downstream().serve(tls=server_tls(authority.issue("server"))) as downstream:
        assert (await forwarder.send(target(downstream.url, ca=authority.ca), EVENT)).status == 200
        for distrusting in (target(downstream.url), target(downstream.url, ca=stranger.ca)):
            assert (await forwarder.send(distrusting, EVENT))[:2] == (None, "tls")
    assert len(downstream.got) == 1


async def test_a_name_that_the_certificate_does_not_bear(tmp_path: Path, forwarder: Forwarder) -> None:
    authority = Authority(tmp_path)
    tls = server_tls(authority.issue("server", host="localhost"))
    async with Downstream().serve(tls=tls) as downstream:
        assert (await forwarder.send(target(downstream.url, ca=authority.ca), EVENT))[:2] == (None, "tls")
        named = downstream.url.replace("127.0.0.1", "localhost")
        assert (await forwarder.send(target(named, ca=authority.ca), EVENT)).status == 200
    assert len(downstream.got) == 1


async def test_a_certificate_to_show(tmp_path: Path, forwarder: Forwarder) -> None:
    authority = Authority(tmp_path)
    client = authority.issue("client")
    async with Downstream().serve(tls=server_tls(authority.issue("server"), authority.ca)) as downstream:
        known = target(downstream.url, ca=authority.ca, client_cert=client.cert, client_key=client.key)
        assert (await forwarder.send(known, EVENT)).status == 200
        assert (await forwarder.send(target(downstream.url, ca=authority.ca), EVENT)).status is None
    assert len(downstream.got) == 1


def refuse(listener: socket.socket, tls: ssl.SSLContext) -> None:
    """One handshake, which fails with an alert: asyncio's own servers close without one."""
    accepted, _ = listener.accept()
    with tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as connection:
        with suppress(ssl.SSLError):
            connection.do_handshake()
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@pytest.mark.parametrize("shown", [False, True])
async def test_a_certificate_that_is_refused(shown: bool, tmp_path: Path, forwarder: Forwarder) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger").issue("strange")
    own = {"client_cert": stranger.cert, "client_key": stranger.key} if shown else {}
    tls = server_tls(authority.issue("server"), authority.ca)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listener, tls))
        to = target(f"https://127.0.0.1:{listener.getsockname()[1]}/", ca=authority.ca, **own)
        assert (await forwarder.send(to, EVENT))[:2] == (None, "tls")
        await refusing


async def test_files_that_are_gone_by_now(tmp_path: Path, forwarder: Forwarder) -> None:
    outcome = await forwarder.send(target("https://127.0.0.1:1/", ca=tmp_path / "gone.pem"), EVENT)
    assert outcome[:2] == (None, "tls")


# Proxies


async def test_a_plain_request_by_way_of_a_proxy(forwarder: Forwarder) -> None:
    async with ForwardProxy("me:hunter2@/").run() as proxy, Downstream().serve() as downstream:
        via = SecretStr(f"http://me:hunter2%40%2F@127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert (await forwarder.send(target(downstream.url, proxy=via), EVENT)).status == 200
        stranger = SecretStr(f"http://127.0.0.1:{proxy.port}")
        assert (await forwarder.send(target(downstream.url, proxy=stranger), EVENT)).status == 407
    assert proxy.lines == [f"POST {downstream.url} HTTP/1.1"] * 3
    assert len(downstream.got) == 2
    assert downstream.got[0].headers["Host"] == downstream.url.split("/")[2]
    assert not any(header.startswith("Proxy") for header in downstream.got[0].headers)


@pytest.mark.parametrize("proxy_tls", [False, True])
async def test_a_tunnel_through_a_proxy(
    proxy_tls: bool, tmp_path: Path, forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, proxys = Authority(tmp_path), Authority(tmp_path, "proxys")
    monkeypatch.setenv(
        "SSL_CERT_FILE", str(proxys.ca)
    )  # the system's: the destination's own is not asked for the proxy
    tls = server_tls(proxys.issue("proxy")) if proxy_tls else None
    async with (
        ForwardProxy("me:hunter2").run(tls) as proxy,
        Downstream().serve(tls=server_tls(authority.issue("server"), authority.ca)) as downstream,
    ):
        client = authority.issue("client")
        scheme = "https" if proxy_tls else "http"
        settings = {"ca": authority.ca, "client_cert": client.cert, "client_key": client.key}
        via = SecretStr(f"{scheme}://me:hunter2@127.0.0.1:{proxy.port}")
        to = target(downstream.url, proxy=via, **settings)
        for _ in range(2):
            assert (await forwarder.send(to, EVENT)).status == 200
        host = downstream.url.split("/")[2]
        assert proxy.lines == [f"CONNECT {host} HTTP/1.1"], "the tunnel is kept, as other connections are"
        distrusting = target(downstream.url, proxy=via)
        assert (await forwarder.send(distrusting, EVENT))[:2] == (None, "tls")
        stranger = SecretStr(f"{scheme}://me:wrong@127.0.0.1:{proxy.port}")
        assert (await forwarder.send(target(downstream.url, proxy=stranger, **settings), EVENT))[:2] == (None, "proxy")
        nowhere = target("https://127.0.0.1:1/", proxy=via)
        assert (await forwarder.send(nowhere, EVENT))[:2] == (None, "proxy")
    assert len(downstream.got) == 2
    assert (await forwarder.send(to, EVENT))[:2] == (None, "proxy"), "it is not there any more"


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\n\r\nsurprise", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000, b""],
)
async def test_a_proxy_that_is_none(answer: bytes, forwarder: Forwarder) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with RawServer(serve).run() as server:
        to = target("https://crm.example/", proxy=SecretStr(f"http://127.0.0.1:{server.port}"))
        assert (await forwarder.send(to, EVENT))[:2] == (None, "proxy")
        await until(lambda: server.open == 0)


async def test_a_proxy_that_never_answers(forwarder: Forwarder) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with RawServer(serve).run() as server:
        to = target("https://crm.example/", proxy=SecretStr(f"http://127.0.0.1:{server.port}"), timeout=0.1)
        assert (await forwarder.send(to, EVENT))[:2] == (None, "timeout")
        await until(lambda: (server.connections, server.open) == (1, 0), "the connection to be closed")


# What comes of an attempt


async def test_words_for_failures(forwarder: Forwarder) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with RawServer(hang).run() as hanging, RawServer(vanish).run() as vanishing:
        assert (await forwarder.send(target(hanging.url, timeout=0.1), EVENT))[:2] == (None, "timeout")
        assert (await forwarder.send(target(vanishing.url), EVENT))[:2] == (None, "disconnected")
        assert vanishing.connections == 1, "a new connection is no stale one"
    assert (await forwarder.send(target(hanging.url), EVENT))[:2] == (None, "connect")
    for nobody in ("http://nobody.invalid/", "http://a..b/", f"http://{'a' * 64}.example/"):
        assert (await forwarder.send(target(nobody), EVENT))[:2] == (None, "dns")


async def test_retry_after_and_redirects(forwarder: Forwarder) -> None:
    async with Downstream().serve() as downstream:
        downstream.answer = lambda got: web.Response(status=503, headers={"Retry-After": "30"})
        assert (await forwarder.send(target(downstream.url), EVENT))[:3] == (503, None, "30")
        downstream.answer = lambda got: web.Response(status=307, headers={"Location": downstream.url})
        assert (await forwarder.send(target(downstream.url), EVENT))[:2] == (307, None)
    assert len(downstream.got) == 2


ENDLESS: list[tuple[bytes, bytes, tuple[int | None, str | None]]] = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65536, (200, None)),
    (b"HTTP/1.1 500 Oops\r\n\r\n", b"x" * 65536, (500, None)),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n", (200, None)),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x=" * 32768, (200, None)),
    (b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n" * 1000, (None, "protocol")),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, (None, "protocol")),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"\x1f\x8b" * 32768, (200, None)),
]


@pytest.mark.parametrize(("begin", "more", "outcome"), ENDLESS, ids=range(len(ENDLESS)))
async def test_endless_answers_are_not_read(
    begin: bytes, more: bytes, outcome: tuple[int | None, str | None], forwarder: Forwarder
) -> None:
    written = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(begin)
        while True:
            writer.write(more)
            written += len(more)
            await writer.drain()

    async with RawServer(serve).run() as server:
        assert (await forwarder.send(target(server.url, timeout=60.0), EVENT))[:2] == outcome
        await until(lambda: server.open == 0, "the connection to be closed")
    assert written < 32 * 1024 * 1024, "no more than buffers between us hold"


async def test_an_answer_that_trickles_counts_by_its_status(forwarder: Forwarder) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with RawServer(serve).run() as server:
        assert (await forwarder.send(target(server.url, timeout=0.2), EVENT))[:2] == (200, None)
        await until(lambda: server.open == 0)


async def test_downstream_closes_connections_at_the_wrong_moment(forwarder: Forwarder) -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        for answer in (OK, b""):
            await read_request(reader)
            requests += 1
            writer.write(answer)

    async with RawServer(serve).run() as server:
        to = target(server.url)
        assert [(await forwarder.send(to, EVENT)).status for _ in range(3)] == [200, 200, 200]
    assert (requests, server.connections) == (5, 3), "once more, on a new connection"


# Who may write


async def test_nothing_is_written_for_a_lane_that_is_not_held(forwarder: Forwarder) -> None:
    async with Downstream().serve() as downstream:
        to = target(downstream.url)
        for held in (False, True, False):
            if held:
                await forwarder.send(to, EVENT, may_write=lambda: True)
            else:
                with pytest.raises(NotHeld):
                    await forwarder.send(to, EVENT, may_write=lambda: False)
                with pytest.raises(NotHeld):
                    await forwarder.send_batch(to, [(EVENT, False)], may_write=lambda: False)
    assert len(downstream.got) == 1


async def test_a_lane_that_is_lost_before_the_second_try(forwarder: Forwarder) -> None:
    requests = 0
    held = True

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests, held
        await read_request(reader)
        requests += 1
        writer.write(OK)
        await read_request(reader)
        requests += 1
        held = False

    async with RawServer(serve).run() as server:
        to = target(server.url)
        assert (await forwarder.send(to, EVENT, may_write=lambda: held)).status == 200
        with pytest.raises(NotHeld):
            await forwarder.send(to, EVENT, may_write=lambda: held)
    assert requests == 2


# The provider's own JSON

SECRETS = frozenset({"mediaKey", "qrcode"})
BODY = json.dumps(
    {"items": [{"mediaKey": "k", "qrcode": "q", "text": "Hi", "deep": [{"mediaKey": "k"}]}], "pad": "x" * 10}
).encode()


def raw_event(receipt: int, body: bytes | None = None, partial: bool = True) -> StoredEvent:
    return replace(EVENT, pointer="/items/0", receipt=receipt, body=body, partial=partial)


@pytest.mark.parametrize(
    ("settings", "partial", "raw"),
    [
        ({"raw": "never"}, True, None),
        ({"raw": "unknown"}, False, None),
        ({"raw": "unknown"}, True, {"text": "Hi", "deep": [{}]}),
        ({"raw": "always"}, False, {"text": "Hi", "deep": [{}]}),
        ({"raw": "always", "media": "keys"}, False, {"mediaKey": "k", "text": "Hi", "deep": [{"mediaKey": "k"}]}),
        ({"raw": "never", "media": "keys"}, False, None),
    ],
)
async def test_what_leaves_of_the_providers_json(settings: dict[str, str], partial: bool, raw: Any) -> None:
    bodies = Stored(BODY)
    async with (
        Forwarder(bodies, SystemClock(), SECRETS, withheld=frozenset({"qrcode"})) as forwarder,
        Downstream().serve() as downstream,
    ):
        to = target(downstream.url, **settings)
        await forwarder.send(to, raw_event(0, partial=partial))
        await forwarder.send_batch(to, [(raw_event(0, BODY, partial), False)])
    assert [got.event["data"].get("raw") for got in downstream.got[:1]] == [raw]
    assert [member["data"].get("raw") for member in json.loads(downstream.got[1].body)] == [raw]
    assert bodies.asked == ([0] if raw else []), "decoded once for all the events of a receipt"


async def test_large_bodies_are_decoded_once_and_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded_in: list[int] = []

    def decode(body: bytes) -> Any:
        decoded_in.append(threading.get_ident())
        return load_json(body)

    monkeypatch.setattr(documents, "load_json", decode)
    monkeypatch.setattr(documents, "LARGE", 1000)
    small, large = BODY, BODY.replace(b"x" * 10, b"x" * 1000)
    async with Forwarder(Stored(small, large), SystemClock(), SECRETS) as forwarder, Downstream().serve() as downstream:
        to = target(downstream.url, raw="always")
        await asyncio.gather(*(forwarder.send(to, raw_event(1)) for _ in range(5)))
        await forwarder.send(to, raw_event(0))
    assert [got.event["data"]["raw"] for got in downstream.got] == [{"text": "Hi", "deep": [{}]}] * 6
    assert len(decoded_in) == 2
    assert decoded_in[0] != threading.get_ident() == decoded_in[1]


async def test_decoded_bodies_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "KEPT_BYTES", 3 * len(BODY))
    bodies = Stored(*[BODY] * 5)
    async with Forwarder(bodies, SystemClock(), SECRETS) as forwarder:
        to = target("http://127.0.0.1:1/", raw="always")
        for receipt in (0, 1, 2, 0, 3, 2, 0):
            await forwarder.with_raw(to, raw_event(receipt))
    assert bodies.asked == [0, 1, 2, 3, 0]
