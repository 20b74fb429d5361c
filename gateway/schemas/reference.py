"""The reference of events, from the models: `python -m gateway.schemas.reference` prints it."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, get_args

from gateway.schemas.examples import Object, examples
from gateway.schemas.reading import CONTENTS, INTRODUCTION, MEANINGS, NAMES_OF_TYPES, SHARED
from normalized import TYPES, Envelope
from normalized.base import Timestamp
from normalized.content import TYPED, UnknownContent
from normalized.schema import definitions, references

_PREFIX = "#/$defs/"
_TIMESTAMP = get_args(Timestamp)[1].description
_CONTENT_NAMES = {model.__name__: model.model_fields["type"].annotation.__args__[0] for model in TYPED} | {  # type: ignore[union-attr]
    UnknownContent.__name__: "unknown"
}


def reference() -> str:
    """The page as Markdown."""
    return "\n".join(Page().lines()).rstrip() + "\n"


class Page:
    """Shapes that stand in one place only are told there, by dotted paths; the others have a section of their own."""

    def __init__(self) -> None:
        self._shapes = definitions()
        parents: dict[str, set[str]] = defaultdict(set)
        for name, shape in self._shapes.items():
            for child in references(shape):
                parents[child].add(name)
        self._shared = sorted(name for name, those in parents.items() if len(those) > 1 and name not in _CONTENT_NAMES)

    def lines(self) -> Iterator[str]:
        yield INTRODUCTION
        yield from self._table(Envelope.__name__)
        yield "`data` is what the tables of the event types tell.\n"
        yield "## Event types\n"
        yield "| type | `dataschema` | meaning |\n| --- | --- | --- |"
        for event_type, (schema, _) in TYPES.items():
            yield f"| [`{event_type}`](#{_anchor(event_type)}) | `{schema}` | {_first_sentence(MEANINGS[event_type])} |"
        yield ""
        for event_type in TYPES:
            yield from self._event_type(event_type)
        yield CONTENTS
        yield ", ".join(f"[{kind}](#content-{kind})" for kind in _CONTENT_NAMES.values()) + "\n"
        for name, kind in _CONTENT_NAMES.items():
            yield from self._content(name, kind)
        yield SHARED
        yield ", ".join(f"[{name}](#{name.lower()})" for name in self._shared) + "\n"
        for name in self._shared:
            yield f"### {name}\n"
            yield from self._told(name)
            yield from self._table(name)

    def undescribed(self) -> Iterator[str]:
        """Fields of which nothing says what they mean, as Shape.field."""
        for name, shape in self._shapes.items():
            for key, field in shape["properties"].items():
                inner = _name(field.get("items", field))
                told = _described(field) or field.keys() & {"const", "enum", "oneOf"}
                if not told and not (inner and (self._told_here(inner) or "description" in self._shapes[inner])):
                    yield f"{name}.{key}"

    def _event_type(self, event_type: str) -> Iterator[str]:
        yield f"### {event_type}\n"
        yield f"{MEANINGS[event_type]}\n"
        model = TYPES[event_type][1]
        first = next(name for name, (_, found) in TYPES.items() if found is model)
        if first == event_type:
            yield from self._table(model.__name__)
        else:
            yield f"Its data has the fields of [`{first}`](#{_anchor(first)}).\n"
        yield from _example(examples().events.get(event_type))

    def _content(self, name: str, kind: str) -> Iterator[str]:
        yield f"### Content: {kind}\n"
        yield from self._told(name)
        yield from self._table(name)
        yield from _example(examples().contents.get(kind))

    def _told(self, name: str) -> Iterator[str]:
        if description := self._shapes[name].get("description"):
            yield f"{' '.join(description.split())}\n"

    # Tables

    def _table(self, name: str) -> Iterator[str]:
        yield "| field | type | always | meaning |\n| --- | --- | --- | --- |"
        yield from self._rows(name, "")
        yield ""

    def _rows(self, name: str, path: str) -> Iterator[str]:
        shape = self._shapes[name]
        required = shape.get("required", ())
        for key, field in shape["properties"].items():
            always = "yes" if key in required else ""
            yield f"| `{path}{key}` | {self._type(field)} | {always} | {self._meaning(field)} |"
            element = field.get("items", field)
            inner = _name(element)
            if inner and self._told_here(inner):
                yield from self._rows(inner, f"{path}{key}{'[]' if 'items' in field else ''}.")

    def _told_here(self, name: str) -> bool:
        return name not in self._shared and name not in _CONTENT_NAMES

    def _type(self, field: Object) -> str:
        if field.get("type") == "array":
            return f"list of {self._type(field['items'])}"
        if "oneOf" in field:
            return "[content](#what-a-message-says)"
        if "anyOf" in field:
            return " or ".join(self._type(each) for each in field["anyOf"])
        if name := _name(field):
            return self._link(name)
        return NAMES_OF_TYPES.get(field.get("format", ""), str(field.get("type", "any JSON")))

    def _link(self, name: str) -> str:
        if name in _CONTENT_NAMES:
            return f"[{_CONTENT_NAMES[name]}](#content-{_CONTENT_NAMES[name]})"
        return f"[{name}](#{name.lower()})" if name in self._shared else "object"

    def _meaning(self, field: Object) -> str:
        parts = [_described(field) or self._described_by_shape(field)]
        parts += [f"One of {_codes(field['enum'])}."] if "enum" in field else []
        parts += [f"`{field['const']}`."] if "const" in field else []
        if "examples" in field and not _is_time(field):
            parts = [part if part.endswith((".", "…")) else f"{part}." for part in parts if part]
            parts.append(f"Such as {_codes(field['examples'])}.")
        return " ".join(part for part in parts if part).replace("|", "\\|").replace("\n", " ")

    def _described_by_shape(self, field: Object) -> str:
        description = self._shapes.get(_name(field.get("items", field)) or "", {}).get("description", "")
        return _first_sentence(" ".join(description.split())) if description else ""


def _example(value: Object | None) -> Iterator[str]:
    if value is not None:
        yield f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def _described(field: Object) -> str:
    description = str(field.get("description", ""))
    return "" if description == _TIMESTAMP else description


def _is_time(field: Object) -> bool:
    return field.get("format") == "date-time"


def _name(field: Object) -> str | None:
    reference = field.get("$ref")
    return reference.removeprefix(_PREFIX) if isinstance(reference, str) else None


def _codes(values: list[Any]) -> str:
    return ", ".join(f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in values)


def _anchor(event_type: str) -> str:
    """As GitHub makes it of the heading."""
    return event_type.replace(".", "")


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."


if __name__ == "__main__":
    sys.stdout.write(reference())
