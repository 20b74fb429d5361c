"""The link between the device gateway and its phone: `ready`, `change_state`, `disconnected`."""

from __future__ import annotations

from providers.base import Item, Notes
from providers.shapes.baileys.reading import Reading, Table
from providers.wire import Object, as_bool, as_text

STATES = {
    "CONNECTED": "connected",
    "SERVICE_SCAN": "awaiting_scan",
    "SERVICE_OFF": "disconnected",
    "PAIRING": "pairing",
}
_FIELDS: Table = {
    "apiKey": None,
    "reconnect": None,
    "state": ("provider_state", as_text),
    "reason": ("reason", as_text),
    "message": ("text", as_text),
}


def connection_item(kind: str, results: Object, notes: Notes) -> Item:
    """What the event's type fixes is fixed; `change_state` says its state in a word."""
    reading = Reading(notes)
    found = reading.read(results, _FIELDS, kind)
    reconnecting = reading.one(results, "reconnect", as_bool)
    if reconnecting is not None:
        found["reconnecting"] = reconnecting
    if kind == "ready":
        state = "connected"
        found.setdefault("provider_state", kind)
    elif kind == "disconnected":
        state = "disconnected"
    else:
        state = STATES.get(found.get("provider_state", ""), "unknown")
        if state == "unknown":
            reading.unmapped("state", found.get("provider_state"))
    return Item(
        type="whatsapp.connection.updated",
        data={"channel": {}, "connection": {"state": state, **found}},
        identity=None,
        time_ms=None,
        lane=("connection",),
        pointer="/results",
        partial=reading.partial,
    )
