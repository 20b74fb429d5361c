"""Getting at what a message says: through its wrappers, then to the one member that is the content."""

from __future__ import annotations

from typing import Any, NamedTuple

from providers.shapes.baileys.values import Reading
from providers.wire import Object, as_object

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
"""Members that hold a whole message, outermost first, and what they say of it; `telling` is left to `raw`."""

_WRAPPER_NAMES = frozenset(WRAPPERS)
_WRAPPER_KNOWN = frozenset({"message", "destinationJid", "phash"})
_METADATA = frozenset(
    {"messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage"}
)
_CONTEXT_INFO_KNOWN = frozenset({
    "deviceListMetadata", "deviceListMetadataVersion", "messageSecret", "botMessageSecret", "paddingBytes",
    "reportingTokenVersion", "limitSharing", "limitSharingV2",
})  # fmt: skip
"""Of messageContextInfo: keys and lists of devices. Nothing that a reader of messages could want."""

PRIORITY = (
    "conversation", "extendedTextMessage", "imageMessage", "videoMessage", "ptvMessage",
    "audioMessage", "documentMessage", "stickerMessage", "locationMessage", "liveLocationMessage",
    "contactMessage", "contactsArrayMessage", "reactionMessage", "buttonsResponseMessage",
    "templateButtonReplyMessage", "listResponseMessage", "interactiveResponseMessage",
    "protocolMessage",
)  # fmt: skip
"""Which content it is where a message has several: the order of members does not survive re-serialisation."""


class Unwrapped(NamedTuple):
    """`name` is the content's member, empty where there is only metadata; `content` its value."""

    name: str
    content: Any
    flags: frozenset[str] = frozenset()


def unwrap(message: Object, reading: Reading) -> Unwrapped:
    """Find the content of a message, recording on the way what its wrappers say."""
    flags: set[str] = set()
    for _ in range(_MAX_WRAPPERS):
        _check_metadata(message, reading)
        if message.keys().isdisjoint(_WRAPPER_NAMES):
            break
        name = _wrapper(message)
        if name is None:
            break
        _check_siblings(message, name, reading)
        wrapper = message[name]
        reading.check(wrapper, _WRAPPER_KNOWN, name)
        flags.add(WRAPPERS[name])
        message = wrapper["message"]
    else:
        _check_metadata(message, reading)
    if TELLING in flags:
        reading.partial = True
    name = _content_name(message)
    if name:
        _check_siblings(message, name, reading)
    return Unwrapped(name, message.get(name), frozenset(flags))


def _wrapper(message: Object) -> str | None:
    """The outermost wrapper that holds a message."""
    return next((name for name in WRAPPERS if type(as_object(message.get(name)).get("message")) is dict), None)


def _content_name(message: Object) -> str:
    for name in PRIORITY:
        if name in message and message[name] is not None:
            return name
    rest = sorted(name for name, value in message.items() if name not in _METADATA and value is not None)
    return next((name for name in rest if "Message" in name), rest[0] if rest else "")


def _check_metadata(message: Object, reading: Reading) -> None:
    info = message.get("messageContextInfo")
    if type(info) is dict:
        reading.check(info, _CONTEXT_INFO_KNOWN, "messageContextInfo")


def _check_siblings(message: Object, chosen: str, reading: Reading) -> None:
    if len(message) > 1:
        reading.check(message, _METADATA | {chosen}, "message")
