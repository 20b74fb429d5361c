"""Messages and their statuses. Evolution passes on Baileys' own messages, with a few members of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.base import Item
from providers.evolution.envelope import Envelope, unknown_item
from providers.shapes.acks import BAILEYS, ack_item
from providers.shapes.baileys.actions import Draft, Told, act, deleted
from providers.shapes.baileys.jids import normal_jid, party_of
from providers.shapes.baileys.keys import MessageKey, read_key
from providers.shapes.baileys.media import MEDIA_TYPES
from providers.shapes.baileys.messages import HANDLED, Info, change_identity, empty, time_of
from providers.shapes.baileys.protocol import noise, protocol_type
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.records import STATUSES
from providers.shapes.baileys.unwrap import Unwrapped
from providers.shapes.baileys.values import Reader, as_digest, enum_number, says_nothing
from providers.wire import Object, as_bool, as_object, as_text, timestamp_ms

_FLAT: Table = {
    **HANDLED,
    **dict.fromkeys((
        "contextInfo", "messageType", "instanceId", "owner", "source", "base64", "id", "messageId", "webhookUrl",
        "chatwootMessageId", "chatwootInboxId", "chatwootConversationId", "MessageUpdate",
    )),
}  # fmt: skip
_OWN: dict[str, Reader] = {"base64": as_digest, "mediaUrl": as_text, "speechToText": as_text}
"""What Evolution puts into `message`, beside the content."""
_CHATWOOT = ("chatwootMessageId", "chatwootInboxId", "chatwootConversationId", "MessageUpdate")


def message_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    """`messages.upsert`, `send.message`: the message; nothing for protocol noise."""
    if type(element) is not dict:
        yield unknown_item(envelope, pointer, "no object")
        return
    reading = Reading(envelope.notes)
    key = read_key(reading.nested(element, "key"), reading)
    message = reading.nested(element, "message")
    own = {name: message[name] for name in _OWN if not says_nothing(message.get(name))}
    plain = {name: value for name, value in message.items() if name not in _OWN} if own else message
    context = reading.nested(element, "contextInfo")
    inner = _inner_context(plain)
    if inner and context and inner != context:
        reading.partial = True
    info = Info(
        {**element, "message": plain},
        key,
        reading,
        _FLAT,
        channel=envelope.instance,
        context={} if inner else context,
    )
    noisy = noise(info.found) if info.found else None
    if noisy:
        envelope.notes.noise[f"message.{noisy}"] += 1
        return
    item = info.item(pointer, empty, time_of(element, "messageTimestamp"))
    facts = item.data.get("message")
    if facts is not None:
        _add_own(element, own, facts, facts.get("content") or item.data.get("content") or {}, reading)
    item.partial = reading.partial or (facts is None and bool(own))
    yield item


def _inner_context(message: Object) -> Any:
    """The context that the content still has; Evolution copies it beside."""
    return next((as_object(content)["contextInfo"] for content in message.values() if _has_context(content)), None)


def _has_context(content: Any) -> bool:
    return type(content) is dict and bool(content.get("contextInfo"))


def _add_own(element: Object, own: Object, facts: Object, content: Object, reading: Reading) -> None:
    source = reading.one(element, "source", as_text)
    if source and source != "unknown":
        facts["sent_from"] = source
    kept = {name: element[name] for name in _CHATWOOT if not says_nothing(element.get(name))}
    if kept:
        facts.setdefault("details", {}).update(kept)
    if not says_nothing(element.get("base64")):
        own = {"base64": element["base64"], **own}
    for name, value in own.items():
        said = _OWN[name](value)
        if said is None or content.get("type") not in ({"audio"} if name == "speechToText" else MEDIA_TYPES):
            reading.partial = True
        elif name == "speechToText":
            content["transcript"] = said
        else:
            _add_to_file(content.setdefault("media", {}), name, said)


def _add_to_file(media: Object, name: str, said: Any) -> None:
    """Evolution's own copy of a file is what can be fetched; WhatsApp's is encrypted."""
    if name == "base64":
        media["inline"] = said
    else:
        if "url" in media:
            media["encrypted_url"] = media["url"]
        media["url"] = said


def edited_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    """`messages.edited`, `send.message.update`: a protocol message without the message that brought it."""
    node = as_object(element)
    reading = Reading(envelope.notes)
    target = as_text(as_object(node.get("key")).get("id")) or ""
    kind = protocol_type(node)
    found = Unwrapped("protocolMessage", node)
    if not node or noise(found):
        envelope.notes.noise[f"message.{kind}"] += 1
        return
    key = _doer(reading.nested(node, "key"), envelope, reading)
    draft = Draft(key, reading, {"direction": "outbound" if key.from_me else "inbound"})
    told = act(found, draft)
    if told is None:
        yield unknown_item(envelope, pointer, f"protocolMessage.{kind}")
        return
    when = timestamp_ms(node.get("timestampMs"))
    yield _done(told, target, kind, when, draft, pointer, envelope)


def deleted_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    """`messages.delete`: the bare key of what was deleted, or Evolution's copy of the message with its key."""
    node = as_object(element)
    reading = Reading(envelope.notes)
    given = node["key"] if type(node.get("key")) is dict else node
    target = as_text(given.get("id")) or ""
    if not target:
        yield unknown_item(envelope, pointer, "no key")
        return
    own = given.keys() & _NOT_OF_A_KEY if given is node else frozenset()
    key = _doer({name: value for name, value in given.items() if name not in own}, envelope, reading)
    draft = Draft(key, reading, {"direction": "outbound" if key.from_me else "inbound"})
    if given is not node:
        reading.partial = True  # what it said before
    told = deleted(draft, {"message_id": target, "from_business": key.from_me})
    yield _done(told, target, "REVOKE", None, draft, pointer, envelope)


_NOT_OF_A_KEY = frozenset({"instanceId", "status", "deleted"})


def _doer(key: Object, envelope: Envelope, reading: Reading) -> MessageKey:
    """Who did it, from the key of what it was done to: only who wrote a message edits it.

    The key may be written from the other side. There `fromMe` is theirs, and a private chat has our number, so that
    nothing tells who they are.
    """
    own = {name: value for name, value in key.items() if name != "id"}
    chat, participant = as_text(own.get("remoteJid")) or "", as_text(own.get("participant")) or ""
    if own.get("fromMe") is True and envelope.own and envelope.own == normal_jid(chat):
        own["fromMe"] = False
        del own["remoteJid"]
    elif own.get("fromMe") is True and participant and envelope.own and envelope.own != normal_jid(participant):
        own["fromMe"] = participant.endswith("@lid")
    return read_key(own, reading)


_WHAT = {"REVOKE": "deleted", "MESSAGE_EDIT": "edited"}


def _done(
    told: Told, target: str, kind: str, time_ms: int | None, draft: Draft, pointer: str, envelope: Envelope
) -> Item:
    key = draft.key
    when = "" if time_ms is None else str(time_ms)
    return Item(
        type=told.type,
        data={"channel": {}, "conversation": key.conversation, **told.data},
        identity=change_identity(envelope.instance, key.chat, target, _WHAT.get(kind, kind.lower()), when),
        time_ms=time_ms,
        lane=("chat", envelope.instance, key.chat),
        pointer=pointer,
        subject=key.subject,
        party=key.person,
        partial=draft.reading.partial or bool(draft.reading.details),
    )


_UPDATE: Table = dict.fromkeys(
    ("keyId", "remoteJid", "fromMe", "participant", "status", "instanceId", "messageId", "pollUpdates")
)


def status_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    """`messages.update`: a status by Baileys' own word. A poll's votes come the same way, as a status that is none."""
    node = as_object(element)
    reading = Reading(envelope.notes)
    reading.read(node, _UPDATE, "messages.update")
    message_id = reading.one(node, "keyId", as_text) or ""
    word = reading.one(node, "status", as_text)
    if not says_nothing(node.get("pollUpdates")) or not (message_id or word):
        yield unknown_item(envelope, pointer, "votes" if message_id else "no status", drift=False)
        return
    number = enum_number(word, STATUSES)
    status = "deleted" if word == "DELETED" else BAILEYS.get(-1 if number is None else number, "unknown")
    if status == "unknown":
        reading.unmapped("ack", word)
    key = read_key({name: node[name] for name in ("remoteJid", "fromMe") if name in node}, reading)
    participant = normal_jid(reading.one(node, "participant", as_text) or "")
    data: Object = {"conversation": key.conversation} if key.chat else {}
    recipient = party_of(participant) if participant else key.recipient
    if reading.one(node, "fromMe", as_bool) is False:
        recipient = {"id": "self"}  # what others wrote, and we read
    if recipient:
        data["recipient"] = recipient
    yield ack_item(
        message_id=message_id,
        status=status,
        raw=word,
        scale="baileys",
        participant=participant,
        data=data,
        pointer=pointer,
        party=key.recipient["id"] if key.recipient else None,
        partial=reading.partial,
    )
