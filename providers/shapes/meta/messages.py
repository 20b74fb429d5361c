"""One element of `messages`: a message received, or a system message about a person or a group."""

from __future__ import annotations

from typing import Any

from providers.base import Item
from providers.shapes.meta.contents import read_content
from providers.shapes.meta.identity import message_identity
from providers.shapes.meta.parties import party, phones
from providers.shapes.meta.reading import Draft, Table
from providers.shapes.meta.scope import Scope, chat_of
from providers.shapes.meta.system import system_item
from providers.wire import Object, as_bool, as_object, as_rfc3339, as_text, timestamp_ms

ERROR: Table = {
    "code": ("code", as_text),
    "title": ("title", as_text),
    "message": ("message", as_text),
    "details": ("details", as_text),
    "error_data": {"details": ("details", as_text)},
    "href": ("href", as_text),
}

REFERRAL: Table = {
    **{
        name: (name, as_text)
        for name in (
            "source_type", "source_id", "source_url", "headline", "body", "media_type", "image_url",
            "video_url", "thumbnail_url", "ctwa_clid", "ref",
        )
    },
    "image": {"id": ("media_id", as_text)},
    "video": {"id": ("media_id", as_text)},
    "welcome_message": {"text": ("welcome_text", as_text)},
}  # fmt: skip

CONTEXT: Table = {
    "from": ("from", as_text),
    "from_user_id": ("from_user_id", as_text),
    "from_parent_user_id": ("from_parent_user_id", as_text),
    "id": ("message_id", as_text),
    "forwarded": ("forwarded", as_bool),
    "frequently_forwarded": ("frequently_forwarded", as_bool),
    "referred_product": (
        "product",
        {"catalog_id": ("catalog_id", as_text), "product_retailer_id": ("product_retailer_id", as_text)},
    ),
    "mentions": ("mentions", phones),
    "group_id": ("group_id", as_text),
}

IDENTITY: Table = {
    "hash": ("hash", as_text),
    "acknowledged": ("acknowledged", as_bool),
    "created_timestamp": ("created_at", as_rfc3339),
}

MESSAGE: Table = {
    "id": ("id", as_text),
    "type": ("type", as_text),
    "from": ("from", as_text),
    "from_user_id": ("from_user_id", as_text),
    "from_bsuid": ("from_user_id", as_text),
    "from_parent_user_id": ("from_parent_user_id", as_text),
    "timestamp": ("time_ms", timestamp_ms),
    "group_id": ("group_id", as_text),
    "context": ("context", CONTEXT),
    "referral": ("referral", REFERRAL),
    "errors": ("errors", [ERROR]),
    "identity": ("identity", IDENTITY),
}
"""What stands beside the object that is named like the message's type."""


def message_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """The item of one element, whatever the element is."""
    if type(raw) is not dict:
        return unmapped_message("not an object", scope, raw, pointer)
    draft = Draft(scope.notes)
    kind = as_text(raw.get("type"))
    head = draft.read(raw, MESSAGE, "messages", skip=kind)
    context = head.get("context", {})
    group_id = context.pop("group_id", None)
    if group_id:
        draft.put(head, "group_id", group_id, "messages.context.group_id")
    sender = _sender(scope, head)
    if kind == "system":
        head["system"] = as_object(raw.get("system"))
        item = system_item(scope, draft, head, sender, pointer)
        if item is not None:
            return item
    if sender is None:
        return unmapped_message("no sender", scope, raw, pointer)
    conversation = _conversation(head, sender)
    return Item(
        type="whatsapp.message.received",
        data={
            "channel": scope.channel,
            "conversation": conversation,
            "sender": sender,
            "message": _message(kind, raw, head, context, draft),
        },
        identity=message_identity(scope.channel_key, raw),
        time_ms=head.get("time_ms"),
        lane=scope.chat_lane(chat_of(head) or conversation["id"]),
        pointer=pointer,
        subject=conversation["id"],
        party=sender["id"],
        route=scope.route,
        partial=draft.partial,
    )


def unmapped_message(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    """What is no message to us; it keeps the id that the message will have once it can be mapped."""
    message = raw if type(raw) is dict else {}
    return scope.unknown(
        "message",
        pointer,
        name=as_text(message.get("type")),
        detail=detail,
        identity=message_identity(scope.channel_key, message),
        time_ms=timestamp_ms(message.get("timestamp")),
        lane=scope.chat_lane(chat_of(message)),
    )


def _sender(scope: Scope, head: Object) -> Object | None:
    named = head.get("from"), head.get("from_user_id"), head.get("from_parent_user_id")
    return party(*named, scope.people.describe(*named))


def _conversation(head: Object, sender: Object) -> Object:
    group_id = head.get("group_id")
    if group_id:
        return {"id": group_id, "kind": "group"}
    conversation = {"id": sender["id"], "kind": "direct"}
    given = head.get("from") or head.get("from_user_id")
    if given and given != sender["id"]:
        conversation["provider_id"] = given
    return conversation


def _message(kind: str | None, raw: Object, head: Object, context: Object, draft: Draft) -> Object:
    message: Object = {"direction": "inbound", "content": _content(kind, raw, draft)}
    if "id" in head:
        message["id"] = head["id"]
    if context:
        reply_to = _reply_to(context)
        if reply_to:
            message["reply_to"] = reply_to
        message.update(context)
    for name in ("referral", "errors", "identity"):
        if name in head:
            message[name] = head[name]
    return message


def _content(kind: str | None, raw: Object, draft: Draft) -> Object:
    if kind == "system" and (what := as_text(as_object(raw.get("system")).get("type"))):
        kind = f"system.{what}"
    return read_content(kind, raw.get(kind or ""), draft)


def _reply_to(context: Object) -> Object:
    """Takes out of the context what tells of the message answered; the rest is the message's own."""
    reply_to: Object = {name: context.pop(name) for name in ("message_id", "product") if name in context}
    sender = party(
        context.pop("from", None), context.pop("from_user_id", None), context.pop("from_parent_user_id", None)
    )
    if sender:
        reply_to["sender"] = sender
    return reply_to
