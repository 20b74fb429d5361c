"""`message`, `media`, `stories`: a raw Baileys message, with its main fields repeated beside it under flatter names.

The flat ones are hints: they are used where the raw part lacks what they say, and where they contradict it, both
are kept. An id and a time that are only there count as the message's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from providers.base import Item, Notes
from providers.shapes.acks import ack_item
from providers.shapes.baileys.content import unknown_content
from providers.shapes.baileys.context import map_mentions, map_quoted
from providers.shapes.baileys.jids import agrees, normal_jid
from providers.shapes.baileys.keys import MessageKey, read_key
from providers.shapes.baileys.media import MEDIA_TYPES
from providers.shapes.baileys.messages import HANDLED, Info, time_of, unmapped
from providers.shapes.baileys.protocol import noise
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.records import status_number
from providers.shapes.baileys.values import as_digest, says_nothing
from providers.shapes.guard import guarded
from providers.whapi.statuses import status_of
from providers.wire import Object, as_bool, as_text, timestamp_ms

_SENT_BY_API = 2
_TIMES = ("messageTimestamp", "timestamp", "t")
_KEY_HINTS = (("remoteJid", ("chatId", "from")), ("id", ("id",)), ("participant", ("participant", "sender")))
_TEXT_TYPES = frozenset({None, "conversation", "extendedTextMessage", "chat"})
REPEATING = (
    "id", "from", "chatId", "fromMe", "sender", "participant", "pushname", "t", "timestamp", "body", "type", "viewOnce",
    "isGroupMsg", "isStories", "isMedia", "isEphemeralMessage", "mentionedJidList", "quotedMsg", "mimetype",
)  # fmt: skip
"""Flat fields that say again what the raw message does."""
_FLAT: Table = {
    **HANDLED,
    **dict.fromkeys((*REPEATING, "apiKey", "replyData", "base64_file")),
}
_MEDIA_TYPES = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "ptt": "audio",
    "ptv": "video",
    "document": "document",
    "sticker": "sticker",
}
"""What a medium of which there is only the file is, by `type` or by the first half of its MIME type."""


def message_items(kind: str, results: Object, scale: str, notes: Notes) -> Iterator[Item]:
    """The message; with one that was sent through the API, its first status; nothing for protocol noise."""
    reading = Reading(notes)
    key = read_key(_whole_key(results, reading), reading)
    info = Info(results, key, reading, _FLAT)
    noisy = noise(info.found) if info.found else None
    if noisy:
        notes.noise[f"message.{noisy}"] += 1
        return
    yield guarded(_message_item, _unmapped_item, info)
    if info.found and key.from_me and status_number(results.get("status")) == _SENT_BY_API:
        yield _sent_item(results, key, scale, notes)


def _message_item(info: Info) -> Item:
    results, reading = info.info, info.reading
    time_ms = time_of(results, *_TIMES)
    item = info.item("/results", _from_hints, time_ms)
    message = item.data.get("message")
    if message is not None:
        content = message.get("content") or item.data.get("content") or {}
        _add_hints(results, message, content, reading)
    _check_hints(info, time_ms)
    item.partial = reading.partial
    return item


def _unmapped_item(detail: str, info: Info) -> Item:
    return unmapped(info, detail, "/results", time_of(info.info, *_TIMES))


def _sent_item(results: Object, key: MessageKey, scale: str, notes: Notes) -> Item:
    data = {"conversation": key.conversation}
    if key.recipient:
        data["recipient"] = key.recipient
    raw = str(_SENT_BY_API)
    return ack_item(
        message_id=key.id,
        status=status_of(scale, _SENT_BY_API, raw, Reading(notes)),
        raw=raw,
        scale=scale,
        data=data,
        pointer="/results/status",
        time_ms=time_of(results, *_TIMES),
        party=key.person,
    )


def _whole_key(results: Object, reading: Reading) -> Object:
    """The message's key, with what it lacks from the flat fields."""
    key = reading.nested(results, "key")
    if _is_whole(key):
        return key
    key = dict(key)
    for member, hints in _KEY_HINTS:
        if not reading.one(key, member, as_text):
            found = next((text for text in (as_text(results.get(hint)) for hint in hints) if text), None)
            if found:
                key[member] = found
    if reading.one(key, "fromMe", as_bool) is None:
        key["fromMe"] = results.get("fromMe") is True
    return key


def _is_whole(key: Object) -> bool:
    """Whether the key says all that the flat fields could add."""
    chat, identifier = key.get("remoteJid"), key.get("id")
    return (
        type(chat) is str
        and type(identifier) is str
        and type(key.get("fromMe")) is bool
        and bool(identifier)
        and ("participant" in key or chat.endswith(("@s.whatsapp.net", "@lid")))
    )


def _from_hints(results: Object, key: MessageKey, reading: Reading) -> Object:
    """The content where the raw part is missing."""
    kind = as_text(results.get("type"))
    if results.get("isMedia") is True or results.get("base64_file") or results.get("mimetype"):
        return _flat_medium(results, kind, reading)
    body = reading.one(results, "body", as_text)
    if body and kind in _TEXT_TYPES:
        return {"type": "text", "text": body}
    return unknown_content(kind or "empty", reading)


def _flat_medium(results: Object, kind: str | None, reading: Reading) -> Object:
    """A medium of which there is only the file, or only that there was one."""
    mime_type = reading.one(results, "mimetype", as_text)
    word = (kind or "").removesuffix("Message")
    family = _MEDIA_TYPES.get(word) or _MEDIA_TYPES.get((mime_type or "").partition("/")[0])
    if not mime_type and says_nothing(results.get("base64_file")):
        return unknown_content(kind or "media", reading)
    content: Object = {"type": family or "document", "media": {"mime_type": mime_type} if mime_type else {}}
    if word == "ptt":
        content["voice"] = True
    return content


def _add_hints(results: Object, message: Object, content: Object, reading: Reading) -> None:
    if "reply_to" not in message and results.get("quotedMsg"):
        quoted = map_quoted(reading.nested(results, "quotedMsg"), reading)
        if quoted:
            message["reply_to"] = quoted
    if "mentions" not in message and results.get("mentionedJidList"):
        mentions = map_mentions(results["mentionedJidList"], reading)
        if mentions:
            message["mentions"] = mentions
    token = reading.one(results, "replyData", as_text) if "replyData" in results else None
    if token:
        message["reply_token"] = token
    if results.get("viewOnce") is True:
        message["view_once"] = True
    if results.get("isEphemeralMessage") is True:
        message["ephemeral"] = True
    _add_file(results, content, reading)


def _add_file(results: Object, content: Object, reading: Reading) -> None:
    """What `body` says that the content does not: a caption, or the file itself in base64."""
    body = results.get("body")
    if not says_nothing(body) and not _is_told(body, content):
        if not (type(body) is str and content.get("type") in MEDIA_TYPES):
            reading.partial = True
        elif "caption" not in content and "base64_file" in results:
            content["caption"] = body
        elif len(body) > _LONGEST_CAPTION or _DATA_URL.match(body):
            _add_inline(results, "body", content, reading)
        else:
            reading.partial = True
    if "base64_file" in results:
        _add_inline(results, "base64_file", content, reading)
    if "media" in content and "mimetype" in results:
        mime_type = reading.one(results, "mimetype", as_text)
        if mime_type and content["media"].setdefault("mime_type", mime_type) != mime_type:
            reading.unmapped("conflict", "message.mimetype")


def _add_inline(results: Object, member: str, content: Object, reading: Reading) -> None:
    inline = reading.one(results, member, as_digest)
    if inline and content.get("type") in MEDIA_TYPES:
        content.setdefault("media", {})["inline"] = inline
    elif inline:
        reading.partial = True


_LONGEST_CAPTION = 1024
"""Characters that WhatsApp allows in one; what is longer beside a medium is the file."""
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[^,]*)?;base64,")


def _is_told(body: Any, content: Object) -> bool:
    """Whether the content says what the body does: a text or caption is there, a file in base64 is not."""
    return body in content.values()


def _check_hints(info: Info, time_ms: int | None) -> None:
    """A flat field that says something else than what it repeats is left to `raw`."""
    results, key = info.info, info.key
    given = key.given
    if (
        results.get("id", key.id) != key.id
        or results.get("from", given) != given
        or results.get("chatId", given) != given
        or results.get("fromMe", key.from_me) is not key.from_me
        or not _is_time(results, "t", time_ms)
        or not _is_time(results, "timestamp", time_ms)
        or ("pushname" in results and not _is_name(results["pushname"], key.sender))
        or ("sender" in results and not key.from_me and not _is_sender(results["sender"], key))
        or ("participant" in results and not _is_sender(results["participant"], key))
    ):
        info.reading.partial = True


def _is_time(results: Object, member: str, time_ms: int | None) -> bool:
    """Whether a second time is the message's."""
    value = results.get(member)
    return value is None or value == results.get(_TIMES[0]) or timestamp_ms(value) == time_ms


def _is_name(value: Any, sender: Object) -> bool:
    """Whether the second push name is one that is told. Where it is the only one, it is."""
    if says_nothing(value):
        return True
    if "name" not in sender and type(value) is str:
        sender["name"] = value
    return value in (sender.get("name"), sender.get("verified_name"))


def _is_sender(value: Any, key: MessageKey) -> bool:
    """Whether an address is of who wrote; in a group some versions give the group itself."""
    if value == key.given or says_nothing(value):
        return True
    return type(value) is str and (normal_jid(value) == key.chat or agrees(key.sender, value))
