"""Texts, places, contact cards and invitations."""

from __future__ import annotations

from typing import Any

from providers.shapes.baileys.media import KEY_DOMAIN, THUMBNAIL
from providers.shapes.baileys.reading import Reading, Table, Within
from providers.shapes.baileys.values import (
    as_base64,
    as_count,
    as_digest,
    as_false,
    as_given,
    as_moment,
    as_some,
    as_true,
    word,
)
from providers.shapes.vcards import card_of
from providers.wire import Object, as_number, as_object, as_text

_GROUP_KIND = word("DEFAULT", "PARENT", "SUB", "DEFAULT_SUB", silent="DEFAULT")

_FAVICON: Table = {
    "mediaKey": None,
    "thumbnailDirectPath": ("path", as_text),
    "thumbnailSha256": ("file_sha256", as_base64),
    "thumbnailEncSha256": ("file_encrypted_sha256", as_base64),
    "thumbnailWidth": ("width", as_count),
    "thumbnailHeight": ("height", as_count),
    "mediaKeyTimestamp": ("key_created_at", as_moment),
    "mediaKeyDomain": ("key_domain", KEY_DOMAIN),
}
_LINK: Table = {
    "urlMetadata": None,
    "linkMediaDuration": ("duration_s", as_some),
    "linkInlineVideoMuted": ("video_muted", as_true),
    "videoContentUrl": ("video_url", as_text),
    "videoContentCaption": ("video_caption", as_text),
    "socialMediaPostType": ("post_kind", word(
        "NONE", "REEL", "LIVE_VIDEO", "LONG_VIDEO", "SINGLE_IMAGE", "CAROUSEL", silent="NONE"
    )),
    "musicMetadata": Within("details", "musicMetadata", as_given),
    "paymentLinkMetadata": Within("details", "paymentLinkMetadata", as_given),
}  # fmt: skip
_TEXT: Table = {
    **THUMBNAIL,
    "contextInfo": None,
    "viewOnce": None,
    "mediaKey": None,
    "text": ("text", as_text),
    "matchedText": ("url", as_text),
    "canonicalUrl": ("canonical_url", as_text),
    "title": ("title", as_text),
    "description": ("description", as_text),
    "previewType": ("kind", word(at={
        0: "NONE", 1: "VIDEO", 4: "PLACEHOLDER", 5: "IMAGE", 6: "PAYMENT_LINKS", 7: "PROFILE"
    }, silent="NONE")),
    "mediaKeyTimestamp": Within("thumbnail", "key_created_at", as_moment),
    "doNotPlayInline": ("inline_play", as_false),
    "inviteLinkGroupType": ("group_kind", _GROUP_KIND),
    "inviteLinkGroupTypeV2": ("group_kind", _GROUP_KIND),
    "inviteLinkParentGroupSubjectV2": ("parent_group", as_text),
    "inviteLinkParentGroupThumbnailV2": ("parent_group_thumbnail", as_digest),
    "videoWidth": ("video_width", as_some),
    "videoHeight": ("video_height", as_some),
    "videoContentUrl": ("video_url", as_text),
    "faviconMMSMetadata": ("favicon", _FAVICON),
    "linkPreviewMetadata": _LINK,
    "musicMetadata": Within("details", "musicMetadata", as_given),
    "paymentLinkMetadata": Within("details", "paymentLinkMetadata", as_given),
    "paymentExtendedMetadata": Within("details", "paymentExtendedMetadata", as_given),
    "endCardTiles": Within("details", "endCardTiles", as_given),
    "textArgb": Within("style", "text_argb", as_some),
    "backgroundArgb": Within("style", "background_argb", as_some),
    "font": Within("style", "font", word(at={
        0: "SYSTEM", 1: "SYSTEM_TEXT", 2: "FB_SCRIPT", 6: "SYSTEM_BOLD", 7: "MORNINGBREEZE_REGULAR",
        8: "CALISTOGA_REGULAR", 9: "EXO2_EXTRABOLD", 10: "COURIERPRIME_BOLD",
    }, silent="SYSTEM")),
}  # fmt: skip


def text(node: Object, reading: Reading) -> Object | None:
    preview = reading.read(node, _TEXT, "extendedTextMessage")
    content = {"type": "text", "text": preview.pop("text", None)}
    if content["text"] is None:
        return None
    if not preview:
        return content
    style = preview.pop("style", None)
    if style:
        content["style"] = style
    if preview:
        content["preview"] = preview
    return content


_PLACE: Table = {
    **THUMBNAIL,
    "contextInfo": None,
    "degreesLatitude": ("latitude", as_number),
    "degreesLongitude": ("longitude", as_number),
    "accuracyInMeters": ("accuracy_m", as_number),
    "speedInMps": ("speed_mps", as_number),
    "degreesClockwiseFromMagneticNorth": ("heading_deg", as_number),
}
PLACE: Table = {
    **_PLACE,
    "name": ("name", as_text),
    "address": ("address", as_text),
    "url": ("url", as_text),
    "isLive": ("live", as_true),
    "comment": ("comment", as_text),
}
_LIVE_PLACE: Table = {
    **_PLACE,
    "caption": ("comment", as_text),
    "sequenceNumber": ("sequence", as_count),
    "timeOffset": ("offset_s", as_count),
}


def location(node: Object, reading: Reading) -> Object:
    return {"type": "location", **reading.read(node, PLACE, "locationMessage")}


def live_location(node: Object, reading: Reading) -> Object:
    return {"type": "location", **reading.read(node, _LIVE_PLACE, "liveLocationMessage"), "live": True}


_CARD: Table = {
    "contextInfo": None,
    "displayName": ("name", as_text),
    "vcard": ("vcard", as_text),
    "isSelfContact": ("own", as_true),
}


def contact(node: Object, reading: Reading) -> Object | None:
    return _contacts([node], reading)


def contact_array(node: Object, reading: Reading) -> Object | None:
    found = reading.read(node, {"contextInfo": None, "contacts": None, "displayName": ("name", as_text)}, "contacts")
    cards = node.get("contacts")
    content = _contacts(cards, reading) if type(cards) is list else None
    return {**content, **found} if content else None


def _contacts(nodes: list[Any], reading: Reading) -> Object | None:
    cards = []
    for node in nodes:
        card = _card(as_object(node), reading)
        if card:
            cards.append(card)
        else:
            reading.partial = True
    return {"type": "contacts", "contacts": cards} if cards else None


def _card(node: Object, reading: Reading) -> Object:
    """The name beside the card is the one that apps show."""
    given = reading.read(node, _CARD, "contact")
    card = {**given, **card_of(given.get("vcard", ""))}
    if "name" in given:
        card["name"] = {**as_object(card["name"]), "formatted_name": given["name"]}
    return card


_GROUP_INVITE: Table = {
    **THUMBNAIL,
    "contextInfo": None,
    "groupJid": ("conversation_id", as_text),
    "inviteCode": ("code", as_text),
    "inviteExpiration": ("expires_at", as_moment),
    "groupName": ("name", as_text),
    "caption": ("caption", as_text),
    "groupType": ("kind", word("DEFAULT", "PARENT", silent="DEFAULT")),
}
_CHANNEL_INVITE: Table = {
    **THUMBNAIL,
    "contextInfo": None,
    "newsletterJid": ("conversation_id", as_text),
    "newsletterName": ("name", as_text),
    "caption": ("caption", as_text),
    "inviteExpiration": ("expires_at", as_moment),
}


def group_invite(node: Object, reading: Reading) -> Object:
    found = reading.read(node, _GROUP_INVITE, "groupInviteMessage")
    kind = "community" if found.pop("kind", "group") == "parent" else "group"
    return {"type": "group_invite", "kind": kind, **found}


def channel_admin_invite(node: Object, reading: Reading) -> Object:
    found = reading.read(node, _CHANNEL_INVITE, "newsletterAdminInviteMessage")
    return {"type": "group_invite", "kind": "channel_admin", **found}


def channel_invite(node: Object, reading: Reading) -> Object:
    found = reading.read(node, _CHANNEL_INVITE, "newsletterFollowerInviteMessageV2")
    return {"type": "group_invite", "kind": "channel", **found}


_EVENT: Table = {
    "contextInfo": None,
    "name": ("name", as_text),
    "description": ("description", as_text),
    "location": ("location", PLACE),
    "joinLink": ("join_link", as_text),
    "startTime": ("starts_at", as_moment),
    "endTime": ("ends_at", as_moment),
    "isCanceled": ("canceled", as_true),
    "extraGuestsAllowed": ("extra_guests_allowed", as_true),
    "isScheduleCall": ("call", as_true),
    "hasReminder": ("reminder", as_true),
    "reminderOffsetSec": ("reminder_before_s", as_count),
}


def event(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "event", **reading.read(node, _EVENT, "eventMessage")}
    if "location" in content:
        content["location"] = {"type": "location", **content["location"]}
    return content
