"""Identity of what Meta's webhooks report. Fixed for ever: a change here duplicates every event downstream.

Message ids (wamid) are unique in all of WhatsApp, those of an On-Premises client within the client; a chat is
therefore no part of the key.
"""

from __future__ import annotations

import hashlib
from typing import Any

from providers.base import Identity
from providers.wire import Object, as_int, as_list, as_object, as_text, dump_json, timestamp_ms

INBOUND, OUTBOUND = "0", "1"


def message_identity(channel_key: str, message: Object, from_me: str = INBOUND) -> Identity | None:
    message_id = as_text(message.get("id"))
    return Identity("M", (channel_key, "", from_me, message_id)) if message_id else None


def history_identity(message: Object, phase: str, *, media: bool) -> Identity | None:
    """A historical message comes once without its file and once with it, and again in another phase."""
    message_id = as_text(message.get("id"))
    return Identity("H", (message_id, phase, "media" if media else "")) if message_id else None


def status_identity(status: Object) -> Identity | None:
    message_id = as_text(status.get("id"))
    if not message_id:
        return None
    word = status_word(status)
    error_code = first_error_code(status) if word == "failed" else ""
    return Identity("S", (message_id, word, group_participant(status) or "", "", error_code))


def call_identity(call: Object, word: str | None, file_id: str | None = None) -> Identity | None:
    """One call is reported several times: by the word of the report, and a recording by its file."""
    call_id = as_text(call.get("id"))
    return Identity("C", (call_id, word or "", file_id or "")) if call_id else None


def change_identity(account_id: str | None, field: str, value: Any, time: Any) -> Identity | None:
    """Only where there is a time: without one, a change made twice would look like a duplicate."""
    if timestamp_ms(time) is None or as_int(time) is None:
        return None
    content = hashlib.sha256(dump_json(value, sort_keys=True)).hexdigest()
    return Identity("A", (account_id or "", field, content, str(as_int(time))))


def status_word(status: Object) -> str:
    """The status as given; payment statuses have words of their own, apart from those of delivery."""
    word = as_text(status.get("status")) or ""
    return f"payment:{word}" if status.get("type") == "payment" else word


def group_participant(status: Object) -> str | None:
    """Whom a status in a group is about: by number, whose member is spelt in two ways, or else by user id."""
    return next((who for name in _PARTICIPANT if (who := as_text(status.get(name)))), None)


_PARTICIPANT = ("recipient_participant_id", "participant_recipient_id", "recipient_participant_user_id")


def first_error_code(status: Object) -> str:
    errors = as_list(status.get("errors"))
    return (as_text(as_object(errors[0]).get("code")) or "") if errors else ""
