"""The event schema that downstream reads. Needs pydantic and nothing else.

`parse_event(body)` turns the bytes that the gateway delivered into a typed event.
"""

from normalized.account import (
    AccountData,
    ConnectionData,
    ErrorData,
    PhoneNumberData,
    SecurityData,
    UnknownData,
)
from normalized.activity import (
    HistoryData,
    InteractionData,
    PaymentData,
)
from normalized.base import (
    Channel,
    Conversation,
    ErrorInfo,
    Party,
)
from normalized.cards import (
    ContactsContent,
    LocationContent,
)
from normalized.commerce import (
    MenuContent,
    OrderContent,
    ProductContent,
    TemplateContent,
)
from normalized.content import (
    CommentContent,
    UnknownContent,
    UnsupportedContent,
)
from normalized.conversation import (
    CallData,
    ConversationData,
)
from normalized.event import (
    TYPES,
    Envelope,
    Event,
    parse_event,
)
from normalized.gatherings import (
    EventContent,
    GroupInviteContent,
)
from normalized.media import (
    AlbumContent,
    AudioContent,
    DocumentContent,
    ImageContent,
    Media,
    StickerContent,
    StickerPackContent,
    VideoContent,
)
from normalized.message import (
    RANKS,
    DeletedData,
    EditedData,
    MessageData,
    StatusData,
)
from normalized.people import (
    ContactData,
    GroupData,
)
from normalized.replies import (
    ButtonReplyContent,
    CallPermissionReplyContent,
    EventResponseContent,
    FlowReplyContent,
    ListReplyContent,
    PaymentReplyContent,
    PollContent,
    PollVoteContent,
    ReactionContent,
)
from normalized.schema import (
    json_schema,
)
from normalized.template import (
    FlowData,
    PartnerData,
    TemplateData,
)
from normalized.text import (
    TextContent,
)

__all__ = [
    "RANKS",
    "TYPES",
    "AccountData",
    "AlbumContent",
    "AudioContent",
    "ButtonReplyContent",
    "CallData",
    "CallPermissionReplyContent",
    "Channel",
    "CommentContent",
    "ConnectionData",
    "ContactData",
    "ContactsContent",
    "Conversation",
    "ConversationData",
    "DeletedData",
    "DocumentContent",
    "EditedData",
    "Envelope",
    "ErrorData",
    "ErrorInfo",
    "Event",
    "EventContent",
    "EventResponseContent",
    "FlowData",
    "FlowReplyContent",
    "GroupData",
    "GroupInviteContent",
    "HistoryData",
    "ImageContent",
    "InteractionData",
    "ListReplyContent",
    "LocationContent",
    "Media",
    "MenuContent",
    "MessageData",
    "OrderContent",
    "PartnerData",
    "Party",
    "PaymentData",
    "PaymentReplyContent",
    "PhoneNumberData",
    "PollContent",
    "PollVoteContent",
    "ProductContent",
    "ReactionContent",
    "SecurityData",
    "StatusData",
    "StickerContent",
    "StickerPackContent",
    "TemplateContent",
    "TemplateData",
    "TextContent",
    "UnknownContent",
    "UnknownData",
    "UnsupportedContent",
    "VideoContent",
    "json_schema",
    "parse_event",
]
