"""What a message refers to: `contextInfo`, which sits inside the content's object."""

from __future__ import annotations

from typing import Any

from providers.shapes.baileys.content import map_content
from providers.shapes.baileys.jids import normal_jid, party_of
from providers.shapes.baileys.noise import NOISE
from providers.shapes.baileys.reading import KEPT, Reading, Table, Within
from providers.shapes.baileys.unwrap import Unwrapped, unwrap
from providers.shapes.baileys.values import (
    as_base64,
    as_count,
    as_digest,
    as_given,
    as_moment,
    as_some,
    as_true,
    enum_name,
    says_nothing,
    word,
)
from providers.wire import Object, as_list, as_object, as_text

_FORWARDED_OFTEN = 5

DISAPPEARING: Table = {
    "initiator": ("initiator", word(
        "CHANGED_IN_CHAT", "INITIATED_BY_ME", "INITIATED_BY_OTHER", "BIZ_UPGRADE_FB_HOSTING"
    )),
    "trigger": ("trigger", word(
        "UNKNOWN", "CHAT_SETTING", "ACCOUNT_SETTING", "BULK_CHANGE", "BIZ_SUPPORTS_FB_HOSTING", "UNKNOWN_GROUPS",
        silent="UNKNOWN",
    )),
    "initiatorDeviceJid": ("initiator_device", as_text),
    "initiatedByMe": ("by_business", as_true),
}  # fmt: skip
_GROUP_MENTION: Table = {"groupJid": ("conversation_id", as_text), "groupSubject": ("subject", as_text)}
_NEWSLETTER: Table = {
    "newsletterJid": Within("forwarded_from", "channel_id", as_text),
    "newsletterName": Within("forwarded_from", "channel_name", as_text),
    "serverMessageId": Within("forwarded_from", "channel_message_id", as_count),
    "contentType": Within("forwarded_from", "content_kind", word(at={1: "UPDATE", 2: "UPDATE_CARD", 3: "LINK_CARD"})),
    "accessibilityText": Within("forwarded_from", "alt_text", as_text),
}
_CONTEXT: Table = {
    "stanzaId": None,
    "participant": None,
    "quotedMessage": None,
    "remoteJid": None,
    "quotedType": None,
    "mentionedJid": None,
    "externalAdReply": None,
    "isForwarded": ("forwarded", as_true),
    "forwardingScore": ("forwarding_score", as_some),
    "expiration": ("expires_in_s", as_some),
    "ephemeralSettingTimestamp": Within("context", "disappearing_set_at", as_moment),
    "disappearingMode": ("disappearing", DISAPPEARING),
    "forwardedNewsletterMessageInfo": _NEWSLETTER,
    "businessMessageForwardInfo": {"businessOwnerJid": Within("forwarded_from", "business", as_text)},
    "forwardedAiBotMessageInfo": {
        "botName": Within("forwarded_from", "bot_name", as_text),
        "botJid": Within("forwarded_from", "bot_id", as_text),
        "creatorName": Within("forwarded_from", "bot_creator", as_text),
    },
    "forwardOrigin": Within("forwarded_from", "origin", word(
        "UNKNOWN", "CHAT", "STATUS", "CHANNELS", "META_AI", "UGC", silent="UNKNOWN"
    )),
    "entryPointConversionSource": Within("entry_point", "source", as_text),
    "entryPointConversionApp": Within("entry_point", "app", as_text),
    "entryPointConversionDelaySeconds": Within("entry_point", "delay_s", as_count),
    "entryPointConversionExternalSource": Within("entry_point", "external_source", as_text),
    "entryPointConversionExternalMedium": Within("entry_point", "external_medium", as_text),
    "conversionSource": Within("entry_point", "conversion_source", as_text),
    "conversionData": Within("entry_point", "conversion_data", as_base64),
    "conversionDelaySeconds": Within("entry_point", "conversion_delay_s", as_count),
    "ctwaSignals": Within("entry_point", "ctwa_signals", as_text),
    "ctwaPayload": Within("entry_point", "ctwa_payload", as_base64),
    "smbClientCampaignId": Within("entry_point", "client_campaign_id", as_text),
    "smbServerCampaignId": Within("entry_point", "server_campaign_id", as_text),
    "utm": {
        "utmSource": Within("entry_point", "utm_source", as_text),
        "utmCampaign": Within("entry_point", "utm_campaign", as_text),
    },
    "groupMentions": ("group_mentions", [_GROUP_MENTION]),
    "nonJidMentions": Within("context", "mention_kind", as_some),
    "isQuestion": Within("context", "question", as_true),
    "isGroupStatus": Within("context", "group_status", as_true),
    "groupSubject": Within("context", "group_subject", as_text),
    "parentGroupJid": Within("context", "parent_group_id", as_text),
    "memberLabel": {
        "label": Within("context", "member_label", as_text),
        "labelTimestamp": Within("context", "member_label_at", as_moment),
    },
    "statusSourceType": Within("context", "status_source", word(
        "IMAGE", "VIDEO", "GIF", "AUDIO", "TEXT", "MUSIC_STANDALONE"
    )),
    "statusAttributionType": Within("context", "status_attribution", word(
        "NONE", "RESHARED_FROM_MENTION", "RESHARED_FROM_POST", "RESHARED_FROM_POST_MANY_TIMES",
        "FORWARDED_FROM_STATUS", silent="NONE",
    )),
    "statusAudienceMetadata": {
        "audienceType": Within("context", "status_audience", word("UNKNOWN", "CLOSE_FRIENDS", silent="UNKNOWN")),
    },
    "pairedMediaType": Within("context", "paired_media", word(
        "NOT_PAIRED_MEDIA", "SD_VIDEO_PARENT", "HD_VIDEO_CHILD", "SD_IMAGE_PARENT", "HD_IMAGE_CHILD",
        "MOTION_PHOTO_PARENT", "MOTION_PHOTO_CHILD", "HEVC_VIDEO_PARENT", "HEVC_VIDEO_CHILD",
        silent="NOT_PAIRED_MEDIA",
    )),
    "actionLink": {
        "url": Within("context", "link_url", as_text),
        "buttonTitle": Within("context", "link_title", as_text),
    },
    "trustBannerType": Within("context", "trust_banner", as_text),
    "trustBannerAction": Within("context", "trust_banner_action", as_count),
    "alwaysShowAdAttribution": Within("context", "ad_attribution", as_true),
    "quotedAd": KEPT,
    "placeholderKey": KEPT,
    "dataSharingContext": KEPT,
    "urlTrackingMap": KEPT,
    "statusAttributions": KEPT,
    "questionReplyQuotedMessage": KEPT,
    "botMessageSharingInfo": KEPT,
}  # fmt: skip

_MEDIA_TYPES = {0: "NONE", 1: "IMAGE", 2: "VIDEO"}
_AD: Table = {
    "mediaType": None,
    "mediaUrl": None,
    "sourceType": ("source_type", as_text),
    "sourceId": ("source_id", as_text),
    "sourceUrl": ("source_url", as_text),
    "title": ("headline", as_text),
    "body": ("body", as_text),
    "thumbnailUrl": ("thumbnail_url", as_text),
    "thumbnail": Within("thumbnail", "", as_digest),
    "ctwaClid": ("ctwa_clid", as_text),
    "ref": ("ref", as_text),
    "greetingMessageBody": ("welcome_text", as_text),
    "sourceApp": Within("display", "source_app", as_text),
    "adType": Within("display", "ad_type", word("CTWA", "CAWC")),
    "originalImageUrl": Within("display", "original_image_url", as_text),
    "adPreviewUrl": Within("display", "preview_url", as_text),
    "wtwaWebsiteUrl": Within("display", "website_url", as_text),
    "ctaPayload": Within("display", "cta_payload", as_text),
    "containsAutoReply": Within("display", "auto_reply", as_true),
    "clickToWhatsappCall": Within("display", "call", as_true),
    "automatedGreetingMessageShown": Within("display", "welcome_shown", as_true),
    "automatedGreetingMessageCtaType": Within("display", "welcome_cta_type", as_text),
    "renderLargerThumbnail": Within("display", "large_thumbnail", as_true),
    "showAdAttribution": Within("display", "attribution_shown", as_true),
    "adContextPreviewDismissed": Within("display", "preview_dismissed", as_true),
    "disableNudge": Within("display", "nudge_disabled", as_true),
    "wtwaAdFormat": Within("display", "website_format", as_true),
}


def map_context(context: Object, chat: str, reading: Reading) -> Object:
    """The message's fields that come from its context."""
    found = reading.read(context, _CONTEXT, "contextInfo")
    if "forwarding_score" in found:
        if context.get("isForwarded") is not False:
            found["forwarded"] = True
        if found["forwarding_score"] >= _FORWARDED_OFTEN:
            found["frequently_forwarded"] = True
    if "expires_in_s" in found:
        found["ephemeral"] = True
    if "group_mentions" in found:
        found.setdefault("context", {})["group_mentions"] = found.pop("group_mentions")
    reply_to = _reply_to(context, chat, reading)
    if reply_to:
        found["reply_to"] = reply_to
    mentions = map_mentions(context.get("mentionedJid"), reading)
    if mentions:
        found["mentions"] = mentions
    if "externalAdReply" in context:
        referral = _referral(reading.nested(context, "externalAdReply"), reading)
        if referral:
            found["referral"] = referral
    return found


def map_mentions(jids: Any, reading: Reading) -> list[Object]:
    if not says_nothing(jids) and type(jids) is not list:
        reading.partial = True
    mentions = []
    for jid in as_list(jids):
        if type(jid) is str and jid:
            mentions.append(party_of(jid))
        else:
            reading.partial = True
    return mentions


def map_quoted(quoted: Object, reading: Reading) -> Object:
    """A quoted message as fields of `reply_to`. What that one quotes in its turn is not followed."""
    found = unwrap(quoted, reading)
    if not found.name:
        return {}
    mapped = {"content": map_content(found, reading)}
    facts = _quoted_facts(found)
    if facts:
        mapped["details"] = facts
    return mapped


def _quoted_facts(found: Unwrapped) -> Object:
    """The quoted message's own circumstances, under the provider's names."""
    context = as_object(as_object(found.content).get("contextInfo"))
    facts = {name: as_given(value) for name, value in context.items() if name not in NOISE and not says_nothing(value)}
    return {**facts, **found.facts}


def _reply_to(context: Object, chat: str, reading: Reading) -> Object:
    reply_to: Object = {}
    stanza = reading.one(context, "stanzaId", as_text)
    if stanza:
        reply_to["message_id"] = stanza
    participant = reading.one(context, "participant", as_text)
    if participant:
        reply_to["sender"] = party_of(participant)
    elsewhere = reading.one(context, "remoteJid", as_text)
    if elsewhere and normal_jid(elsewhere) != chat:
        reply_to["conversation_id"] = elsewhere
    if enum_name(context.get("quotedType"), {0: "EXPLICIT", 1: "AUTO"}) == "AUTO":
        reply_to["automatic"] = True
    quoted = reading.nested(context, "quotedMessage")
    return reply_to | map_quoted(quoted, reading) if quoted else reply_to


def _referral(ad: Object, reading: Reading) -> Object:
    referral = reading.read(ad, _AD, "externalAdReply")
    kind = reading.one(ad, "mediaType", _media_type)
    media_url = reading.one(ad, "mediaUrl", as_text)
    if kind in ("image", "video"):
        referral["media_type"] = kind
        if media_url:
            referral[f"{kind}_url"] = media_url
    elif media_url:
        reading.partial = True
    return referral


def _media_type(value: Any) -> str | None:
    name = enum_name(value, _MEDIA_TYPES)
    return name.lower() if name else None
