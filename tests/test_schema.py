"""The published schema: its documents describe what is sent, grow without breaking readers, and are served."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
from aiohttp import web
from click.testing import CliRunner
from mypy import api as mypy

from gateway.cli.schema import command as schema_command
from gateway.schemas.serve import Schemas
from normalized import TYPES, MessageData, json_schema, parse_event
from normalized.content import KNOWN_TYPES, UnknownContent
from normalized.schema import DATA, DIALECT, data_schema, documents, index
from tests.examples import fixture_events
from tests.papers import ROOT
from tests.support import Downstream, running, write_config
from tests.test_ingress import Client, envelope, message

ORIGIN = "https://hooks.acme.example"
FIXTURES = [pytest.param(event, id=f"{name}-{event['id'][:8]}") for name, event in fixture_events()]
VALIDATORS = {name: jsonschema.Draft202012Validator(document) for name, document in documents().items()}


def example(**changes: Any) -> dict[str, Any]:
    return {**next(event for _, event in fixture_events() if event["type"] == "whatsapp.message.received"), **changes}


# What the documents say


@pytest.mark.parametrize("name", ["event", *DATA])
def test_documents_are_json_schemas(name: str) -> None:
    document = documents(ORIGIN)[name]
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$schema"] == DIALECT
    assert document["$id"] == f"{ORIGIN}/schemas/v1/{name}"
    assert document == (json_schema(ORIGIN) if name == "event" else data_schema(name, ORIGIN))


@pytest.mark.parametrize("event", FIXTURES)
def test_events_are_as_their_documents_say(event: dict[str, Any]) -> None:
    VALIDATORS["event"].validate(event)
    VALIDATORS[TYPES[event["type"]][0]].validate(event["data"])


def nodes(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [node for each in schema for node in nodes(each)]
    return [schema, *nodes(list(schema.values()))] if isinstance(schema, dict) else []


@pytest.mark.parametrize("name", ["event", *DATA])
def test_documents_are_open_and_know_no_null(name: str) -> None:
    """Additions are no breach, and absence is the one way of saying nothing."""
    for node in nodes(documents()[name]):
        assert node.get("additionalProperties") is not False
        assert node.get("unevaluatedProperties") is not False
        assert node.get("type") != "null"


@pytest.mark.parametrize("name", DATA)
def test_documents_are_whole_and_lean(name: str) -> None:
    document = data_schema(name)
    referred = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
    assert referred == {f"#/$defs/{shape}" for shape in document["$defs"]}


def test_what_is_new_is_allowed() -> None:
    event = example(type="whatsapp.moon.landed", data={"rover": 1}, phase="full")
    VALIDATORS["event"].validate(event)
    VALIDATORS["event"].validate(example(data={**example()["data"], "mood": "good"}))


def test_what_is_wrong_is_refused() -> None:
    data = example()["data"]
    for wrong in (
        example(specversion="0.3"),
        example(data=[]),
        example(data={**data, "sender": None}),
        example(data={**data, "message": {**data["message"], "content": {"type": "text"}}}),
        {key: value for key, value in example().items() if key != "data"},
    ):
        assert not VALIDATORS["event"].is_valid(wrong)


def test_the_open_member_leaves_typed_words_to_typed_members() -> None:
    """Else a broken text would pass as content of an unknown type."""
    shape = json_schema()["$defs"]["UnknownContent"]
    validator = jsonschema.Draft202012Validator(shape)
    assert validator.is_valid({"type": "hologram", "depth": 3})
    assert [word for word in KNOWN_TYPES if validator.is_valid({"type": word})] == []


def test_the_index_names_every_document() -> None:
    listed = {schema["name"]: schema for schema in index(ORIGIN)["schemas"]}
    assert {schema["url"] for schema in listed.values()} == {doc["$id"] for doc in documents(ORIGIN).values()}
    assert {word: name for name, schema in listed.items() for word in schema.get("types", ())} == {
        event_type: name for event_type, (name, _) in TYPES.items()
    }


# Reading


def test_a_type_to_come_is_a_plain_object() -> None:
    event = parse_event(json.dumps(example(type="whatsapp.moon.landed", data={"rover": 1})))
    assert event.type == "whatsapp.moon.landed"
    assert event.data == {"rover": 1}


def test_content_to_come_is_unknown_content() -> None:
    data = example()["data"]
    content = {"type": "hologram", "depth": 3}
    event = parse_event(example(data={**data, "message": {**data["message"], "content": content}}))
    assert isinstance(event.data, MessageData)
    assert event.data.message.content == UnknownContent(type="hologram")


def test_fields_to_come_are_ignored() -> None:
    event = example()
    assert parse_event(event | {"phase": "full", "data": event["data"] | {"mood": "good"}}) == parse_event(event)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff", json.dumps(example(data={})).encode()])
def test_what_is_no_event_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own, or json's
        parse_event(body)


def test_applications_are_typed(tmp_path: Path) -> None:
    """As an application checks itself: strictly, with a configuration of its own."""
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {ROOT}\n")
    arguments = ["--config-file", str(config), "--cache-dir", str(tmp_path / "cache")]
    report, complaint, status = mypy.run([*arguments, str(ROOT / "tests" / "typing" / "downstream.py")])
    assert (status, complaint) == (0, ""), report


# The command


def shown(*arguments: str) -> str:
    outcome = CliRunner().invoke(schema_command, arguments)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_the_command_prints_each_document() -> None:
    assert json.loads(shown()) == json_schema()
    assert json.loads(shown("event", "--origin", ORIGIN)) == json_schema(ORIGIN)
    assert json.loads(shown("status", "--origin", ORIGIN)) == data_schema("status", ORIGIN)
    assert json.loads(shown("--asyncapi"))["asyncapi"] == "3.1.0"
    assert json.loads(shown("--openapi", "--origin", ORIGIN))["servers"][0]["url"] == ORIGIN
    listed = {line.split()[0] for line in shown("--list").splitlines()}
    assert listed == {"event", *DATA}
    assert "whatsapp.message.received, whatsapp.message.echoed" in shown("--list")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["mesage"], "there is no schema 'mesage'; did you mean message?"),
        (["hologram"], "there is no schema 'hologram'; --list names them"),
        (["message", "--asyncapi"], "--asyncapi takes no NAME"),
        (["--origin", "ftp://x"], "--origin"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], complaint: str) -> None:
    outcome = CliRunner().invoke(schema_command, arguments)
    assert outcome.exit_code == 2
    assert complaint in outcome.output


# Serving


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A server with the schemas before something else."""

    async def others(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=f"other {request.path}")

    runner = web.ServerRunner(web.Server(Schemas(ORIGIN).before(others)), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_schemas_are_served_at_their_addresses(address: str, session: aiohttp.ClientSession) -> None:
    for document in documents(ORIGIN).values():
        async with session.get(document["$id"].replace(ORIGIN, address)) as response:
            assert response.status == 200
            assert response.content_type == "application/schema+json"
            assert response.headers["Cache-Control"] == "public, max-age=3600"
            assert await response.json(content_type=None) == document
    async with session.get(f"{address}/schemas/v1/") as response:
        assert response.content_type == "application/json"
        assert await response.json() == index(ORIGIN)


async def test_a_gateway_serves_what_its_events_name(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    async with Downstream().serve() as downstream:
        async with running(write_config(tmp_path, {"crm": {"url": downstream.url}})) as gateway:
            client = Client(session, gateway, downstream)
            await client.post(envelope([message(1)]))
            (event,) = await client.arrived(1)
            async with session.get(event["dataschema"].replace(gateway.config.origin, gateway.url)) as response:
                document = await response.json(content_type=None)
    assert document["$id"] == event["dataschema"]
    jsonschema.Draft202012Validator(document).validate(event["data"])


async def test_a_copy_is_not_sent_again(address: str, session: aiohttp.ClientSession) -> None:
    url = f"{address}/schemas/v1/status"
    async with session.get(url) as first:
        etag = first.headers["ETag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        async with session.get(url, headers={"If-None-Match": known}) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == etag
    async with session.get(url, headers={"If-None-Match": '"other"'}) as response:
        assert response.status == 200
    async with session.get(f"{address}/schemas/v1/contact") as response:
        assert response.headers["ETag"] != etag


async def test_head_and_other_methods(address: str, session: aiohttp.ClientSession) -> None:
    url = f"{address}/schemas/v1/event"
    async with session.get(url) as got, session.head(url) as head:
        assert (head.status, await head.read()) == (200, b"")
        assert head.headers["ETag"] == got.headers["ETag"]
        assert head.headers["Content-Length"] == got.headers["Content-Length"]
    async with session.post(url, data=b"{}") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_what_is_not_there(address: str, session: aiohttp.ClientSession) -> None:
    for path in ("/schemas/v1/hologram", "/schemas/v2/event", "/schemas/", "/schemas/v1/event/"):
        async with session.get(address + path) as response:
            assert (response.status, await response.json()) == (404, {"error": "not_found"})


async def test_other_paths_are_left_to_others(address: str, session: aiohttp.ClientSession) -> None:
    for path in ("/", "/hooks/acme/cloud", "/schemas", "/schemasx/"):
        async with session.get(address + path) as response:
            assert await response.text() == f"other {path}"
