"""What a message says: Baileys content members to the event's `content`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from providers.shapes.baileys.unwrap import EDITED, Unwrapped
from providers.shapes.baileys.values import Fields, Reading, as_base64, as_count, as_true, enum_name
from providers.wire import Malformed, Object, as_bool, as_list, as_number, as_object, as_text, load_json

Mapper = Callable[[Object, Reading], Object | None]
"""Content from its object; None where the object lacks what the content cannot be without."""

REVOKE, MESSAGE_EDIT = "REVOKE", "MESSAGE_EDIT"
PROTOCOL_TYPES = {
    0: REVOKE,
    3: "EPHEMERAL_SETTING",
    4: "EPHEMERAL_SYNC_RESPONSE",
    5: "HISTORY_SYNC_NOTIFICATION",
    6: "APP_STATE_SYNC_KEY_SHARE",
    7: "APP_STATE_SYNC_KEY_REQUEST",
    10: "APP_STATE_FATAL_EXCEPTION_NOTIFICATION",
    14: MESSAGE_EDIT,
    16: "PEER_DATA_OPERATION_REQUEST_MESSAGE",
    17: "PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE",
    22: "LID_MIGRATION_MAPPING_SYNC",
    25: "STATUS_MENTION_MESSAGE",
    27: "LIMIT_SHARING",
    30: "GROUP_MEMBER_LABEL_CHANGE",
}
_NOISE = frozenset(PROTOCOL_TYPES.values()) - {REVOKE, MESSAGE_EDIT, "EPHEMERAL_SETTING"}

_THUMBNAILS = frozenset({
    "jpegThumbnail", "JPEGThumbnail", "pngThumbnail", "thumbnail", "thumbnailDirectPath", "thumbnailSha256",
    "thumbnailEncSha256", "thumbnailWidth", "thumbnailHeight",
})  # fmt: skip
_MEDIA_NOISE = _THUMBNAILS | {
    "contextInfo", "viewOnce", "mediaKey", "mediaKeyTimestamp", "mediaKeyDomain", "waveform",
    "streamingSidecar", "scansSidecar", "scanLengths", "firstScanSidecar", "firstScanLength",
    "firstFrameSidecar", "firstFrameLength", "midQualityFileSha256", "midQualityFileEncSha256",
    "experimentGroupId", "staticUrl", "imageSourceType", "videoSourceType", "gifAttribution",
    "stickerSentTs", "isAvatar", "isLottie", "isAiSticker", "backgroundArgb", "metadataUrl",
    "qrUrl", "processedVideos",
}  # fmt: skip
"""Renditions of the same file, keys that are held back, and how an app shows it."""

_MEDIA: Fields = (
    ("mimetype", "mime_type", as_text),
    ("fileSha256", "sha256", as_base64),
    ("fileEncSha256", "encrypted_sha256", as_base64),
    ("fileLength", "size", as_count),
    ("fileName", "filename", as_text),
    ("width", "width", as_count),
    ("height", "height", as_count),
    ("seconds", "duration_s", as_count),
    ("pageCount", "pages", as_count),
    ("url", "url", as_text),
    ("directPath", "path", as_text),
)
_SPELLINGS = {"URL": "url", "fileSHA256": "fileSha256", "fileEncSHA256": "fileEncSha256"}
"""As gateways over whatsmeow write them."""


class _MediaKind(NamedTuple):
    """A media content: its type, which more members are typed, and what it is unless they say otherwise."""

    type: str
    fields: Fields = ()
    preset: tuple[tuple[str, Any], ...] = ()


_CAPTION = ("caption", "caption", as_text)
_MEDIA_KINDS = {
    "imageMessage": _MediaKind("image", (_CAPTION,)),
    "videoMessage": _MediaKind("video", (_CAPTION, ("gifPlayback", "gif", as_true))),
    "ptvMessage": _MediaKind("video", (_CAPTION, ("gifPlayback", "gif", as_true)), (("video_note", True),)),
    "audioMessage": _MediaKind("audio", (("ptt", "voice", as_bool),), (("voice", False),)),
    "documentMessage": _MediaKind("document", (_CAPTION,)),
    "stickerMessage": _MediaKind("sticker", (("isAnimated", "animated", as_true),)),
}
_MEDIA_KNOWN = {
    name: _MEDIA_NOISE | {member for member, _, _ in (*_MEDIA, *kind.fields)} for name, kind in _MEDIA_KINDS.items()
}


def map_content(found: Unwrapped, reading: Reading) -> Object:
    """The event's `content`. What is not known here is of type unknown, under its Baileys name."""
    name, content, flags = found
    if name == "protocolMessage":
        return unknown_content(f"{name}.{protocol_type(content)}", reading)
    if EDITED in flags:
        return unknown_content("editedMessage", reading)
    if name == "conversation":
        text = as_text(content)
        return {"type": "text", "text": text} if text else unknown_content(name, reading)
    if type(content) is dict:
        mapped = _map_object(name, content, reading)
        if mapped is not None:
            return mapped
    return unknown_content(name or "empty", reading)


def unknown_content(kind: str, reading: Reading) -> Object:
    reading.partial = True
    return {"type": "unknown", "kind": kind}


def protocol_type(content: Any) -> str:
    """Name of a protocol message's type; one that is left out is the enum's zero."""
    value = as_object(content).get("type")
    return enum_name(0 if value is None else value, PROTOCOL_TYPES) or "UNKNOWN"


def noise(found: Unwrapped) -> str | None:
    """The name of what is meant for devices only: they talk to one another in messages, too. Else None."""
    if not found.name:
        return "metadata_only"
    if found.name == "protocolMessage" and type(found.content) is dict:
        kind = protocol_type(found.content)
        return kind if kind in _NOISE else None
    return None


def _map_object(name: str, node: Object, reading: Reading) -> Object | None:
    kind = _MEDIA_KINDS.get(name)
    if kind is not None:
        return _media(name, kind, node, reading)
    entry = _MAPPERS.get(name)
    if entry is None:
        return None
    mapper, known = entry
    reading.check(node, known, name)
    return mapper(node, reading)


def _media(name: str, kind: _MediaKind, node: Object, reading: Reading) -> Object:
    if not node.keys().isdisjoint(_SPELLINGS):
        node = {_SPELLINGS.get(member, member): value for member, value in node.items()}
    media = reading.take(node, _MEDIA)
    if name == "documentMessage":
        _title(node, media, reading)
        reading.check(node, _MEDIA_KNOWN[name] | {"title"}, name)
    else:
        reading.check(node, _MEDIA_KNOWN[name], name)
    return {"type": kind.type, **dict(kind.preset), **reading.take(node, kind.fields), "media": media}


def _title(node: Object, media: Object, reading: Reading) -> None:
    """A document's title repeats its file name, or stands in for it."""
    title = reading.one(node, "title", as_text)
    if title and media.setdefault("filename", title) != title:
        reading.partial = True


_PREVIEW: Fields = (
    ("matchedText", "url", as_text),
    ("title", "title", as_text),
    ("description", "description", as_text),
)


def _text(node: Object, reading: Reading) -> Object | None:
    text = reading.one(node, "text", as_text)
    if not text:
        return None
    content = {"type": "text", "text": text}
    preview = reading.take(node, _PREVIEW)
    if preview:
        content["preview"] = preview
    return content


_PLACE: Fields = (
    ("degreesLatitude", "latitude", as_number),
    ("degreesLongitude", "longitude", as_number),
    ("name", "name", as_text),
    ("address", "address", as_text),
    ("url", "url", as_text),
    ("isLive", "live", as_true),
    ("accuracyInMeters", "accuracy_m", as_number),
    ("comment", "comment", as_text),
)
_LIVE_PLACE: Fields = (
    *_PLACE[:2],
    ("accuracyInMeters", "accuracy_m", as_number),
    ("caption", "comment", as_text),
)


def _location(node: Object, reading: Reading) -> Object:
    return {"type": "location", **reading.take(node, _PLACE)}


def _live_location(node: Object, reading: Reading) -> Object:
    return {"type": "location", **reading.take(node, _LIVE_PLACE), "live": True}


def _contact(node: Object, reading: Reading) -> Object | None:
    return _contacts([node], reading)


def _contact_array(node: Object, reading: Reading) -> Object | None:
    return _contacts(as_list(node.get("contacts")), reading)


def _contacts(nodes: list[Any], reading: Reading) -> Object | None:
    cards = []
    for node in nodes:
        card = _card(as_object(node), reading)
        if card:
            cards.append(card)
        else:
            reading.partial = True
    return {"type": "contacts", "contacts": cards} if cards else None


_CARD_KNOWN = frozenset({"displayName", "vcard", "contextInfo", "isSelfContact"})


def _card(node: Object, reading: Reading) -> Object:
    reading.check(node, _CARD_KNOWN, "contact")
    card: Object = {}
    name = reading.one(node, "displayName", as_text)
    vcard = reading.one(node, "vcard", as_text)
    if name:
        card["name"] = {"formatted_name": name}
    if vcard:
        phones = list(_phones(vcard))
        if phones:
            card["phones"] = phones
        card["vcard"] = vcard
    return card


def _phones(vcard: str) -> Iterator[Object]:
    """The card's TEL lines, RFC 6350 section 6.4.1; `waid` is WhatsApp's own parameter."""
    for line in vcard.splitlines():
        head, _, number = line.partition(":")
        name, *parameters = head.split(";")
        if name.rpartition(".")[2].upper() != "TEL":
            continue
        phone = {"phone": number.strip()} if number.strip() else {}
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            target = {"waid": "wa_id", "type": "type"}.get(key.lower())
            if target and value:
                phone[target] = value
        if phone:
            yield phone


_REACTION_KEY_KNOWN = frozenset({"id", "remoteJid", "fromMe", "participant"})


def _reaction(node: Object, reading: Reading) -> Object:
    key = reading.nested(node, "key")
    reading.check(key, _REACTION_KEY_KNOWN, "reactionMessage.key")
    content: Object = {"type": "reaction", **reading.take(key, (("id", "message_id", as_text),))}
    emoji = reading.one(node, "text", as_text)
    if emoji:
        content["emoji"] = emoji
    content["action"] = "removed" if node.get("text") in (None, "") else "added"
    return content


def _button(kind: str, fields: Fields) -> Mapper:
    def button(node: Object, reading: Reading) -> Object:
        return {"type": "button_reply", **reading.take(node, fields), "kind": kind}

    return button


_BUTTON: Fields = (("selectedButtonId", "id", as_text), ("selectedDisplayText", "title", as_text))
_TEMPLATE_BUTTON: Fields = (("selectedId", "id", as_text), ("selectedDisplayText", "title", as_text))
_LIST: Fields = (("title", "title", as_text), ("description", "description", as_text))


def _list_reply(node: Object, reading: Reading) -> Object:
    row = reading.nested(node, "singleSelectReply")
    reading.check(row, frozenset({"selectedRowId"}), "listResponseMessage.singleSelectReply")
    identifier = reading.take(row, (("selectedRowId", "id", as_text),))
    return {"type": "list_reply", **identifier, **reading.take(node, _LIST)}


def _flow_reply(node: Object, reading: Reading) -> Object | None:
    flow = node.get("nativeFlowResponseMessage")
    if type(flow) is not dict:
        return None
    reading.check(flow, frozenset({"name", "paramsJson", "version"}), "nativeFlowResponseMessage")
    body = reading.nested(node, "body")
    reading.check(body, frozenset({"text", "format"}), "interactiveResponseMessage.body")
    content: Object = {"type": "flow_reply", **reading.take(flow, (("name", "name", as_text),))}
    content |= reading.take(body, (("text", "text", as_text),))
    answer = reading.one(flow, "paramsJson", as_text)
    if answer:
        _fill_in(content, answer)
    return content


def _fill_in(content: Object, answer: str) -> None:
    try:
        response = load_json(answer.encode("utf-8", "replace"))
    except Malformed:
        response = None
    if type(response) is dict:
        content["response"] = response
    else:
        content["response_text"] = answer


def _known(*names: str, fields: Fields = ()) -> frozenset[str]:
    return frozenset({*names, "contextInfo", *(member for member, _, _ in fields)})


_MAPPERS: dict[str, tuple[Mapper, frozenset[str]]] = {
    "extendedTextMessage": (
        _text,
        _known(
            "text", "canonicalUrl", "previewType", "backgroundArgb", "textArgb", "font", "doNotPlayInline",
            "inviteLinkGroupType", "inviteLinkGroupTypeV2", "mediaKey", "mediaKeyTimestamp",
            "faviconMMSMetadata", "viewOnce", "linkPreviewMetadata", *_THUMBNAILS, fields=_PREVIEW,
        ),
    ),
    "locationMessage": (_location, _known(*_THUMBNAILS, fields=_PLACE)),
    "liveLocationMessage": (_live_location, _known(*_THUMBNAILS, fields=_LIVE_PLACE)),
    "contactMessage": (_contact, _CARD_KNOWN),
    "contactsArrayMessage": (_contact_array, _known("displayName", "contacts")),
    "reactionMessage": (_reaction, _known("key", "text", "senderTimestampMs", "groupingKey")),
    "buttonsResponseMessage": (_button("interactive", _BUTTON), _known("type", fields=_BUTTON)),
    "templateButtonReplyMessage": (
        _button("template", _TEMPLATE_BUTTON),
        _known("selectedIndex", fields=_TEMPLATE_BUTTON),
    ),
    "listResponseMessage": (_list_reply, _known("listType", "singleSelectReply", fields=_LIST)),
    "interactiveResponseMessage": (_flow_reply, _known("body", "nativeFlowResponseMessage")),
}  # fmt: skip
"""Content member -> how to map it, and which of its members are typed or say nothing new."""
