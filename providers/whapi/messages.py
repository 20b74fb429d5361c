"""`message`: a raw Baileys message, with its main fields repeated beside it under flatter names.

The flat ones are hints: they are used where the raw part lacks what they say. An id and a time that are only
there count as the message's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.base import Identity, Item, Notes
from providers.shapes.baileys.content import noise, unknown_content
from providers.shapes.baileys.context import map_mentions, map_quoted
from providers.shapes.baileys.keys import MessageKey, read_key
from providers.shapes.baileys.message import head, is_ciphertext, map_message, map_stub, status_number
from providers.shapes.baileys.unwrap import Unwrapped, unwrap
from providers.shapes.baileys.values import Reading, as_count, says_nothing
from providers.shapes.guard import guarded
from providers.whapi.statuses import status_item
from providers.wire import Object, as_bool, as_text, timestamp_ms

_SENT_BY_API = 2
_TIMES = ("messageTimestamp", "timestamp", "t")
_KEY_HINTS = (("remoteJid", ("chatId", "from")), ("id", ("id",)), ("participant", ("participant", "sender")))
_STUB = ("messageStubType", "messageStubParameters")
_TEXT_TYPES = frozenset({None, "conversation", "extendedTextMessage", "chat"})
_KNOWN = frozenset({
    *_TIMES, "apiKey", "key", "message", "id", "from", "fromMe", "chatId", "sender", "participant",
    "pushName", "pushname", "verifiedBizName", "status", "messageStubType", "messageStubParameters",
    "replyData", "quotedMsg", "mentionedJidList", "body", "viewOnce", "isEphemeralMessage",
    "ephemeralDuration", "type", "broadcast", "isGroupMsg", "isStories", "isMedia", "mimetype",
    "messageSecret", "messageC2STimestamp",
})  # fmt: skip
"""What is mapped, and from `type` on what only repeats it or is a key."""


def message_items(results: Object, scale: str, notes: Notes) -> Iterator[Item]:
    """The message; with one that was sent through the API, its first status; nothing for protocol noise."""
    reading = Reading(notes)
    key = read_key(_whole_key(results, reading), reading)
    found = _content(results, reading)
    noisy = noise(found) if found else None
    if noisy:
        notes.noise[f"message.{noisy}"] += 1
        return
    yield guarded(_message_item, _unmapped_item, results, key, found, reading)
    if found and key.from_me and status_number(results.get("status")) == _SENT_BY_API:
        yield _sent_item(results, key, scale, notes)


def _content(results: Object, reading: Reading) -> Unwrapped | None:
    """The raw part's content, if it has any. A group message that could not be decrypted may still bring keys."""
    raw = reading.nested(results, "message")
    if not raw:
        return None
    found = unwrap(raw, reading)
    told_beside = not (says_nothing(results.get("messageStubType")) and says_nothing(results.get("body")))
    return None if told_beside and not found.name else found


def _message_item(results: Object, key: MessageKey, found: Unwrapped | None, reading: Reading) -> Item:
    reading.check(results, _KNOWN, "message")
    if found:
        message = map_message(found, key, reading)
        if not all(says_nothing(results.get(member)) for member in _STUB):
            reading.partial = True
    else:
        message = map_stub(results, key, reading) or _from_hints(results, key, reading)
    _add_hints(results, message, reading)
    _add_names(results, key, reading)
    data: Object = {"channel": {}, "conversation": key.conversation, "sender": key.sender}
    if key.recipient:
        data["recipient"] = key.recipient
    data["message"] = message
    time_ms = _time(results)
    if time_ms is None and not says_nothing(results.get(_TIMES[0])):
        reading.partial = True
    return Item(
        type="whatsapp.message.echoed" if key.from_me else "whatsapp.message.received",
        data=data,
        identity=_identity(results, key, found),
        time_ms=time_ms,
        lane=("chat", "", key.chat),
        pointer="/results",
        subject=key.subject,
        party=key.person,
        partial=reading.partial,
    )


def _unmapped_item(detail: str, results: Object, key: MessageKey, found: Unwrapped | None, reading: Reading) -> Item:
    reading.notes.drifted("message", detail)
    return Item(
        type="whatsapp.unknown",
        data={"kind": "message", "name": (found and found.name) or "message", "detail": detail},
        identity=_identity(results, key, found),
        time_ms=_time(results),
        lane=("chat", "", key.chat),
        pointer="/results",
        partial=True,
    )


def _sent_item(results: Object, key: MessageKey, scale: str, notes: Notes) -> Item:
    data = {"conversation": key.conversation}
    if key.recipient:
        data["recipient"] = key.recipient
    return status_item(
        message_id=key.id,
        number=_SENT_BY_API,
        raw=str(_SENT_BY_API),
        scale=scale,
        data=data,
        reading=Reading(notes),
        pointer="/results/status",
        time_ms=_time(results),
        party=key.person,
    )


def _identity(results: Object, key: MessageKey, found: Unwrapped | None) -> Identity | None:
    """A stub must not use up the identity of the message that may follow it."""
    if not key.id:
        return None
    if found is None and is_ciphertext(results):
        return Identity("U", (key.id,))
    return Identity("M", ("", key.chat, "1" if key.from_me else "0", key.id))


def _whole_key(results: Object, reading: Reading) -> Object:
    """The message's key, with what it lacks from the flat fields."""
    node = dict(reading.nested(results, "key"))
    for member, hints in _KEY_HINTS:
        if not reading.one(node, member, as_text):
            found = next((text for text in (as_text(results.get(hint)) for hint in hints) if text), None)
            if found:
                node[member] = found
    if reading.one(node, "fromMe", as_bool) is None:
        node["fromMe"] = results.get("fromMe") is True
    return node


def _time(results: Object) -> int | None:
    return next((found for found in (timestamp_ms(results.get(name)) for name in _TIMES) if found), None)


def _from_hints(results: Object, key: MessageKey, reading: Reading) -> Object:
    """The event's `message` where the raw part is missing."""
    kind = as_text(results.get("type"))
    body = reading.one(results, "body", as_text)
    if body and kind in _TEXT_TYPES and results.get("isMedia") is not True:
        return {**head(key), "content": {"type": "text", "text": body}}
    return {**head(key), "content": unknown_content(kind or "empty", reading)}


def _add_hints(results: Object, message: Object, reading: Reading) -> None:
    if "reply_to" not in message and results.get("quotedMsg"):
        quoted = map_quoted(reading.nested(results, "quotedMsg"), reading)
        if quoted:
            message["reply_to"] = {"content": quoted}
    if "mentions" not in message and results.get("mentionedJidList"):
        mentions = map_mentions(results["mentionedJidList"], reading)
        if mentions:
            message["mentions"] = mentions
    token = reading.one(results, "replyData", as_text)
    if token:
        message["reply_token"] = token
    if results.get("viewOnce") is True:
        message["view_once"] = True
    expires_in = reading.one(results, "ephemeralDuration", as_count)
    if expires_in or results.get("isEphemeralMessage") is True:
        message["ephemeral"] = True
    if expires_in:
        message.setdefault("expires_in_s", expires_in)
    if not _is_told(results.get("body"), message["content"]):
        reading.partial = True


def _is_told(body: Any, content: Object) -> bool:
    """Whether the content says what the body does: a text or caption is there, a file in base64 is not."""
    return says_nothing(body) or any(value == body for value in content.values())


def _add_names(results: Object, key: MessageKey, reading: Reading) -> None:
    """On a message of ours the push name is our own."""
    if not key.from_me:
        name = reading.one(results, "pushName", as_text) or reading.one(results, "pushname", as_text)
        if name:
            key.sender["name"] = name
    verified = reading.one(results, "verifiedBizName", as_text)
    if verified:
        key.sender["verified_name"] = verified
