"""What stands around an event, and how WAHA writes ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from providers.base import Item, Notes
from providers.shapes.baileys.jids import SELF, conversation_of, kind_of, normal_jid, party, party_of, phone_of
from providers.shapes.baileys.keys import MessageKey
from providers.shapes.baileys.reading import Reading
from providers.wire import Object, as_object, as_text

ME = "me"
"""What WAHA writes for our own address."""

_MEMBERS = frozenset({"id", "timestamp", "event", "session", "metadata", "me", "payload", "engine", "environment"})
DOCUMENTED = frozenset({"engine.event", "state.change", "group.join", "group.leave", "label.upsert", "label.deleted"})
"""Events that are known, and about no message, chat, call or connection; no drift."""


class Envelope:
    """The body, read as far as all events share it."""

    def __init__(self, document: Object, event: str, notes: Notes) -> None:
        self.event = event
        self.notes = notes
        self.payload = document["payload"]
        self.webhook_id = as_text(document.get("id")) or ""
        self.session = as_text(document.get("session")) or ""
        self.metadata = as_object(document.get("metadata"))
        me = as_object(document.get("me"))
        self.own = normal_jid(as_text(me.get("id")) or "")
        self.addresses = frozenset({self.own, normal_jid(as_text(me.get("lid")) or "")})
        self.own_name = as_text(me.get("pushName")) or ""
        if not document.keys() <= _MEMBERS:
            notes.drifted("member", "envelope")

    @property
    def channel(self) -> Object:
        """The session, and its number where the body tells it. Empty where it tells neither."""
        channel: Object = {"id": self.session} if self.session else {}
        phone = phone_of(self.own)
        if phone:
            channel["phone"] = phone
        if self.own_name:
            channel["name"] = self.own_name
        if self.metadata:
            channel["metadata"] = self.metadata
        return channel

    def reading(self) -> Reading:
        return Reading(self.notes)


Build = Callable[[Envelope], Item]


class MessageId(NamedTuple):
    """`<fromMe>_<chat>_<id>[_<participant>]`, or a bare id."""

    from_me: bool | None
    chat: str
    id: str
    participant: str


def split_id(text: str) -> MessageId:
    parts = text.split("_", 3)
    if len(parts) < 3 or parts[0] not in ("true", "false"):
        return MessageId(None, "", text, "")
    return MessageId(parts[0] == "true", parts[1], parts[2], parts[3] if len(parts) > 3 else "")


def target_of(text: str, chat: str) -> Object:
    """The message that an id names, as a target."""
    found = split_id(text)
    target: Object = {"message_id": found.id} if found.id else {}
    if found.participant:
        target["sender"] = party_of(found.participant)
    if found.from_me is not None:
        target["from_business"] = found.from_me
    if found.chat and normal_jid(found.chat) != chat:
        target["conversation_id"] = found.chat
    return target


def check_ends(node: Object, found: MessageId, own: frozenset[str], reading: Reading) -> None:
    """Addresses beside an id repeat those in it, or are ours; what they say else is left to `raw`."""
    known = {ME, "", *own, normal_jid(found.chat), normal_jid(found.participant)}
    for name in ("from", "to", "participant", "author"):
        value = node.get(name)
        if value is not None and normal_jid(as_text(value) or "?") not in known:
            reading.partial = True
    from_me = node.get("fromMe")
    if found.from_me is not None and type(from_me) is bool and from_me is not found.from_me:
        reading.partial = True


def key_of(payload: Object, envelope: Envelope, reading: Reading) -> MessageKey:
    """Whose message, and where. In a private chat `from` is the chat for what came in, `to` for what went out."""
    found = split_id(reading.one(payload, "id", as_text) or "")
    given_from_me = payload.get("fromMe")
    from_me = given_from_me if type(given_from_me) is bool else found.from_me is True
    ends = [reading.one(payload, name, as_text) or "" for name in ("to" if from_me else "from", "from")]
    given = found.chat or next((end for end in ends if end and end != ME), "")
    reading.chat = chat = normal_jid(given)
    kind = kind_of(chat)
    author = reading.one(payload, "participant", as_text) or found.participant
    check_ends(payload, found if found.chat else MessageId(from_me, given, "", author), envelope.addresses, reading)
    if kind == "direct":
        aliases = _aliases(payload, _OF_THE_CHAT[:1] if from_me else _OF_THE_CHAT)
        peer = party([jid for jid in (given, "" if from_me else author, *aliases) if jid], given or "unknown")
        sender, recipient = ({"id": SELF}, peer) if from_me else (peer, None)
        conversation = {**conversation_of(given), **({"id": peer["id"]} if given else {})}
    else:
        aliases = _aliases(payload, _OF_THE_AUTHOR)
        sender = party([author, *aliases], author) if author else {"id": SELF if from_me else "unknown"}
        recipient, conversation = None, conversation_of(given)
    name = "" if from_me else _name(as_object(payload.get("_data")))
    if name:
        sender["name"] = name
    return MessageKey(
        id=found.id,
        given=given,
        chat=chat,
        kind=kind,
        from_me=from_me,
        conversation=conversation,
        sender=sender,
        recipient=recipient,
        view_once=False,
    )


_OF_THE_CHAT = ("remoteJidAlt", "senderPn", "senderLid")
_OF_THE_AUTHOR = ("participantAlt", "participantPn", "participantLid")


def _aliases(payload: Object, members: tuple[str, ...]) -> list[str]:
    """Further addresses of the same person: a Baileys key has the number beside the hidden id, WAHA's fields do not."""
    key = as_object(as_object(payload.get("_data")).get("key"))
    return [value for value in map(key.get, members) if type(value) is str and "@" in value]


def _name(engines_own: Object) -> str:
    """The name that who wrote it gives himself. Only the engines' own objects have it, each under its own word."""
    info = as_object(engines_own.get("Info"))
    names = (engines_own.get("pushName"), engines_own.get("notifyName"), info.get("PushName"))
    return next((name for name in names if type(name) is str and name), "")


def unknown_item(envelope: Envelope, detail: str = "") -> Item:
    """What is not mapped, or cannot be."""
    data: Object = {"kind": "type", "name": envelope.event}
    if detail:
        data["detail"] = detail
    elif envelope.event not in DOCUMENTED:
        envelope.notes.drifted("type", envelope.event)
    return Item(
        type="whatsapp.unknown",
        data=data,
        identity=None,
        time_ms=None,
        lane=("other",),
        pointer="/payload",
        partial=True,
    )


def object_of(value: Any, reading: Reading) -> Object:
    """The payload, which should be an object."""
    if type(value) is not dict:
        reading.partial = True
        return {}
    return value
