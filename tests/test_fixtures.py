"""Every payload in tests/fixtures gives exactly the events beside it, and they are what the schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from normalized import TYPES, parse_event
from normalized.content import KNOWN_TYPES, UnknownContent
from tests.golden import FIXTURES, adapter_for, normalize, payloads

CASES = [
    pytest.param(provider.name, path, id=f"{provider.name}-{path.stem}")
    for provider in sorted(FIXTURES.iterdir())
    for path in payloads(provider.name)
]


@pytest.mark.parametrize(("provider", "path"), CASES)
def test_payload_gives_the_expected_events(provider: str, path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text())
    assert normalize(adapter_for(provider, path), path.read_bytes()) == expected


@pytest.mark.parametrize(("provider", "path"), CASES)
def test_events_are_wholly_described_by_the_models(provider: str, path: Path) -> None:
    for event in normalize(adapter_for(provider, path), path.read_bytes()):
        assert event["type"] in TYPES
        typed = parse_event(event)
        assert typed.data.model_dump(mode="json", exclude_unset=True, exclude={"raw"}) == _without_raw(event["data"])
        assert not list(_empty(_without_raw(event["data"]))), "no nulls and no empty values are sent"


def test_every_content_type_of_the_schema_has_a_fixture() -> None:
    seen = {
        event["data"].get("message", {}).get("content", {}).get("type")
        for param in CASES
        for event in json.loads(param.values[1].with_suffix(".expected.json").read_text())  # type: ignore[attr-defined]
    }
    assert seen >= KNOWN_TYPES
    assert UnknownContent.model_fields["type"].annotation is str


def _without_raw(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "raw"}


def _empty(value: Any) -> Any:
    """Paths of values that say nothing; free objects (settings, details) are the provider's own."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key in {"response", "details", "limits", "settings", "pack"}:
                continue
            if child in (None, "", [], {}):
                yield key
            yield from _empty(child)
    elif isinstance(value, list):
        for child in value:
            yield from _empty(child)
