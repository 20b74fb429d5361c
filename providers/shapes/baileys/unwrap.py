"""Getting at what a message says: through its wrappers, then to the one member that is the content."""

from __future__ import annotations

from typing import Any, NamedTuple

from providers.shapes.baileys.jids import normal_jid
from providers.shapes.baileys.reading import KEPT, Reading, Table
from providers.shapes.baileys.targets import as_target
from providers.shapes.baileys.values import as_count, as_moment, as_some, as_true, says_nothing, word
from providers.wire import EMPTY, Object, as_object, as_text

_MAX_WRAPPERS = 8

PLAIN, EPHEMERAL, VIEW_ONCE, EDITED, TELLING = "", "ephemeral", "view_once", "edited", "telling"
WRAPPERS = {
    "deviceSentMessage": PLAIN,
    "ephemeralMessage": EPHEMERAL,
    "viewOnceMessage": VIEW_ONCE,
    "documentWithCaptionMessage": PLAIN,
    "viewOnceMessageV2": VIEW_ONCE,
    "viewOnceMessageV2Extension": VIEW_ONCE,
    "editedMessage": EDITED,
    "associatedChildMessage": TELLING,
    "groupStatusMessage": TELLING,
    "groupStatusMessageV2": TELLING,
    "lottieStickerMessage": PLAIN,
    "groupMentionedMessage": PLAIN,
    "botInvokeMessage": PLAIN,
    "botForwardedMessage": PLAIN,
    "pollCreationMessageV4": PLAIN,
    "eventCoverImage": TELLING,
    "statusMentionMessage": TELLING,
    "groupStatusMentionMessage": TELLING,
    "statusAddYours": TELLING,
    "questionMessage": TELLING,
    "questionReplyMessage": TELLING,
    "limitSharingMessage": TELLING,
    "botTaskMessage": TELLING,
    "pollCreationOptionImageMessage": TELLING,
}
"""Members that hold a whole message, outermost first, and what they say of it; the names of `telling` ones are kept."""

_WRAPPER_NAMES = frozenset(WRAPPERS)
_WRAPPER: Table = {"message": None}
_DEVICE_SENT: Table = {"message": None, "destinationJid": ("to", as_text)}
_METADATA = frozenset({
    "messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage",
})  # fmt: skip

_NOT_CONTENT = _METADATA | _WRAPPER_NAMES

LIMIT_SHARING: Table = {
    "sharingLimited": ("limited", as_true),
    "trigger": ("trigger", word(
        "UNKNOWN", "CHAT_SETTING", "BIZ_SUPPORTS_FB_HOSTING", "UNKNOWN_GROUP", silent="UNKNOWN"
    )),
    "limitSharingSettingTimestamp": ("set_at", as_moment),
    "initiatedByMe": ("by_business", as_true),
}  # fmt: skip
_ASSOCIATION: Table = {
    "associationType": ("kind", word(
        "UNKNOWN", "MEDIA_ALBUM", "BOT_PLUGIN", "EVENT_COVER_IMAGE", "STATUS_POLL", "HD_VIDEO_DUAL_UPLOAD",
        "STATUS_EXTERNAL_RESHARE", "MEDIA_POLL", "STATUS_ADD_YOURS", "STATUS_NOTIFICATION", "HD_IMAGE_DUAL_UPLOAD",
        "STICKER_ANNOTATION", "MOTION_PHOTO", "STATUS_LINK_ACTION", "VIEW_ALL_REPLIES", "STATUS_ADD_YOURS_AI_IMAGINE",
        "STATUS_QUESTION", "STATUS_ADD_YOURS_DIWALI", "STATUS_REACTION", "HEVC_VIDEO_DUAL_UPLOAD",
    )),
    "parentMessageKey": None,
    "messageIndex": ("index", as_count),
}  # fmt: skip
_CONTEXT_INFO: Table = {
    "deviceListMetadata": None,
    "deviceListMetadataVersion": None,
    "messageSecret": None,
    "messageAssociation": None,
    "limitSharing": ("limit_sharing", LIMIT_SHARING),
    "limitSharingV2": ("limit_sharing", LIMIT_SHARING),
    "messageAddOnDurationInSecs": ("add_on_expires_in_s", as_some),
    "messageAddOnExpiryType": KEPT,
    "botMetadata": KEPT,
    "capiCreatedGroup": KEPT,
    "supportPayload": KEPT,
    "threadId": KEPT,
    "weblinkRenderConfig": KEPT,
}

PRIORITY = (
    "conversation", "extendedTextMessage", "imageMessage", "videoMessage", "ptvMessage",
    "audioMessage", "documentMessage", "stickerMessage", "locationMessage", "liveLocationMessage",
    "contactMessage", "contactsArrayMessage", "reactionMessage", "buttonsResponseMessage",
    "templateButtonReplyMessage", "listResponseMessage", "interactiveResponseMessage",
    "protocolMessage",
)  # fmt: skip
"""Which content it is where a message has several: the order of members does not survive re-serialisation. What is
not named here comes after, by the alphabet."""


class Unwrapped(NamedTuple):
    """`name` is the content's member, empty where there is only metadata; `content` its value.

    `facts` is what stands beside the content, as fields of the event's message.
    """

    name: str
    content: Any
    flags: frozenset[str] = frozenset()
    facts: Object = EMPTY


def unwrap(message: Object, reading: Reading) -> Unwrapped:
    """Find the content of a message, recording on the way what its wrappers say."""
    if len(message) == 1:
        ((only, content),) = message.items()
        if only not in _NOT_CONTENT and content is not None:
            return Unwrapped(only, content)
    flags: set[str] = set()
    facts: Object = {}
    telling = []
    for _ in range(_MAX_WRAPPERS):
        _read_metadata(message, facts, reading)
        if message.keys().isdisjoint(_WRAPPER_NAMES):
            break
        name = _wrapper(message)
        if name is None:
            break
        _check_siblings(message, name, reading)
        _check_wrapper(name, message[name], reading)
        flags.add(WRAPPERS[name])
        if WRAPPERS[name] == TELLING:
            telling.append(name)
        message = message[name]["message"]
    else:
        _read_metadata(message, facts, reading)
    if telling:
        facts["wrappers"] = telling
    name = _content_name(message)
    if name:
        _check_siblings(message, name, reading)
    return Unwrapped(name, message.get(name), frozenset(flags), facts)


def _wrapper(message: Object) -> str | None:
    """The outermost wrapper that holds a message."""
    return next((name for name in WRAPPERS if type(as_object(message.get(name)).get("message")) is dict), None)


def _check_wrapper(name: str, wrapper: Object, reading: Reading) -> None:
    """What was sent from another device of ours names the chat again."""
    found = reading.read(wrapper, _DEVICE_SENT if name == "deviceSentMessage" else _WRAPPER, name)
    if "to" in found and reading.chat and normal_jid(found["to"]) != reading.chat:
        reading.unmapped("conflict", f"{name}.destinationJid")


def _content_name(message: Object) -> str:
    names = [name for name, value in message.items() if value is not None and name not in _METADATA]
    if len(names) < 2:
        return names[0] if names else ""
    for name in PRIORITY:
        if name in names:
            return name
    names.sort()
    return next((name for name in names if "Message" in name), names[0])


def _read_metadata(message: Object, facts: Object, reading: Reading) -> None:
    info = message.get("messageContextInfo")
    if type(info) is not dict:
        return
    for name, value in reading.read(info, _CONTEXT_INFO, "messageContextInfo").items():
        facts.setdefault(name, value)
    node = reading.nested(info, "messageAssociation")
    if node:
        association = reading.read(node, _ASSOCIATION, "messageAssociation")
        parent = as_target(reading.nested(node, "parentMessageKey"), reading, "messageAssociation.parentMessageKey")
        if parent:
            association["parent"] = parent
        facts["association"] = association


def _check_siblings(message: Object, chosen: str, reading: Reading) -> None:
    if len(message) < 2:
        return
    for name, value in message.items():
        if name != chosen and name not in _METADATA and not says_nothing(value):
            reading.unmapped("member", f"message.{name}")
