"""The key of another message: what a reaction, an edit, a vote is about."""

from __future__ import annotations

from providers.shapes.baileys.jids import normal_jid, party
from providers.shapes.baileys.keys import MessageKey
from providers.shapes.baileys.reading import Reading, Table
from providers.wire import Object, as_text

_KEY: Table = {
    "id": ("message_id", as_text),
    "remoteJid": ("chat", as_text),
    "fromMe": None,
    "participant": ("author", as_text),
    "participantAlt": ("alias", as_text),
    "participantPn": ("alias", as_text),
    "participantLid": ("alias", as_text),
    "remoteJidAlt": ("chat_alias", as_text),
    "senderPn": ("chat_alias", as_text),
    "senderLid": ("chat_alias", as_text),
}


def as_target(key: Object, reading: Reading, where: str) -> Object:
    """The key as the event has it. A chat is named where it is another one than the message's own."""
    if not key:
        return {}
    found = reading.read(key, _KEY, where)
    target: Object = {"message_id": found["message_id"]} if "message_id" in found else {}
    authors = [found[name] for name in ("author", "alias") if name in found]
    if authors:
        target["sender"] = party(authors, authors[0])
    from_me = key.get("fromMe")
    if type(from_me) is bool:
        target["from_business"] = from_me
    chats = [found[name] for name in ("chat", "chat_alias") if name in found]
    if chats and reading.chat not in map(normal_jid, chats):
        target["conversation_id"] = chats[0]
    return target


def pointing(target: Object) -> Object:
    """The fields of a content that is about another message."""
    if not target:
        return {}
    more = dict(target)
    fields: Object = {"message_id": more.pop("message_id")} if "message_id" in more else {}
    return {**fields, "target": more} if more else fields


def by_the_sender(target: Object, key: MessageKey) -> Object:
    """Corrects a key that was written by who did something to a message, as its own key tells who that is.

    `fromMe` is about that person, who also calls a private chat by our address.
    """
    if key.kind == "direct" and not key.from_me:
        target.pop("conversation_id", None)
    if target.pop("from_business", False):
        target["from_business"] = key.from_me
    elif key.from_me:
        target["from_business"] = False
    return target
