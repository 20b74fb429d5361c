"""Delivery statuses as device gateways report them: a number or a word, on a scale of the gateway's own."""

from __future__ import annotations

from typing import Any

from normalized.message import RANKS
from providers.base import Identity, Item
from providers.wire import Object, as_text, compact

BAILEYS = {0: "failed", 1: "pending", 2: "sent", 3: "delivered", 4: "read", 5: "played"}
"""As Baileys counts (WAProto, WebMessageInfo.Status)."""


def ack_number(value: Any) -> tuple[int | None, str | None]:
    """An ack's number, if it is one, and its text, which is the same for 3 and "3"."""
    text = as_text(value)
    if text and len(text) <= 9 and text.isascii() and text.isdigit():
        return int(text), str(int(text))
    return None, text


def ack_identity(message_id: str, raw: str | None, participant: str, surface: str = "") -> Identity | None:
    """None where the message has no id. The last place is a failure's error code, which no ack gives."""
    return Identity("S", (message_id, raw or "", participant, surface, "")) if message_id else None


def ack_item(
    *,
    message_id: str,
    status: str,
    raw: str | None,
    scale: str,
    surface: str = "",
    participant: str = "",
    data: Object,
    pointer: str,
    time_ms: int | None = None,
    party: str | None = None,
    partial: bool = False,
) -> Item:
    """A status; `data` is what is known around it, `party` whom it is about."""
    return Item(
        type="whatsapp.message.status",
        data={
            "channel": {},
            **data,
            "status": compact(
                message_id=message_id,
                status=status,
                rank=RANKS[status],
                provider_status=raw,
                scale=scale,
                surface=surface,
            ),
        },
        identity=ack_identity(message_id, raw, participant, surface),
        time_ms=time_ms,
        lane=("status", message_id),
        pointer=pointer,
        subject=data["conversation"]["id"] if "conversation" in data else None,
        party=party,
        partial=partial,
    )
