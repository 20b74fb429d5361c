"""What people do with ads and links.

Cloud API webhooks reference, automatic_events; marketing messages, track click events.
"""

from __future__ import annotations

from typing import Any

from providers.base import Item
from providers.shapes.meta.parties import IDS, identified
from providers.shapes.meta.reading import Draft, Table, unix_ms
from providers.shapes.meta.scope import Element, Scope
from providers.wire import Object, as_number, as_object, as_text

CONVERSION = Table(
    {
        "id": ("message_id", as_text),
        "event_name": ("provider_event", as_text),
        "timestamp": ("time_ms", unix_ms),
        "ctwa_clid": ("ctwa_clid", as_text),
        "custom_data": {"currency": ("currency", as_text), "value": ("value", as_number)},
        **IDS,
    }
)

ACTION = Table(
    {
        "action_type": ("provider_event", as_text),
        "timestamp": ("time_ms", unix_ms),
        "marketing_messages_link_click_data": {
            "click_component": ("component", as_text),
            "product_id": ("product_id", as_text),
            "click_id": ("click_id", as_text),
            "tracking_token": ("tracking_token", as_text),
            "client_user_agent": ("user_agent", as_text),
        },
        **IDS,
    }
)
ACTIONS = {"marketing_messages_link_click": "link_click"}


def conversion_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `automatic_events`: Meta takes a chat for a lead or a sale."""
    return _item(scope, _conversion(raw, pointer), CONVERSION)


def action_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `user_actions`."""
    return _item(scope, _action(raw, pointer), ACTION)


def unmapped_conversion(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return _conversion(raw, pointer).unknown(scope, "interaction", detail)


def unmapped_action(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return _action(raw, pointer).unknown(scope, "interaction", detail)


def _conversion(raw: Any, pointer: str) -> Element:
    return Element("automatic_events", raw, pointer, as_object(raw).get("timestamp"))


def _action(raw: Any, pointer: str) -> Element:
    return Element("user_actions", raw, pointer, as_object(raw).get("timestamp"))


def _item(scope: Scope, element: Element, table: Table) -> Item:
    draft = Draft(scope.notes)
    found = draft.read(element.raw, table, element.array)
    found.pop("time_ms", None)
    event = found.get("provider_event")
    if event is None:
        return element.unknown(scope, "interaction", "no name")
    given = found.get("wa_id") or found.get("user_id")
    person = identified(found)
    kind = "conversion" if table is CONVERSION else ACTIONS.get(event)
    if kind is None:
        draft.drifted("value", f"{element.array}.action_type={event}")
    data: Object = {"contact": person} if person else {}
    data["interaction"] = {"kind": kind or event, **found}
    return element.item(scope, "whatsapp.interaction.recorded", data, draft, chat=given, person=person)
