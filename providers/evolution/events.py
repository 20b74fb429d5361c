"""What becomes of each event. Evolution API 2.3: whatsapp.baileys.service.ts, wa.types.ts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.base import Item
from providers.evolution.envelope import Build, Envelope, unknown_item
from providers.evolution.messages import deleted_items, edited_items, message_items, status_items
from providers.shapes.baileys.calls import call_item
from providers.shapes.baileys.groups import group_item, members_changed, metadata_changed
from providers.shapes.baileys.jids import party_of
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.values import as_date_ms
from providers.wire import Object, as_object, as_text

STATES = {
    "open": "connected",
    "close": "disconnected",
    "closed": "disconnected",
    "refused": "disconnected",
    "connecting": "connecting",
}
_FIXED = {
    "qrcode.updated": "awaiting_scan",
    "logout.instance": "disconnected",
    "remove.instance": "disconnected",
}
_CONNECTION: Table = {
    "instance": None,
    "instanceName": None,
    "disconnectionAt": None,
    "qrcode": None,
    "disconnectionObject": None,
    "state": ("provider_state", as_text),
    "status": ("provider_state", as_text),
    "statusReason": ("reason", as_text),
    "statusCode": ("reason", as_text),
    "disconnectionReasonCode": ("reason", as_text),
    "message": ("text", as_text),
    "wuid": ("account", as_text),
    "profileName": ("name", as_text),
    "profilePictureUrl": ("picture_url", as_text),
}


def connection_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    """`connection.update`, and what else says that an instance is connected or not."""
    reading = Reading(envelope.notes)
    node = element if type(element) is dict else {}
    found = reading.read(node, _CONNECTION, envelope.event)
    word = found.get("provider_state", "")
    state = _FIXED.get(envelope.event) or STATES.get(word, "unknown")
    if state == "unknown":
        reading.unmapped("state", word)
    account, name = found.pop("account", None), found.pop("name", None)
    connection: Object = {"state": state, **found, "session": envelope.instance}
    if account or name:
        connection["account"] = {**party_of(account or "self"), **({"name": name} if name else {})}
    if node.get("qrcode"):
        connection["qr_code"] = True
    yield Item(
        type="whatsapp.connection.updated",
        data={"channel": {}, "connection": {name: value for name, value in connection.items() if value}},
        identity=None,
        time_ms=reading.one(node, "disconnectionAt", as_date_ms),
        lane=("connection", envelope.instance),
        pointer=pointer,
        partial=reading.partial or type(element) is not dict or bool(node.get("disconnectionObject")),
    )


def group_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    """`groups.upsert`: we are in a group that is new to us. `groups.update`: what changed of one."""
    group = as_object(element)
    if not group.get("id"):
        yield unknown_item(envelope, pointer, "no group")
        return
    reading = Reading(envelope.notes)
    change = metadata_changed(group, reading, "created" if envelope.event == "groups.upsert" else "")
    yield group_item(group, change, pointer, reading, envelope.instance)


def member_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    """`group-participants.update`."""
    group = as_object(element)
    if not group.get("id"):
        yield unknown_item(envelope, pointer, "no group")
        return
    reading = Reading(envelope.notes)
    yield group_item(group, members_changed(group, "", reading), pointer, reading, envelope.instance)


def call_items(element: Any, pointer: str, envelope: Envelope) -> Iterator[Item]:
    if type(element) is not dict:
        yield unknown_item(envelope, pointer, "no object")
        return
    yield call_item(element, pointer, envelope.instance, Reading(envelope.notes))


EVENTS: dict[str, Build] = {
    "messages.upsert": message_items,
    "send.message": message_items,
    "messages.edited": edited_items,
    "send.message.update": edited_items,
    "messages.delete": deleted_items,
    "messages.update": status_items,
    "connection.update": connection_items,
    "qrcode.updated": connection_items,
    "status.instance": connection_items,
    "logout.instance": connection_items,
    "remove.instance": connection_items,
    "groups.upsert": group_items,
    "groups.update": group_items,
    "group.participants.update": member_items,
    "call": call_items,
}
