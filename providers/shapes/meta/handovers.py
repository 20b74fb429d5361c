"""Who holds a conversation: the business's people, its programs, or Meta's agent.

Cloud API webhooks reference, messaging_handovers and standby.
"""

from __future__ import annotations

from typing import Any

from providers.base import Item
from providers.shapes.meta.parties import IDS, identified
from providers.shapes.meta.reading import Draft, Table, anything, unix_ms
from providers.shapes.meta.scope import Element, Scope
from providers.wire import Object, as_object, as_text

CONTROL = Table(
    {
        "previous_owner_role": ("previous_owner", as_text),
        "new_owner_role": ("new_owner", as_text),
        "metadata": ("metadata", anything),
        "conversation_context": ("context", anything),
    }
)
HANDOVER = Table(
    {
        **dict.fromkeys(("messaging_product", "metadata", "recipient", "contacts", "field", "object")),
        "sender": {"phone_number": ("wa_id", as_text), **IDS},
        "type": ("kind", as_text),
        "timestamp": ("time_ms", unix_ms),
        "control_passed": CONTROL,
        "control_taken": CONTROL,
        "conversation_context": ("context", anything),
    }
)
"""`metadata` or `recipient` name the business's number; they and `contacts` are read before."""
KINDS = ("control_passed", "control_taken")


def handover_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """The whole value of a `messaging_handovers` change."""
    element = _element(raw, pointer)
    draft = Draft(scope.notes)
    found = draft.read(raw, HANDOVER, "messaging_handovers")
    kind = found.pop("kind", None) or next((kind for kind in KINDS if kind in as_object(raw)), None)
    given = found.get("wa_id") or found.get("user_id")
    described = scope.people.describe(found.get("wa_id"), found.get("user_id"), found.get("parent_user_id"))
    known = identified(found)
    if known is None or kind is None:
        return element.unknown(scope, "field", "no sender, or no kind")
    if kind not in KINDS:
        draft.drifted("value", f"messaging_handovers.type={kind}")
    found.pop("time_ms", None)
    person = {**described, **known}
    conversation: Object = {"id": person["id"], "kind": "direct"}
    if given and given != person["id"]:
        conversation["provider_id"] = given
    data: Object = {"conversation": conversation, "change": {"kind": kind, **found}}
    return element.item(scope, "whatsapp.conversation.updated", data, draft, chat=given, person=person)


def unmapped_handover(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return _element(raw, pointer).unknown(scope, "field", detail)


def standby_item(scope: Scope, pointer: str) -> Item:
    """An empty `standby`: something happened that another application is told, and this one is not."""
    number = {
        name: scope.channel[known]
        for name, known in (("id", "phone_number_id"), ("phone", "phone"))
        if known in scope.channel
    }
    data: Object = {"phone_number": number, "change": {"kind": "standby"}}
    if scope.account_id:
        data["account_id"] = scope.account_id
    return Item(
        type="whatsapp.phone_number.updated",
        data=data,
        identity=None,
        time_ms=None,
        lane=scope.account_lane,
        pointer=pointer,
        subject=number.get("phone") or scope.account_id,
        route=scope.route,
    )


def _element(raw: Any, pointer: str) -> Element:
    return Element("messaging_handovers", raw, pointer, as_object(raw).get("timestamp"))
