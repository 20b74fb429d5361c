"""Changes of a business's numbers.

Cloud API webhooks reference: phone_number_name_update, phone_number_quality_update, security; calling, call settings;
business-scoped user ids, business usernames.
"""

from __future__ import annotations

from typing import Any

from providers.shapes.meta.fields.account import DECISIONS
from providers.shapes.meta.fields.change import Change, Read, number, value_table
from providers.shapes.meta.parties import username
from providers.shapes.meta.reading import Draft, Table, named_texts, texts
from providers.wire import Object, as_int, as_text

DISPLAY = {"display_phone_number": ("display", as_text)}

NAME = value_table(
    {
        **DISPLAY,
        "decision": ("decision", as_text),
        "requested_verified_name": ("requested_name", as_text),
        "rejection_reason": ("reason", as_text),
    }
)

QUALITY = value_table(
    {
        **DISPLAY,
        "event": ("provider_event", as_text),
        "old_limit": ("previous_limit", as_text),
        "current_limit": ("limit", as_text),
        "max_daily_conversations_per_business": ("business_limit", as_text),
    }
)

USERNAME = value_table(
    {
        **DISPLAY,
        "metadata": {"display_phone_number": ("metadata", as_text), "phone_number_id": ("id", as_text)},
        "username": ("username", username),
        "status": ("username_status", as_text),
    }
)
USERNAME_STATUSES = frozenset({"approved", "reserved", "deleted"})

SECURITY = value_table({**DISPLAY, "event": ("provider_event", as_text), "requester": ("requester", as_text)})
PIN_EVENTS = frozenset({"pin_changed", "pin_reset_request", "pin_request_success"})

SERVER = Table(
    {
        "hostname": ("hostname", as_text),
        "port": ("port", as_int),
        "request_uri_user_params": ("request_uri_user_params", named_texts),
    }
)
CALLING = Table(
    {
        "status": ("status", as_text),
        "call_icon_visibility": ("icon_visibility", as_text),
        "call_icons": {"restrict_to_user_countries": ("icon_countries", texts)},
        "callback_permission_status": ("callback_permission", as_text),
        "call_hours": {
            "status": ("hours_status", as_text),
            "timezone_id": ("timezone", as_text),
            "weekly_operating_hours": (
                "hours",
                [{"day_of_week": ("day", as_text), "open_time": ("opens", as_text), "close_time": ("closes", as_text)}],
            ),
            "holiday_schedule": (
                "holidays",
                [{"date": ("date", as_text), "start_time": ("opens", as_text), "end_time": ("closes", as_text)}],
            ),
        },
        "sip": {"status": ("sip_status", as_text), "servers": ("sip_servers", [SERVER])},
        "srtp_key_exchange_protocol": ("srtp_key_exchange", as_text),
        "audio": {"additional_codecs": ("additional_codecs", texts)},
    }
)
SETTINGS = value_table(
    {
        "timestamp": ("time", as_text),
        "type": ("provider_event", as_text),
        "phone_number_settings": {"phone_number_id": ("id", as_text), "calling": ("calling", CALLING)},
    }
)


def _name(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, NAME, "phone_number_name_update")
    if "decision" in found:
        found["decision"] = draft.word(found["decision"], DECISIONS, "phone_number_name_update.decision")
    return _changed("name_decision", found)


def _quality(draft: Draft, value: Any) -> Change | None:
    return _changed("quality", draft.read(value, QUALITY, "phone_number_quality_update"))


def _username(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, USERNAME, "business_username_update")
    beside = number(found.pop("metadata", None))
    if beside and beside != number(found.setdefault("display", beside.get("phone"))):
        draft.drifted("conflict", "business_username_update.metadata.display_phone_number")
    status = found.get("username_status")
    if status:
        found["username_status"] = draft.word(status, USERNAME_STATUSES, "business_username_update.status")
    return _changed("username", found)


def _settings(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, SETTINGS, "account_settings_update")
    return _changed("settings", found)


def _security(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, SECURITY, "security")
    own = number(found.pop("display", None))
    if "provider_event" not in found:
        return None
    kind = draft.word(found["provider_event"], PIN_EVENTS, "security.event")
    data: Object = {"change": {"kind": kind, **found}}
    if own:
        data["phone_number"] = own
    return Change("whatsapp.security.updated", data, own.get("phone"))


def _changed(kind: str, found: Object) -> Change | None:
    time = found.pop("time", None)
    own = number(found.pop("display", None))
    if "id" in found:
        own["id"] = found.pop("id")
    if not own or not found:
        return None
    return Change(
        "whatsapp.phone_number.updated",
        {"phone_number": own, "change": {"kind": kind, **found}},
        own.get("phone") or own.get("id"),
        time,
    )


FIELDS: dict[str, Read] = {
    "account_settings_update": _settings,
    "business_username_update": _username,
    "business_username_updates": _username,
    "phone_number_name_update": _name,
    "phone_number_quality_update": _quality,
    "security": _security,
}
