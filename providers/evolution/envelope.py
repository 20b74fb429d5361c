"""What stands around an event: which instance, whose number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from providers.base import Item, Notes
from providers.shapes.baileys.jids import normal_jid, phone_of
from providers.wire import Object, as_text


class Envelope:
    """The body, read as far as all events share it. `event` is dotted and in lower case, however it came."""

    def __init__(self, document: Object, event: str, notes: Notes) -> None:
        self.notes = notes
        self.event = event.lower().replace("_", ".").replace("-", ".")
        self.given = event
        self.data = document["data"]
        self.instance = as_text(document.get("instance")) or ""
        self.own = normal_jid(as_text(document.get("sender")) or "")
        self._known = document.keys() <= _MEMBERS

    @property
    def channel(self) -> Object:
        """The instance, and its number where the body tells it. Empty where it tells neither."""
        channel = {"id": self.instance} if self.instance else {}
        phone = phone_of(self.own)
        return {**channel, "phone": phone} if phone else channel

    def elements(self) -> Iterator[tuple[Any, str]]:
        """The things in `data`, which is a list or just one of them, with pointers."""
        if type(self.data) is list:
            yield from ((element, f"/data/{index}") for index, element in enumerate(self.data))
        else:
            yield self.data, "/data"

    def finished(self, item: Item) -> Item:
        """The item with what the envelope adds."""
        item.data["channel"] = self.channel
        if not self._known:
            self.notes.drifted("member", "envelope")
        return item


_MEMBERS = frozenset({"event", "instance", "data", "destination", "date_time", "sender", "server_url", "apikey"})

Build = Callable[[Any, str, Envelope], Iterator[Item]]
"""Items of one thing in `data`, at the pointer."""


def unknown_item(envelope: Envelope, pointer: str = "/data", detail: str = "", drift: bool = True) -> Item:
    """What is not mapped, or cannot be."""
    data: Object = {"kind": "type", "name": envelope.given}
    if detail:
        data["detail"] = detail
    if drift and envelope.event not in DOCUMENTED:
        envelope.notes.drifted("type", envelope.given)
    return Item(
        type="whatsapp.unknown",
        data=data,
        identity=None,
        time_ms=None,
        lane=("other",),
        pointer=pointer,
        partial=True,
    )


DOCUMENTED = frozenset({
    "application.startup", "instance.create", "instance.delete", "messages.set", "contacts.set", "contacts.upsert",
    "contacts.update", "presence.update", "chats.set", "chats.update", "chats.upsert", "chats.delete",
    "typebot.start", "typebot.change.status", "labels.edit", "labels.association", "creds.update",
    "messaging.history.set",
})  # fmt: skip
"""Events that are known, and about no message, group, call or connection; no drift."""
