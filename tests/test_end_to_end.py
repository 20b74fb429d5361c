"""From a provider's webhook to a signed event downstream: signatures, choices, order, a downstream that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import orjson
import pytest
from aiohttp import web
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook

from gateway.app import Gateway
from gateway.store.base import State
from normalized import MessageData, json_schema, parse_event
from tests.support import SECRET, Delivered, Downstream, FakeClock, counted, running, until, write_config
from tests.test_ingress import Client, envelope, message

PATHS = {
    "cloud": "/hooks/acme/cloud",
    "coreapp": "/hooks/acme/coreapp/test-path-token",
    "device": "/hooks/acme/device",
}
ACK = {
    "type": "message_ack",
    "results": {
        "apiKey": "test-api-key-0123456789",
        "ack": {"ack": 4, "id": "3EB0", "serialized": "16505551234@s.whatsapp.net"},
    },
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def attempts(gateway: Gateway, destination: str, outcome: str, reason: str) -> float:
    return counted(gateway, "attempts", tenant="acme", destination=destination, outcome=outcome, reason=reason)


async def post_each(client: Client) -> None:
    """One event from each of the three sources."""
    await client.post(envelope([message(1)]))
    await client.post({"messages": [message(2)]}, PATHS["coreapp"])
    await client.post(ACK, PATHS["device"])


async def test_downstream_gets_cloudevents_signed_by_standard_webhooks(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    async with Downstream().serve() as downstream:
        async with running(write_config(tmp_path, {"crm": {"url": downstream.url}})) as gateway:
            client = Client(session, gateway, downstream)
            await post_each(client)
            await client.arrived(3)
    for got in downstream.got:
        assert Webhook(SECRET).verify(got.body.decode(), got.headers) == got.event
        cloud_event = from_structured_event(HTTPMessage(got.headers, got.body), JSONFormat())
        assert cloud_event.get_id() == got.headers["webhook-id"] == got.event["id"]
        assert cloud_event.get_specversion() == "1.0"
        assert cloud_event.get_data() == got.event["data"]
        validator.validate(got.event)
        assert parse_event(got.body).id == got.event["id"]
    first = parse_event(downstream.got[0].body)
    assert isinstance(first.data, MessageData)
    assert first.source == "https://hooks.acme.example/tenants/acme/sources/cloud"
    assert first.dataschema == "https://hooks.acme.example/schemas/v1/message"
    assert {got.event["provider"] for got in downstream.got} == {"cloud_api", "on_premises", "whapi"}


async def test_every_secret_of_a_rotation_signs(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    other = "whsec_" + "QUJD" * 8
    async with Downstream().serve() as downstream:
        config = write_config(tmp_path, {"crm": {"url": downstream.url, "secret": [other, SECRET]}})
        async with running(config) as gateway:
            client = Client(session, gateway, downstream)
            await client.post(envelope([message(1)]))
            await client.arrived(1)
    got = downstream.got[0]
    for secret in (SECRET, other):
        Webhook(secret).verify(got.body.decode(), got.headers)


async def test_destinations_choose_by_type_and_source(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with Downstream().serve() as everything, Downstream().serve() as statuses, Downstream().serve() as devices:
        blocks = {
            "everything": {"url": everything.url},
            "statuses": {"url": statuses.url, "events": "*.status"},
            "devices": {"url": devices.url, "sources": ["dev*"], "events": ["whatsapp.message.*"]},
        }
        async with running(write_config(tmp_path, blocks)) as gateway:
            client = Client(session, gateway, everything)
            await post_each(client)
            await client.arrived(3)
            await until(lambda: statuses.got and devices.got)
    assert [event["type"] for event in statuses.events] == ["whatsapp.message.status"]
    assert [event["provider"] for event in devices.events] == ["whapi"]


@pytest.mark.parametrize(
    ("raw", "known", "unknown"), [("never", False, False), ("unknown", False, True), ("always", True, True)]
)
async def test_raw_as_the_destination_wants_it(
    tmp_path: Path, session: aiohttp.ClientSession, raw: str, known: bool, unknown: bool
) -> None:
    odd = message(2, type="hologram", hologram={"depth": 3})
    async with Downstream().serve() as downstream:
        async with running(write_config(tmp_path, {"crm": {"url": downstream.url, "raw": raw}})) as gateway:
            client = Client(session, gateway, downstream)
            await client.post(envelope([message(1), odd]))
            events = await client.arrived(2)
    assert events[0]["data"].get("raw") == (message(1) if known else None)
    assert events[1]["data"].get("raw") == (odd if unknown else None)


async def test_keys_of_media_do_not_leave(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    image = {"url": "https://mmg.example/x", "mimetype": "image/jpeg", "mediaKey": "c2VjcmV0LW1lZGlhLWtleQ=="}
    body = {"type": "message", "results": {
        "apiKey": "test-api-key-0123456789", "messageTimestamp": 1749416383,
        "key": {"remoteJid": "16505551234@s.whatsapp.net", "fromMe": False, "id": "3EB0"},
        "message": {"imageMessage": image}}}  # fmt: skip
    async with Downstream().serve() as downstream:
        async with running(write_config(tmp_path, {"crm": {"url": downstream.url, "raw": "always"}})) as gateway:
            client = Client(session, gateway, downstream)
            await client.post(body, PATHS["device"])
            (event,) = await client.arrived(1)
    assert event["data"]["raw"]["message"]["imageMessage"] == {k: v for k, v in image.items() if k != "mediaKey"}
    assert "mediaKey" not in downstream.got[0].body.decode()


async def test_a_conversation_stays_in_order_through_failures(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    clock = FakeClock()
    refusals = {"wamid.3": 2, "wamid.11": 1}

    def answer(got: Delivered) -> web.Response:
        number = got.event["data"]["message"]["id"]
        if refusals.get(number, 0) > 0:
            refusals[number] -= 1
            return web.Response(status=500)
        return web.Response()

    async with Downstream().serve() as downstream:
        downstream.answer = answer
        async with running(write_config(tmp_path, {"crm": {"url": downstream.url}}), clock=clock) as gateway:
            client = Client(session, gateway, downstream)
            people = ("16505551234", "15550100002")
            for number in range(20):
                await client.post(envelope([message(number, **{"from": people[number % 2]})]))
            await until(lambda: len(downstream.got) == 12)

            def time_passes() -> bool:
                clock.advance(1)
                return len(downstream.got) == 23

            await until(time_passes)
    for person in range(2):
        order = [int(event["data"]["message"]["id"][6:]) for event in downstream.events]
        mine = [number for number in order if number % 2 == person]
        first_sight = list(dict.fromkeys(mine))
        assert first_sight == sorted(first_sight) == list(range(person, 20, 2))


async def test_after_an_outage_events_arrive_in_order(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with Downstream().serve() as downstream:
        config = write_config(tmp_path, {"crm": {"url": downstream.url, "retry": {"schedule": ["20ms"]}}})
        port = int(downstream.url.split(":")[2].split("/")[0])
    async with running(config) as gateway:
        client = Client(session, gateway, downstream)
        for number in range(50):
            assert (await client.post(envelope([message(number, **{"from": f"1555010{number % 5:04}"})])))[0] == 200
        assert downstream.got == []
        async with downstream.serve(port):
            await until(lambda: len({event["id"] for event in downstream.events}) == 50, limit_s=30)
    for person in range(5):
        mine = [n for n in (int(e["data"]["message"]["id"][6:]) for e in downstream.events) if n % 5 == person]
        assert list(dict.fromkeys(mine)) == list(range(person, 50, 5))


@pytest.mark.parametrize(
    ("status", "reason"), [(301, "3xx"), (403, "4xx"), (429, "throttled"), (500, "5xx"), (422, "refused")]
)
async def test_everything_but_2xx_is_tried_again(
    tmp_path: Path, session: aiohttp.ClientSession, status: int, reason: str
) -> None:
    clock = FakeClock()
    async with Downstream().serve() as downstream:
        downstream.answer = lambda got: web.Response(
            status=status if len(downstream.got) == 1 else 204, headers={"Location": downstream.url}
        )
        async with running(write_config(tmp_path, {"crm": {"url": downstream.url}}), clock=clock) as gateway:
            client = Client(session, gateway, downstream)
            await client.post(envelope([message(1)]))
            await until(lambda: attempts(gateway, "crm", "held", reason) == 1)
            await gateway._store.flush()
            assert [count.state for count in await gateway._store.counts()] == [State.HELD]
            clock.advance(40)
            await until(lambda: len(downstream.got) == 2)
    one, two = downstream.got
    assert one.body == two.body
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    assert int(two.headers["webhook-timestamp"]) == int(one.headers["webhook-timestamp"]) + 40
    assert one.headers["webhook-signature"] != two.headers["webhook-signature"]


async def test_a_downstream_that_never_answers_is_given_up_by_the_timeout(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    never = asyncio.Event()

    async def answer(got: Delivered) -> web.Response:
        await never.wait()
        return web.Response()

    async with Downstream().serve() as downstream, Downstream().serve() as other:
        downstream.answer = answer
        blocks = {"stuck": {"url": downstream.url, "timeout": "100ms"}, "fine": {"url": other.url}}
        async with running(write_config(tmp_path, blocks), clock=FakeClock()) as gateway:
            client = Client(session, gateway, other)
            for number in range(3):
                await client.post(envelope([message(number)]))
            await client.arrived(3)
            await until(lambda: attempts(gateway, "stuck", "held", "timeout") == 1)
        never.set()


async def test_an_endless_answer_costs_little(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    sent = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while sent < 1 << 30:
                await response.write(b"x" * 65536)
                sent += 65536
        except ConnectionError:
            pass
        return response

    runner = web.ServerRunner(web.Server(endless), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with running(write_config(tmp_path, {"crm": {"url": url}})) as gateway:
        await Client(session, gateway, Downstream()).post(envelope([message(1)]))
        await until(lambda: attempts(gateway, "crm", "delivered", "ok") == 1)
    await runner.cleanup()
    assert sent < 64 << 20


async def test_a_stopped_gateway_goes_on_where_it_was(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with Downstream().serve() as downstream:
        config = write_config(tmp_path, {"crm": {"url": downstream.url, "retry": {"schedule": ["50ms"]}}})
        port = int(downstream.url.split(":")[2].split("/")[0])
    async with running(config) as gateway:
        await Client(session, gateway, downstream).post(envelope([message(n) for n in range(5)]))
    async with downstream.serve(port), running(config) as gateway:
        client = Client(session, gateway, downstream)
        await until(lambda: len({event["id"] for event in downstream.events}) == 5)
        assert await client.post(envelope([message(n) for n in range(6)])) == (200, {"events": 1, "duplicates": 5})
        await until(lambda: len({event["id"] for event in downstream.events}) == 6)
    assert len(downstream.got) == 6


async def test_events_of_other_tenants_stay_apart(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with Downstream().serve() as one, Downstream().serve() as two:
        path = tmp_path / "config.yaml"
        tenants: dict[str, Any] = {
            name: {
                "sources": {"cloud": {"provider": "cloud_api", "app_secret": "test-app-secret", "verify_token": "t"}},
                "destinations": {"crm": {"url": downstream.url, "secret": SECRET}},
            }
            for name, downstream in (("one", one), ("two", two))
        }
        settings = {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}, "store": "sqlite:s.db"}
        path.write_bytes(orjson.dumps({**settings, "tenants": tenants}))
        async with running(path) as gateway:
            client = Client(session, gateway, one)
            for tenant in ("one", "two"):
                assert await client.post(envelope([message(1)]), f"/hooks/{tenant}/cloud") == (
                    200, {"events": 1, "duplicates": 0},
                )  # fmt: skip
            await until(lambda: one.got and two.got)
    assert one.events[0]["id"] != two.events[0]["id"]
    assert [event["source"] for event in one.events] == ["/tenants/one/sources/cloud"]
    assert "dataschema" not in one.events[0]
