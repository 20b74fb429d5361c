"""Delivery statuses: `message_ack` and `message_ack_browser`, and what a message's own status says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from providers.base import Item, Notes
from providers.shapes.acks import BAILEYS, ack_identity, ack_item, ack_number
from providers.shapes.baileys.jids import conversation_of, normal_jid, party_of
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.guard import guarded
from providers.wire import Object, as_list, as_object, as_text

SCALES = {
    "whapi": {0: "failed", 1: "pending", 2: "pending", 3: "sent", 4: "read", 5: "played"},
    "baileys": BAILEYS,
}
"""What an ack's number means: as docs.whapi.id has it (webhook-usage/message-status), or as Baileys counts."""
_UNDOCUMENTED = {("whapi", 1)}

SURFACES = {"message_ack": "device", "message_ack_browser": "browser"}
_RESULTS: Table = {"apiKey": None, "ack": None}
_ACK: Table = {"ack": None, "id": None, "serialized": None, "participant": None}


class _Place(NamedTuple):
    """Where an ack stands: the webhook's type, the source's scale, the pointer to it."""

    kind: str
    scale: str
    pointer: str


def ack_items(kind: str, results: Object, scale: str, notes: Notes) -> Iterator[Item]:
    """One item for each ack; WHAPI sends one, a list is taken as well."""
    around = Reading(notes)
    around.read(results, _RESULTS, kind)
    ack = results.get("ack")
    acks = as_list(ack) or [ack]
    for index, node in enumerate(acks):
        pointer = f"/results/ack/{index}" if type(ack) is list else "/results/ack"
        if around.partial or not ack:
            pointer = "/results"
        item = guarded(_ack_item, _unmapped_item, node, _Place(kind, scale, pointer), notes)
        item.partial = item.partial or around.partial
        yield item


def status_of(scale: str, number: int | None, raw: str | None, reading: Reading) -> str:
    """The word that a number on the scale stands for."""
    status = SCALES[scale].get(-1 if number is None else number, "unknown")
    if status == "unknown" or (scale, number) in _UNDOCUMENTED:
        reading.unmapped("ack", f"{scale}:{raw}")
    return status


def _ack_item(node: Any, place: _Place, notes: Notes) -> Item:
    if type(node) is not dict:
        return _unmapped_item("no ack object", node, place, notes)
    reading = Reading(notes)
    reading.read(node, _ACK, f"{place.kind}.ack")
    number, raw = ack_number(node.get("ack"))
    jid = reading.one(node, "serialized", as_text)
    participant = normal_jid(reading.one(node, "participant", as_text) or "")
    data: Object = {}
    if jid:
        data["conversation"] = conversation_of(jid)
        if participant or data["conversation"]["kind"] == "direct":
            data["recipient"] = party_of(participant or jid)
    message_id = reading.one(node, "id", as_text) or ""
    status = status_of(place.scale, number, raw, reading)
    return ack_item(
        message_id=message_id,
        status=status,
        raw=raw,
        scale=place.scale,
        surface=SURFACES[place.kind],
        participant=participant,
        data=data,
        pointer=place.pointer,
        party=data["recipient"]["id"] if "recipient" in data else None,
        partial=reading.partial,
    )


def _unmapped_item(detail: str, node: Any, place: _Place, notes: Notes) -> Item:
    """In the place of an ack that cannot be mapped, with the identity that it has if it has one."""
    ack = as_object(node)
    message_id, (_, raw) = as_text(ack.get("id")) or "", ack_number(ack.get("ack"))
    participant = normal_jid(as_text(ack.get("participant")) or "")
    notes.drifted("ack", detail)
    return Item(
        type="whatsapp.unknown",
        data={"kind": "status", "name": place.kind, "detail": detail},
        identity=ack_identity(message_id, raw, participant, SURFACES[place.kind]),
        time_ms=None,
        lane=("status", message_id),
        pointer=place.pointer,
        partial=True,
    )
