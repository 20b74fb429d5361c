"""The schema as documents: JSON Schema 2020-12, generated from the models.

There is one document for the whole event, and one for each shape of `data`: what the envelope's `dataschema` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import get_annotations
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import ModelSchema, NullableSchema, WithDefaultSchema

from normalized.base import Model
from normalized.content import KNOWN_TYPES
from normalized.event import TYPES, Envelope

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = "/schemas/v1/"
"""Where documents are found below the gateway's origin. A `v2` would be another contract."""
EVENT = "event"
"""Name of the document for the whole event."""

Document = dict[str, Any]
DATA: dict[str, type[Model]] = dict(TYPES.values())
"""Name of each data schema -> its model."""


class _AsSent(GenerateJsonSchema):
    """Describes what is sent: what is not known is left out, so that there are neither nulls nor defaults."""

    def nullable_schema(self, schema: NullableSchema) -> Document:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> Document:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: ModelSchema) -> Document:
        """A shape's own fields come before those that it inherits: what is special before what is common."""
        described = super().model_schema(schema)
        model: type[Model] = schema["cls"]
        names = [name for each in model.__mro__ for name in get_annotations(each) if name in model.model_fields]
        order = [model.model_fields[name].alias or name for name in names]
        described["properties"] = {name: described["properties"][name] for name in order}
        return described


def definitions(ref_template: str = "#/$defs/{model}") -> dict[str, Document]:
    """Every shape of the schema by the name of its model, each referring to others by `ref_template`."""
    models: list[type[Model]] = [Envelope, *DATA.values()]
    _, document = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=ref_template,
        schema_generator=_AsSent,
    )
    found: dict[str, Document] = document["$defs"]
    # The open member must not match what a typed member describes.
    found["UnknownContent"]["properties"]["type"]["not"] = {"enum": sorted(KNOWN_TYPES)}
    return found


def json_schema(origin: str = "") -> Document:
    """One document for the whole event: the envelope, and for each known type the shape of `data`.

    Types that the document does not name are allowed, with any data: the schema grows by new types.
    """
    return _event_document(origin, definitions())


def data_schema(name: str, origin: str = "") -> Document:
    """The document for `data` of the events whose `dataschema` ends with that name. Raises KeyError."""
    return _data_document(name, origin, definitions())


def documents(origin: str = "") -> dict[str, Document]:
    """All of them, by name."""
    shapes = definitions()
    return {EVENT: _event_document(origin, shapes)} | {name: _data_document(name, origin, shapes) for name in DATA}


def index(origin: str = "") -> Document:
    """What there is: each document's address, and the types of the events that it is for."""
    types: dict[str, list[str]] = {EVENT: []}
    for event_type, (name, _) in TYPES.items():
        types.setdefault(name, []).append(event_type)
    return {
        "schemas": [
            {"name": name, "url": f"{origin}{BASE}{name}"} | ({"types": those} if those else {})
            for name, those in types.items()
        ]
    }


def references(schema: Any) -> Iterator[str]:
    """Names of the shapes that a schema refers to, as often as it does."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from references(each)


def _event_document(origin: str, shapes: dict[str, Document]) -> Document:
    rules = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"data": {"$ref": f"#/$defs/{model.__name__}"}}},
        }
        for name, (_, model) in TYPES.items()
    ]
    return {
        **_head(origin, EVENT),
        "title": "Event",
        "allOf": [{"$ref": "#/$defs/Envelope"}, *rules],
        "properties": {"data": {"type": "object"}},
        "required": ["data"],
        "$defs": shapes,
    }


def _data_document(name: str, origin: str, shapes: dict[str, Document]) -> Document:
    shape = shapes[DATA[name].__name__]
    return {
        **_head(origin, name),
        **shape,
        "$defs": {each: shapes[each] for each in sorted(_reached(shape, shapes, set()))},
    }


def _head(origin: str, name: str) -> Document:
    return {"$schema": DIALECT, "$id": f"{origin}{BASE}{name}"}


def _reached(schema: Any, shapes: dict[str, Document], found: set[str]) -> set[str]:
    """Names of the shapes that a schema refers to, and that these refer to, added to `found`."""
    for name in set(references(schema)) - found:
        found.add(name)
        _reached(shapes[name], shapes, found)
    return found
