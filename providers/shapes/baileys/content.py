"""What a message says: Baileys content members to the event's `content`."""

from __future__ import annotations

from providers.shapes.baileys import goods, menus, replies, texts
from providers.shapes.baileys.media import MEDIA, media_content, sticker_pack
from providers.shapes.baileys.protocol import protocol_type
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.replies import Mapper
from providers.shapes.baileys.targets import as_target, pointing
from providers.shapes.baileys.unwrap import EDITED, Unwrapped, unwrap
from providers.shapes.baileys.values import as_count, as_given
from providers.wire import Object, as_text

UNSUPPORTED = frozenset({
    "requestPhoneNumberMessage", "sendPaymentMessage", "requestPaymentMessage", "declinePaymentRequestMessage",
    "cancelPaymentRequestMessage", "paymentInviteMessage", "invoiceMessage", "scheduledCallCreationMessage",
    "scheduledCallEditMessage", "richResponseMessage", "placeholderMessage", "messageHistoryBundle",
    "messageHistoryNotice", "statusNotificationMessage", "statusQuotedMessage", "statusStickerInteractionMessage",
    "bcallMessage", "call", "chat", "stickerSyncRmrMessage",
})  # fmt: skip
"""Known, and nothing that a reader of messages could act on: named, and left to `raw`."""

_ALBUM: Table = {
    "contextInfo": None,
    "expectedImageCount": ("images", as_count),
    "expectedVideoCount": ("videos", as_count),
}
_COMMENT: Table = {"message": None, "targetMessageKey": None}


def map_content(found: Unwrapped, reading: Reading) -> Object:
    """The event's `content`. What is not known here is of type unknown, under its Baileys name."""
    name, content, flags, _ = found
    if EDITED in flags:
        return unknown_content("editedMessage", reading)
    return content_of(name, content, reading)


def content_of(name: str, content: object, reading: Reading) -> Object:
    """The content of a member, whatever it stood in."""
    if name == "conversation":
        text = as_text(content)
        return {"type": "text", "text": text} if text else unknown_content(name, reading)
    if name == "protocolMessage":
        return unknown_content(f"{name}.{protocol_type(content)}", reading)
    if type(content) is dict:
        mapped = _map_object(name, content, reading)
        if mapped is not None:
            return mapped
    return unknown_content(name or "empty", reading)


def unknown_content(kind: str, reading: Reading) -> Object:
    reading.partial = True
    return {"type": "unknown", "kind": kind}


def _map_object(name: str, node: Object, reading: Reading) -> Object | None:
    if name in MEDIA:
        return media_content(name, node, reading)
    mapper = _MAPPERS.get(name)
    if mapper is not None:
        return mapper(node, reading)
    if name in UNSUPPORTED:
        reading.partial = True
        details = as_given(node)
        return {"type": "unsupported", "kind": name, **({"details": details} if details else {})}
    if name and name not in _ACTIONS:
        reading.notes.drifted("content", name)
    return None


_ACTIONS = frozenset({"pinInChatMessage", "keepInChatMessage", "secretEncryptedMessage", "callLogMesssage"})
"""They do something to a message or a chat; one that names nothing to do is of type unknown."""


def _album(node: Object, reading: Reading) -> Object:
    return {"type": "album", **reading.read(node, _ALBUM, "albumMessage")}


def _comment(node: Object, reading: Reading) -> Object:
    """Its own message is a whole one. What that one refers to is left to `raw`."""
    reading.read(node, _COMMENT, "commentMessage")
    key = as_target(reading.nested(node, "targetMessageKey"), reading, "commentMessage.targetMessageKey")
    content: Object = {"type": "comment", **pointing(key)}
    found = unwrap(reading.nested(node, "message"), reading)
    if found.name:
        content["content"] = _map_inner(found, reading)
    return content


def _map_inner(found: Unwrapped, reading: Reading) -> Object:
    """Content within content. A comment on a comment is not followed."""
    if found.name == "commentMessage":
        return unknown_content(found.name, reading)
    if type(found.content) is dict and found.content.get("contextInfo"):
        reading.partial = True
    return map_content(found, reading)


_MAPPERS: dict[str, Mapper] = {
    "extendedTextMessage": texts.text,
    "locationMessage": texts.location,
    "liveLocationMessage": texts.live_location,
    "contactMessage": texts.contact,
    "contactsArrayMessage": texts.contact_array,
    "groupInviteMessage": texts.group_invite,
    "newsletterAdminInviteMessage": texts.channel_admin_invite,
    "newsletterFollowerInviteMessage": texts.channel_invite,
    "newsletterFollowerInviteMessageV2": texts.channel_invite,
    "eventMessage": texts.event,
    "reactionMessage": replies.reaction,
    "encReactionMessage": replies.encrypted_reaction,
    "encCommentMessage": replies.encrypted_comment,
    "encEventResponseMessage": replies.event_response,
    "questionResponseMessage": replies.answer("questionResponseMessage"),
    "statusQuestionAnswerMessage": replies.answer("statusQuestionAnswerMessage"),
    "buttonsResponseMessage": replies.button_reply,
    "templateButtonReplyMessage": replies.template_reply,
    "listResponseMessage": replies.list_reply,
    "interactiveResponseMessage": replies.flow_reply,
    "pollCreationMessage": replies.poll,
    "pollCreationMessageV2": replies.poll,
    "pollCreationMessageV3": replies.poll,
    "pollCreationMessageV4": replies.poll,
    "pollCreationMessageV5": replies.poll,
    "pollCreationMessageV6": replies.poll,
    "pollUpdateMessage": replies.poll_vote,
    "pollResultSnapshotMessage": replies.poll_results,
    "pollResultSnapshotMessageV3": replies.poll_results,
    "buttonsMessage": menus.buttons,
    "listMessage": menus.list_menu,
    "interactiveMessage": menus.interactive,
    "templateMessage": menus.template,
    "highlyStructuredMessage": menus.highly_structured,
    "orderMessage": goods.order,
    "productMessage": goods.product,
    "stickerPackMessage": sticker_pack,
    "albumMessage": _album,
    "commentMessage": _comment,
}
"""Content member -> its mapper."""
