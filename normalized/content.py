"""What a message says: a union discriminated by `type`. Its members are in the modules beside, by subject."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from normalized.base import MessageTarget, Model
from normalized.cards import ContactsContent, LocationContent
from normalized.commerce import MenuContent, OrderContent, ProductContent, TemplateContent
from normalized.gatherings import EventContent, GroupInviteContent
from normalized.media import (
    AlbumContent,
    AudioContent,
    DocumentContent,
    ImageContent,
    StickerContent,
    StickerPackContent,
    VideoContent,
)
from normalized.replies import (
    ButtonReplyContent,
    CallPermissionReplyContent,
    Ciphertext,
    EventResponseContent,
    FlowReplyContent,
    ListReplyContent,
    PaymentReplyContent,
    PollContent,
    PollVoteContent,
    ReactionContent,
)
from normalized.text import TextContent


class CommentContent(Model):
    type: Literal["comment"]
    message_id: str | None = Field(None, description="The message commented on.")
    target: MessageTarget | None = Field(None, description="More of that message, where the provider tells it.")
    content: Content | None = Field(None, description="Absent where it is encrypted.")
    ciphertext: Ciphertext | None = None


class UnsupportedContent(Model):
    """The provider itself says that it cannot pass this message on, or passes on only that it was there."""

    type: Literal["unsupported"]
    kind: str | None = Field(None, description="What it was, where the provider says so.", examples=["poll", "edit"])
    message_id: str | None = Field(None, description="The message that it is about.")
    target: MessageTarget | None = Field(None, description="More of that message, where the provider tells it.")
    ciphertext: Ciphertext | None = None
    details: dict[str, Any] | None = Field(None, description="What it holds, under the provider's names.")


class UnknownContent(Model):
    """A message of a type that this version of the gateway does not map. `raw` tells the rest.

    `type` is open here: a reader meets the types of later versions as this member.
    """

    type: str = Field(description="Here always the name of something new, or `unknown`.")
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
    ProductContent,
    PollContent,
    PollVoteContent,
    GroupInviteContent,
    EventContent,
    EventResponseContent,
    TemplateContent,
    MenuContent,
    AlbumContent,
    StickerPackContent,
    CommentContent,
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
    | Annotated[ProductContent, Tag("product")]
    | Annotated[PollContent, Tag("poll")]
    | Annotated[PollVoteContent, Tag("poll_vote")]
    | Annotated[GroupInviteContent, Tag("group_invite")]
    | Annotated[EventContent, Tag("event")]
    | Annotated[EventResponseContent, Tag("event_response")]
    | Annotated[TemplateContent, Tag("template")]
    | Annotated[MenuContent, Tag("menu")]
    | Annotated[AlbumContent, Tag("album")]
    | Annotated[StickerPackContent, Tag("sticker_pack")]
    | Annotated[CommentContent, Tag("comment")]
    | Annotated[UnsupportedContent, Tag("unsupported")]
    | Annotated[UnknownContent, Tag("unknown")],
    Discriminator(_tag),
]
