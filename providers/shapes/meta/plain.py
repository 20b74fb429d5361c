"""The plainest message: a text from a number, and nothing beside it. Most messages are such.

It gives what the tables give (a test compares them), at half the price.
"""

from __future__ import annotations

from typing import Any

from providers.base import Identity, Item
from providers.shapes.meta.identity import INBOUND
from providers.shapes.meta.messages import RECEIVED, direct
from providers.shapes.meta.parties import party
from providers.shapes.meta.reading import unix_ms
from providers.shapes.meta.scope import Scope
from providers.wire import Object

MEMBERS = frozenset({"from", "id", "timestamp", "type", "text"})
BODY = frozenset({"body"})


def plain_text(scope: Scope, raw: Object, pointer: str) -> Item | None:
    """The item of a plain text; None where there is anything more to it, or anything amiss."""
    if raw.keys() != MEMBERS or raw["type"] != "text" or scope.standby:
        return None
    given, message_id, content = raw["from"], raw["id"], raw["text"]
    text: Any = content["body"] if type(content) is dict and content.keys() == BODY else None
    time_ms = unix_ms(raw["timestamp"])
    if not (type(given) is type(message_id) is type(text) is str and given and message_id and text and time_ms):
        return None
    sender = party(given, None, None, scope.people.describe(given))
    assert sender is not None
    person = sender["id"]
    return Item(
        RECEIVED.type,
        {
            "channel": scope.channel,
            "conversation": direct(person, given),
            "sender": sender,
            "message": {
                "direction": RECEIVED.direction,
                "id": message_id,
                "content": {"type": "text", "text": text},
            },
        },
        Identity("M", (scope.channel_key, "", INBOUND, message_id)),
        time_ms,
        ("chat", scope.channel_key, given),
        pointer,
        person,
        person,
        scope.route,
    )
