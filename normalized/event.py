"""The envelope (CloudEvents 1.0, structured JSON) and the list of event types."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from normalized.account import (
    AccountData,
    ConnectionData,
    ErrorData,
    PhoneNumberData,
    SecurityData,
    UnknownData,
)
from normalized.activity import HistoryData, InteractionData, PaymentData
from normalized.base import Model, Timestamp, WithRaw
from normalized.conversation import CallData, ConversationData
from normalized.message import DeletedData, EditedData, MessageData, StatusData
from normalized.people import ContactData, GroupData
from normalized.template import FlowData, PartnerData, TemplateData

TYPES: dict[str, tuple[str, type[WithRaw]]] = {
    "whatsapp.message.received": ("message", MessageData),
    "whatsapp.message.echoed": ("message", MessageData),
    "whatsapp.message.edited": ("edited", EditedData),
    "whatsapp.message.deleted": ("deleted", DeletedData),
    "whatsapp.message.status": ("status", StatusData),
    "whatsapp.contact.updated": ("contact", ContactData),
    "whatsapp.conversation.updated": ("conversation", ConversationData),
    "whatsapp.group.updated": ("group", GroupData),
    "whatsapp.call.updated": ("call", CallData),
    "whatsapp.interaction.recorded": ("interaction", InteractionData),
    "whatsapp.payment.updated": ("payment", PaymentData),
    "whatsapp.history.progress": ("history", HistoryData),
    "whatsapp.account.updated": ("account", AccountData),
    "whatsapp.template.updated": ("template", TemplateData),
    "whatsapp.flow.updated": ("flow", FlowData),
    "whatsapp.partner.updated": ("partner", PartnerData),
    "whatsapp.phone_number.updated": ("phone_number", PhoneNumberData),
    "whatsapp.security.updated": ("security", SecurityData),
    "whatsapp.connection.updated": ("connection", ConnectionData),
    "whatsapp.error": ("error", ErrorData),
    "whatsapp.unknown": ("unknown", UnknownData),
}
"""Event type -> (name of its data schema, its model)."""


class Envelope(Model):
    """What every event carries, whatever its type."""

    specversion: Literal["1.0"]
    id: str = Field(
        description="The same for the same thing, however often it is delivered: deduplicate on it.",
        examples=["6a272d3f9d1c5b7e3a9e6f210f8c1f0c"],
    )
    source: str = Field(
        description="Which source of which tenant received it, at which gateway.",
        examples=["https://hooks.acme.example/tenants/acme/sources/cloud"],
    )
    type: str = Field(
        description="What happened. Unknown ones will come: ignore them.", examples=["whatsapp.message.received"]
    )
    subject: str | None = Field(None, description="The conversation, or the account, template or number concerned.")
    time: Timestamp = Field(description="When it happened.")
    timesource: str = Field(description="provider | gateway: whose clock `time` is from.")
    receivedtime: Timestamp = Field(description="When the gateway received it.")
    datacontenttype: Literal["application/json"]
    dataschema: str | None = Field(
        None, description="Where the JSON Schema of `data` is; absent where the gateway has no `origin`."
    )
    sequence: str | None = Field(
        None,
        description="Zero-padded; rises in the order in which the gateway stored events.",
        examples=["000000000000004711"],
    )
    revision: int | None = Field(None, description="2 or more when the event was mapped again and changed.")
    replay: str | None = Field(None, description="The replay that sent it again.")
    gap: bool | None = Field(None, description="True when an earlier event of this conversation is still outstanding.")
    tenant: str = Field(description="The tenant whose source it was.")
    provider: str = Field(description="Who sent the webhook.", examples=["cloud_api"])
    traceparent: str | None = Field(None, description="W3C Trace Context of the webhook.")


class Event(Envelope):
    """An event whose data is typed where this version knows the type, and a plain object where it does not."""

    data: Annotated[WithRaw | dict[str, Any], Field(union_mode="left_to_right")]

    @classmethod
    def from_object(cls, value: dict[str, Any]) -> Event:
        """Build from a decoded JSON object; raises pydantic.ValidationError."""
        envelope = Envelope.model_validate(value)
        data = value.get("data")
        known = TYPES.get(envelope.type)
        typed = known[1].model_validate(data) if known else dict(data or {})
        return cls.model_construct(envelope.model_fields_set | {"data"}, **dict(envelope), data=typed)


def parse_event(body: bytes | str | dict[str, Any]) -> Event:
    """A delivered event, typed. Raises ValueError (pydantic.ValidationError is one) for what is no event."""
    value = body if isinstance(body, dict) else json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("an event is a JSON object")
    return Event.from_object(value)
