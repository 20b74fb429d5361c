"""One element of `messages` or `message_echoes`, or a message of the past: what somebody wrote, or did by a message."""

from __future__ import annotations

from typing import Any, NamedTuple

from providers.base import Identity, Item
from providers.shapes.meta.contents import FILES, read_content
from providers.shapes.meta.identity import INBOUND, OUTBOUND, history_identity, message_identity
from providers.shapes.meta.parties import e164, party, phones
from providers.shapes.meta.reading import Draft, Table, unix_ms
from providers.shapes.meta.scope import Scope, chat_of
from providers.wire import EMPTY, Object, as_bool, as_object, as_rfc3339, as_text, timestamp_ms

ERROR = Table(
    {
        "code": ("code", as_text),
        "title": ("title", as_text),
        "message": ("message", as_text),
        "details": ("details", as_text),
        "error_data": {"details": ("details", as_text)},
        "href": ("href", as_text),
    }
)

REFERRAL = Table({
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
})  # fmt: skip

CONTEXT = Table(
    {
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
)

IDENTITY = Table(
    {
        "hash": ("hash", as_text),
        "acknowledged": ("acknowledged", as_bool),
        "created_timestamp": ("created_at", as_rfc3339),
    }
)

MESSAGE = Table(
    {
        "id": ("id", as_text),
        "type": ("type", as_text),
        "from": ("from", as_text),
        "from_user_id": ("from_user_id", as_text),
        "from_bsuid": ("from_user_id", as_text),
        "from_parent_user_id": ("from_parent_user_id", as_text),
        "from_logical_id": ("logical_sender_id", as_text),
        "to": ("to", as_text),
        "to_user_id": ("to_user_id", as_text),
        "to_parent_user_id": ("to_parent_user_id", as_text),
        "timestamp": ("time_ms", unix_ms),
        "group_id": ("group_id", as_text),
        "context": ("context", CONTEXT),
        "referral": ("referral", REFERRAL),
        "errors": ("errors", [ERROR]),
        "identity": ("identity", IDENTITY),
        "message_creation_type": ("created_by", as_text),
        "history_context": {"status": ("past_status", as_text)},
    }
)
"""What stands beside the object that is named like the message's type."""

FACTS = ("referral", "errors", "identity", "logical_sender_id", "created_by")
_PLAIN = frozenset({"id", "type", "from", "time_ms", "context"})
"""What most messages have, and no more."""
PAST_STATUSES = {
    "DELIVERED": "delivered", "ERROR": "failed", "PENDING": "pending",
    "PLAYED": "played", "READ": "read", "SENT": "sent",
}  # fmt: skip


_IN_EPHEMERAL = ("text", *sorted(FILES))
"""A message that disappears says so by its type, and what it is by the member that it has."""


class Way(NamedTuple):
    """Which way a message went, and what names its chat."""

    type: str
    direction: str
    from_me: str
    chat: tuple[str, ...]


RECEIVED = Way("whatsapp.message.received", "inbound", INBOUND, ("group_id", "from", "from_user_id"))
ECHOED = Way("whatsapp.message.echoed", "outbound", OUTBOUND, ("group_id", "to", "to_user_id"))


class Past(NamedTuple):
    """What the history that a message is part of tells of it. `thread`: the id of its chat."""

    facts: Object
    phase: str
    thread: str | None = None


class Said:
    """One message in the making: what was read of it, and between whom it went."""

    __slots__ = (
        "conversation", "draft", "ephemeral", "head", "kind", "past", "raw", "recipient", "scope", "sender", "way"
    )  # fmt: skip

    def __init__(self, scope: Scope, raw: Object, way: Way, past: Past | None) -> None:
        self.scope = scope
        self.raw = raw
        self.way = way
        self.past = past
        kind = as_text(raw.get("type"))
        self.ephemeral = kind == "ephemeral"
        if self.ephemeral:
            kind = next((name for name in _IN_EPHEMERAL if name in raw), kind)
        self.kind = kind
        self.draft = draft = Draft(scope.notes)
        self.head = head = draft.read(raw, MESSAGE, "messages", kind)
        context = head.get("context")
        if context and "group_id" in context:
            draft.put(head, "group_id", context.pop("group_id"), "messages.context.group_id")
        self.recipient: Object | None = None
        self.sender: Object | None
        self.conversation: Object | None
        if way is RECEIVED:
            self._received()
        else:
            self._echoed()

    def item(self, event: str, data: Object, pointer: str) -> Item:
        """The item of an event in the message's conversation."""
        conversation, sender, scope = self.conversation, self.sender, self.scope
        assert conversation is not None
        person = sender if self.way is RECEIVED else self.recipient
        return Item(
            event,
            data,
            identity_of(scope, self.raw, self.way, self.past),
            self.head.get("time_ms"),
            ("chat", scope.channel_key, chat_of(self.head, self.way.chat) or conversation["id"]),
            pointer,
            conversation["id"],
            person["id"] if person else None,
            scope.route,
            self.draft.partial,
        )

    def between(self) -> Object:
        """Channel, conversation, sender and, where the message names one, recipient."""
        data: Object = {"channel": self.scope.channel, "conversation": self.conversation, "sender": self.sender}
        if self.recipient:
            data["recipient"] = self.recipient
        return data

    def facts(self) -> Object:
        """What is said of the message, whatever it contains."""
        head = self.head
        facts: Object = {"direction": self.way.direction}
        if "id" in head:
            facts["id"] = head["id"]
        context = head.get("context")
        if context:
            reply_to = _reply_to(context)
            if reply_to:
                facts["reply_to"] = reply_to
            facts |= context
            if "frequently_forwarded" in context:
                facts["forwarded"] = True
        if not head.keys() <= _PLAIN:
            facts |= {name: head[name] for name in FACTS if name in head}
        if self.past or "past_status" in head:
            facts["historical"] = self._historical()
        if self.ephemeral:
            facts["ephemeral"] = True
        if self.scope.standby:
            facts["standby"] = True
        return facts

    def _received(self) -> None:
        head = self.head
        named = head.get("from"), head.get("from_user_id"), head.get("from_parent_user_id")
        self.sender = party(*named, self.scope.people.describe(*named))
        if "to" in head or "to_user_id" in head:
            self.recipient = party(head.get("to"), head.get("to_user_id"), head.get("to_parent_user_id"))
        self.conversation = self._chat(self.sender, named[0] or named[1])

    def _echoed(self) -> None:
        """The business's own message. Where a page has mixed up both ends, the other one is the person."""
        head, own = self.head, self.scope.own
        ends = {
            end: (head.get(end), head.get(f"{end}_user_id"), head.get(f"{end}_parent_user_id"))
            for end in ("from", "to")
        }
        person = "from" if own and e164(ends["to"][0]) == own != e164(ends["from"][0]) else "to"
        described = {person: self.scope.people.describe(*ends[person])}
        self.sender = party(*ends["from"], described.get("from", EMPTY)) or party(own) or {"id": "self"}
        self.recipient = party(*ends["to"], described.get("to", EMPTY))
        self.conversation = self._chat(
            self.sender if person == "from" else self.recipient, ends[person][0] or ends[person][1]
        )

    def _chat(self, person: Object | None, given: str | None) -> Object | None:
        group_id = self.head.get("group_id")
        if group_id:
            return {"id": group_id, "kind": "group"}
        thread = self.past.thread if self.past else None
        if thread and (person is None or not {thread, e164(thread)} & set(person.values())):
            return direct(e164(thread) or thread, thread)
        return direct(person["id"], given) if person else None

    def _historical(self) -> Object:
        historical = dict(self.past.facts) if self.past else {}
        status = self.head.get("past_status")
        if status:
            if status not in PAST_STATUSES:
                self.draft.drifted("value", f"messages.history_context.status={status}")
            historical["status"] = PAST_STATUSES.get(status, status.lower())
        return historical


def identity_of(scope: Scope, raw: Object, way: Way, past: Past | None) -> Identity | None:
    if past is None:
        return message_identity(scope.channel_key, raw, way.from_me)
    kind = as_text(raw.get("type"))
    return history_identity(raw, past.phase, media=kind in FILES and bool(raw.get(kind or "")))


def message_data(said: Said) -> Object:
    """Data of a message received or echoed."""
    data = said.between()
    data["message"] = message = said.facts()
    message["content"] = _content(said.kind, said)
    return data


def unmapped_message(
    detail: str, scope: Scope, raw: Any, pointer: str, way: Way = RECEIVED, past: Past | None = None
) -> Item:
    """What is no message to us; it keeps the id that the message will have once it can be mapped."""
    message = as_object(raw)
    return scope.unknown(
        "message",
        pointer,
        name=as_text(message.get("type")),
        detail=detail,
        identity=identity_of(scope, message, way, past),
        time_ms=timestamp_ms(message.get("timestamp")),
        lane=scope.chat_lane(chat_of(message, way.chat)),
    )


def direct(conversation_id: str, given: str | None) -> Object:
    conversation = {"id": conversation_id, "kind": "direct"}
    if given and given != conversation_id:
        conversation["provider_id"] = given
    return conversation


def _content(kind: str | None, said: Said) -> Object:
    raw = said.raw
    if kind == "system" and (what := as_text(as_object(raw.get("system")).get("type"))):
        kind = f"system.{what}"
    return read_content(
        kind, raw.get(kind) if kind else None, said.draft, failed="errors" in said.head or said.scope.failed
    )


def _reply_to(context: Object) -> Object:
    """Takes out of the context what tells of the message answered; the rest is the message's own."""
    reply_to: Object = {name: context.pop(name) for name in ("message_id", "product") if name in context}
    sender = party(
        context.pop("from", None), context.pop("from_user_id", None), context.pop("from_parent_user_id", None)
    )
    if sender:
        reply_to["sender"] = sender
    return reply_to
