"""Accepting over HTTP: what each request is answered, what is stored, and that neighbours survive."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import aiohttp
import orjson
import pytest
import structlog

from gateway.accepting import intake
from gateway.accepting.answers import UNREAD, Answer
from gateway.accepting.intake import Budget, RateLimit, Refused
from gateway.app import Gateway
from tests.support import APP_SECRET, Downstream, counted, running, until, write_config

API_KEY = "test-api-key-0123456789"


def message(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "from": "16505551234", "id": f"wamid.{number}", "timestamp": str(1_749_416_383 + number), "type": "text",
        "text": {"body": f"text {number}"}, **changes,
    }  # fmt: skip


def envelope(messages: Any, **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": messages, **value}
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}


class Client:
    """Posts to the sources of a running gateway, and reads its store."""

    def __init__(self, session: aiohttp.ClientSession, gateway: Gateway, downstream: Downstream) -> None:
        self.session = session
        self.gateway = gateway
        self.downstream = downstream

    async def post(self, body: bytes | dict[str, Any], path: str = "/hooks/acme/cloud", **headers: str) -> Any:
        """(status, answer) of a Cloud API webhook, signed unless `headers` say otherwise."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        signature = "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json", **headers}
        headers = {name.replace("_", "-"): value for name, value in headers.items() if value}
        async with self.session.post(self.gateway.url + path, data=io.BytesIO(raw), headers=headers) as response:
            return response.status, await response.json()

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, str], str]:
        if isinstance(options.get("data"), bytes):
            options["data"] = io.BytesIO(options["data"])  # aiohttp warns of large bytes
        async with self.session.request(method, self.gateway.url + path, **options) as response:
            return response.status, dict(response.headers), await response.text()

    async def arrived(self, count: int) -> list[dict[str, Any]]:
        await until(lambda: len(self.downstream.got) >= count, f"{count} events downstream")
        assert len(self.downstream.got) == count
        return self.downstream.events

    def rows(self, statement: str) -> list[Any]:
        database = sqlite3.connect(self.gateway.config.store.path)
        try:
            return database.execute(statement).fetchall()
        finally:
            database.close()


@pytest.fixture
def limits() -> dict[str, Any]:
    return {}


@pytest.fixture
async def client(tmp_path: Path, limits: dict[str, Any]) -> AsyncIterator[Client]:
    async with Downstream().serve() as downstream:
        config = write_config(tmp_path, {"crm": {"url": downstream.url, "raw": "always"}}, limits=limits)
        async with running(config) as gateway, aiohttp.ClientSession() as session:
            yield Client(session, gateway, downstream)


# Proof of origin


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        pytest.param({"X_Hub_Signature_256": ""}, 401, "unauthorized", id="missing"),
        pytest.param({"X_Hub_Signature_256": "sha256=" + "0" * 64}, 403, "forbidden", id="wrong"),
        pytest.param({"X_Hub_Signature_256": "sha1=abc"}, 403, "forbidden", id="another scheme"),
    ],
)
async def test_what_does_not_prove_its_origin_is_refused_and_not_stored(
    client: Client, headers: dict[str, str], status: int, error: str
) -> None:
    raw = orjson.dumps(envelope([message(1)]))
    given = {"X-Hub-Signature-256": "x", **{k.replace("_", "-"): v for k, v in headers.items()}}
    answer = await client.request(
        "POST", "/hooks/acme/cloud", data=raw, headers={name: value for name, value in given.items() if value}
    )
    assert answer[0] == status
    assert orjson.loads(answer[2]) == {"error": error}
    assert client.rows("SELECT count(*) FROM receipts") == [(0,)]


async def test_a_changed_body_is_refused(client: Client) -> None:
    raw = orjson.dumps(envelope([message(1)]))
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
    assert (await client.post(raw + b" ", **{"X-Hub-Signature-256": signature}))[0] == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/hooks/acme/coreapp/test-path-token", 200),
        ("/hooks/acme/coreapp/test%2Dpath%2Dtoken", 200),
        ("/hooks/acme/coreapp/wrong", 403),
        ("/hooks/acme/coreapp", 401),
        ("/hooks/acme/coreapp/", 401),
        ("/hooks/acme/none/test-path-token", 404),
        ("/hooks/none/coreapp/test-path-token", 404),
        ("/hooks/acme", 404),
        ("/", 404),
        ("//hooks/acme/coreapp/test-path-token", 404),
        ("/Hooks/acme/coreapp/test-path-token", 404),
    ],
)
async def test_paths(client: Client, path: str, status: int) -> None:
    assert (await client.request("POST", path, data=b'{"messages":[]}'))[0] == status


async def test_methods(client: Client) -> None:
    status, headers, _ = await client.request("PUT", "/hooks/acme/cloud")
    assert (status, headers["Allow"]) == (405, "GET, POST")
    status, headers, _ = await client.request("GET", "/hooks/acme/device")
    assert (status, headers["Allow"]) == (405, "POST")
    query = {"hub.mode": "subscribe", "hub.verify_token": "test-verify-token", "hub.challenge": "1158201444"}
    status, headers, text = await client.request("GET", "/hooks/acme/cloud", params=query)
    assert (status, text) == (200, "1158201444")
    assert (await client.request("GET", "/hooks/acme/cloud", params={**query, "hub.verify_token": "x"}))[0] == 403


async def raw_exchange(client: Client, request: bytes) -> bytes:
    """What comes back until the gateway closes the connection."""
    host, port = client.gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_answers_are_plain_http(client: Client) -> None:
    request = b"POST /none HTTP/1.%d\r\nHost: x\r\nContent-Length: 2\r\n%s\r\n{}"
    first = request % (1, b"")
    last = request % (1, b"Connection: close\r\n")
    one, two = (await raw_exchange(client, first + last)).split(b'{"error":"not_found"}')[:2]
    assert one.startswith(b"HTTP/1.1 404 Not Found\r\n")
    head = dict(line.split(b": ", 1) for line in one.split(b"\r\n")[1:-2])
    assert head[b"Content-Length"] == b"21"
    assert head[b"Content-Type"] == b"application/json"
    assert head[b"Server"] == b"wa-gateway"
    assert head[b"Date"].endswith(b" GMT")
    assert b"Connection" not in head, "a connection is kept unless the client wants it closed"
    assert b"\r\nConnection: close\r\n" in two
    old = await raw_exchange(client, request % (0, b""))
    assert b"\r\nConnection: close\r\n" in old
    kept = await raw_exchange(client, request % (0, b"Connection: keep-alive\r\n") + request % (0, b""))
    assert b"\r\nConnection: keep-alive\r\n" in kept
    headless = await raw_exchange(client, b"HEAD /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert headless.endswith(b"\r\n\r\n")
    assert b"Content-Length: 21\r\n" in headless


# What is stored


async def test_an_event_arrives_and_its_repetition_does_not(client: Client) -> None:
    assert await client.post(envelope([message(1)])) == (200, {"events": 1, "duplicates": 0})
    assert await client.post(envelope([message(1), message(2)])) == (200, {"events": 1, "duplicates": 1})
    events = await client.arrived(2)
    assert [event["data"]["message"]["content"]["text"] for event in events] == ["text 1", "text 2"]
    assert events[0]["sequence"] < events[1]["sequence"]


async def test_the_api_key_of_a_device_gateway_is_gone_everywhere(client: Client) -> None:
    body = {"type": "ready", "results": {"apiKey": API_KEY, "message": f"key {API_KEY} connected"}}
    status, _, _ = await client.request("POST", "/hooks/acme/device", data=orjson.dumps(body))
    assert status == 200
    (event,) = await client.arrived(1)
    assert event["data"]["connection"]["state"] == "connected"
    assert API_KEY not in client.downstream.got[0].body.decode()
    for path in Path(client.gateway.config.store.path).parent.glob("store.db*"):
        assert API_KEY.encode() not in path.read_bytes()


async def test_the_channel_of_the_source_stands_in_where_bodies_name_none(client: Client) -> None:
    body = {"messages": [message(1)], "contacts": [{"wa_id": "16505551234", "profile": {"name": "Ann"}}]}
    await client.request("POST", "/hooks/acme/coreapp/test-path-token", data=orjson.dumps(body))
    (event,) = await client.arrived(1)
    assert event["data"]["channel"] == {"phone": "+15550783881"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "not_json", id="empty"),
        pytest.param(b"hello", "not_json", id="text"),
        pytest.param(b'{"object": ', "not_json", id="cut off"),
        pytest.param(b'"text"', "not_an_envelope", id="a string"),
        pytest.param(b"null", "not_an_envelope", id="null"),
        pytest.param(b"{}", "not_an_envelope", id="an empty object"),
        pytest.param(b'{"entry": 5}', "not_an_envelope", id="entry of a wrong type"),
        pytest.param(b"[" * 100_000, "too_deep", id="nested very deeply"),
        pytest.param(b'{"a":' * 2000 + b"1" + b"}" * 2000, "too_deep", id="nested deeply"),
        pytest.param(b"\x00\x01\xff", "not_json", id="binary"),
    ],
)
async def test_what_cannot_be_read_is_kept_and_answered_200(client: Client, body: bytes, reason: str) -> None:
    assert await client.post(body) == (200, {"events": 0, "duplicates": 0})
    assert client.rows("SELECT outcome, body FROM receipts") == [("unmapped", body)]
    assert counted(client.gateway, "receipts_unmapped", provider="cloud_api", reason=reason) == 1


ROTTEN = [
    pytest.param(None, id="null"),
    pytest.param(7, id="a number"),
    pytest.param("x", id="a text"),
    pytest.param([], id="a list"),
    pytest.param({}, id="an empty object"),
    pytest.param(message(5, text=None), id="null where an object belongs"),
    pytest.param(message(5, text={"body": ["x"]}), id="a list where text belongs"),
    pytest.param(message(5, context=[1]), id="context of a wrong type"),
    pytest.param(message(5, type=None), id="no type"),
    pytest.param(message(5, type={"a": 1}), id="type of a wrong type"),
    pytest.param(message(5, id=None), id="no id"),
    pytest.param(message(5, timestamp="yesterday"), id="a rubbish timestamp"),
    pytest.param(message(5, timestamp=-1), id="a negative timestamp"),
    pytest.param(message(5, timestamp=1e300), id="a huge timestamp"),
    pytest.param(message(5, **{"from": {"a": 1}}), id="sender of a wrong type"),
    pytest.param(message(5, errors={"code": 1}), id="errors of a wrong type"),
    pytest.param(message(5, text={"body": "a\x00b\ud800c"}), id="NUL and a lone surrogate"),
    pytest.param(message(5, text={"body": "x", "n": 2**90}), id="an integer above 64 bits"),
]


@pytest.mark.parametrize("rotten", ROTTEN)
async def test_one_rotten_message_leaves_its_neighbours_alone(client: Client, rotten: Any) -> None:
    body = json.dumps(envelope([message(1), rotten, message(2)])).encode()
    status, answer = await client.post(body)
    assert (status, answer) == (200, {"events": 3, "duplicates": 0})
    events = await client.arrived(3)
    texts = [event["data"].get("message", {}).get("content", {}).get("text") for event in events]
    assert "text 1" in texts
    assert "text 2" in texts
    assert all("\x00" not in got.body.decode() for got in client.downstream.got)


@pytest.mark.parametrize(
    ("timestamp", "time", "source"),
    [
        ("1749416383", "2025-06-08T20:59:43Z", "provider"),
        (1749416383, "2025-06-08T20:59:43Z", "provider"),
        (1749416383123, "2025-06-08T20:59:43.123Z", "provider"),
        ({"low": 1749416383, "high": 0, "unsigned": True}, "2025-06-08T20:59:43Z", "provider"),
        ("rubbish", None, "gateway"),
        (None, None, "gateway"),
    ],
)
async def test_timestamps(client: Client, timestamp: Any, time: str | None, source: str) -> None:
    await client.post(envelope([message(1, timestamp=timestamp)]))
    (event,) = await client.arrived(1)
    assert event["timesource"] == source
    assert event["time"] == (time or event["receivedtime"])


async def test_a_byte_order_mark_is_no_obstacle(client: Client) -> None:
    assert (await client.post(b"\xef\xbb\xbf" + orjson.dumps(envelope([message(1)]))))[1]["events"] == 1


async def test_traceparent_is_carried(client: Client) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await client.post(envelope([message(1)]), traceparent=trace)
    await client.post(envelope([message(2)]), traceparent="rubbish\"'")
    events = await client.arrived(2)
    assert [event.get("traceparent") for event in events] == [trace, None]


async def test_headers_that_are_no_utf8_are_no_obstacle(client: Client) -> None:
    request = b"POST /hooks/acme/coreapp/test-path-token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    answer = await raw_exchange(client, request + b"Content-Type: application/json\xff\r\nContent-Length: 2\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 200 ")
    ((headers,),) = client.rows("SELECT headers FROM receipts")
    assert orjson.loads(headers) == {"content-type": "application/json?"}


# Bounds


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: Client) -> None:
    status, _, text = await client.request("POST", "/hooks/acme/cloud", data=b" " * (5 * 1024 * 1024))
    assert (status, orjson.loads(text)) == (413, {"error": "too_large"})


async def test_a_chunked_body_that_is_too_large_is_refused(client: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 65536

    with contextlib.suppress(aiohttp.ClientConnectionError):  # the gateway may hang up while we are still sending
        assert (await client.request("POST", "/hooks/acme/cloud", data=chunks()))[0] == 413
    assert client.rows("SELECT count(*) FROM receipts") == [(0,)]


async def test_a_body_of_four_megabytes_is_taken(client: Client) -> None:
    filler = "x" * 4_000_000
    status, answer = await client.post(envelope([message(1, text={"body": filler}), message(2)]))
    assert (status, answer["events"]) == (200, 2)
    await client.arrived(2)


async def test_an_encoded_body_is_refused(client: Client) -> None:
    assert (await client.post(b"{}", **{"Content-Encoding": "gzip"}))[0] == 415


@pytest.mark.parametrize("limits", [{"max_items": 3}])
async def test_items_beyond_the_limit_become_one_event(client: Client) -> None:
    status, answer = await client.post(envelope([message(n) for n in range(10)]))
    assert (status, answer["events"]) == (200, 4)
    events = await client.arrived(4)
    assert [event["data"]["kind"] for event in events if event["type"] == "whatsapp.unknown"] == ["overflow"]
    assert await client.post(envelope([message(0)])) == (200, {"events": 0, "duplicates": 1})


async def test_an_array_of_a_million_elements(client: Client) -> None:
    body = orjson.dumps(envelope([])).replace(b'"messages":[]', b'"messages":[' + b"0," * 999_999 + b"0]")
    status, answer = await client.post(body)
    assert (status, answer["events"]) == (200, 5001)


@pytest.mark.parametrize("limits", [{"inflight_bytes": "1MiB"}])
async def test_bodies_above_the_budget_are_for_later(client: Client) -> None:
    status, headers, text = await client.request("POST", "/hooks/acme/cloud", data=b" " * (1024 * 1024 + 1))
    assert (status, orjson.loads(text), headers["Retry-After"]) == (503, {"error": "busy"}, "5")
    assert (await client.post(envelope([message(1)])))[0] == 200, "and the budget is given back"


async def test_a_slow_body_is_read_to_its_end(client: Client) -> None:
    raw = orjson.dumps(envelope([message(1)]))
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
    host, port = client.gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /hooks/acme/cloud HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: {signature}\r\n"
    writer.write(f"{head}Content-Length: {len(raw)}\r\nExpect: 100-continue\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    for byte in raw:
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await client.arrived(1)


async def test_a_body_that_does_not_come_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BODY_TIMEOUT_S", 0.05)
    host, port = client.gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /hooks/acme/cloud HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await until(lambda: client.gateway._budget.used == 0)


async def test_a_client_that_hangs_up_leaves_nothing_behind(client: Client) -> None:
    host, port = client.gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /hooks/acme/cloud HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
    await writer.drain()
    await until(lambda: client.gateway._budget.used > 0)
    writer.close()
    await until(lambda: client.gateway._budget.used == 0)
    assert client.rows("SELECT count(*) FROM receipts") == [(0,)]
    await until(lambda: counted(client.gateway, "requests", provider="cloud_api", code=400) == 1)
    assert counted(client.gateway, "requests", provider="cloud_api", code=500) == 0, "it is no fault of the gateway"


async def begin_upload(client: Client, path: str, size: int, body: bytes) -> asyncio.StreamWriter:
    """A request whose body does not come to its end."""
    host, port = client.gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + body)
    await writer.drain()
    return writer


async def test_one_source_cannot_use_up_the_memory_of_all(client: Client) -> None:
    size = 32 * 1024 * 1024
    budget = client.gateway._budget
    first = await begin_upload(client, "/hooks/acme/device", size, b"x" * (size - 1))
    await until(lambda: budget.used == size - 1)
    second = await begin_upload(client, "/hooks/acme/device", size, b"x" * 1000)
    await until(lambda: counted(client.gateway, "requests", provider="whapi", code=503) == 1)
    assert await client.post(envelope([message(1)])) == (200, {"events": 1, "duplicates": 0})
    first.close()
    second.close()
    await until(lambda: budget.used == 0)


def test_a_part_of_the_budget_is_half_or_one_body() -> None:
    whole = Budget(100)
    one, other = whole.part(10), whole.part(80)
    one.take(50)
    with pytest.raises(Refused):
        one.take(1)
    with pytest.raises(Refused):
        other.take(51)
    assert (one.used, other.used, whole.used) == (50, 0, 50), "what is refused is not counted"
    other.take(50)
    one.give_back(50)
    other.take(30)
    assert whole.used == 80


@pytest.mark.parametrize(("path", "status"), [("/hooks/acme/coreapp/wrong", 403), ("/hooks/acme/coreapp", 401)])
async def test_the_token_is_checked_before_the_body_is_read(client: Client, path: str, status: int) -> None:
    writer = await begin_upload(client, path, 1000, b"x")
    await until(lambda: counted(client.gateway, "requests", provider="on_premises", code=status) == 1)
    reason = "wrong_path_token" if status == 403 else "missing_path_token"
    assert counted(client.gateway, "unauthorized", tenant="acme", source="coreapp", reason=reason) == 1
    writer.close()


async def test_answers_that_are_never_read_end_the_connection() -> None:
    transport = create_autospec(asyncio.Transport, instance=True)
    transport.is_closing.return_value = False
    transport.get_write_buffer_size.return_value = UNREAD + 1
    with pytest.raises(ConnectionResetError):
        await Answer(200).prepare(SimpleNamespace(transport=transport))  # type: ignore[arg-type]
    transport.abort.assert_called_once_with()
    transport.write.assert_not_called()


async def test_requests_above_the_sources_rate_are_for_later(tmp_path: Path) -> None:
    async with Downstream().serve() as downstream:
        config = write_config(tmp_path, {"crm": {"url": downstream.url}}, cloud=", rate_limit: 1/m")
        async with running(config) as gateway, aiohttp.ClientSession() as session:
            client = Client(session, gateway, downstream)
            assert (await client.post(envelope([message(1)])))[0] == 200
            status, answer = await client.post(envelope([message(2)]))
            assert (status, answer) == (429, {"error": "rate_limited"})
            assert (await client.post(b"{}", **{"X-Hub-Signature-256": "sha256=00"}))[0] == 403, "proof comes first"


def test_the_rate_limit_holds_one_seconds_worth() -> None:
    now = [0.0]
    limit = RateLimit(10.0, lambda: now[0])
    for _ in range(10):
        limit.check()
    with pytest.raises(Refused) as refusal:
        limit.check()
    assert refusal.value.headers == {"Retry-After": "1"}
    now[0] = 0.1
    limit.check()


async def test_a_store_that_cannot_commit_is_answered_503(client: Client) -> None:
    store: Any = client.gateway._store
    await store._call(lambda: store._database.execute("PRAGMA query_only = ON"))
    raw = orjson.dumps(envelope([message(1)]))
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), raw, hashlib.sha256).hexdigest()
    status, headers, text = await client.request(
        "POST", "/hooks/acme/cloud", data=raw, headers={"X-Hub-Signature-256": signature}
    )
    assert (status, orjson.loads(text)) == (503, {"error": "store_unavailable"})
    assert headers["Retry-After"] == "5"
    async with client.session.get(client.gateway.admin_url + "/-/ready") as response:
        assert response.status == 503
        [reason] = (await response.json())["reasons"]
        assert reason.startswith(f"nothing can be stored: cannot write {store._file.path} (attempt to write a readonly")
    await store._call(lambda: store._database.execute("PRAGMA query_only = OFF"))
    assert await client.post(raw) == (200, {"events": 1, "duplicates": 0})
    await client.arrived(1)


async def test_an_adapter_with_a_fault_costs_no_webhook(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise KeyError("fault")

    adapter = client.gateway.config.tenants["acme"].sources["cloud"].adapter
    monkeypatch.setattr(adapter, "parse", broken)
    assert await client.post(envelope([message(1)])) == (200, {"events": 0, "duplicates": 0})
    assert client.rows("SELECT outcome FROM receipts") == [("unmapped",)]


# What the operator sees


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]


async def test_one_wide_line_for_each_receipt_and_attempt_and_nothing_private(
    lines: list[dict[str, Any]], client: Client
) -> None:
    await client.post(envelope([message(1, text={"body": "my secret diary"})]))
    await client.arrived(1)
    await client.request("POST", "/hooks/acme/coreapp/wrong-token", data=b"{}")
    await client.request(
        "POST", "/hooks/acme/device", data=orjson.dumps({"type": "ready", "results": {"apiKey": "wrong-key"}})
    )
    await until(lambda: any(line["event"] == "attempt" for line in lines))
    receipts = [line for line in lines if line["event"] == "receipt"]
    assert [(line["source"], line["outcome"], line["status"]) for line in receipts] == [
        ("cloud", "stored", 200), ("coreapp", "unauthorized", 403), ("device", "unauthorized", 403),
    ]  # fmt: skip
    assert receipts[0].items() >= {
        "tenant": "acme", "provider": "cloud_api", "events": 1, "duplicates": 0, "proof": "app_secret",
    }.items()  # fmt: skip
    (attempt,) = [line for line in lines if line["event"] == "attempt"]
    assert attempt.items() >= {"tenant": "acme", "destination": "crm", "outcome": "delivered", "status": 200}.items()
    text = repr(lines)
    for private in ("diary", "16505551234", APP_SECRET, "wrong-token", "wrong-key", "test-path-token"):
        assert private not in text


async def test_health_and_metrics(client: Client) -> None:
    await client.post(envelope([message(1)]))
    await client.arrived(1)
    for path in ("/-/healthy", "/-/ready", "/healthz", "/readyz"):
        async with client.session.get(client.gateway.admin_url + path) as response:
            assert response.status == 200
        async with client.session.head(client.gateway.admin_url + path) as response:
            assert response.status == 200
    await until(lambda: client.gateway._store.unsettled == 0)
    async with client.session.get(client.gateway.admin_url + "/metrics") as response:
        text = await response.text()
        assert response.headers["Content-Type"].startswith("text/plain")
    assert 'wagw_events_received_total{provider="cloud_api",type="whatsapp.message.received"} 1.0' in text
    assert 'wagw_requests_total{code="200",provider="cloud_api"} 1.0' in text
    assert 'wagw_attempts_total{destination="crm",outcome="delivered",reason="ok",tenant="acme"} 1.0' in text
    assert (await client.request("GET", "/metrics"))[0] == 404, "operators' routes are not on the public listener"
