"""Changes of message templates and flows.

Cloud API webhooks reference: message_template_components_update, message_template_quality_update,
message_template_status_update, template_category_update; WhatsApp Flows, webhooks.
"""

from __future__ import annotations

from typing import Any

from providers.shapes.meta.fields.change import Change, Read, value_table
from providers.shapes.meta.reading import Draft
from providers.wire import Object, as_int, as_number, as_object, as_rfc3339, as_text

STATUSES = frozenset(
    {
        "approved", "archived", "deleted", "disabled", "flagged", "in_appeal", "limit_exceeded", "locked",
        "paused", "pending", "reinstated", "pending_deletion", "rejected", "unlocked",
    }
)  # fmt: skip
QUALITIES = frozenset({"green", "yellow", "red", "unknown"})

TEMPLATE = {
    "message_template_id": ("id", as_text),
    "message_template_name": ("name", as_text),
    "message_template_language": ("language", as_text),
    "message_template_category": ("category", as_text),
}
OWN = frozenset({"id", "name", "language", "category"})
"""Targets that tell which template it is."""

STATUS = value_table(
    {
        **TEMPLATE,
        "event": ("event", as_text),
        "reason": ("reason", as_text),
        "disable_info": {"disable_date": ("disabled_on", as_text)},
        "other_info": {"title": ("title", as_text), "description": ("description", as_text)},
        "rejection_info": {"reason": ("description", as_text), "recommendation": ("recommendation", as_text)},
    }
)
QUALITY = value_table(
    {
        **TEMPLATE,
        "previous_quality_score": ("previous_quality", as_text),
        "new_quality_score": ("quality", as_text),
    }
)
CATEGORY = value_table(
    {
        **TEMPLATE,
        "previous_category": ("previous_category", as_text),
        "new_category": ("category", as_text),
        "correct_category": ("correct_category", as_text),
        "category_update_timestamp": ("effective_at", as_rfc3339),
    }
)
DETECTED = value_table(
    {**TEMPLATE, "category": ("category", as_text), "correct_category": ("correct_category", as_text)}
)
COMPONENTS = value_table(
    {
        **TEMPLATE,
        "message_template_title": ("header", as_text),
        "message_template_element": ("text", as_text),
        "message_template_footer": ("footer", as_text),
        "message_template_buttons": (
            "buttons",
            [
                {
                    "message_template_button_type": ("type", as_text),
                    "message_template_button_text": ("text", as_text),
                    "message_template_button_url": ("url", as_text),
                    "message_template_button_phone_number": ("phone", as_text),
                }
            ],
        ),
    }
)

FLOW = value_table(
    {
        "event": ("provider_event", as_text),
        "message": ("text", as_text),
        "warning": ("text", as_text),
        "flow_id": ("id", as_text),
        "old_status": ("previous_status", as_text),
        "new_status": ("status", as_text),
        "alert_state": ("alert_state", as_text),
        "error_rate": ("error_rate", as_number),
        "availability": ("availability", as_number),
        "p50_latency": ("latency_p50_ms", as_number),
        "p90_latency": ("latency_p90_ms", as_number),
        "requests_count": ("requests", as_int),
        "threshold": ("threshold", as_number),
        "errors": (
            "errors",
            [
                {
                    "error_type": ("type", as_text),
                    "error_rate": ("rate", as_number),
                    "error_count": ("count", as_int),
                }
            ],
        ),
    }
)
FLOW_KINDS = {
    "FLOW_STATUS_CHANGE": "status",
    "CLIENT_ERROR_RATE": "client_error_rate",
    "ENDPOINT_ERROR_RATE": "endpoint_error_rate",
    "ENDPOINT_LATENCY": "endpoint_latency",
    "ENDPOINT_AVAILABILITY": "endpoint_availability",
    "FLOW_VERSION_EXPIRY_WARNING": "version_expiry_warning",
}
FLOW_WORDS = {
    "status": frozenset({"draft", "published", "deprecated", "blocked", "throttled"}),
    "previous_status": frozenset({"draft", "published", "deprecated", "blocked", "throttled"}),
    "alert_state": frozenset({"activated", "deactivated"}),
}


def _status(draft: Draft, value: Any) -> Change | None:
    """Meta's page on quality labels its example with this field, and so do others."""
    if "event" not in as_object(value) and "new_quality_score" in as_object(value):
        return _quality(draft, value)
    found = draft.read(value, STATUS, "message_template_status_update")
    event = found.pop("event", None)
    if event is None:
        return None
    if found.get("reason") == "NONE":
        del found["reason"]
    status = draft.word(event, STATUSES, "message_template_status_update.event")
    return _changed({"kind": "status", "status": status, "provider_event": event}, found)


def _quality(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, QUALITY, "message_template_quality_update")
    if "quality" not in found:
        return None
    for name in ("quality", "previous_quality"):
        if name in found:
            found[name] = draft.word(found[name], QUALITIES, f"message_template_quality_update.{name}")
    return _changed({"kind": "quality"}, found)


def _category(draft: Draft, value: Any) -> Change | None:
    """An announcement gives the category of now as the new one, and says what it ought to be."""
    found = draft.read(value, CATEGORY, "template_category_update")
    if "category" not in found:
        return None
    announced = "correct_category" in found or "effective_at" in found
    return _changed({"kind": "category_announced" if announced else "category"}, found)


def _detected(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, DETECTED, "template_correct_category_detection")
    return _changed({"kind": "category_detected"}, found) if "correct_category" in found else None


def _components(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, COMPONENTS, "message_template_components_update")
    components = {name: found.pop(name) for name in tuple(found) if name not in OWN}
    return _changed({"kind": "components", "components": components}, found) if components else None


def _changed(change: Object, found: Object) -> Change | None:
    template = {name: found.pop(name) for name in tuple(found) if name in OWN}
    if not template:
        return None
    subject = template.get("id") or template.get("name")
    return Change("whatsapp.template.updated", {"template": template, "change": {**change, **found}}, subject)


def _flow(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, FLOW, "flows")
    event, flow_id = found.get("provider_event"), found.pop("id", None)
    if event is None or flow_id is None:
        return None
    kind = FLOW_KINDS.get(event)
    if kind is None:
        draft.drifted("value", f"flows.event={event}")
    for name, known in FLOW_WORDS.items():
        if name in found:
            found[name] = draft.word(found[name], known, f"flows.{name}")
    change = {"kind": kind or event.lower(), **found}
    return Change("whatsapp.flow.updated", {"flow": {"id": flow_id}, "change": change}, flow_id)


FIELDS: dict[str, Read] = {
    "flows": _flow,
    "message_template_components_update": _components,
    "message_template_quality_update": _quality,
    "message_template_status_update": _status,
    "template_category_update": _category,
    "template_correct_category_detection": _detected,
}
