"""What a message says: a union discriminated by `type`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from normalized.base import Model, Timestamp


class Media(Model):
    """A file at the provider. How to fetch it is the provider's business: by `id`, or by `url` while it lives."""

    id: str | None = Field(None, description="The provider's media id.", examples=["1003383421387256"])
    mime_type: str | None = Field(None, examples=["image/jpeg", "audio/ogg; codecs=opus"])
    sha256: str | None = Field(None, description="Hash of the file, as the provider wrote it (hex or base64).")
    encrypted_sha256: str | None = Field(
        None, description="Hash of the encrypted file, where the provider stores it so."
    )
    size: int | None = Field(None, description="Bytes.", examples=[84213])
    filename: str | None = Field(None, examples=["invoice.pdf"])
    width: int | None = Field(None, description="Pixels.")
    height: int | None = Field(None, description="Pixels.")
    duration_s: int | None = Field(None, description="Seconds.")
    pages: int | None = Field(None, description="Pages of a document.")
    url: str | None = Field(None, description="Where the provider serves the file. It expires.")
    path: str | None = Field(None, description="Path at the provider: on its disk, or below its media host.")
    status: str | None = Field(None, description="The provider's word on the file.", examples=["undownloaded"])


class TextContent(Model):
    type: Literal["text"]
    text: str
    preview: LinkPreview | None = Field(None, description="The link preview that was sent along.")


class LinkPreview(Model):
    url: str | None = None
    title: str | None = None
    description: str | None = None


class MediaContent(Model):
    caption: str | None = None
    media: Media


class ImageContent(MediaContent):
    type: Literal["image"]


class VideoContent(MediaContent):
    type: Literal["video"]
    gif: bool | None = Field(None, description="Played as a GIF.")
    video_note: bool | None = Field(None, description="A round video message.")


class AudioContent(MediaContent):
    type: Literal["audio"]
    voice: bool | None = Field(None, description="True for a voice note, false for an audio file, absent if unknown.")


class DocumentContent(MediaContent):
    type: Literal["document"]


class StickerContent(MediaContent):
    type: Literal["sticker"]
    animated: bool | None = None
    pack: dict[str, Any] | None = Field(None, description="Sticker pack metadata, as the provider gives it.")


class LocationContent(Model):
    type: Literal["location"]
    latitude: float | None = None
    longitude: float | None = None
    name: str | None = None
    address: str | None = None
    url: str | None = None
    live: bool | None = Field(None, description="A live location, which will be updated.")
    accuracy_m: float | None = Field(None, description="Metres.")
    comment: str | None = None


class ContactName(Model):
    formatted_name: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class ContactPhone(Model):
    phone: str | None = Field(None, description="As it stands on the card.")
    wa_id: str | None = None
    type: str | None = None


class ContactEmail(Model):
    email: str | None = None
    type: str | None = None


class ContactUrl(Model):
    url: str | None = None
    type: str | None = None


class ContactIm(Model):
    service: str | None = Field(None, examples=["AIM"])
    user_id: str | None = None


class ContactAddress(Model):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    type: str | None = None


class ContactOrganization(Model):
    company: str | None = None
    department: str | None = None
    title: str | None = None


class ContactCard(Model):
    name: ContactName | None = None
    phones: list[ContactPhone] | None = None
    emails: list[ContactEmail] | None = None
    urls: list[ContactUrl] | None = None
    ims: list[ContactIm] | None = Field(None, description="Instant messaging accounts.")
    addresses: list[ContactAddress] | None = None
    organization: ContactOrganization | None = None
    birthday: str | None = None
    image: str | None = Field(None, description="The picture on the card, base64.")
    vcard: str | None = Field(None, description="The card as a vCard, where the provider sends one.")
    origin: str | None = None


class ContactsContent(Model):
    type: Literal["contacts"]
    contacts: list[ContactCard]


class ButtonReplyContent(Model):
    type: Literal["button_reply"]
    id: str | None = Field(None, description="Id or payload that the business gave the button.")
    title: str | None = None
    kind: str | None = Field(None, description="interactive | template: where the button stood.")


class ListReplyContent(Model):
    type: Literal["list_reply"]
    id: str | None = None
    title: str | None = None
    description: str | None = None


class FlowReplyContent(Model):
    type: Literal["flow_reply"]
    name: str | None = Field(None, examples=["flow", "address_message"])
    text: str | None = None
    response: dict[str, Any] | None = Field(None, description="What the person filled in, where it is a JSON object.")
    response_text: str | None = Field(None, description="The same as it came, where it is not a JSON object.")


class CallPermissionReplyContent(Model):
    type: Literal["call_permission_reply"]
    response: str | None = Field(None, description="accept | reject")
    permanent: bool | None = None
    expires_at: Timestamp | None = None
    source: str | None = Field(None, description="user_action | automatic")


class PaymentReplyContent(Model):
    type: Literal["payment_reply"]
    method: str | None = None
    reference_id: str | None = None
    paid_at: Timestamp | None = None
    last_four_digits: str | None = None
    credential_id: str | None = None


class OrderItem(Model):
    product_retailer_id: str | None = None
    quantity: float | None = None
    price: float | None = Field(None, description="Price of one piece, in the currency's main unit.")
    currency: str | None = Field(None, description="ISO 4217.")


class OrderContent(Model):
    type: Literal["order"]
    catalog_id: str | None = None
    text: str | None = None
    items: list[OrderItem] | None = None


class ReactionContent(Model):
    type: Literal["reaction"]
    message_id: str | None = Field(None, description="The message reacted to.")
    emoji: str | None = Field(None, description="Absent when the reaction was removed.")
    action: Literal["added", "removed"]


class UnsupportedContent(Model):
    """The provider itself says that it cannot pass this message on."""

    type: Literal["unsupported"]
    kind: str | None = Field(None, description="What it was, where the provider says so.", examples=["poll", "edit"])


class UnknownContent(Model):
    """A message of a type that this version of the gateway does not map. `raw` tells the rest.

    `type` is open here: a reader meets the types of later versions as this member.
    """

    type: str
    kind: str | None = Field(None, description="The provider's word for the type.")


TYPED: tuple[type[Model], ...] = (
    TextContent,
    ImageContent,
    VideoContent,
    AudioContent,
    DocumentContent,
    StickerContent,
    LocationContent,
    ContactsContent,
    ButtonReplyContent,
    ListReplyContent,
    FlowReplyContent,
    CallPermissionReplyContent,
    PaymentReplyContent,
    OrderContent,
    ReactionContent,
    UnsupportedContent,
)
"""Every member with a closed `type`; `Content` below lists the same, since a type checker needs it written out."""

KNOWN_TYPES = frozenset(model.model_fields["type"].annotation.__args__[0] for model in TYPED)  # type: ignore[union-attr]


def _tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) and kind in KNOWN_TYPES else "unknown"


Content = Annotated[
    Annotated[TextContent, Tag("text")]
    | Annotated[ImageContent, Tag("image")]
    | Annotated[VideoContent, Tag("video")]
    | Annotated[AudioContent, Tag("audio")]
    | Annotated[DocumentContent, Tag("document")]
    | Annotated[StickerContent, Tag("sticker")]
    | Annotated[LocationContent, Tag("location")]
    | Annotated[ContactsContent, Tag("contacts")]
    | Annotated[ButtonReplyContent, Tag("button_reply")]
    | Annotated[ListReplyContent, Tag("list_reply")]
    | Annotated[FlowReplyContent, Tag("flow_reply")]
    | Annotated[CallPermissionReplyContent, Tag("call_permission_reply")]
    | Annotated[PaymentReplyContent, Tag("payment_reply")]
    | Annotated[OrderContent, Tag("order")]
    | Annotated[ReactionContent, Tag("reaction")]
    | Annotated[UnsupportedContent, Tag("unsupported")]
    | Annotated[UnknownContent, Tag("unknown")],
    Discriminator(_tag),
]
