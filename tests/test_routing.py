"""Which destinations want an event, how it is ordered there, and how far statuses are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from pydantic import SecretStr

from gateway.accepting.ingress import Served
from gateway.accepting.intake import Budget
from gateway.config import Destination, Source
from gateway.stamp import Event, SourceStamp, stamp
from gateway.store.base import Route, State, lane_of
from providers import RawRequest, load_adapters
from tests.golden import FIXTURES, RECEIPT_ID, RECEIVED, adapter_for, normalize, payloads
from tests.support import SECRET, Downstream, running, until, write_config
from tests.test_ingress import Client, envelope, message


def destination(name: str, **settings: Any) -> Destination:
    return Destination(tenant="acme", name=name, url="https://a.example", secrets=[SecretStr(SECRET)], **settings)


def served(*destinations: Destination) -> Served:
    source = Source("acme", "cloud", "cloud_api", adapter_for("cloud_api"), "acme/cloud")
    stamps = SourceStamp("acme", "cloud", "cloud_api")
    return Served(source, 1, stamps, list(enumerate(destinations, 10)), Budget(1))


def test_routes_say_what_a_destination_asked_for() -> None:
    routes = served(
        destination("plain"),
        destination("loose", ordering="none", statuses="monotonic"),
        destination("statuses", events=["*.status"], statuses="monotonic"),
        destination("elsewhere", sources=["other"]),
    ).routes
    assert routes("whatsapp.message.received") == (Route(10), Route(11, ordered=False))
    assert routes("whatsapp.message.status") == (
        Route(10), Route(11, ordered=False, monotonic=True), Route(12, monotonic=True),
    )  # fmt: skip
    assert routes("whatsapp.message.status") is routes("whatsapp.message.status"), "worked out once"


# Ranks


def status(message_id: str, word: str, **more: Any) -> dict[str, Any]:
    return {"id": message_id, "status": word, "timestamp": "1749416383", "recipient_id": "16505551234", **more}


def statuses(*given: dict[str, Any]) -> dict[str, Any]:
    return envelope([], statuses=list(given))


def stamped(body: dict[str, Any], *, ranked: bool = True, provider: str = "cloud_api") -> list[Event]:
    adapter = adapter_for(provider)
    request = RawRequest(headers={}, body=orjson.dumps(body), received_at=RECEIVED)
    source = SourceStamp("acme", "cloud", provider, ranked=ranked)
    return stamp(source, adapter.parse(request), receipt_id=RECEIPT_ID, received_ms=0)


def test_a_message_rises_through_its_statuses() -> None:
    events = stamped(statuses(*(status("A", word) for word in ("sent", "delivered", "read", "played", "failed"))))
    ranks = [event.rank for event in events]
    assert ranks == sorted(set(ranks))
    assert ranks[0] > 0
    assert len({event.rank_key for event in events}) == 1


def test_what_is_not_the_same_message_and_reader_does_not_compare() -> None:
    group = {"recipient_type": "group", "recipient_id": "group"}
    events = stamped(
        statuses(
            status("A", "read"),
            status("B", "read"),
            status("A", "read", **group, recipient_participant_id="16505551234"),
            status("A", "read", **group, recipient_participant_id="16505555678"),
        )
    )
    assert len({event.rank_key for event in events}) == 4
    (message_event,) = stamped(envelope([message(1)]))
    (unknown,) = stamped(statuses(status("A", "teleported")))
    assert (message_event.rank, message_event.rank_key, unknown.rank) == (0, 0, 0)


def test_surfaces_do_not_compare() -> None:
    device, browser = (stamped(fixture(name), provider="whapi")[0] for name in ("ack_read", "ack_browser_read"))
    assert device.rank == browser.rank > 0
    assert device.rank_key != browser.rank_key


def fixture(name: str) -> Any:
    return orjson.loads((FIXTURES / "whapi" / f"{name}.json").read_bytes())


def test_nobody_pays_for_ranks_that_nobody_wants() -> None:
    assert [(event.rank, event.rank_key) for event in stamped(statuses(status("A", "read")), ranked=False)] == [(0, 0)]


# Through the gateway


async def test_destinations_get_statuses_as_they_asked(tmp_path: Path) -> None:
    async with Downstream().serve() as all_of_them, Downstream().serve() as rising:
        config = write_config(
            tmp_path, {"all": {"url": all_of_them.url}, "rising": {"url": rising.url, "statuses": "monotonic"}}
        )
        async with running(config) as gateway, aiohttp.ClientSession() as session:
            client = Client(session, gateway, all_of_them)
            for word in ("read", "sent", "delivered", "failed"):
                answer, _ = await client.post(statuses(status("A", word)))
                assert answer == 200
            await client.post(statuses(status("B", "sent")))
            await until(lambda: (len(all_of_them.got), len(rising.got)) == (5, 3))
        states = client.rows("SELECT state, count(*) FROM deliveries GROUP BY state ORDER BY state")
    assert dict(states) == {State.DELIVERED: 8, State.SUPPRESSED: 2}
    words = [event["data"]["status"]["status"] for event in rising.events]
    assert sorted(words) == ["failed", "read", "sent"]


async def test_without_an_order_events_of_a_conversation_do_not_wait_for_one_another(tmp_path: Path) -> None:
    events = stamped(envelope([message(1), message(2)]))
    assert len({lane_of(event, Route(1)) for event in events}) == 1
    assert len({lane_of(event, Route(1, ordered=False)) for event in events}) == 2


async def test_a_tenant_over_its_quota_is_told_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full: dict[str, str] = {}
    async with Downstream().serve() as downstream:
        config = write_config(tmp_path, {"crm": {"url": downstream.url}})
        async with running(config) as gateway, aiohttp.ClientSession() as session:
            monkeypatch.setattr(gateway._ingress, "_full", lambda tenant, size: full.get(tenant))
            client = Client(session, gateway, downstream)
            full["acme"] = "tenant_over_quota"
            assert await client.post(envelope([message(1)])) == (503, {"error": "tenant_over_quota"})
            unproven = await client.post(envelope([message(1)]), X_Hub_Signature_256="sha256=" + "0" * 64)
            assert unproven[0] == 403, "who proves nothing is told nothing"
            full.clear()
            assert (await client.post(envelope([message(1)])))[0] == 200
            await client.arrived(1)
            assert client.rows("SELECT count(*) FROM receipts") == [(1,)]


# Media keys


def test_what_is_typed_never_holds_a_media_key() -> None:
    seen = 0
    for provider, adapter in load_adapters().items():
        for path in payloads(provider):
            with suppress(orjson.JSONDecodeError):
                found = set(texts_below(orjson.loads(path.read_bytes()), adapter.media_secrets))
                typed = orjson.dumps(normalize(adapter_for(provider, path), path.read_bytes(), raw=False)).decode()
                assert not [secret for secret in found if len(secret) >= 8 and secret in typed], path
                seen += len(found)
    assert seen > 10


def texts_below(value: Any, names: frozenset[str], inside: bool = False) -> Iterator[str]:
    """Texts in members with one of these names."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from texts_below(child, names, inside or key in names)
    elif isinstance(value, list):
        for child in value:
            yield from texts_below(child, names, inside)
    elif inside and isinstance(value, str):
        yield value
