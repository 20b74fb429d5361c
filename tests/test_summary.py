"""Events in a few words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.trying.summary import clean, short_type, summarize
from normalized import TYPES
from tests.golden import FIXTURES


def message(**content: Any) -> dict[str, Any]:
    return {"message": {"content": content}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (message(type="text", text="Hi"), 'text "Hi"'),
        (message(type="image", caption="This?", media={"id": "1"}), 'image "This?"'),
        (message(type="document", media={"filename": "a.pdf"}), "document a.pdf"),
        (message(type="audio", media={"mime_type": "audio/ogg"}), "audio audio/ogg"),
        (
            message(type="location", latitude=37.5, longitude=-122.1),
            "location 37.5 -122.1",
        ),
        (message(type="reaction", emoji="👍", action="added"), "reaction 👍"),
        (message(type="reaction", action="removed"), "reaction removed"),
        (message(type="button_reply", id="b", title="Order"), 'button_reply "Order"'),
        (message(type="order", items=[{}, {}]), "order of 2 items"),
        (message(type="order", items=[{}]), "order of 1 item"),
        (
            message(type="contacts", contacts=[{"name": {"formatted_name": "A"}}]),
            "contacts A",
        ),
        (message(type="teleport", kind="beam"), "teleport beam"),
        (message(type="poll", question="Tea?", options=[{"name": "yes"}]), 'poll "Tea?"'),
        (message(type="poll_vote", options=["yes", "maybe"]), "poll_vote yes, maybe"),
        ({"target": {"message_id": "1"}, "content": {"type": "text", "text": "at 6"}}, 'text "at 6"'),
        ({"target": {"message_id": "1"}}, "1"),
        ({"status": {"status": "delivered"}}, "delivered"),
        (
            {"status": {"status": "failed", "errors": [{"code": "131049", "title": "Not delivered"}]}},
            "failed 131049 Not delivered",
        ),
        ({"status": {"status": "read", "surface": "browser"}}, "read browser"),
        (
            {"contact": {"name": "Ann"}, "change": {"kind": "phone_changed"}},
            "phone_changed Ann",
        ),
        (
            {"template": {"name": "hi"}, "change": {"kind": "status", "status": "paused", "reason": "x"}},
            "status paused hi",
        ),
        (
            {"connection": {"state": "disconnected", "reason": "logout"}},
            "disconnected logout",
        ),
        ({"errors": [{"code": "1", "title": "One"}, {"code": "2"}]}, "1 One, 2"),
        ({"kind": "field", "name": "teleport"}, "field teleport"),
        ({"anything": 1}, ""),
        ({"message": ["not", "an", "object"]}, ""),
    ],
)
def test_says_what_happened(data: dict[str, Any], expected: str) -> None:
    assert summarize(data) == expected


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[31mb\r\nc\x07\u202ed") == "a·[31mb··c··d"
    assert clean("👩\u200d💻 \u00fc") == "👩\u200d💻 ü"
    assert clean("x" * 100) == "x" * 59 + "…"


def test_every_fixture_can_be_told_in_a_line() -> None:
    events = [event for path in FIXTURES.glob("*/*.expected.json") for event in json.loads(path.read_text())]
    told = {event["type"]: summarize(event["data"]) for event in events}
    assert told.keys() <= TYPES.keys()
    assert all(told.values())
    assert all(len(text) <= 60 for text in told.values())
    assert short_type("whatsapp.message.status") == "message.status"
