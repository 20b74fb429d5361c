"""Business-management webhooks: what changed on an account, template or number. A table each.

Cloud API webhooks reference, the pages of the fields' names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from providers.base import Identity, Item
from providers.shapes.meta import Draft, Scope, Table, displayed, e164
from providers.shapes.meta.identity import change_identity
from providers.shapes.meta.reading import scalar, structure
from providers.wire import Object, as_rfc3339, as_text, timestamp_ms

DECISIONS = frozenset({"approved", "rejected", "pending", "deferred"})
TEMPLATE_STATUSES = frozenset(
    {
        "approved", "archived", "deleted", "disabled", "flagged", "in_appeal", "limit_exceeded", "locked",
        "paused", "pending", "reinstated", "pending_deletion", "rejected", "unlocked",
    }
)  # fmt: skip
PIN_EVENTS = frozenset({"pin_changed", "pin_reset_request", "pin_request_success"})

REVIEW: Table = {"decision": ("decision", as_text)}

ACCOUNT: Table = {
    "event": ("event", as_text),
    "phone_number": ("phone", e164),
    "country": ("country", as_text),
    "ban_info": {"waba_ban_state": ("ban_state", as_text), "waba_ban_date": ("ban_date", as_text)},
    "violation_info": {
        "violation_type": ("violation_type", as_text),
        "remediation": ("remediation", as_text),
    },
    "restriction_info": (
        "restrictions",
        [
            {
                "restriction_type": ("type", as_text),
                "expiration": ("expires_at", as_rfc3339),
                "remediation": ("remediation", as_text),
            }
        ],
    ),
    **{
        name: (name, structure)
        for name in (
            "waba_info", "auth_international_rate_eligibility", "volume_tier_info",
            "partner_client_certification_info", "disconnection_info",
        )
    },
}  # fmt: skip
DETAILS = frozenset(name for name, spec in ACCOUNT.items() if spec == (name, structure))

CAPABILITY: Table = {
    name: (name, scalar)
    for name in (
        "max_daily_conversation_per_phone",
        "max_daily_conversations_per_business",
        "max_phone_numbers_per_business",
        "max_phone_numbers_per_waba",
    )
}

TEMPLATE: Table = {
    "message_template_id": ("id", as_text),
    "message_template_name": ("name", as_text),
    "message_template_language": ("language", as_text),
    "message_template_category": ("category", as_text),
    "event": ("event", as_text),
    "reason": ("reason", as_text),
    "disable_info": {"disable_date": ("disabled_on", as_text)},
    "other_info": {"title": ("title", as_text), "description": ("description", as_text)},
    "rejection_info": {"reason": ("description", as_text), "recommendation": ("recommendation", as_text)},
}
TEMPLATE_OWN = frozenset({"id", "name", "language", "category"})

NUMBER_NAME: Table = {
    "display_phone_number": ("phone", displayed),
    "decision": ("decision", as_text),
    "requested_verified_name": ("requested_name", as_text),
    "rejection_reason": ("reason", as_text),
}

NUMBER_QUALITY: Table = {
    "display_phone_number": ("phone", displayed),
    "event": ("provider_event", as_text),
    "old_limit": ("previous_limit", as_text),
    "current_limit": ("limit", as_text),
    "max_daily_conversations_per_business": ("business_limit", as_text),
}

SECURITY: Table = {
    "display_phone_number": ("phone", displayed),
    "event": ("provider_event", as_text),
    "requester": ("requester", as_text),
}


class Change(NamedTuple):
    """Type, data beside the account's id, and what it is about, where that is not the account."""

    type: str
    data: Object
    subject: str | None = None


def _word(draft: Draft, given: str, known: frozenset[str], path: str) -> str:
    """Meta's upper-case word in lower case; a word that is not known goes on, and counts."""
    word = given.lower()
    if word not in known:
        draft.drifted("value", f"{path}={given}")
    return word


def _review(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, REVIEW, "account_review_update")
    if "decision" not in found:
        return None
    decision = _word(draft, found["decision"], DECISIONS, "account_review_update.decision")
    return Change("whatsapp.account.updated", {"change": {"kind": "review", "decision": decision}})


def _account(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, ACCOUNT, "account_update")
    event = found.pop("event", None)
    if event is None:
        return None
    change = {"kind": event.lower(), "provider_event": event}
    change |= {name: known for name, known in found.items() if name not in DETAILS}
    details = {name: known for name, known in found.items() if name in DETAILS}
    if details:
        change["details"] = details
    return Change("whatsapp.account.updated", {"change": change}, found.get("phone"))


def _capability(draft: Draft, value: Any) -> Change | None:
    limits = draft.read(value, CAPABILITY, "business_capability_update")
    if not limits:
        return None
    return Change("whatsapp.account.updated", {"change": {"kind": "capability", "limits": limits}})


def _template_status(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, TEMPLATE, "message_template_status_update")
    event = found.pop("event", None)
    template = {name: found.pop(name) for name in tuple(found) if name in TEMPLATE_OWN}
    if event is None or not template:
        return None
    if found.get("reason") == "NONE":
        del found["reason"]
    status = _word(draft, event, TEMPLATE_STATUSES, "message_template_status_update.event")
    change = {"kind": "status", "status": status, "provider_event": event, **found}
    return Change(
        "whatsapp.template.updated",
        {"template": template, "change": change},
        template.get("id") or template.get("name"),
    )


def _number_name(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, NUMBER_NAME, "phone_number_name_update")
    if "decision" in found:
        found["decision"] = _word(draft, found["decision"], DECISIONS, "phone_number_name_update.decision")
    return _number("name_decision", found)


def _number_quality(draft: Draft, value: Any) -> Change | None:
    return _number("quality", draft.read(value, NUMBER_QUALITY, "phone_number_quality_update"))


def _number(kind: str, found: Object) -> Change | None:
    phone = found.pop("phone", None)
    if not phone or not found:
        return None
    return Change(
        "whatsapp.phone_number.updated",
        {"phone_number": {"phone": phone}, "change": {"kind": kind, **found}},
        phone,
    )


def _security(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, SECURITY, "security")
    phone = found.pop("phone", None)
    if "provider_event" not in found:
        return None
    kind = _word(draft, found["provider_event"], PIN_EVENTS, "security.event")
    data: Object = {"change": {"kind": kind, **found}}
    if phone:
        data["phone_number"] = {"phone": phone}
    return Change("whatsapp.security.updated", data, phone)


FIELDS: dict[str, Callable[[Draft, Any], Change | None]] = {
    "account_review_update": _review,
    "account_update": _account,
    "business_capability_update": _capability,
    "message_template_status_update": _template_status,
    "phone_number_name_update": _number_name,
    "phone_number_quality_update": _number_quality,
    "security": _security,
}


class Given(NamedTuple):
    """One change as it came."""

    field: str
    value: Any
    pointer: str
    entry_time: Any


def change_item(scope: Scope, given: Given) -> Item:
    """The item of one change; unknown where its field is, or its value lacks what the field is about."""
    read = FIELDS.get(given.field)
    if read is None:
        scope.notes.drifted("field", given.field)
        return unmapped_change(None, scope, given)
    draft = Draft(scope.notes)
    change = read(draft, given.value)
    if change is None:
        return unmapped_change("the value lacks what the field is about", scope, given)
    return Item(
        type=change.type,
        data={"account_id": scope.account_id, **change.data} if scope.account_id else change.data,
        identity=_identity(scope, given),
        time_ms=timestamp_ms(given.entry_time),
        lane=scope.account_lane,
        pointer=given.pointer,
        subject=change.subject or scope.account_id,
        route=scope.route,
        partial=draft.partial,
    )


def unmapped_change(detail: str | None, scope: Scope, given: Given) -> Item:
    return scope.unknown(
        "field",
        given.pointer,
        name=given.field,
        detail=detail,
        identity=_identity(scope, given),
        time_ms=timestamp_ms(given.entry_time),
    )


def _identity(scope: Scope, given: Given) -> Identity | None:
    return change_identity(scope.account_id, given.field, given.value, given.entry_time)
