"""Messages and their delivery statuses."""

from __future__ import annotations

from pydantic import Field

from normalized.base import Channel, Conversation, ErrorInfo, Model, Party, Timestamp, WithRaw
from normalized.content import Content


class ProductRef(Model):
    catalog_id: str | None = None
    product_retailer_id: str | None = None


class ReplyTo(Model):
    """The message that this one answers."""

    message_id: str | None = None
    sender: Party | None = None
    content: Content | None = Field(None, description="The quoted message, where the provider sends it along.")
    product: ProductRef | None = Field(None, description="The product that the question is about.")


class Referral(Model):
    """The ad or post that led the person here."""

    source_type: str | None = Field(None, description="ad | post")
    source_id: str | None = None
    source_url: str | None = None
    headline: str | None = None
    body: str | None = None
    media_type: str | None = Field(None, description="image | video")
    media_id: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    ctwa_clid: str | None = Field(None, description="Click id of a click-to-WhatsApp ad.")
    ref: str | None = None
    welcome_text: str | None = Field(None, description="The greeting that the ad showed.")


class IdentityCheck(Model):
    """State of the sender's identity key, where the business turned identity checks on."""

    hash: str | None = None
    acknowledged: bool | None = None
    created_at: Timestamp | None = None


class Message(Model):
    id: str | None = Field(
        None,
        description="The provider's message id.",
        examples=["wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="],
    )
    direction: str = Field(description="inbound: from the person. outbound: from the business.")
    content: Content
    reply_to: ReplyTo | None = None
    forwarded: bool | None = None
    frequently_forwarded: bool | None = Field(None, description="Forwarded many times.")
    referral: Referral | None = None
    mentions: list[Party] | None = None
    reply_token: str | None = Field(None, description="Opaque token by which the provider's API answers this message.")
    errors: list[ErrorInfo] | None = None
    identity: IdentityCheck | None = None
    view_once: bool | None = None
    ephemeral: bool | None = Field(None, description="The message disappears after a while.")
    expires_in_s: int | None = Field(None, description="Seconds after which it disappears.", examples=[604800])
    undecryptable: bool | None = Field(
        None, description="The device could not decrypt it; it may come again, readable."
    )


class MessageData(WithRaw):
    """`whatsapp.message.received` and `whatsapp.message.echoed`."""

    channel: Channel
    conversation: Conversation
    sender: Party
    recipient: Party | None = Field(None, description="Whom an echoed message went to.")
    message: Message


class Pricing(Model):
    billable: bool | None = None
    model: str | None = Field(None, description="CBP (per conversation) | PMP (per message)")
    type: str | None = Field(None, description="regular | free_customer_service | free_entry_point")
    category: str | None = Field(None, examples=["marketing", "utility", "service"])


class Window(Model):
    """The conversation window that the message belongs to, for billing."""

    id: str | None = None
    origin: str | None = Field(None, examples=["marketing", "service", "user_initiated"])
    expires_at: Timestamp | None = None


RANKS = {"unknown": 0, "pending": 1, "sent": 2, "delivered": 3, "read": 4, "played": 5, "deleted": 8, "failed": 9}
"""Order of statuses: a reader that keeps the highest is right."""


class Status(Model):
    message_id: str | None = None
    status: str = Field(description=" | ".join(RANKS))
    rank: int = Field(description="Keep the status with the highest rank, whatever order they arrive in.")
    provider_status: str | None = Field(None, description="The provider's own word or number.")
    scale: str | None = Field(
        None, description="Which scale a numeric `provider_status` is on.", examples=["whapi", "baileys"]
    )
    surface: str | None = Field(
        None, description="device | browser: which of the person's or business's clients reported."
    )
    errors: list[ErrorInfo] | None = None
    pricing: Pricing | None = None
    window: Window | None = None
    callback_data: str | None = Field(None, description="What the business attached when it sent the message.")


class StatusData(WithRaw):
    """`whatsapp.message.status`."""

    channel: Channel
    conversation: Conversation | None = None
    recipient: Party | None = Field(None, description="Whom the message went to; in a group, who this status is about.")
    status: Status
