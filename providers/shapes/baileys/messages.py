"""A whole WebMessageInfo: an item from its content, or from the notice that stands in place of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.base import Identity, Item
from providers.shapes.baileys.actions import (
    Draft,
    Told,
    act,
    called,
    conversation_changed,
    deleted,
    facts_of,
    group_changed,
)
from providers.shapes.baileys.content import map_content, unknown_content
from providers.shapes.baileys.context import map_context
from providers.shapes.baileys.keys import MessageKey
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.records import map_record
from providers.shapes.baileys.stubs import (
    CIPHERTEXT,
    DELETIONS,
    EPHEMERAL,
    MISSED_CALLS,
    group_change,
    parameters_of,
    seconds,
    stub_name,
)
from providers.shapes.baileys.targets import by_the_sender
from providers.shapes.baileys.unwrap import Unwrapped, unwrap
from providers.shapes.baileys.values import as_some, says_nothing
from providers.wire import EMPTY, Object, as_text, timestamp_ms

HANDLED: Table = dict.fromkeys((
    "key", "message", "messageTimestamp", "status", "participant", "pushName", "verifiedBizName", "broadcast",
    "ephemeralDuration", "messageSecret",
))  # fmt: skip
"""Members of a WebMessageInfo that are read here, or by who calls."""

_KEYS_OF_THE_SENDER = frozenset({"commentMessage", "encCommentMessage", "encEventResponseMessage"})
"""Contents about another message, whose key is written as who sent them sees it."""

_NAMES = (("pushName", "name"), ("verifiedBizName", "verified_name"))

Fallback = Callable[[Object, MessageKey, Reading], Object]
"""The content where there is neither message nor notice."""


class Info:
    """One WebMessageInfo.

    known    members that the adapter reads itself.
    channel  which of several devices it is from; empty where a source is one device.
    context  the content's context, where it does not stand in the content.
    """

    def __init__(
        self,
        info: Object,
        key: MessageKey,
        reading: Reading,
        known: Table = HANDLED,
        channel: str = "",
        context: Object = EMPTY,
    ) -> None:
        self.info = info
        self.key = key
        self.reading = reading
        self.known = known
        self.channel = channel
        self.context = context
        self.found = self._content()

    def _content(self) -> Unwrapped | None:
        """What was found in `message`. A group message that could not be decrypted may still bring keys."""
        raw = self.reading.nested(self.info, "message")
        if not raw:
            return None
        found = unwrap(raw, self.reading)
        told_beside = not (says_nothing(self.info.get("messageStubType")) and says_nothing(self.info.get("body")))
        return None if told_beside and not found.name else found

    @property
    def name(self) -> str:
        """The provider's word for what it is."""
        return (self.found.name if self.found else stub_name(self.info).lower()) or "message"

    @property
    def identity(self) -> Identity | None:
        """A notice must not use up the identity of the message that may follow it, or went before."""
        key = self.key
        if not key.id:
            return None
        if self.found is None:
            stub = stub_name(self.info)
            if stub == CIPHERTEXT:
                return Identity("U", (key.id,))
            if stub in DELETIONS:
                return change_identity(self.channel, key.chat, key.id, "deleted")
        return message_identity(self.channel, key)

    def item(self, pointer: str, fallback: Fallback, time_ms: int | None) -> Item:
        told = self._told(fallback)
        key, reading = self.key, self.reading
        if reading.details:
            message = told.data.get("message")
            if message is None:
                reading.partial = True
            else:
                message["details"] = reading.details
        return Item(
            type=told.type,
            data={"channel": {}, "conversation": key.conversation, **told.data},
            identity=self.identity,
            time_ms=time_ms,
            lane=("chat", self.channel, key.chat),
            pointer=pointer,
            subject=key.subject,
            party=key.person,
            partial=reading.partial,
        )

    def _told(self, fallback: Fallback) -> Told:
        draft = Draft(self.key, self.reading, head(self.key))
        self._add_names()
        if self.found:
            draft.facts |= facts_of(self.found, self.key.chat, self.reading)
            if self.context:
                draft.facts |= map_context(self.context, self.key.chat, self.reading)
            self._add_record(draft)
            self._add_notice(draft)
            return act(self.found, draft) or said(draft, self._mapped(self.found))
        self._add_record(draft)
        return self._notice(draft) or said(draft, self._without_message(fallback))

    def _mapped(self, found: Unwrapped) -> Object:
        """The content, with its target as we see it: Baileys itself corrects that of reactions and votes only."""
        content = map_content(found, self.reading)
        if found.name in _KEYS_OF_THE_SENDER and "target" in content:
            content["target"] = by_the_sender(content["target"], self.key)
            if not content["target"]:
                del content["target"]
        return content

    def _without_message(self, fallback: Fallback) -> Object:
        """The content where there is no message. What may be seen but once is shown by the phone alone."""
        content = fallback(self.info, self.key, self.reading)
        if self.key.view_once and content["type"] == "unknown":
            return {"type": "unsupported", "kind": "view_once"}
        return content

    def _notice(self, draft: Draft) -> Told | None:
        """What a system notice tells; None where there is none."""
        name = stub_name(self.info)
        if not name:
            return None
        parameters = parameters_of(self.info, self.reading)
        told = None
        if name == CIPHERTEXT:
            draft.facts["undecryptable"] = True
            if parameters:
                draft.facts["errors"] = [{"message": text} for text in parameters]
            told = said(draft, unknown_content("undecryptable", self.reading))
        elif name in DELETIONS:
            told = deleted(draft, {"message_id": self.key.id} if self.key.id else {})
        elif name in EPHEMERAL:
            told = conversation_changed(
                draft, {"kind": "disappearing_messages", "expires_in_s": seconds(parameters) or 0}
            )
        elif name in MISSED_CALLS:
            call = {"state": "terminated", "outcome": "missed", "video": MISSED_CALLS[name]}
            told = called(draft, {**call, "provider_state": name.lower()})
        else:
            change = group_change(name, parameters, self.reading)
            if change:
                told = group_changed(draft, {**change, "provider_event": name.lower()})
        if told is None:
            self._add_notice(draft)
            told = said(draft, unknown_content(f"stub.{self.info['messageStubType']}", self.reading))
        return told

    def _add_record(self, draft: Draft) -> None:
        """What the phone says of the message besides."""
        info, facts = self.info, draft.facts
        if info.get("broadcast") is True:
            facts["broadcast"] = True
        status = as_text(info.get("status"))
        if status:
            facts["provider_status"] = status
        lives = self.reading.one(info, "ephemeralDuration", as_some) if "ephemeralDuration" in info else None
        if lives:
            facts["ephemeral"] = True
            if facts.setdefault("expires_in_s", lives) != lives:
                self.reading.unmapped("conflict", "message.ephemeralDuration")
        device = {} if info.keys() <= self.known.keys() else map_record(info, self.known, self.reading)
        if self.key.server_id:
            device.setdefault("channel_message_id", self.key.server_id)
        if device:
            facts["device"] = device

    def _add_notice(self, draft: Draft) -> None:
        """A notice that no event tells, or that came along with a message."""
        parameters = parameters_of(self.info, self.reading) if "messageStubParameters" in self.info else []
        name = stub_name(self.info) if "messageStubType" in self.info else ""
        if name:
            stub: Object = {"kind": name.lower()}
            draft.facts.setdefault("device", {})["stub"] = {**stub, "parameters": parameters} if parameters else stub
        elif parameters:
            draft.facts.setdefault("device", {})["stub"] = {"parameters": parameters}

    def _add_names(self) -> None:
        """The names that who wrote it gives himself."""
        for member, target in _NAMES:
            name = self.info.get(member)
            if name is not None and type(name) is not str:
                name = self.reading.one(self.info, member, as_text)
            if name:
                self.key.sender[target] = name


def message_identity(channel: str, key: MessageKey) -> Identity | None:
    """A device gateway's ids are unique in a chat."""
    return Identity("M", (channel, key.chat, "1" if key.from_me else "0", key.id)) if key.id else None


def change_identity(channel: str, chat: str, message_id: str, what: str, when: str = "") -> Identity | None:
    """What was done to a message, where that has no id of its own. `when` tells two such changes apart."""
    return Identity("E", (channel, chat, message_id, what, when)) if message_id else None


def said(draft: Draft, content: Object) -> Told:
    """An ordinary message."""
    key = draft.key
    data: Object = {"sender": key.sender}
    if key.recipient:
        data["recipient"] = key.recipient
    data["message"] = draft.facts
    draft.facts["content"] = content
    return Told("whatsapp.message.echoed" if key.from_me else "whatsapp.message.received", data)


def head(key: MessageKey) -> Object:
    """The first fields of every message, from its key."""
    found: Object = {"id": key.id} if key.id else {}
    found["direction"] = "outbound" if key.from_me else "inbound"
    if key.view_once:
        found["view_once"] = True
    return found


def time_of(info: Object, *members: str) -> int | None:
    """The first of the members that is a time."""
    for member in members:
        found = timestamp_ms(info.get(member))
        if found:
            return found
    return None


def empty(info: Object, key: MessageKey, reading: Reading) -> Object:
    return unknown_content("empty", reading)


def unmapped(info: Info, detail: str, pointer: str, time_ms: Any) -> Item:
    """In the place of a message that a mistake of ours kept from being mapped."""
    info.reading.notes.drifted("message", detail)
    return Item(
        type="whatsapp.unknown",
        data={"kind": "message", "name": info.name, "detail": detail},
        identity=info.identity,
        time_ms=time_ms,
        lane=("chat", info.channel, info.key.chat),
        pointer=pointer,
        partial=True,
    )
