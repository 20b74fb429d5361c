"""The reference of events and the AsyncAPI and OpenAPI documents: current, whole, and right about the program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from gateway.admin import Admin
from gateway.schemas.asyncapi import asyncapi
from gateway.schemas.examples import examples
from gateway.schemas.openapi import openapi
from gateway.schemas.reading import MEANINGS
from gateway.schemas.reference import Page, reference
from gateway.sending.envelope import BATCH_TYPE, EVENT_TYPE
from gateway.telemetry import Metrics
from normalized import RANKS, TYPES, Envelope
from normalized.content import KNOWN_TYPES
from normalized.schema import definitions
from tests import examples as chosen
from tests.papers import ROOT, code_blocks
from tests.support import Downstream, running, write_config
from tests.test_ingress import Client, envelope, message

REFERENCE = ROOT / "docs" / "reference"
PAGE = reference()

SELF_EXPLANATORY = set(
    re.findall(
        r"\w+",
        """address animated birthday caption city company country currency department description email filename
        first_name footer formatted_name forwarded full_name header headline hostname language last_name latitude
        longitude middle_name mime_type name port prefix question state street subject suffix text timezone title url
        zip""",
    )
)
"""Names of fields that need no further word; nor do times called …_at."""


# The page


def test_page_is_current() -> None:
    page = REFERENCE / "events.md"
    assert page.read_text() == PAGE, f"run: python -m gateway.schemas.reference > {page.relative_to(ROOT)}"


def test_examples_are_those_of_the_fixtures() -> None:
    assert chosen.FILE.read_text() == chosen.text(), "run: python -m tests.examples, then make the documents again"


def test_every_event_type_and_content_type_is_told_with_an_example() -> None:
    assert MEANINGS.keys() == TYPES.keys()
    assert examples().events.keys() == TYPES.keys()
    assert examples().contents.keys() == KNOWN_TYPES | {"unknown"}
    for event_type in TYPES:
        assert f"\n### {event_type}\n" in PAGE
        assert f'  "type": "{event_type}",' in PAGE
    for kind in KNOWN_TYPES:
        assert f"\n### Content: {kind}\n" in PAGE
        assert f'\n{{\n  "type": "{kind}"' in PAGE


def test_every_field_is_told_once_for_each_place() -> None:
    for attribute in Envelope.model_fields:
        assert f"\n| `{attribute}` | " in PAGE
    for path in ("message.id", "status.pricing.category", "status.errors", "change.kind", "contacts[].emails[].email"):
        assert f"\n| `{path}` | " in PAGE
    rows = [re.split(r"(?<!\\)\|", line) for line in PAGE.splitlines() if line.startswith("| `")]
    assert {len(row) for row in rows if len(row) != 4} <= {5, 6}, "no cell is broken by a bar"


def test_every_field_has_a_description() -> None:
    """Else a reader would have to guess. Add Field(description=…) to the model."""
    left = [
        place
        for place in Page().undescribed()
        if (name := place.rpartition(".")[2]) not in SELF_EXPLANATORY and not name.endswith("_at")
    ]
    assert left == []


def test_ranks_are_those_of_the_program() -> None:
    for word, rank in RANKS.items():
        assert f"  | `{word}` | {rank} |" in PAGE


def test_examples_on_the_page_are_events_and_contents() -> None:
    shown = [json.loads(code.text) for code in code_blocks(REFERENCE / "events.md", "json")]
    kinds = re.findall(r"^### Content: (\w+)$", PAGE, re.MULTILINE)
    contents = [examples().contents[kind] for kind in kinds if kind in examples().contents]
    assert shown == [*examples().events.values(), *contents]


# The documents


@pytest.mark.parametrize("name", ["asyncapi", "openapi"])
def test_document_is_current(name: str) -> None:
    document = {"asyncapi": asyncapi, "openapi": openapi}[name]()
    path = REFERENCE / f"{name}.json"
    assert json.loads(path.read_text()) == document, f"run: wa-gateway schema --{name} > {path.relative_to(ROOT)}"


def refers(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from refers(each)


def resolved(document: Any, pointer: str) -> Any:
    for part in pointer.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/")]
    return document


@pytest.mark.parametrize("document", [asyncapi(), openapi()], ids=["asyncapi", "openapi"])
def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    assert [pointer for pointer in refers(document) if not isinstance(resolved(document, pointer), dict)] == []


def validator(document: dict[str, Any], pointer: str) -> jsonschema.Draft202012Validator:
    """Of a schema that stands in a document."""
    registry: Registry[Any] = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    return jsonschema.Draft202012Validator({"$ref": f"urn:document{pointer}"}, registry=registry)


def test_asyncapi_has_what_its_specification_requires() -> None:
    """AsyncAPI 3.1.0: AsyncAPI Object, Info Object, Channel Object, Operation Object."""
    document = asyncapi("https://hooks.acme.example")
    assert document["asyncapi"] == "3.1.0"
    assert {"title", "version"} <= document["info"].keys()
    assert document["defaultContentType"] == EVENT_TYPE.partition(";")[0]
    (channel,) = document["channels"].values()
    (operation,) = document["operations"].values()
    assert operation["action"] == "receive"
    assert resolved(document, operation["channel"]["$ref"]) is channel
    of_channel = {f"{operation['channel']['$ref']}/messages/{name}" for name in channel["messages"]}
    assert {each["$ref"] for each in operation["messages"]} == of_channel, "an operation's messages are the channel's"
    for kind, members in document["components"].items():
        assert [name for name in members if not re.fullmatch(r"[a-zA-Z0-9._-]+", name)] == [], kind


@pytest.mark.parametrize("event_type", TYPES)
def test_messages_of_asyncapi_describe_their_examples(event_type: str) -> None:
    document = asyncapi()
    name = event_type.removeprefix("whatsapp.")
    pointer = f"#/components/messages/{name}"
    described = resolved(document, pointer)
    assert described["name"] == event_type
    headers = resolved(document, described["traits"][0]["$ref"])["headers"]
    assert headers["required"] == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    payload = validator(document, f"{pointer}/payload")
    (example,) = described["examples"]
    payload.validate(example["payload"])
    assert not payload.is_valid({**example["payload"], "type": "whatsapp.moon.landed"})
    assert not payload.is_valid({**example["payload"], "data": None})


def test_payloads_of_asyncapi_hold_in_draft_7_too() -> None:
    """That is what AsyncAPI's own schemas are a superset of."""
    later = {"$defs", "$dynamicRef", "unevaluatedProperties", "dependentRequired", "prefixItems", "minContains"}
    keywords = {key for shape in definitions().values() for key in shape} | {
        key for shape in definitions().values() for field in shape["properties"].values() for key in field
    }
    assert keywords & later == set()


def test_openapi_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi()).validate()  # type: ignore[arg-type]
    OpenAPIV31SpecValidator(openapi("https://hooks.acme.example")).validate()  # type: ignore[arg-type]


def test_openapi_describes_the_events_that_leave() -> None:
    document = openapi()
    body = document["webhooks"]["event"]["post"]["requestBody"]["content"]["application/cloudevents+json"]
    event = validator(document, "#/components/schemas/Event")
    assert body["schema"] == {"$ref": "#/components/schemas/Event"}
    for example in body["examples"].values():
        event.validate(example["value"])
    assert not event.is_valid({**examples().events["whatsapp.error"], "data": {}})
    batch = document["webhooks"]["event"]["post"]["requestBody"]["content"][BATCH_TYPE.partition(";")[0]]["schema"]
    assert batch == {"type": "array", "items": body["schema"]}


def test_openapi_knows_every_route_of_the_operators_listener() -> None:
    admin = Admin(None, Metrics(), None, lambda: False)  # type: ignore[arg-type]
    routes = {resource.canonical for resource in admin.application().router.resources()}
    paths = openapi()["paths"]
    assert {path for path, item in paths.items() if "servers" in item} == routes


async def test_openapi_is_right_about_answers(tmp_path: Path) -> None:
    document = openapi()
    hook, place = document["paths"]["/hooks/{tenant}/{source}"], "/hooks/acme/cloud"
    async with Downstream().serve() as downstream, aiohttp.ClientSession() as session:
        async with running(write_config(tmp_path, {"crm": {"url": downstream.url}})) as gateway:
            client = Client(session, gateway, downstream)
            answers = [
                ("post", await client.post(envelope([message(1)]))),
                ("post", await client.post(envelope([message(2)]), **{"X-Hub-Signature-256": ""})),
                ("post", await client.post(envelope([message(2)]), **{"X-Hub-Signature-256": "sha256=00"})),
                ("post", await client.post(envelope([message(2)]), "/hooks/acme/other")),
                ("post", await client.post(b"x" * (5 * 1024 * 1024))),
                ("post", await client.post(b"x", **{"Content-Encoding": "gzip"})),
            ]
            async with session.get(f"{gateway.url}{place}") as refused:
                answers.append(("get", (refused.status, await refused.json())))
            for path in ("/-/healthy", "/-/ready"):
                async with session.get(f"{gateway.admin_url}{path}") as answer:
                    schema = document["paths"][path]["get"]["responses"][str(answer.status)]
                    pointer = schema["content"]["application/json"]["schema"]["$ref"]
                    validator(document, pointer).validate(await answer.json())
    assert [status for _, (status, _) in answers] == [200, 401, 403, 404, 413, 415, 403]
    for method, (status, body) in answers:
        described = hook[method]["responses"][str(status)]
        described = resolved(document, described["$ref"]) if "$ref" in described else described
        pointer = described["content"]["application/json"]["schema"]["$ref"]
        validator(document, pointer).validate(body)
