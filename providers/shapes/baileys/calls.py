"""Calls as Baileys emits them outside of messages: one event for each thing that happens to a call."""

from __future__ import annotations

from providers.base import Identity, Item
from providers.shapes.baileys.jids import conversation_of, normal_jid, party
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.values import as_count, as_date_ms, as_true
from providers.wire import Object, as_text

STATES = {
    "offer": "ringing",
    "ringing": "ringing",
    "preaccept": "connecting",
    "transport": "connecting",
    "relaylatency": "connecting",
    "accept": "accepted",
    "reject": "rejected",
    "timeout": "terminated",
    "terminate": "terminated",
}
"""Baileys, WACallUpdateType."""
_OUTCOMES = {"reject": "rejected", "timeout": "missed"}
_CALL: Table = {
    "isVideo": None,
    "chatId": None,
    "from": None,
    "callerPn": None,
    "groupJid": None,
    "date": None,
    "id": ("id", as_text),
    "status": ("provider_state", as_text),
    "isGroup": ("group", as_true),
    "offline": ("offline", as_true),
    "latencyMs": ("latency_ms", as_count),
}


def call_item(node: Object, pointer: str, channel: str, reading: Reading) -> Item:
    """A call always comes from the other side: Baileys reports none of our own."""
    call: Object = {"direction": "inbound", **reading.read(node, _CALL, "call")}
    status = call.get("provider_state", "")
    call["state"] = STATES.get(status, "unknown")
    if call["state"] == "unknown":
        reading.unmapped("call", status)
    if status in _OUTCOMES:
        call["outcome"] = _OUTCOMES[status]
    if isinstance(node.get("isVideo"), bool):
        call["video"] = node["isVideo"]
    chat = reading.one(node, "groupJid", as_text) or reading.one(node, "chatId", as_text) or ""
    caller = reading.one(node, "from", as_text) or reading.one(node, "chatId", as_text) or ""
    number = reading.one(node, "callerPn", as_text)
    if normal_jid(as_text(node.get("chatId")) or chat) not in (normal_jid(chat), normal_jid(caller)):
        reading.partial = True
    person = party([jid for jid in (number, caller) if jid], caller or "unknown")
    call["from"] = person
    conversation = conversation_of(chat or caller)
    if conversation["kind"] == "direct":
        conversation["id"] = person["id"]
    return Item(
        type="whatsapp.call.updated",
        data={"channel": {}, "conversation": conversation, "call": call},
        identity=Identity("C", (call["id"], status, "")) if "id" in call else None,
        time_ms=reading.one(node, "date", as_date_ms),
        lane=("call", channel, call["id"]) if "id" in call else ("chat", channel, normal_jid(chat)),
        pointer=pointer,
        subject=conversation["id"],
        party=person["id"],
        partial=reading.partial,
    )
