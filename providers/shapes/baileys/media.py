"""Files in messages: pictures, videos, sounds, documents, stickers."""

from __future__ import annotations

from typing import Any, NamedTuple

from providers.shapes.baileys.reading import KEPT, Reading, Table, Within
from providers.shapes.baileys.values import (
    as_base64,
    as_count,
    as_counts,
    as_digest,
    as_moment,
    as_objects,
    as_some,
    as_texts,
    as_true,
    word,
)
from providers.wire import Object, as_text

KEY_DOMAIN = word("UNSET", "E2EE_CHAT", "STATUS", "CAPI", "BOT", silent="UNSET")

THUMBNAIL: Table = {
    "jpegThumbnail": Within("thumbnail", "", as_digest),
    "JPEGThumbnail": Within("thumbnail", "", as_digest),
    "pngThumbnail": Within("thumbnail", "", as_digest),
    "thumbnail": Within("thumbnail", "", as_digest),
    "thumbnailDirectPath": Within("thumbnail", "path", as_text),
    "thumbnailSha256": Within("thumbnail", "file_sha256", as_base64),
    "thumbnailEncSha256": Within("thumbnail", "file_encrypted_sha256", as_base64),
    "thumbnailWidth": Within("thumbnail", "width", as_count),
    "thumbnailHeight": Within("thumbnail", "height", as_count),
}
"""Of anything that has a small picture: inline, or as a file of its own."""

_FILE: Table = {
    **THUMBNAIL,
    "contextInfo": None,
    "viewOnce": None,
    "mediaKey": None,
    "mimetype": ("mime_type", as_text),
    "fileSha256": ("sha256", as_base64),
    "fileSHA256": ("sha256", as_base64),
    "fileEncSha256": ("encrypted_sha256", as_base64),
    "fileEncSHA256": ("encrypted_sha256", as_base64),
    "fileLength": ("size", as_count),
    "url": ("url", as_text),
    "URL": ("url", as_text),
    "directPath": ("path", as_text),
    "mediaKeyTimestamp": ("key_created_at", as_moment),
    "mediaKeyDomain": ("key_domain", KEY_DOMAIN),
    "accessibilityLabel": ("alt_text", as_text),
    "staticUrl": ("static_url", as_text),
    "metadataUrl": ("metadata_url", as_text),
    "qrUrl": ("qr_url", as_text),
}
"""Capitals as gateways over whatsmeow write them."""

_PICTURE: Table = {
    **_FILE,
    "width": ("width", as_count),
    "height": ("height", as_count),
    "annotations": ("annotations", as_objects),
    "interactiveAnnotations": ("annotations", as_objects),
}

_IMAGE: Table = {
    **_PICTURE,
    "caption": ("caption", as_text),
    "scansSidecar": Within("streaming", "sidecar", as_base64),
    "scanLengths": Within("streaming", "lengths", as_counts),
    "firstScanSidecar": Within("streaming", "first_sidecar", as_base64),
    "firstScanLength": Within("streaming", "first_length", as_count),
    "midQualityFileSha256": Within("streaming", "preview_sha256", as_base64),
    "midQualityFileSHA256": Within("streaming", "preview_sha256", as_base64),
    "midQualityFileEncSha256": Within("streaming", "preview_encrypted_sha256", as_base64),
    "imageSourceType": ("source", word(
        "USER_IMAGE", "AI_GENERATED", "AI_MODIFIED", "RASTERIZED_TEXT_STATUS", silent="USER_IMAGE"
    )),
}  # fmt: skip

_RENDITION: Table = {
    "directPath": ("path", as_text),
    "fileSha256": ("sha256", as_base64),
    "fileLength": ("size", as_count),
    "width": ("width", as_count),
    "height": ("height", as_count),
    "bitrate": ("bitrate", as_count),
    "quality": ("quality", word("UNDEFINED", "LOW", "MID", "HIGH", silent="UNDEFINED")),
    "capabilities": ("capabilities", as_texts),
}

_VIDEO: Table = {
    **_PICTURE,
    "caption": ("caption", as_text),
    "seconds": ("duration_s", as_count),
    "streamingSidecar": Within("streaming", "sidecar", as_base64),
    "gifPlayback": ("gif", as_true),
    "gifAttribution": ("gif_source", word("NONE", "GIPHY", "TENOR", "KLIPY", silent="NONE")),
    "videoSourceType": ("source", word("USER_VIDEO", "AI_GENERATED", silent="USER_VIDEO")),
    "processedVideos": ("renditions", [_RENDITION]),
    "externalShareFullVideoDurationInSeconds": ("full_duration_s", as_some),
    "motionPhotoPresentationOffsetMs": ("motion_photo_offset_ms", as_some),
}

_AUDIO: Table = {
    **_FILE,
    "seconds": ("duration_s", as_count),
    "ptt": ("voice", as_true),
    "waveform": ("waveform", as_base64),
    "streamingSidecar": Within("streaming", "sidecar", as_base64),
    "backgroundArgb": ("background_argb", as_some),
}

_DOCUMENT: Table = {
    **_FILE,
    "caption": ("caption", as_text),
    "title": ("title", as_text),
    "fileName": ("filename", as_text),
    "pageCount": ("pages", as_some),
    "contactVcard": ("contact_card", as_true),
}

_STICKER: Table = {
    **_FILE,
    "width": ("width", as_count),
    "height": ("height", as_count),
    "isAnimated": ("animated", as_true),
    "isLottie": ("lottie", as_true),
    "isAvatar": ("avatar", as_true),
    "isAiSticker": ("ai", as_true),
    "stickerSentTs": ("sent_at", as_moment),
    "firstFrameSidecar": Within("streaming", "first_sidecar", as_base64),
    "firstFrameLength": Within("streaming", "first_length", as_count),
    "emojis": KEPT,
    "premium": KEPT,
}

_OF_CONTENT = frozenset({
    "caption", "gif", "gif_source", "full_duration_s", "motion_photo_offset_ms", "voice", "background_argb", "title",
    "contact_card", "animated", "lottie", "avatar", "ai", "sent_at",
})  # fmt: skip
"""Targets that belong to the content; the others are the file's."""


class _Kind(NamedTuple):
    """The content's type, its table, and what it is unless the table says otherwise."""

    type: str
    table: Table
    preset: tuple[tuple[str, Any], ...] = ()


MEDIA = {
    "imageMessage": _Kind("image", _IMAGE),
    "videoMessage": _Kind("video", _VIDEO),
    "ptvMessage": _Kind("video", _VIDEO, (("video_note", True),)),
    "audioMessage": _Kind("audio", _AUDIO, (("voice", False),)),
    "documentMessage": _Kind("document", _DOCUMENT),
    "stickerMessage": _Kind("sticker", _STICKER),
}


MEDIA_TYPES = frozenset(kind.type for kind in MEDIA.values())


def media_content(name: str, node: Object, reading: Reading) -> Object:
    kind = MEDIA[name]
    media = reading.read(node, kind.table, name)
    content: Object = {"type": kind.type, **dict(kind.preset)}
    for target in _OF_CONTENT & media.keys():
        content[target] = media.pop(target)
    if "title" in content and media.setdefault("filename", content["title"]) == content["title"]:
        del content["title"]
    if media:
        content["media"] = media
    return content


_PACKED: Table = {
    "fileName": ("filename", as_text),
    "mimetype": ("mime_type", as_text),
    "emojis": ("emojis", as_texts),
    "accessibilityLabel": ("alt_text", as_text),
    "isAnimated": ("animated", as_true),
    "isLottie": ("lottie", as_true),
}
_PACK: Table = {
    "contextInfo": None,
    "mediaKey": None,
    "stickerPackId": ("id", as_text),
    "name": ("name", as_text),
    "publisher": ("publisher", as_text),
    "packDescription": ("description", as_text),
    "caption": ("caption", as_text),
    "stickers": ("items", [_PACKED]),
    "stickerPackOrigin": ("origin", word("FIRST_PARTY", "THIRD_PARTY", "USER_CREATED")),
    "stickerPackSize": ("size", as_count),
    "trayIconFileName": ("tray_icon", as_text),
    "imageDataHash": ("image_hash", as_text),
    "fileLength": Within("media", "size", as_count),
    "fileSha256": Within("media", "sha256", as_base64),
    "fileEncSha256": Within("media", "encrypted_sha256", as_base64),
    "directPath": Within("media", "path", as_text),
    "mediaKeyTimestamp": Within("media", "key_created_at", as_moment),
    **THUMBNAIL,
}


def sticker_pack(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "sticker_pack", **reading.read(node, _PACK, "stickerPackMessage")}
    thumbnail = content.pop("thumbnail", None)
    if thumbnail:
        content.setdefault("media", {})["thumbnail"] = thumbnail
    if "items" in content:
        content["stickers"] = len(content["items"])
    return content
