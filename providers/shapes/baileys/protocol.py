"""`protocolMessage`: what apps tell one another about messages and chats, in messages."""

from __future__ import annotations

from typing import Any

from providers.shapes.baileys.unwrap import Unwrapped
from providers.shapes.baileys.values import enum_name
from providers.wire import as_object

REVOKE, EDIT, EPHEMERAL = "REVOKE", "MESSAGE_EDIT", "EPHEMERAL_SETTING"
LIMIT_SHARING, MEMBER_LABEL = "LIMIT_SHARING", "GROUP_MEMBER_LABEL_CHANGE"
THREAD_CONTROL = "CLOUD_API_THREAD_CONTROL_NOTIFICATION"
_TYPES = {
    0: REVOKE,
    3: EPHEMERAL,
    4: "EPHEMERAL_SYNC_RESPONSE",
    5: "HISTORY_SYNC_NOTIFICATION",
    6: "APP_STATE_SYNC_KEY_SHARE",
    7: "APP_STATE_SYNC_KEY_REQUEST",
    8: "MSG_FANOUT_BACKFILL_REQUEST",
    9: "INITIAL_SECURITY_NOTIFICATION_SETTING_SYNC",
    10: "APP_STATE_FATAL_EXCEPTION_NOTIFICATION",
    11: "SHARE_PHONE_NUMBER",
    14: EDIT,
    16: "PEER_DATA_OPERATION_REQUEST_MESSAGE",
    17: "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE",
    18: "REQUEST_WELCOME_MESSAGE",
    19: "BOT_FEEDBACK_MESSAGE",
    20: "MEDIA_NOTIFY_MESSAGE",
    21: THREAD_CONTROL,
    22: "LID_MIGRATION_MAPPING_SYNC",
    23: "REMINDER_MESSAGE",
    24: "BOT_MEMU_ONBOARDING_MESSAGE",
    25: "STATUS_MENTION_MESSAGE",
    26: "STOP_GENERATION_MESSAGE",
    27: LIMIT_SHARING,
    28: "AI_PSI_METADATA",
    29: "AI_QUERY_FANOUT",
    30: MEMBER_LABEL,
}
_NOISE = frozenset({
    "EPHEMERAL_SYNC_RESPONSE", "HISTORY_SYNC_NOTIFICATION", "APP_STATE_SYNC_KEY_SHARE", "APP_STATE_SYNC_KEY_REQUEST",
    "MSG_FANOUT_BACKFILL_REQUEST", "INITIAL_SECURITY_NOTIFICATION_SETTING_SYNC",
    "APP_STATE_FATAL_EXCEPTION_NOTIFICATION", "PEER_DATA_OPERATION_REQUEST_MESSAGE",
    "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE", "LID_MIGRATION_MAPPING_SYNC", "STATUS_MENTION_MESSAGE",
})  # fmt: skip
"""From device to device. Nothing in them happened to a message, a chat or a person."""


def protocol_type(content: Any) -> str:
    """Name of a protocol message's type; one that is left out is the enum's zero."""
    value = as_object(content).get("type")
    return enum_name(0 if value is None else value, _TYPES) or "UNKNOWN"


def noise(found: Unwrapped) -> str | None:
    """The name of what is meant for devices only: they talk to one another in messages, too. Else None."""
    if not found.name:
        return "metadata_only"
    if found.name == "protocolMessage" and type(found.content) is dict:
        kind = protocol_type(found.content)
        return kind if kind in _NOISE else None
    return None
