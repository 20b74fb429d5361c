"""A message's key: which chat, who wrote, who else. Its members differ between the versions of Baileys."""

from __future__ import annotations

from dataclasses import dataclass

from providers.shapes.baileys.jids import (
    SELF,
    UNKNOWN,
    agrees,
    conversation_of,
    is_phone,
    kind_of,
    normal_jid,
    party,
    party_of_normal,
)
from providers.shapes.baileys.noise import NOISE
from providers.shapes.baileys.reading import Reading
from providers.shapes.baileys.values import says_nothing
from providers.wire import Object, as_text

_PEER = ("senderPn", "remoteJidAlt", "remoteJid", "senderLid", "previousRemoteJid")
_AUTHOR = (
    "participantPn", "participantAlt", "senderPn", "remoteJidAlt", "participant", "participantLid",
    "senderLid",
)  # fmt: skip
_KNOWN = frozenset({
    *_PEER, *_AUTHOR, "id", "fromMe", "isViewOnce", "remoteJidUsername", "participantUsername", "server_id",
    "addressingMode",
})  # fmt: skip
_JUST_A_CHAT = frozenset({"remoteJid", "fromMe", "id"})


@dataclass(slots=True)
class MessageKey:
    """`given` is the chat's JID as it came, `chat` the normal one, both empty where the key has none. The parties are
    as in the event."""

    id: str
    given: str
    chat: str
    kind: str
    from_me: bool
    conversation: Object
    sender: Object
    recipient: Object | None
    view_once: bool
    server_id: str | None = None

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
    """Read a message key. The reading then knows the chat.

    In a private chat every address of the key is the other person's, even where we wrote; in a group the
    participant is who wrote, us included.
    """
    if not key.keys() <= _KNOWN:
        _check(key, reading)
    given = _text(key, "remoteJid", reading)
    reading.chat = chat = normal_jid(given)
    kind = kind_of(chat)
    from_me = key.get("fromMe") is True
    recipient = None
    if kind == "direct":
        peer = _party(key, _PEER, chat or UNKNOWN, reading)
        _add_username(peer, key.get("remoteJidUsername"))
        sender, recipient = ({"id": SELF}, peer) if from_me else (peer, None)
        conversation = {"id": peer["id"], "kind": kind, "provider_id": given} if given else conversation_of("")
    else:
        sender = _party(key, _AUTHOR, _author_fallback(key, chat, kind, from_me), reading)
        _add_username(sender, key.get("participantUsername"))
        conversation = conversation_of(given)
    return MessageKey(
        id=_text(key, "id", reading),
        given=given,
        chat=chat,
        kind=kind,
        from_me=from_me,
        conversation=conversation,
        sender=sender,
        recipient=recipient,
        view_once=key.get("isViewOnce") is True,
        server_id=reading.one(key, "server_id", as_text) if "server_id" in key else None,
    )


def _text(key: Object, member: str, reading: Reading) -> str:
    value = key.get(member)
    return value if type(value) is str else reading.one(key, member, as_text) or ""


def _check(key: Object, reading: Reading) -> None:
    """Members that nobody knows."""
    for name in key.keys() - _KNOWN:
        if name not in NOISE and not says_nothing(key[name]):
            reading.unmapped("member", f"key.{name}")


def _author_fallback(key: Object, chat: str, kind: str, from_me: bool) -> str:
    participant = as_text(key.get("participant"))
    if participant and normal_jid(participant) != chat:
        return participant
    if from_me:
        return SELF
    return chat if kind == "channel" else UNKNOWN


def _party(key: Object, members: tuple[str, ...], fallback: str, reading: Reading) -> Object:
    """Who the key's addresses say it is, best first. Two that contradict are told."""
    if members is _PEER and key.keys() <= _JUST_A_CHAT:
        return party_of_normal(fallback)
    addresses = []
    for member in members:
        value = reading.one(key, member, as_text) if member in key else None
        if value:
            addresses.append(f"{value}@s.whatsapp.net" if member.endswith("Pn") and is_phone(value) else value)
    found = party(addresses, fallback)
    if len(addresses) > 1 and not all(agrees(found, address) for address in addresses):
        reading.unmapped("conflict", "key")
    return found


def _add_username(person: Object, value: object) -> None:
    if type(value) is str and value:
        person["username"] = value.removeprefix("@")
