"""What readers of released versions may count on: their schemas, frozen, and what may change since then.

`python -m tests.compatibility freeze VERSION` keeps today's schema as that of a release. Frozen files stay for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from normalized import json_schema

FROZEN = Path(__file__).parent
Schema = dict[str, Any]

_KINDS = ("type", "format", "const", "enum")
"""What makes values of a field be of a kind."""


def frozen() -> dict[str, Schema]:
    """Version -> its schema of the whole event, oldest first."""
    paths = sorted(FROZEN.glob("v*.json"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.stem)])
    return {path.stem.removeprefix("v"): json.loads(path.read_text()) for path in paths}


def freeze(version: str) -> Path:
    """Raises FileExistsError for a version that is frozen already."""
    path = FROZEN / f"v{version}.json"
    with path.open("x") as file:
        json.dump(json_schema(), file, indent=1, ensure_ascii=False)
        file.write("\n")
    return path


def broken_promises(old: Schema, new: Schema) -> list[str]:
    """What a reader of `old` may miss or not understand in events of `new`, each as a sentence.

    Allowed are new fields, new event types, new members of the content union, and new names of shapes. A field may
    neither go, nor be of another kind, nor become required (events that were stored before lack it) or optional
    (readers count on it).
    """
    return list(dict.fromkeys(_Comparison(old, new).event()))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._compared: set[tuple[str, str]] = set()

    def event(self) -> Iterator[str]:
        yield from self._shapes("envelope", {"$ref": "#/$defs/Envelope"}, {"$ref": "#/$defs/Envelope"})
        old, new = _data_by_type(self._old), _data_by_type(self._new)
        for event_type, shape in old.items():
            if event_type in new:
                yield from self._shapes(event_type, shape, new[event_type])
            else:
                yield f"{event_type}: the event type is gone"

    def _shapes(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._compared:  # also what ends recursion
                return
            self._compared.add(pair)
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        if "oneOf" in old:
            yield from self._unions(path, old, new)
            return
        for word in _KINDS:
            if old.get(word) != new.get(word):
                yield f"{path}: {word} was {_told(old.get(word))}, is {_told(new.get(word))}"
        if _alternatives(old) != _alternatives(new):
            yield f"{path}: was one of {_told(_alternatives(old))}, is one of {_told(_alternatives(new))}"
        if "items" in old:
            yield from self._shapes(f"{path}[]", old["items"], new.get("items", {}))
        yield from self._properties(path, old, new)

    def _properties(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        fields = new.get("properties", {})
        for name, field in old.get("properties", {}).items():
            if name in fields:
                yield from self._shapes(f"{path}.{name}", field, fields[name])
            else:
                yield f"{path}.{name}: the field is gone"
        was, required = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(required - was):
            yield f"{path}.{name}: was optional, is required: events stored before have none"
        for name in sorted(was - required):
            yield f"{path}.{name}: was always there, may be missing now"

    def _unions(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        was, now = _members(self._old, old), _members(self._new, new)
        for kind, member in was.items():
            if kind in now:
                yield from self._shapes(f"{path}<{kind}>", member, now[kind])
            else:
                yield f"{path}: the member {kind!r} of the union is gone"


def _data_by_type(schema: Schema) -> dict[str, Schema]:
    rules = (rule for rule in schema["allOf"] if "if" in rule)
    return {rule["if"]["properties"]["type"]["const"]: rule["then"]["properties"]["data"] for rule in rules}


def _resolved(schema: Schema, part: Schema) -> Schema:
    reference = part.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else part


def _members(schema: Schema, union: Schema) -> dict[str, Schema]:
    """By the word in their `type`; the open member has none. What it excludes grows with every typed one."""
    return {
        _resolved(schema, member)["properties"]["type"].get("const", "any other"): member
        for member in union.get("oneOf", ())
    }


def _alternatives(schema: Schema) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in schema.get("anyOf", ()))


def _told(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)
