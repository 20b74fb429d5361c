"""A whole WebMessageInfo: the event's `message` from its content, or from the stub in place of it."""

from __future__ import annotations

from typing import Any

from providers.shapes.baileys.content import map_content, unknown_content
from providers.shapes.baileys.context import map_context
from providers.shapes.baileys.keys import MessageKey
from providers.shapes.baileys.unwrap import EPHEMERAL, VIEW_ONCE, Unwrapped
from providers.shapes.baileys.values import Reading, enum_number
from providers.wire import Object, as_object, as_text

STUB_TYPES = {
    0: "UNKNOWN",
    1: "REVOKE",
    2: "CIPHERTEXT",
    20: "GROUP_CREATE",
    21: "GROUP_CHANGE_SUBJECT",
    22: "GROUP_CHANGE_ICON",
    23: "GROUP_CHANGE_INVITE_LINK",
    24: "GROUP_CHANGE_DESCRIPTION",
    25: "GROUP_CHANGE_RESTRICT",
    26: "GROUP_CHANGE_ANNOUNCE",
    27: "GROUP_PARTICIPANT_ADD",
    28: "GROUP_PARTICIPANT_REMOVE",
}
_CIPHERTEXT = 2
STATUSES = {0: "ERROR", 1: "PENDING", 2: "SERVER_ACK", 3: "DELIVERY_ACK", 4: "READ", 5: "PLAYED"}


def map_message(found: Unwrapped, key: MessageKey, reading: Reading) -> Object:
    """The event's `message` from the content found in a raw one."""
    mapped: Object = {**head(key), "content": map_content(found, reading)}
    node = as_object(found.content)
    context = reading.nested(node, "contextInfo")
    if context:
        mapped |= map_context(context, key.chat, reading)
    if VIEW_ONCE in found.flags or node.get("viewOnce") is True:
        mapped["view_once"] = True
    if EPHEMERAL in found.flags:
        mapped["ephemeral"] = True
    return mapped


def map_stub(info: Object, key: MessageKey, reading: Reading) -> Object | None:
    """The event's `message` of an info with a stub in place of a message; None where it has none."""
    value = info.get("messageStubType")
    number = enum_number(value, STUB_TYPES)
    stub = as_text(value) if number is None else number
    if not stub:
        return None
    mapped = head(key)
    if stub == _CIPHERTEXT:
        mapped |= {"content": unknown_content("undecryptable", reading), "undecryptable": True}
    else:
        mapped["content"] = unknown_content(f"stub.{stub}", reading)
    return mapped


def is_ciphertext(info: Object) -> bool:
    """Whether the stub stands for a message that the device could not decrypt: it may come again, readable."""
    return enum_number(info.get("messageStubType"), STUB_TYPES) == _CIPHERTEXT


def head(key: MessageKey) -> Object:
    """The first fields of every message, from its key."""
    found: Object = {"id": key.id} if key.id else {}
    found["direction"] = "outbound" if key.from_me else "inbound"
    if key.view_once:
        found["view_once"] = True
    return found


def status_number(value: Any) -> int | None:
    """A WebMessageInfo's own status, from number or name."""
    return enum_number(value, STATUSES)
