"""A message's key: which chat, who wrote, who else. Its members differ between the versions of Baileys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from providers.shapes.baileys.jids import SELF, UNKNOWN, conversation_of, is_phone, kind_of, normal_jid, party
from providers.shapes.baileys.values import Reading
from providers.wire import Object, as_text

_PEER = ("senderPn", "remoteJidAlt", "remoteJid", "senderLid", "previousRemoteJid")
_AUTHOR = (
    "participantPn", "participantAlt", "senderPn", "remoteJidAlt", "participant", "participantLid",
    "senderLid",
)  # fmt: skip
_KNOWN = frozenset({
    *_PEER, *_AUTHOR, "id", "fromMe", "isViewOnce", "remoteJidUsername", "participantUsername",
    "addressingMode", "cleanedSenderPn", "cleanedParticipantPn",
})  # fmt: skip
"""The last few only repeat the others."""


@dataclass(slots=True)
class MessageKey:
    """`chat` is the normal JID, empty where the key has none; the parties are as in the event."""

    id: str
    chat: str
    kind: str
    from_me: bool
    conversation: Object
    sender: Object
    recipient: Object | None
    view_once: bool

    @property
    def subject(self) -> str | None:
        """What the event is about: the conversation."""
        conversation: str = self.conversation["id"]
        return None if conversation == UNKNOWN else conversation

    @property
    def person(self) -> str | None:
        """Party id of the person concerned: whom it went to, or who wrote."""
        person = self.recipient if self.from_me else self.sender
        return None if person is None or person["id"] == UNKNOWN else person["id"]


def read_key(key: Object, reading: Reading) -> MessageKey:
    """Read a message key.

    In a private chat every address of the key is the other person's, even where we wrote; in a group the
    participant is who wrote, us included.
    """
    reading.check(key, _KNOWN, "key")
    given = reading.one(key, "remoteJid", as_text) or ""
    chat = normal_jid(given)
    kind = kind_of(chat)
    from_me = key.get("fromMe") is True
    recipient = None
    if kind == "direct":
        peer = party(_addresses(key, _PEER, reading), chat or UNKNOWN)
        _add_username(peer, key.get("remoteJidUsername"))
        sender, recipient = ({"id": SELF}, peer) if from_me else (peer, None)
        conversation = conversation_of(given, peer)
    else:
        sender = party(_addresses(key, _AUTHOR, reading), _author_fallback(key, chat, kind, from_me))
        _add_username(sender, key.get("participantUsername"))
        conversation = conversation_of(given)
    return MessageKey(
        id=reading.one(key, "id", as_text) or "",
        chat=chat,
        kind=kind,
        from_me=from_me,
        conversation=conversation,
        sender=sender,
        recipient=recipient,
        view_once=key.get("isViewOnce") is True,
    )


def _author_fallback(key: Object, chat: str, kind: str, from_me: bool) -> str:
    participant = as_text(key.get("participant"))
    if participant and normal_jid(participant) != chat:
        return participant
    if from_me:
        return SELF
    return chat if kind == "channel" else UNKNOWN


def _addresses(key: Object, members: tuple[str, ...], reading: Reading) -> Iterator[str]:
    for member in members:
        value = reading.one(key, member, as_text)
        if value:
            yield f"{value}@s.whatsapp.net" if member.endswith("Pn") and is_phone(value) else value


def _add_username(person: Object, value: object) -> None:
    if type(value) is str and value:
        person["username"] = value.removeprefix("@")
