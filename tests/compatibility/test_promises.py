"""Readers of every released version understand the events of today.

Released models are kept as the JSON Schemas generated from them, not as code: a schema asks for the same members of
the same kinds, tolerates the same novelties, and can be run for ever without old code or an old pydantic beside ours.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from normalized import json_schema
from tests import compatibility
from tests.compatibility import broken_promises, freeze, frozen
from tests.examples import fixture_events
from tests.papers import ROOT

VERSIONS = sorted(frozen())
Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("version", VERSIONS)
def test_released_readers_understand_the_events_of_today(version: str) -> None:
    validator = jsonschema.Draft202012Validator(frozen()[version])
    wrong = {name: error.message for name, event in fixture_events() for error in validator.iter_errors(event)}
    assert wrong == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schema_of_today_only_adds(version: str) -> None:
    broken = broken_promises(frozen()[version], json_schema())
    assert not broken, f"readers of {version} break on this:\n" + "\n".join(broken)


def test_a_release_is_frozen() -> None:
    assert VERSIONS, "run: python -m tests.compatibility freeze VERSION"


CHANGES: list[tuple[str, Change, str]] = [
    ("nothing", lambda shapes: None, ""),
    ("a new field", lambda shapes: shapes["Party"]["properties"].update(mood={"type": "string"}), ""),
    (
        "a field is gone",
        lambda shapes: shapes["Party"]["properties"].pop("phone"),
        "whatsapp.message.received.sender.phone: the field is gone",
    ),
    (
        "a field is of another type",
        lambda shapes: shapes["Status"]["properties"]["rank"].update(type="string"),
        'whatsapp.message.status.status.rank: type was "integer", is "string"',
    ),
    (
        "a word of a closed list is gone",
        lambda shapes: shapes["ReactionContent"]["properties"]["action"].update(enum=["added"]),
        'content<reaction>.action: enum was ["added", "removed"], is ["added"]',
    ),
    (
        "an optional field is required",
        lambda shapes: shapes["Party"]["required"].append("phone"),
        "whatsapp.message.received.sender.phone: was optional, is required: events stored before have none",
    ),
    (
        "a required field is optional",
        lambda shapes: shapes["Envelope"]["required"].remove("tenant"),
        "envelope.tenant: was always there, may be missing now",
    ),
    (
        "elements of a list are of another shape",
        lambda shapes: shapes["ErrorData"]["properties"]["errors"].update(items={"type": "string"}),
        'whatsapp.error.errors[]: type was "object", is "string"',
    ),
]


@pytest.mark.parametrize(("change", "expected"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES])
def test_comparison_finds_what_breaks_readers(change: Change, expected: str) -> None:
    old = json_schema()
    new = copy.deepcopy(old)
    change(new["$defs"])
    first = next(iter(broken_promises(old, new)), "")
    assert first.endswith(expected)
    assert bool(first) == bool(expected)


def test_comparison_knows_types_and_members() -> None:
    old = json_schema()
    new = copy.deepcopy(old)
    new["allOf"] = [rule for rule in new["allOf"] if "whatsapp.error" not in str(rule.get("if"))]
    union = new["$defs"]["Message"]["properties"]["content"]["oneOf"]
    union.remove({"$ref": "#/$defs/TextContent"})
    assert broken_promises(old, new) == [
        "whatsapp.message.received.message.content: the member 'text' of the union is gone",
        "whatsapp.error: the event type is gone",
    ]
    assert broken_promises(new, old) == [], "types and members may come"


def test_shapes_may_be_renamed() -> None:
    old = json_schema()
    new = json.loads(json.dumps(old).replace('Party"', 'Person"'))
    assert "Person" in new["$defs"]
    assert broken_promises(old, new) == []


def test_what_is_frozen_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compatibility, "FROZEN", tmp_path)
    assert freeze("0.2.0").name == "v0.2.0.json"
    freeze("0.10.0")
    assert list(frozen()) == ["0.2.0", "0.10.0"]
    assert frozen()["0.2.0"] == json_schema()
    with pytest.raises(FileExistsError):
        freeze("0.2.0")


def test_the_tool_says_that_a_version_is_frozen() -> None:
    command = [sys.executable, "-m", "tests.compatibility", "freeze", VERSIONS[0]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "frozen already" in done.stderr
