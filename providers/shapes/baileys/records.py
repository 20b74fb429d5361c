"""The phone's record of a message: what a WebMessageInfo says beside its key, message and time."""

from __future__ import annotations

from typing import Any

from providers.shapes.baileys.jids import party_of
from providers.shapes.baileys.reading import KEPT, Reading, Table
from providers.shapes.baileys.targets import as_target
from providers.shapes.baileys.values import (
    as_base64s,
    as_moment,
    as_some,
    as_texts,
    as_true,
    enum_number,
    word,
)
from providers.wire import Object, as_list, as_text

STATUSES = {0: "ERROR", 1: "PENDING", 2: "SERVER_ACK", 3: "DELIVERY_ACK", 4: "READ", 5: "PLAYED"}

_RECEIPT: Table = {
    "userJid": ("jid", as_text),
    "receiptTimestamp": ("delivered_at", as_moment),
    "readTimestamp": ("read_at", as_moment),
    "playedTimestamp": ("played_at", as_moment),
    "pendingDeviceJid": ("pending_devices", as_texts),
    "deliveredDeviceJid": ("delivered_devices", as_texts),
}
_REACTION: Table = {
    "key": None,
    "text": ("emoji", as_text),
    "groupingKey": ("grouping_key", as_text),
    "senderTimestampMs": ("reacted_at", as_moment),
    "unread": ("unread", as_true),
}
_VOTE: Table = {
    "pollUpdateMessageKey": None,
    "vote": {"selectedOptions": ("option_hashes", as_base64s)},
    "senderTimestampMs": ("voted_at", as_moment),
    "serverTimestampMs": ("received_at", as_moment),
    "unread": ("unread", as_true),
}
RESPONSE = word("UNKNOWN", "GOING", "NOT_GOING", "MAYBE", silent="UNKNOWN")
_RESPONSE: Table = {
    "eventResponseMessageKey": None,
    "timestampMs": ("received_at", as_moment),
    "eventResponseMessage": {
        "response": ("response", RESPONSE),
        "timestampMs": ("responded_at", as_moment),
        "extraGuestCount": ("extra_guests", as_some),
    },
    "unread": ("unread", as_true),
}

_RECORD: Table = {
    "messageC2STimestamp": ("sent_at", as_moment),
    "starred": ("starred", as_true),
    "ignore": ("ignored", as_true),
    "multicast": ("multicast", as_true),
    "duration": ("duration_s", as_some),
    "labels": ("labels", as_texts),
    "ephemeralStartTimestamp": ("disappears_from", as_moment),
    "ephemeralOffToOn": ("disappearing_turned_on", as_true),
    "ephemeralOutOfSync": ("disappearing_out_of_sync", as_true),
    "bizPrivacyStatus": ("privacy", word("E2EE", "BSP", "FB", "BSP_AND_FB")),
    "agentId": ("agent_id", as_text),
    "statusAlreadyViewed": ("story_seen", as_true),
    "isMentionedInStatus": ("mentioned_in_story", as_true),
    "statusMentions": ("story_mentions", as_texts),
    "statusMentionSources": ("story_mention_sources", as_texts),
    "originalSelfAuthorUserJidString": ("original_author", as_text),
    "revokeMessageTimestamp": ("revoked_at", as_moment),
    "newsletterServerId": ("channel_message_id", as_text),
    "premiumMessageInfo": {"serverCampaignId": ("campaign_id", as_text)},
    "is1PBizBotMessage": ("business_bot", as_true),
    "isGroupHistoryMessage": ("group_history", as_true),
    "botMessageInvokerJid": ("bot_invoker", as_text),
    "botTargetId": ("bot_target", as_text),
    "isSupportAiMessage": ("support_ai", as_true),
    "requestId": ("request_id", as_text),
    **dict.fromkeys((
        "userReceipt", "reactions", "pollUpdates", "eventResponses", "messageStubType", "messageStubParameters",
    )),
    **dict.fromkeys((
        "clearMedia", "urlText", "urlNumber", "mediaCiphertextSha256", "paymentInfo", "finalLiveLocation",
        "quotedPaymentInfo", "mediaData", "photoChange", "quotedStickerData", "futureproofData", "statusPsa",
        "pollAdditionalMetadata", "keepInChat", "pinInChat", "commentMetadata", "eventAdditionalMetadata",
        "targetMessageId", "messageAddOns", "statusMentionMessageInfo", "supportAiCitations",
        "groupHistoryIndividualMessageInfo", "groupHistoryBundleInfo", "interactiveMessageAdditionalMetadata",
        "quarantinedMessage",
    ), KEPT),
}  # fmt: skip
_LISTS = (
    ("reactions", "reactions", _REACTION, "key"),
    ("pollUpdates", "votes", _VOTE, "pollUpdateMessageKey"),
    ("eventResponses", "responses", _RESPONSE, "eventResponseMessageKey"),
)


def map_record(info: Object, known: Table, reading: Reading) -> Object:
    """The event's `device`; `known` are the members that are read elsewhere."""
    record = reading.read(info, {**_RECORD, **known}, "message")
    receipts = _receipts(info.get("userReceipt"), reading)
    if receipts:
        record["receipts"] = receipts
    for member, target, table, key in _LISTS:
        if info.get(member):
            found = _kept(info[member], table, key, reading)
            if found:
                record[target] = found
    return record


def status_number(value: Any) -> int | None:
    """A WebMessageInfo's own status, from number or name."""
    return enum_number(value, STATUSES)


def _receipts(nodes: Any, reading: Reading) -> list[Object]:
    receipts = reading.read_list(nodes, _RECEIPT, "userReceipt") if nodes else []
    for receipt in receipts:
        jid = receipt.pop("jid", None)
        receipt["party"] = party_of(jid) if jid else {"id": "unknown"}
    return receipts


def _kept(nodes: Any, table: Table, key: str, reading: Reading) -> list[Object]:
    """Things that the phone keeps with a message, each with the key of its own message."""
    kept = []
    for node in as_list(nodes):
        if type(node) is not dict:
            reading.partial = True
            continue
        found = reading.read(node, table, key)
        target = as_target(reading.nested(node, key), reading, key)
        if target:
            found["target"] = target
        if found:
            kept.append(found)
    return kept
