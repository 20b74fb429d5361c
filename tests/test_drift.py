"""Samples of what adapters do not know: masked, counted, bounded, written after the answer, listed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import orjson
import pytest

from gateway.accepting.drift import MOST_BYTES, MOST_KINDS, WRITE_AFTER_S, DriftLog, masked, safe_name
from gateway.cli.program import exit_code
from gateway.store.base import DriftSample, Store
from gateway.store.sqlite import SqliteStore
from providers import Adapter, Item, Malformed, Notes, RawRequest, SourceSettings
from providers.base import Drift
from tests.golden import RECEIVED
from tests.support import APP_SECRET, NOW_MS, FakeClock, running, write_config


class Parrot(Adapter):
    """A body is a list; an element with a member `new` holds drift, named by the member's value."""

    name: ClassVar[str] = "parrot"
    label: ClassVar[str] = "Parrot"

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        body = request.json()
        if not isinstance(body, list):
            raise Malformed("not_a_list")
        for position, element in enumerate(body):
            if "new" in element:
                notes.drifted("member", element["new"])
            if "fault" in element:
                raise LookupError("a mistake of ours")
            yield Item("whatsapp.unknown", {"kind": "type"}, None, None, ("x",), f"/{position}")


PARROT = Parrot(SourceSettings())


def request(body: Any) -> RawRequest:
    return RawRequest(headers={}, body=json.dumps(body).encode(), received_at=RECEIVED)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    yield store
    await store.close()


class Watched:
    """A log of drift on a clock that is told the time."""

    def __init__(self, store: Store) -> None:
        self.clock = FakeClock()
        self.store = store
        self.log = DriftLog(store, self.clock)

    def saw(self, *names: str, body: Any = None) -> None:
        given = [{"new": name} for name in names] if body is None else body
        self.log.saw(PARROT, request(given), [Drift("member", name) for name in names], self.clock.now_ms())

    async def written(self) -> dict[str, DriftSample]:
        self.clock.advance(WRITE_AFTER_S)
        await self.log.close()
        return {sample.name: sample for sample in await self.store.drift_samples()}


@pytest.fixture
def watched(store: Store) -> Watched:
    return Watched(store)


# What a sample tells


def test_values_are_masked_by_their_shape() -> None:
    value = {
        "from": "16505551234", "body": "Ünïcode at 5 ❤\n", "n": 1780952383, "price": 4.5, "flag": True, "none": None,
        "type": "hologram", "+1 650 555 1234": "x@example.com", "deep": {"kind": "photo"},
    }  # fmt: skip
    assert masked(value, "messages.type=hologram") == {
        "from": "00000000000", "body": "xxxxxxx xx 0 ??", "n": 0, "price": 0.0, "flag": True, "none": None,
        "type": "hologram", "+0 000 000 0000": "x@xxxxxxx.xxx", "deep": {"kind": "xxxxx"},
    }  # fmt: skip


def test_samples_are_bounded() -> None:
    assert masked("a" * 41) == "x" * 40 + "…"
    assert masked(list(range(9))) == [0, 0, 0, "…"]
    wide = masked({f"m{n}": n for n in range(90)})
    assert (len(wide), wide["…"]) == (51, 40)
    tree: Any = "leaf"
    for _ in range(9):
        tree = [tree, tree, tree]
    assert len(orjson.dumps(masked(tree))) < 3000


def test_a_drifted_word_is_kept_only_where_it_is_one() -> None:
    assert masked({"ack": 7, "to": 16505551234}, "7") == {"ack": 7, "to": 0}
    assert masked({"x": "16505551234"}, "16505551234") == {"x": "00000000000"}
    assert safe_name("statuses.status=warped") == "statuses.status=warped"
    assert safe_name("type=Dear Ms Nelson, 16505551234") == "xxxx=xxxx xx xxxxxx, 00000000000"
    assert safe_name("lone \ud800") == "xxxx ?"


# Counting and writing


async def test_one_sample_of_each_thing_with_its_own_fragment(watched: Watched) -> None:
    watched.saw("first", "second", "first")
    found = await watched.written()
    assert {name: (one.seen, one.sample) for name, one in found.items()} == {
        "first": (2, b'{"new":"first"}'),
        "second": (1, b'{"new":"second"}'),
    }
    assert (found["first"].provider, found["first"].kind) == ("parrot", "member")


async def test_the_first_sample_stays_and_counts_add_up(watched: Watched) -> None:
    watched.saw("thing", body=[{"new": "thing", "age": "old"}])
    first = (await watched.written())["thing"]
    watched.clock.advance(60)
    watched.saw("thing", body=[{"new": "thing", "a": 1}])
    again = (await watched.written())["thing"]
    assert first.sample == again.sample == b'{"new":"thing","age":"xxx"}'
    assert (again.seen, again.first_ms, again.last_ms) == (2, NOW_MS, NOW_MS + 65_000)


async def test_nothing_is_written_before_its_time(watched: Watched, store: Store) -> None:
    watched.saw("thing")
    watched.clock.advance(WRITE_AFTER_S - 0.1)
    await asyncio.sleep(0)
    assert await store.drift_samples() == []
    assert (await watched.written())["thing"].seen == 1


async def test_a_sample_that_cannot_be_made_costs_nothing_else(watched: Watched) -> None:
    watched.saw("thing", body=[{"fault": 1}])
    watched.saw("other", body={"not": "a list"})
    assert [(one.seen, one.sample) for one in (await watched.written()).values()] == [(1, None), (1, None)]
    watched.saw("thing")
    thing = (await watched.written())["thing"]
    assert (thing.seen, thing.sample) == (2, b'{"new":"thing"}')


async def test_a_store_that_refuses_is_no_failure(watched: Watched, store: SqliteStore) -> None:
    watched.saw("thing")
    await store.close()
    watched.clock.advance(WRITE_AFTER_S)
    await watched.log.close()


async def test_memory_is_bounded(watched: Watched) -> None:
    watched.saw("big", body=[{"new": "big", "pad": "x" * MOST_BYTES}])
    watched.saw("late")
    found = await watched.written()
    assert found["big"].sample is not None
    assert found["late"].sample is None, "no room for its body; counted all the same"
    for number in range(MOST_KINDS + 5):
        watched.saw(f"kind{number}")
    assert len(watched.log._seen) == MOST_KINDS
    await watched.written()


# The whole way, and the command


def cloud_body() -> bytes:
    message = {
        "from": "16505551234", "id": "wamid.1", "timestamp": "1780952383", "type": "text",
        "text": {"body": "Hello"}, "hologram": {"depth": "4 metres"},
    }  # fmt: skip
    value = {
        "messaging_product": "whatsapp", "messages": [message],
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
    }  # fmt: skip
    change = {"field": "messages", "value": value}
    entry = {"id": "102290129340398", "changes": [change]}
    return orjson.dumps({"object": "whatsapp_business_account", "entry": [entry]})


async def test_drift_of_a_webhook_is_kept_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, {"crm": {"url": "http://127.0.0.1:9/hook"}})
    body = cloud_body()
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    async with running(config) as gateway, aiohttp.ClientSession() as session:
        for _ in range(2):
            url = gateway.url + "/hooks/acme/cloud"
            async with session.post(url, data=body, headers={"X-Hub-Signature-256": signature}) as answer:
                assert answer.status == 200
        await gateway._ingress.close()
        [sample] = await gateway._store.drift_samples()
        assert (sample.provider, sample.kind, sample.name, sample.seen) == (
            "cloud_api", "member", "messages.hologram", 2,
        )  # fmt: skip
        assert sample.sample is not None
        assert orjson.loads(sample.sample)["hologram"] == {"depth": "0 xxxxxx"}
        assert await asyncio.to_thread(exit_code, ["drift", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "cloud_api  member messages.hologram  (2 x, " in shown
    assert "16505551234" not in shown
    assert "Hello" not in shown


async def test_the_command_after_the_gateway_has_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, {})
    async with running(config) as gateway:
        await gateway._store.keep_drift(
            [
                DriftSample("whapi", "type", "teleport", 1_780_952_383_000, 1_780_952_384_000, 3, b'{"a":"x"}'),
                DriftSample("cloud_api", "field", "moods", 1, 2, 1, None),
            ]
        )
    capsys.readouterr()  # what the gateway logged
    options = ["drift", "--config", str(config), "--json"]
    assert await asyncio.to_thread(exit_code, [*options, "--provider", "whapi"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "provider": "whapi", "kind": "type", "name": "teleport", "seen": 3, "sample": {"a": "x"},
        "first_seen": "2026-06-08T20:59:43Z", "last_seen": "2026-06-08T20:59:44Z",
    }  # fmt: skip
    assert await asyncio.to_thread(exit_code, options) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["teleport", "moods"]


def test_the_command_says_why_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, {})
    assert exit_code(["drift", "--config", str(config)]) == 1
    assert "there is no store at" in capsys.readouterr().err
