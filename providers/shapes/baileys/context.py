"""What a message refers to: `contextInfo`, which sits inside the content's object."""

from __future__ import annotations

from typing import Any

from providers.shapes.baileys.content import map_content
from providers.shapes.baileys.jids import normal_jid, party_of
from providers.shapes.baileys.unwrap import unwrap
from providers.shapes.baileys.values import Fields, Reading, as_count, enum_name, says_nothing
from providers.wire import Object, as_list, as_object, as_text

_FORWARDED_OFTEN = 5
_NOISE = frozenset({
    "ephemeralSettingTimestamp", "ephemeralSharedSecret", "disappearingMode", "pairedMediaType",
    "isSampled", "quotedType", "featureEligibilities", "rankingVersion",
})  # fmt: skip
"""Settings of the chat, and hints for apps on how to show it."""
_KNOWN = _NOISE | {
    "stanzaId", "participant", "quotedMessage", "remoteJid", "mentionedJid", "isForwarded",
    "forwardingScore", "expiration", "externalAdReply",
}  # fmt: skip

_MEDIA_TYPES = {0: "NONE", 1: "IMAGE", 2: "VIDEO"}
_AD: Fields = (
    ("sourceType", "source_type", as_text),
    ("sourceId", "source_id", as_text),
    ("sourceUrl", "source_url", as_text),
    ("title", "headline", as_text),
    ("body", "body", as_text),
    ("thumbnailUrl", "thumbnail_url", as_text),
    ("ctwaClid", "ctwa_clid", as_text),
    ("ref", "ref", as_text),
    ("greetingMessageBody", "welcome_text", as_text),
)
_AD_KNOWN = frozenset({
    *(member for member, _, _ in _AD), "mediaType", "mediaUrl", "thumbnail", "containsAutoReply",
    "renderLargerThumbnail", "showAdAttribution", "clickToWhatsappCall", "adContextPreviewDismissed",
    "automatedGreetingMessageShown", "disableNudge",
})  # fmt: skip


def map_context(context: Object, chat: str, reading: Reading) -> Object:
    """The message's fields that come from its context."""
    reading.check(context, _KNOWN, "contextInfo")
    found: Object = {}
    reply_to = _reply_to(context, chat, reading)
    if reply_to:
        found["reply_to"] = reply_to
    if "isForwarded" in context or "forwardingScore" in context:
        _forwarding(context, found, reading)
    mentions = map_mentions(context.get("mentionedJid"), reading)
    if mentions:
        found["mentions"] = mentions
    if "externalAdReply" in context:
        referral = _referral(reading.nested(context, "externalAdReply"), reading)
        if referral:
            found["referral"] = referral
    expires_in = reading.one(context, "expiration", as_count)
    if expires_in:
        found |= {"ephemeral": True, "expires_in_s": expires_in}
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


def map_quoted(quoted: Object, reading: Reading) -> Object | None:
    """Content of a quoted message. What that one quotes in its turn is not followed."""
    found = unwrap(quoted, reading)
    if not found.name:
        return None
    reading.check(as_object(as_object(found.content).get("contextInfo")), _NOISE, "quotedMessage.contextInfo")
    return map_content(found, reading)


def _reply_to(context: Object, chat: str, reading: Reading) -> Object:
    reply_to: Object = reading.take(context, (("stanzaId", "message_id", as_text),))
    participant = reading.one(context, "participant", as_text)
    if participant:
        reply_to["sender"] = party_of(participant)
    elsewhere = reading.one(context, "remoteJid", as_text)
    if elsewhere and normal_jid(elsewhere) != chat:
        reading.partial = True
    quoted = map_quoted(reading.nested(context, "quotedMessage"), reading)
    if quoted:
        reply_to["content"] = quoted
    return reply_to


def _forwarding(context: Object, found: Object, reading: Reading) -> None:
    score = reading.one(context, "forwardingScore", as_count) or 0
    if context.get("isForwarded") is True or score:
        found["forwarded"] = True
    if score >= _FORWARDED_OFTEN:
        found["frequently_forwarded"] = True


def _referral(ad: Object, reading: Reading) -> Object:
    reading.check(ad, _AD_KNOWN, "externalAdReply")
    referral = reading.take(ad, _AD)
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
