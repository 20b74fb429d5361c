"""Chooses the examples of the reference from the fixtures: `python -m tests.examples` writes them.

The first by this rule: events that say everything without `raw`, texts before other messages, bodies that give one
event, then by name of provider and situation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gateway.schemas import examples as shipped
from normalized import TYPES
from normalized.content import KNOWN_TYPES
from tests.golden import FIXTURES, payloads
from tests.papers import ROOT

FILE = ROOT / "gateway" / "schemas" / "examples.json"


def fixture_events() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every event of the fixtures, with the name of its provider and situation."""
    for provider in sorted(path.name for path in FIXTURES.iterdir() if path.is_dir()):
        for path in payloads(provider):
            for event in json.loads(path.with_suffix(".expected.json").read_text()):
                yield f"{provider}/{path.stem}", event


def chosen() -> shipped.Examples:
    found = list(fixture_events())
    several = {name for index, (name, _) in enumerate(found) if index and found[index - 1][0] == name}
    found.sort(
        key=lambda each: ("raw" in each[1]["data"], content_of(each[1]).get("type") != "text", each[0] in several)
    )
    events: dict[str, Any] = {}
    contents: dict[str, Any] = {}
    for _, event in found:
        events.setdefault(event["type"], event)
        content = content_of(event)
        contents.setdefault(content.get("type", ""), content)
    return shipped.Examples(
        {name: events[name] for name in TYPES if name in events},
        {name: contents[name] for name in [*sorted(KNOWN_TYPES), "unknown"] if name in contents},
    )


def content_of(event: dict[str, Any]) -> dict[str, Any]:
    """What a message says; nothing for other events."""
    content: dict[str, Any] = event["data"].get("message", {}).get("content", {})
    return content


def text() -> str:
    return json.dumps(chosen()._asdict(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
