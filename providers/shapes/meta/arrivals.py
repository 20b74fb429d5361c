"""From an element of `messages` to its item: most are messages, and some do something by a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.base import Item
from providers.shapes.meta.contents import read_content
from providers.shapes.meta.messages import (
    CONTEXT,
    ECHOED,
    RECEIVED,
    Past,
    Said,
    Way,
    message_data,
    unmapped_message,
)
from providers.shapes.meta.plain import plain_text
from providers.shapes.meta.reading import Table
from providers.shapes.meta.scope import Scope
from providers.shapes.meta.system import system_item
from providers.wire import Object, as_object, as_text

Act = Callable[[Said, str], Item | None]
"""(message, pointer) -> item; None where the message does not hold what the act needs."""

TARGET = Table({"original_message_id": ("message_id", as_text), "message": None})
EDITED = Table({"type": None, "context": ("context", CONTEXT)})


def message_item(scope: Scope, raw: Any, pointer: str, way: Way = RECEIVED, past: Past | None = None) -> Item:
    """The item of one element, whatever the element is."""
    if type(raw) is not dict:
        return unmapped_message("not an object", scope, raw, pointer, way, past)
    if way is RECEIVED and past is None:
        plain = plain_text(scope, raw, pointer)
        if plain is not None:
            return plain
    said = Said(scope, raw, way, past)
    act = ACTS.get(said.kind) if said.kind else None
    item = act(said, pointer) if act else None
    if item is not None:
        return item
    if said.sender is None or said.conversation is None:
        return unmapped_message("no sender" if way is RECEIVED else "no recipient", scope, raw, pointer, way, past)
    data = message_data(said)
    return said.item(way.type, data, pointer)


def echo_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `message_echoes`: the business wrote it elsewhere, in its app or by another program."""
    return message_item(scope, raw, pointer, ECHOED)


def unmapped_echo(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return unmapped_message(detail, scope, raw, pointer, ECHOED)


def _edited(said: Said, pointer: str) -> Item | None:
    """Cloud API webhooks reference, messages/edit. The context within is that of the message as it is now."""
    edit = as_object(said.raw.get("edit"))
    if said.conversation is None or not edit:
        return None
    target = said.draft.read(edit, TARGET, "messages.edit")
    data = said.between()
    data["target"] = target
    message = edit.get("message")
    if message:
        kind = as_text(as_object(message).get("type"))
        inner = said.draft.read(message, EDITED, "messages.edit.message", kind)
        if "context" in inner:
            said.draft.put(said.head, "context", inner["context"], "messages.edit.message.context")
        data["content"] = read_content(kind, as_object(message).get(kind or ""), said.draft)
    data["message"] = facts = said.facts()
    if facts.get("reply_to") == target:  # an edit's context names the message that is edited, and answers nothing
        del facts["reply_to"]
    return said.item("whatsapp.message.edited", data, pointer)


def _deleted(said: Said, pointer: str) -> Item | None:
    """Cloud API webhooks reference, messages/revoke."""
    target = said.draft.read(as_object(said.raw.get("revoke")), TARGET, "messages.revoke")
    if said.conversation is None or not target:
        return None
    data: Object = {**said.between(), "target": target, "message": said.facts()}
    return said.item("whatsapp.message.deleted", data, pointer)


def _opened(said: Said, pointer: str) -> Item | None:
    """Conversational components, welcome messages: a person opened the chat for the first time."""
    if said.conversation is None or said.raw.get("request_welcome"):
        return None
    said.draft.unplaced(said.head, ("context", "referral", "errors", "identity", "logical_sender_id"), "messages")
    change = {"kind": "opened"}
    if "id" in said.head:
        change["message_id"] = said.head["id"]
    data = {
        "channel": said.scope.channel,
        "conversation": said.conversation,
        "actor": said.sender,
        "change": change,
    }
    return said.item("whatsapp.conversation.updated", data, pointer)


ACTS: dict[str, Act] = {
    "edit": _edited,
    "revoke": _deleted,
    "request_welcome": _opened,
    "system": system_item,
}
