"""The gateway's HTTP side as an OpenAPI 3.1 document: what it answers, and under `webhooks` what it sends."""

from __future__ import annotations

from typing import Any

from gateway.schemas.delivery import BATCH_CONTENT_TYPE, CONTENT_TYPE, HEADERS, MEANING_OF_ANSWERS
from gateway.schemas.examples import examples
from normalized import TYPES
from normalized.schema import BASE, DIALECT, EVENT, definitions, json_schema

Object = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_DESCRIPTION = """\
Webhooks of WhatsApp providers come in at `/hooks`, and leave as events of one kind, described under `webhooks`. \
Health and metrics are on a listener of their own, which is for operators."""

_REFUSALS = {
    "401": "The request does not prove its origin; or, on the operators' listener, has no right token.",
    "403": "The proof of its origin is wrong. What was expected is not said.",
    "404": "There is nothing at this address.",
    "405": "Another method is needed.",
    "408": "The body came too slowly.",
    "413": "The body is larger than this provider's ever are.",
    "415": "The body is encoded, by gzip for example.",
    "429": "More requests than the source's `rate_limit`.",
    "500": "A fault of the gateway; nothing was stored.",
    "503": "The webhook cannot be stored now: the provider keeps its copy and comes again.",
}
_WAITING = ("429", "503")
"""Answers that say when to come again."""


def openapi(origin: str = "") -> Object:
    return {
        "openapi": "3.1.1",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "wa-gateway",
            "version": BASE.strip("/").rpartition("/")[2],
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": origin or "http://127.0.0.1:8080", "description": "The public listener"}],
        "tags": [
            {"name": "webhooks", "description": "For providers."},
            {"name": "schemas", "description": "For those who read events."},
            {"name": "operation", "description": "For operators, on the admin listener."},
        ],
        "paths": {**_hooks(), **_schemas(), **_admin()},
        "webhooks": {"event": {"post": _delivery()}},
        "components": {
            "schemas": {**definitions(_SCHEMAS + "{model}"), **_own_schemas()},
            "responses": {f"refused{status}": _refusal(status) for status in _REFUSALS},
            "securitySchemes": {
                "adminToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`admin.token`; without that setting, none is asked for.",
                },
            },
        },
    }


def _own_schemas() -> Object:
    event = {key: value for key, value in json_schema().items() if key not in ("$schema", "$id", "$defs")}
    return {
        "Event": _moved(event),
        "Accepted": _object(events=_integer("Stored now."), duplicates=_integer("Stored before.")),
        "Refusal": _object(error={"type": "string", "description": "Why, in one word."}),
        "Health": _object(healthy={"type": "boolean"}),
        "Readiness": _object(ready={"type": "boolean"}, reasons={"type": "array", "items": {"type": "string"}}),
    }


def _moved(schema: Any) -> Any:
    """The same, with references to where OpenAPI keeps schemas."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", _SCHEMAS) if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(each) for each in schema] if isinstance(schema, list) else schema


def _hooks() -> Object:
    """A path of OpenAPI cannot have optional parts: with and without the token are two."""
    place = [
        _parameter("tenant", "A tenant of the configuration."),
        _parameter("source", "One of its sources."),
    ]
    token = _parameter(
        "token", "The source's `path_token`, where it has one. What the provider puts behind it, after a /, is allowed."
    )
    return {
        "/hooks/{tenant}/{source}": {"parameters": place, **_hook("")},
        "/hooks/{tenant}/{source}/{token}": {"parameters": [*place, token], **_hook("WithToken")},
    }


def _hook(suffix: str) -> Object:
    return {
        "post": {
            "operationId": f"receiveWebhook{suffix}",
            "tags": ["webhooks"],
            "summary": "Take a provider's webhook, in the provider's own shape.",
            "description": "Answered 200 after everything is on disk. What proves the origin is the provider's own "
            "way: a signature over the body, a token in the path, HTTP Basic.",
            "requestBody": {"required": True, "content": {"application/json": {}}},
            "responses": {
                "200": _answer("Stored.", "Accepted"),
                **_refused("401", "403", "404", "405", "408", "413", "415", "429", "500", "503"),
            },
        },
        "get": {
            "operationId": f"shakeHands{suffix}",
            "tags": ["webhooks"],
            "summary": "Answer a provider's challenge, where the provider has one.",
            "parameters": [
                {"name": f"hub.{name}", "in": "query", "schema": {"type": "string"}, "description": meaning}
                for name, meaning in (
                    ("mode", "Meta's: subscribe."),
                    ("verify_token", "Meta's: the source's `verify_token`."),
                    ("challenge", "Meta's: given back."),
                )
            ],
            "responses": {
                "200": {"description": "The challenge.", "content": {"text/plain": {"schema": {"type": "string"}}}},
                **_refused("401", "403", "404", "405", "500", "503"),
            },
        },
    }


def _schemas() -> Object:
    names = [EVENT, *dict.fromkeys(name for name, _ in TYPES.values())]
    cached = {
        "headers": {
            "ETag": {"schema": {"type": "string"}},
            "Cache-Control": {"schema": {"type": "string"}},
        }
    }

    def get(operation: str, summary: str, content_type: str) -> Object:
        content = {content_type: {"schema": {"type": "object"}}}
        return {
            "operationId": operation,
            "tags": ["schemas"],
            "summary": summary,
            "responses": {
                "200": {"description": "The document.", **cached, "content": content},
                "304": {"description": "It is the one that `If-None-Match` names.", **cached},
                **_refused("404", "405"),
            },
        }

    return {
        BASE: {"get": get("listSchemas", "The schemas that there are.", "application/json")},
        BASE + "{name}": {
            "parameters": [_parameter("name", "What the event's `dataschema` ends with.", enum=names)],
            "get": get("getSchema", "JSON Schema 2020-12 of events, or of their data.", "application/schema+json"),
        },
    }


def _admin() -> Object:
    servers = [{"url": "http://127.0.0.1:8081", "description": "The admin listener"}]

    def get(operation: str, summary: str, responses: Object, **more: Any) -> Object:
        described = {"operationId": operation, "tags": ["operation"], "summary": summary, "responses": responses}
        return {"servers": servers, "get": {**described, **more}}

    healthy = {"200": _answer("It does.", "Health")}
    ready = {"200": _answer("They can.", "Readiness"), "503": _answer("They cannot, and why.", "Readiness")}
    metrics = {
        "200": {
            "description": "The metrics, as Prometheus or OpenMetrics text by the Accept header.",
            "content": {"text/plain": {}, "application/openmetrics-text": {}},
        },
        **_refused("401"),
    }
    return {
        "/-/healthy": get("getHealth", "Whether the process turns.", healthy),
        "/healthz": get("getHealthz", "The same, by another name.", healthy),
        "/-/ready": get("getReadiness", "Whether webhooks can be stored.", ready),
        "/readyz": get("getReadyz", "The same, by another name.", ready),
        "/metrics": get("getMetrics", "Metrics for Prometheus.", metrics, security=[{"adminToken": []}, {}]),
    }


def _delivery() -> Object:
    shown = {
        event_type.removeprefix("whatsapp."): {"summary": event_type, "value": example}
        for event_type, example in examples().events.items()
    }
    return {
        "operationId": "deliverEvent",
        "summary": "An event, or a batch of events, is delivered to a destination.",
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": header["description"],
                "schema": {key: value for key, value in header.items() if key not in ("description", "examples")},
                "example": header["examples"][0],
            }
            for name, header in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                CONTENT_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Event"}, "examples": shown},
                BATCH_CONTENT_TYPE: {"schema": {"type": "array", "items": {"$ref": f"{_SCHEMAS}Event"}}},
            },
        },
        "responses": {status: {"description": meaning} for status, meaning in MEANING_OF_ANSWERS.items()},
    }


def _parameter(name: str, description: str, **schema: Any) -> Object:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def _object(**properties: Object) -> Object:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _integer(description: str) -> Object:
    return {"type": "integer", "minimum": 0, "description": description}


def _answer(description: str, schema: str) -> Object:
    return {"description": description, "content": {"application/json": {"schema": {"$ref": _SCHEMAS + schema}}}}


def _refused(*statuses: str) -> Object:
    return {status: {"$ref": f"#/components/responses/refused{status}"} for status in statuses}


def _refusal(status: str) -> Object:
    answer = _answer(_REFUSALS[status], "Refusal")
    if status in _WAITING:
        answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return answer
