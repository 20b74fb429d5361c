"""Identity of what Meta's webhooks report. Fixed for ever: a change here duplicates every event downstream.

Message ids (wamid) are unique in all of WhatsApp, those of an On-Premises client within the client; a chat is
therefore no part of the key.
"""

from __future__ import annotations

import hashlib
from typing import Any

from providers.base import Identity
from providers.wire import Object, as_int, as_list, as_object, as_text, dump_json, timestamp_ms

INBOUND = "0"


def message_identity(channel_key: str, message: Object) -> Identity | None:
    message_id = as_text(message.get("id"))
    return Identity("M", (channel_key, "", INBOUND, message_id)) if message_id else None


def status_identity(status: Object) -> Identity | None:
    message_id = as_text(status.get("id"))
    if not message_id:
        return None
    word = status_word(status)
    error_code = first_error_code(status) if word == "failed" else ""
    return Identity("S", (message_id, word, group_participant(status) or "", "", error_code))


def change_identity(account_id: str | None, field: str, value: Any, entry_time: Any) -> Identity | None:
    """Only where the entry has a time: without one, a change made twice would look like a duplicate."""
    if timestamp_ms(entry_time) is None or as_int(entry_time) is None:
        return None
    content = hashlib.sha256(dump_json(value, sort_keys=True)).hexdigest()
    return Identity("A", (account_id or "", field, content, str(as_int(entry_time))))


def status_word(status: Object) -> str:
    """The status as given; payment statuses have words of their own, apart from those of delivery."""
    word = as_text(status.get("status")) or ""
    return f"payment:{word}" if status.get("type") == "payment" else word


def group_participant(status: Object) -> str | None:
    """Whom a status in a group is about; the member is spelt in two ways on Meta's pages."""
    return as_text(status.get("recipient_participant_id")) or as_text(status.get("participant_recipient_id"))


def first_error_code(status: Object) -> str:
    errors = as_list(status.get("errors"))
    return (as_text(as_object(errors[0]).get("code")) or "") if errors else ""
