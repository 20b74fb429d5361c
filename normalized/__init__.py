"""The event schema that downstream reads. Needs pydantic and nothing else.

`parse_event(body)` turns the bytes that the gateway delivered into a typed event.
"""

from normalized.base import Channel, Conversation, ErrorInfo, Party
from normalized.event import TYPES, Envelope, Event, parse_event
from normalized.message import RANKS, MessageData, StatusData
from normalized.schema import json_schema

__all__ = [
    "RANKS",
    "TYPES",
    "Channel",
    "Conversation",
    "Envelope",
    "ErrorInfo",
    "Event",
    "MessageData",
    "Party",
    "StatusData",
    "json_schema",
    "parse_event",
]
