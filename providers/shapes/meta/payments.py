"""The status of a payment, which comes as the status of the message that asked for it.

Payments API (India), receive payment signals.
"""

from __future__ import annotations

from providers.shapes.meta.reading import Draft, Table, named_texts
from providers.wire import Object, as_int, as_rfc3339, as_text

_NUMBERED = range(1, 5)

PAYMENT = Table(
    {
        "reference_id": ("reference_id", as_text),
        "amount": ("amount", {"value": ("value", as_int), "offset": ("offset", as_int)}),
        "currency": ("currency", as_text),
        "transaction": (
            "transaction",
            {
                "id": ("id", as_text),
                "pg_transaction_id": ("provider_id", as_text),
                "type": ("type", as_text),
                "status": ("status", as_text),
                "method": {"type": ("method", as_text)},
                "created_timestamp": ("created_at", as_rfc3339),
                "updated_timestamp": ("updated_at", as_rfc3339),
                "error": ("error", {"code": ("code", as_text), "reason": ("reason", as_text)}),
            },
        ),
        "receipt": ("receipt", as_text),
        "notes": ("notes", named_texts),
        **{f"udf{number}": (f"udf{number}", as_text) for number in _NUMBERED},
        **{f"additional_info{number}": (f"additional_info{number}", as_text) for number in _NUMBERED},
    }
)


def payment(raw: Object, found: Object, draft: Draft) -> Object:
    """The payment that a status tells of. `found` is what the status itself says."""
    told = draft.read(raw["payment"], PAYMENT, "statuses.payment") if raw.get("payment") else {}
    for name in ("udf", "additional_info"):
        fields = {f"{name}{number}": told.pop(f"{name}{number}", None) for number in _NUMBERED}
        given = {field: text for field, text in fields.items() if text}
        if given:
            told[name] = given
    if "status" in found:
        told["status"] = found["status"]
    if "id" in found:
        told["message_id"] = found["id"]
    for name in ("callback_data", "errors"):
        if name in found:
            told[name] = found[name]
    draft.unplaced(found, ("window", "pricing"), "statuses")
    return told
