"""Changes of accounts and businesses.

Cloud API webhooks reference: account_alerts, account_review_update, account_update, business_capability_update,
partner_solutions, payment_configuration_update.
"""

from __future__ import annotations

from typing import Any

from providers.shapes.meta.fields.change import Change, Read, number, value_table
from providers.shapes.meta.reading import Draft, Table, alternatives, scalar, texts
from providers.wire import Object, as_rfc3339, as_text

TYPE = "whatsapp.account.updated"
DECISIONS = frozenset({"approved", "rejected", "pending", "deferred"})

REVIEW = value_table({"decision": ("decision", as_text)})

ACCOUNT = value_table(
    {
        "event": ("event", as_text),
        "phone_number": ("phone", as_text),
        "country": ("country", as_text),
        "ban_info": {"waba_ban_state": ("ban_state", alternatives), "waba_ban_date": ("ban_date", as_text)},
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
        "waba_info": (
            "account",
            {
                "waba_id": ("id", as_text),
                "owner_business_id": ("owner_business_id", as_text),
                "ad_account_linked": ("ad_account_id", as_text),
                "ad_account_id": ("ad_account_id", as_text),
                "partner_app_id": ("partner_app_id", as_text),
                "solution_id": ("solution_id", as_text),
                "solution_partner_business_ids": ("solution_partner_business_ids", texts),
            },
        ),
        "auth_international_rate_eligibility": (
            "international_rates",
            {
                "start_time": ("starts_at", as_rfc3339),
                "exception_countries": (
                    "exceptions",
                    [{"country_code": ("country", as_text), "start_time": ("starts_at", as_rfc3339)}],
                ),
            },
        ),
        "volume_tier_info": (
            "volume_tier",
            {
                "tier_update_time": ("changed_at", as_rfc3339),
                "pricing_category": ("category", as_text),
                "tier": ("tier", as_text),
                "effective_month": ("effective_month", as_text),
                "region": ("region", as_text),
            },
        ),
        **dict.fromkeys(
            ("partner_client_certification_info", "partner_client_certification_needed_info"),
            (
                "certification",
                {
                    "client_business_id": ("client_business_id", as_text),
                    "status": ("status", as_text),
                    "rejection_reasons": ("rejection_reasons", texts),
                },
            ),
        ),
        "disconnection_info": (
            "disconnection",
            {"reason": ("reason", as_text), "initiated_by": ("initiated_by", as_text)},
        ),
    }
)

CAPABILITY = value_table(
    {
        name: (name, scalar)
        for name in (
            "max_daily_conversation_per_phone",
            "max_daily_conversations_per_business",
            "max_phone_numbers_per_business",
            "max_phone_numbers_per_waba",
        )
    }
)

ALERT_INFO: Table = Table({f"alert_{name}": (name, as_text) for name in ("severity", "status", "type", "description")})
ALERT = value_table(
    {
        **ALERT_INFO,
        "alert_info": ALERT_INFO,
        "entity_type": ("entity_type", as_text),
        "entity_id": ("entity_id", as_text),
    }
)
"""An older form has the members of `alert_info` beside the entity."""

BUSINESS_STATUS = value_table({"event": ("provider_event", as_text), "business_id": ("business_id", as_text)})

CAMPAIGN = value_table(
    {
        "campaign_id": ("id", as_text),
        "campaign_name": ("name", as_text),
        "old_status": ("previous_status", as_text),
        "new_status": ("status", as_text),
        "paused_reasons": ("paused_reasons", texts),
        "complete_reason": ("complete_reason", as_text),
    }
)

PAYMENT_CONFIGURATION = value_table(
    {
        "configuration_name": ("name", as_text),
        "provider_name": ("provider", as_text),
        "provider_mid": ("merchant_id", as_text),
        "status": ("status", as_text),
        "created_timestamp": ("created_at", as_rfc3339),
        "updated_timestamp": ("updated_at", as_rfc3339),
    }
)

SOLUTION = value_table(
    {
        "event": ("provider_event", as_text),
        "solution_id": ("id", as_text),
        "solution_status": ("status", as_text),
    }
)
SOLUTION_EVENTS = frozenset({"solution_created", "solution_updated"})


def _review(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, REVIEW, "account_review_update")
    if "decision" not in found:
        return None
    decision = draft.word(found["decision"], DECISIONS, "account_review_update.decision")
    return _changed("review", {"decision": decision})


def _account(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, ACCOUNT, "account_update")
    event = found.pop("event", None)
    if event is None:
        return None
    own = number(found.pop("phone", None), "provider_phone")
    return _changed(event.lower(), {"provider_event": event, **own, **found}, own.get("phone"))


def _capability(draft: Draft, value: Any) -> Change | None:
    limits = draft.read(value, CAPABILITY, "business_capability_update")
    return _changed("capability", {"limits": limits}) if limits else None


def _alert(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, ALERT, "account_alerts")
    if "type" not in found:
        return None
    return _changed("alert", {"provider_event": found["type"], "alert": found}, found.get("entity_id"))


def _business_status(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, BUSINESS_STATUS, "business_status_update")
    return _changed("business_status", found, found.get("business_id")) if "provider_event" in found else None


def _campaign(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, CAMPAIGN, "campaign_status_update")
    return _changed("campaign", {"campaign": found}, found.get("id")) if found else None


def _payment_configuration(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, PAYMENT_CONFIGURATION, "payment_configuration_update")
    return _changed("payment_configuration", {"payment_configuration": found}) if found else None


def _solution(draft: Draft, value: Any) -> Change | None:
    found = draft.read(value, SOLUTION, "partner_solutions")
    event, solution_id = found.pop("provider_event", None), found.get("id")
    if event is None or solution_id is None:
        return None
    change = {"kind": draft.word(event, SOLUTION_EVENTS, "partner_solutions.event"), "provider_event": event}
    return Change("whatsapp.partner.updated", {"solution": found, "change": change}, solution_id)


def _changed(kind: str, told: Object, subject: str | None = None) -> Change:
    return Change(TYPE, {"change": {"kind": kind, **told}}, subject)


FIELDS: dict[str, Read] = {
    "account_alerts": _alert,
    "account_review_update": _review,
    "account_update": _account,
    "business_capability_update": _capability,
    "business_status_update": _business_status,
    "campaign_status_update": _campaign,
    "partner_solutions": _solution,
    "payment_configuration_update": _payment_configuration,
}
