"""Messages and their delivery statuses."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from normalized.base import Channel, Conversation, ErrorInfo, MessageTarget, Model, Party, Timestamp, WithRaw
from normalized.content import Content
from normalized.device import AdDisplay, DeviceMessage
from normalized.media import Thumbnail
from normalized.replies import Ciphertext


class ProductRef(Model):
    catalog_id: str | None = Field(None, description="The catalog that the product is in.")
    product_retailer_id: str | None = Field(None, description="The business's own id of the product.")


class ReplyTo(Model):
    """The message that this one answers."""

    message_id: str | None = Field(None, description="Its id.")
    sender: Party | None = Field(None, description="Who had written it.")
    content: Content | None = Field(None, description="The quoted message, where the provider sends it along.")
    conversation_id: str | None = Field(
        None, description="The provider's id of the chat where that one stands, if it is another: a story, a group."
    )
    automatic: bool | None = Field(None, description="The app quoted it by itself.")
    details: dict[str, Any] | None = Field(
        None, description="What that one referred to in its turn, under the provider's names."
    )
    product: ProductRef | None = Field(None, description="The product that the question is about.")


class Referral(Model):
    """The ad or post that led the person here."""

    source_type: str | None = Field(None, description="ad | post")
    source_id: str | None = Field(None, description="Id of the ad or post.")
    source_url: str | None = Field(None, description="Link to the ad or post.")
    headline: str | None = None
    body: str | None = Field(None, description="Its text.")
    media_type: str | None = Field(None, description="image | video")
    media_id: str | None = Field(None, description="The provider's media id, where it gives one instead of a URL.")
    image_url: str | None = Field(None, description="Its picture.")
    video_url: str | None = Field(None, description="Its video.")
    thumbnail_url: str | None = Field(None, description="A small picture of its video.")
    ctwa_clid: str | None = Field(None, description="Click id of a click-to-WhatsApp ad.")
    ref: str | None = Field(None, description="Word that the business put on the ad.")
    welcome_text: str | None = Field(None, description="The greeting that the ad showed.")
    thumbnail: Thumbnail | None = None
    display: AdDisplay | None = None


class IdentityCheck(Model):
    """State of the sender's identity key, where the business turned identity checks on."""

    hash: str | None = Field(None, description="Hash of the identity key.")
    acknowledged: bool | None = Field(None, description="Whether the business accepted the key.")
    created_at: Timestamp | None = None


class Historical(Model):
    """A message from before the number was connected, out of the phone's history."""

    phase: int | None = Field(None, description="0: last day. 1: last 90 days. 2: the 90 days before.")
    chunk_order: int | None = Field(None, description="Place of the part among the parts of the phase.")
    progress: int | None = Field(None, description="Percent of the history that was synchronized.")
    status: str | None = Field(None, description="Delivery status of the message then.", examples=["read"])
    late_media: bool | None = Field(
        None, description="This brings the file of a message that came before without it, under the same message id."
    )


class MessageFacts(DeviceMessage):
    """What is said of a message, whatever it contains."""

    id: str | None = Field(
        None,
        description="The provider's message id.",
        examples=["wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="],
    )
    direction: str = Field(description="inbound: from the person. outbound: from the business.")
    reply_to: ReplyTo | None = None
    forwarded: bool | None = None
    frequently_forwarded: bool | None = Field(None, description="Forwarded many times.")
    referral: Referral | None = None
    mentions: list[Party] | None = Field(None, description="Who is mentioned.")
    reply_token: str | None = Field(None, description="Opaque token by which the provider's API answers this message.")
    errors: list[ErrorInfo] | None = Field(None, description="What the provider says went wrong with it.")
    identity: IdentityCheck | None = None
    view_once: bool | None = Field(None, description="It can be opened once.")
    ephemeral: bool | None = Field(None, description="The message disappears after a while.")
    expires_in_s: int | None = Field(None, description="Seconds after which it disappears.", examples=[604800])
    undecryptable: bool | None = Field(
        None, description="The device could not decrypt it; it may come again, readable."
    )
    historical: Historical | None = None
    standby: bool | None = Field(None, description="Another application holds the conversation; this one only listens.")
    logical_sender_id: str | None = Field(
        None, description="Meta's logical id of the sender, which stands beside replies to requests for payment."
    )
    created_by: str | None = Field(
        None, description="What wrote an echoed message, in the provider's word.", examples=["created_by_1p_bot"]
    )


class Message(MessageFacts):
    content: Content


class MessageData(WithRaw):
    """`whatsapp.message.received` and `whatsapp.message.echoed`."""

    channel: Channel
    conversation: Conversation
    sender: Party = Field(description="Who wrote it.")
    recipient: Party | None = Field(None, description="Whom an echoed message went to.")
    message: Message


class EditedData(WithRaw):
    """`whatsapp.message.edited`: a message says something else now."""

    channel: Channel
    conversation: Conversation
    sender: Party = Field(description="Who edited it.")
    recipient: Party | None = Field(None, description="Whom the message had gone to, if the business had sent it.")
    target: MessageTarget | None = Field(
        None, description="The message that was edited; absent where the provider does not name it."
    )
    message: MessageFacts | None = Field(None, description="The edit itself: its own id and direction.")
    content: Content | None = Field(None, description="What it says now. An edited medium may carry its caption alone.")
    edited_at: Timestamp | None = None
    encrypted: bool | None = Field(None, description="The new content cannot be read.")
    ciphertext: Ciphertext | None = None
    kind: str | None = Field(None, description="What kind of encrypted edit it is.", examples=["message_edit"])


class DeletedData(WithRaw):
    """`whatsapp.message.deleted`: a message was taken back for everyone."""

    channel: Channel
    conversation: Conversation
    sender: Party = Field(description="Who took it back.")
    recipient: Party | None = Field(None, description="Whom the message had gone to, if the business had sent it.")
    target: MessageTarget = Field(
        description="The message that was taken back; empty where the provider does not name it."
    )
    message: MessageFacts | None = Field(None, description="The deletion itself: its own id and direction.")


class Pricing(Model):
    billable: bool | None = Field(None, description="Whether the message costs.")
    model: str | None = Field(None, description="CBP (per conversation) | PMP (per message)")
    type: str | None = Field(None, description="regular | free_customer_service | free_entry_point")
    category: str | None = Field(
        None, description="What it is billed as.", examples=["marketing", "utility", "service"]
    )


class Window(Model):
    """The conversation window that the message belongs to, for billing."""

    id: str | None = Field(None, description="The provider's id of the window.")
    origin: str | None = Field(None, description="What opened it.", examples=["marketing", "service", "user_initiated"])
    expires_at: Timestamp | None = None


RANKS = {"unknown": 0, "pending": 1, "sent": 2, "delivered": 3, "read": 4, "played": 5, "deleted": 8, "failed": 9}
"""Order of statuses: a reader that keeps the highest is right."""


class Status(Model):
    message_id: str | None = Field(None, description="The message that it is the status of.")
    status: str = Field(description=" | ".join(RANKS))
    rank: int = Field(description="Keep the status with the highest rank, whatever order they arrive in.")
    provider_status: str | None = Field(None, description="The provider's own word or number.")
    kind: str | None = Field(
        None, description="What it is the status of, in the provider's word.", examples=["message"]
    )
    scale: str | None = Field(
        None, description="Which scale a numeric `provider_status` is on.", examples=["whapi", "baileys"]
    )
    surface: str | None = Field(
        None, description="device | browser: which of the person's or business's clients reported."
    )
    errors: list[ErrorInfo] | None = Field(None, description="Why it failed.")
    pricing: Pricing | None = None
    window: Window | None = None
    callback_data: str | None = Field(None, description="What the business attached when it sent the message.")
    standby: bool | None = Field(None, description="Another application holds the conversation; this one only listens.")


class StatusData(WithRaw):
    """`whatsapp.message.status`."""

    channel: Channel
    conversation: Conversation | None = None
    recipient: Party | None = Field(None, description="Whom the message went to; in a group, who this status is about.")
    status: Status
