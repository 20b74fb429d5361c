"""One element of `statuses`: how far a message of the business has come.

Cloud API webhooks reference, messages/status; groups, webhooks; On-Premises API webhooks, statuses.
"""

from __future__ import annotations

from typing import Any

from normalized.message import RANKS
from providers.base import Item
from providers.shapes.meta.calls import call_status_item, unmapped_call
from providers.shapes.meta.identity import status_identity, status_word
from providers.shapes.meta.messages import ERROR
from providers.shapes.meta.parties import e164, party
from providers.shapes.meta.payments import payment
from providers.shapes.meta.reading import Draft, Table, unix_ms
from providers.shapes.meta.scope import Scope
from providers.wire import Object, as_bool, as_rfc3339, as_text, timestamp_ms

WORDS = frozenset({"sent", "delivered", "read", "played", "failed", "deleted"})
WARNING = "warning"
"""Part of the message could not be shown, such as a product; the errors tell it. It is no step of its delivery."""

PRICING = Table(
    {
        "billable": ("billable", as_bool),
        "pricing_model": ("model", as_text),
        "type": ("type", as_text),
        "category": ("category", as_text),
    }
)

WINDOW = Table(
    {
        "id": ("id", as_text),
        "origin": {"type": ("origin", as_text)},
        "expiration_timestamp": ("expires_at", as_rfc3339),
        "pricing": ("pricing", PRICING),
    }
)

STATUS = Table(
    {
        "id": ("id", as_text),
        "status": ("status", as_text),
        "type": ("type", as_text),
        "timestamp": ("time_ms", unix_ms),
        "recipient_id": ("recipient_id", as_text),
        "message": {"recipient_id": ("old_recipient", as_text)},
        "recipient_type": ("recipient_type", as_text),
        "recipient_participant_id": ("participant", as_text),
        "participant_recipient_id": ("participant", as_text),
        "recipient_user_id": ("user_id", as_text),
        "recipient_participant_user_id": ("user_id", as_text),
        "recipient_participant_parent_user_id": ("parent_user_id", as_text),
        "recipient_parent_user_id": ("parent_user_id", as_text),
        "parent_recipient_user_id": ("parent_user_id", as_text),
        "parent_user_id": ("parent_user_id", as_text),
        "recipient_identity_key_hash": ("identity_hash", as_text),
        "biz_opaque_callback_data": ("callback_data", as_text),
        "conversation": ("window", WINDOW),
        "pricing": ("pricing", PRICING),
        "errors": ("errors", [ERROR]),
    }
)
"""The recipient was once in `message`, where it may be written with a plus sign."""

KINDS = (None, "message", "payment")
"""Values of `type`. Payments have words of their own, and calls a module of their own."""

RECIPIENT_TYPES = (None, "group", "individual")
ALONE = (None, "individual")
"""Values of `recipient_type` that speak of one person. Anything else is some kind of gathering."""


def status_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """The item of one element, whatever the element is."""
    if type(raw) is not dict:
        return unmapped_status("not an object", scope, raw, pointer)
    kind = raw.get("type")
    if kind == "call":
        return call_status_item(scope, raw, pointer)
    draft = Draft(scope.notes)
    found = draft.read(raw, STATUS, "statuses", "payment" if kind == "payment" else None)
    if "id" not in found and "status" not in found:
        return unmapped_status("neither id nor status", scope, raw, pointer)
    if kind is not None and found.get("type") not in KINDS:
        draft.drifted("value", f"statuses.type={found.get('type')}")
    conversation, recipient = _recipient(scope, draft, found)
    data: Object = {"channel": scope.channel}
    if conversation:
        data["conversation"] = conversation
    if kind == "payment":
        event = "whatsapp.payment.updated"
        if recipient:
            data["payer"] = recipient
        data["payment"] = payment(raw, found, draft)
    else:
        event = "whatsapp.message.status"
        if recipient:
            data["recipient"] = recipient
        data["status"] = status = _status(raw, found, draft)
        if scope.standby:
            status["standby"] = True
    message_id = found.get("id")
    return Item(
        event,
        data,
        status_identity(raw),
        found.get("time_ms"),
        ("status", message_id) if message_id else scope.account_lane,
        pointer,
        conversation["id"] if conversation else None,
        recipient["id"] if recipient else None,
        scope.route,
        draft.partial,
    )


def unmapped_status(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    """What is no status to us; it keeps the id that the status will have once it can be mapped."""
    status = raw if type(raw) is dict else {}
    if status.get("type") == "call":
        return unmapped_call(detail, scope, raw, pointer)
    message_id = as_text(status.get("id"))
    return scope.unknown(
        "status",
        pointer,
        name=status_word(status),
        detail=detail,
        identity=status_identity(status),
        time_ms=timestamp_ms(status.get("timestamp")),
        lane=("status", message_id) if message_id else None,
    )


def _recipient(scope: Scope, draft: Draft, found: Object) -> tuple[Object | None, Object | None]:
    """Conversation and person. In a group `recipient_id` is the group, and the person may be one of many."""
    given, old = found.get("recipient_id"), found.get("old_recipient")
    if given and old and given != old and e164(given) != e164(old):
        draft.drifted("conflict", "statuses.message.recipient_id")
    given = given or old
    kind = found.get("recipient_type")
    if kind not in RECIPIENT_TYPES:
        draft.drifted("value", f"statuses.recipient_type={kind}")
    within = kind if kind not in ALONE else "group" if kind is None and "participant" in found else None
    group = given if within else None
    if group:
        given = found.get("participant")
    named = given, found.get("user_id"), found.get("parent_user_id")
    described = scope.people.describe(*named) if any(named) or not group else {}
    recipient = party(*named, described)
    if recipient and "identity_hash" in found:
        recipient["identity_hash"] = found["identity_hash"]
    if group:
        return {"id": group, "kind": within}, recipient
    return ({"id": recipient["id"], "kind": "direct"} if recipient else None), recipient


def _status(raw: Object, found: Object, draft: Draft) -> Object:
    word = status_word(raw)
    known = word if word in WORDS else "unknown"
    if known == "unknown" and word != WARNING:
        draft.drifted("value", f"statuses.status={word}")
    status: Object = {"status": known, "rank": RANKS[known]}
    if "id" in found:
        status["message_id"] = found["id"]
    if word:
        status["provider_status"] = word
    if "type" in found:
        status["kind"] = found["type"]
    window = found.get("window")
    if window:
        if "pricing" in window:
            draft.put(found, "pricing", window.pop("pricing"), "statuses.conversation.pricing")
        if window:
            status["window"] = window
    for name in ("pricing", "errors", "callback_data"):
        if name in found:
            status[name] = found[name]
    return status
