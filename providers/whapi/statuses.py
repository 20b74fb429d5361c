"""Delivery statuses: `message_ack` and `message_ack_browser`, and what a message's own status says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from normalized.message import RANKS
from providers.base import Identity, Item, Notes
from providers.shapes.baileys.jids import conversation_of, normal_jid, party_of
from providers.shapes.baileys.values import Reading
from providers.shapes.guard import guarded
from providers.wire import Object, as_list, as_object, as_text, compact

SCALES = {
    "whapi": {0: "failed", 1: "pending", 2: "pending", 3: "sent", 4: "read", 5: "played"},
    "baileys": {0: "failed", 1: "pending", 2: "sent", 3: "delivered", 4: "read", 5: "played"},
}
"""What an ack's number means: as docs.whapi.id has it (webhook-usage/message-status), and as Baileys counts."""
_UNDOCUMENTED = {("whapi", 1)}

SURFACES = {"message_ack": "device", "message_ack_browser": "browser"}
_RESULTS_KNOWN = frozenset({"apiKey", "ack"})
_ACK_KNOWN = frozenset({"ack", "id", "serialized", "participant"})


class _Place(NamedTuple):
    """Where an ack stands: the webhook's type, the source's scale, the pointer to it."""

    kind: str
    scale: str
    pointer: str


def ack_items(kind: str, results: Object, scale: str, notes: Notes) -> Iterator[Item]:
    """One item for each ack; WHAPI sends one, a list is taken as well."""
    around = Reading(notes)
    around.check(results, _RESULTS_KNOWN, kind)
    ack = results.get("ack")
    acks = as_list(ack) or [ack]
    for index, node in enumerate(acks):
        pointer = f"/results/ack/{index}" if type(ack) is list else "/results/ack"
        if around.partial or not ack:
            pointer = "/results"
        item = guarded(_ack_item, _unmapped_item, node, _Place(kind, scale, pointer), notes)
        item.partial = item.partial or around.partial
        yield item


def status_item(
    *,
    message_id: str,
    number: int | None,
    raw: str | None,
    scale: str,
    surface: str = "",
    participant: str = "",
    data: Object,
    reading: Reading,
    pointer: str,
    time_ms: int | None = None,
    party: str | None = None,
) -> Item:
    """A status; `data` is what is known around it."""
    word = SCALES[scale].get(-1 if number is None else number, "unknown")
    if word == "unknown" or (scale, number) in _UNDOCUMENTED:
        reading.unmapped("ack", f"{scale}:{raw}")
    status = compact(
        message_id=message_id,
        status=word,
        rank=RANKS[word],
        provider_status=raw,
        scale=scale,
        surface=surface,
    )
    return Item(
        type="whatsapp.message.status",
        data={"channel": {}, **data, "status": status},
        identity=_identity(message_id, raw, participant, surface),
        time_ms=time_ms,
        lane=("status", message_id),
        pointer=pointer,
        subject=data["conversation"]["id"] if "conversation" in data else None,
        party=party,
        partial=reading.partial,
    )


def _ack_item(node: Any, place: _Place, notes: Notes) -> Item:
    if type(node) is not dict:
        return _unmapped_item("no ack object", node, place, notes)
    reading = Reading(notes)
    reading.check(node, _ACK_KNOWN, f"{place.kind}.ack")
    number, raw = _ack(node.get("ack"))
    jid = reading.one(node, "serialized", as_text)
    participant = normal_jid(reading.one(node, "participant", as_text) or "")
    data: Object = {}
    if jid:
        data["conversation"] = conversation_of(jid)
        if participant or data["conversation"]["kind"] == "direct":
            data["recipient"] = party_of(participant or jid)
    return status_item(
        message_id=reading.one(node, "id", as_text) or "",
        number=number,
        raw=raw,
        scale=place.scale,
        surface=SURFACES[place.kind],
        participant=participant,
        data=data,
        reading=reading,
        pointer=place.pointer,
        party=data["recipient"]["id"] if "recipient" in data else None,
    )


def _ack(value: Any) -> tuple[int | None, str | None]:
    """An ack's number, if it is one, and its text, which is the same for 3 and "3"."""
    text = as_text(value)
    if text and len(text) <= 9 and text.isascii() and text.isdigit():
        return int(text), str(int(text))
    return None, text


def _unmapped_item(detail: str, node: Any, place: _Place, notes: Notes) -> Item:
    """In the place of an ack that cannot be mapped, with the identity that it has if it has one."""
    ack = as_object(node)
    message_id, (_, raw) = as_text(ack.get("id")) or "", _ack(ack.get("ack"))
    participant = normal_jid(as_text(ack.get("participant")) or "")
    notes.drifted("ack", detail)
    return Item(
        type="whatsapp.unknown",
        data={"kind": "status", "name": place.kind, "detail": detail},
        identity=_identity(message_id, raw, participant, SURFACES[place.kind]),
        time_ms=None,
        lane=("status", message_id),
        pointer=place.pointer,
        partial=True,
    )


def _identity(message_id: str, raw: str | None, participant: str, surface: str) -> Identity | None:
    """The last place is a failure's error code, which WHAPI does not give."""
    return Identity("S", (message_id, raw or "", participant, surface, "")) if message_id else None
