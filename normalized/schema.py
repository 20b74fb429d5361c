"""JSON Schema 2020-12, generated from the models."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from normalized.base import Model
from normalized.content import KNOWN_TYPES
from normalized.event import TYPES, Envelope

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(origin: str = "") -> dict[str, Any]:
    """One document for the whole event: the envelope, and for each known type the shape of `data`.

    Types that the document does not name are allowed, with any data: the schema grows by new types.
    """
    models: list[type[Model]] = [Envelope, *dict.fromkeys(model for _, model in TYPES.values())]
    _, document = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    # The open member must not match what a typed member describes.
    document["$defs"]["UnknownContent"]["properties"]["type"]["not"] = {"enum": sorted(KNOWN_TYPES)}
    rules = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"data": {"$ref": f"#/$defs/{model.__name__}"}}},
        }
        for name, (_, model) in TYPES.items()
    ]
    return {
        "$schema": DIALECT,
        "$id": f"{origin}/schemas/v1/event",
        "title": "wa-gateway event",
        "allOf": [{"$ref": "#/$defs/Envelope"}, *rules],
        "properties": {"data": {"type": "object"}},
        "required": ["data"],
        "$defs": document["$defs"],
    }
