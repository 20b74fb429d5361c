"""What every model of the schema shares: the reader's rules and the recurring small shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer


def _as_written(moment: datetime) -> str:
    """As the gateway writes it: milliseconds only where there are any."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z"


Timestamp = Annotated[
    AwareDatetime,
    Field(description="RFC 3339, UTC.", examples=["2026-06-08T20:59:43Z"]),
    PlainSerializer(_as_written, when_used="json"),
]


class Model(BaseModel):
    """Readers ignore fields that they do not know: a new field is a minor change of the schema."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Party(Model):
    """A person or business on WhatsApp. No single identifier is mandatory; at least `id` is always there."""

    id: str = Field(
        description="The best identifier known, in this order: E.164 phone, business-scoped user id, LID, "
        "the provider's own. Stable for one person at one provider as long as what is known of them is. "
        "Two words stand in where nothing is known: `self` for the business itself, `unknown` for anybody else.",
        examples=["+16505551234", "US.13491208655302741918", "186547852312@lid"],
    )
    phone: str | None = Field(None, description="E.164 with the plus sign.", examples=["+16505551234"])
    wa_id: str | None = Field(
        None,
        description="WhatsApp's own number for the person; it may differ from the phone.",
        examples=["16505551234"],
    )
    user_id: str | None = Field(
        None, description="Business-scoped user id (BSUID).", examples=["US.13491208655302741918"]
    )
    parent_user_id: str | None = Field(None, description="BSUID in the parent business portfolio's scope.")
    username: str | None = Field(None, description="WhatsApp username, without a leading @.", examples=["pablomorales"])
    lid: str | None = Field(
        None, description="Hidden user id. Its digits are never a phone number.", examples=["186547852312@lid"]
    )
    name: str | None = Field(None, description="The profile name that the person chose.", examples=["Sheena Nelson"])
    verified_name: str | None = Field(None, description="Name of a business that WhatsApp verified.")
    identity_hash: str | None = Field(None, description="Hash of the person's identity key, where checks are on.")


class Channel(Model):
    """The business's side of the conversation: which of its numbers."""

    id: str | None = Field(
        None, description="Name from the gateway's configuration, where the provider's body names no number."
    )
    phone: str | None = Field(None, description="The business's number, E.164.", examples=["+15550783881"])
    phone_number_id: str | None = Field(None, description="Meta's id of the number.", examples=["106540352242922"])
    account_id: str | None = Field(None, description="WhatsApp Business account id.", examples=["102290129340398"])
    name: str | None = Field(None, description="The name that the number shows.")
    metadata: dict[str, Any] | None = Field(None, description="What the business attached to it at the provider.")


class Conversation(Model):
    """Where a message belongs: one person, a group, a broadcast list, stories or a channel."""

    id: str = Field(
        description="Phone or id of the person, or the provider's id of the group, list or channel.",
        examples=["+16505551234", "120363025246125888@g.us"],
    )
    kind: str = Field(description="direct | group | broadcast | story | channel", examples=["direct"])
    provider_id: str | None = Field(
        None,
        description="The provider's own chat id, as given; needed to answer through it.",
        examples=["16505551234"],
    )


class ErrorInfo(Model):
    """An error as the provider reports it. Codes are strings, since providers mix numbers and words."""

    code: str | None = Field(None, description="The provider's number or word.", examples=["131049"])
    title: str | None = None
    message: str | None = Field(None, description="What happened, for developers.")
    details: str | None = Field(None, description="More of it.")
    href: str | None = Field(None, description="The provider's page on this error.")


class MessageTarget(Model):
    """An earlier message that something is done to."""

    message_id: str | None = Field(None, description="The provider's id of that message.")
    sender: Party | None = Field(None, description="Who had written it.")
    from_business: bool | None = Field(None, description="Whether the business had sent it.")
    conversation_id: str | None = Field(
        None, description="The provider's id of the chat where it stands, if that is another one."
    )


class WithRaw(Model):
    """Data that may carry the provider's own fragment, where the destination asks for it."""

    raw: Any = Field(
        None, description="The provider's own JSON fragment, untouched. Sent as the destination's `raw` says."
    )
