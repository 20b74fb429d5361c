"""What of a Baileys message is dropped, and why. Nothing else is: what is not mapped is left to `raw`."""

from __future__ import annotations

_KEY = "a key that decrypts: held back"
_DEVICES = "what the correspondents' devices tell one another to stay in step"
_ADDRESS = "repeats an address that stands beside it"
_MEASURE = "WhatsApp's own measurements and experiments"

SECRETS = frozenset({
    "mediaKey", "messageSecret", "botMessageSecret", "encKey", "masterKey", "callKey", "artworkMediaKey",
    "attachmentMediaKey", "ephemeralSharedSecret",
})  # fmt: skip
"""Members that decrypt media, or what is attached to a message later: votes, edits, comments."""

BULKY = frozenset({
    "base64", "base64_file", "jpegThumbnail", "JPEGThumbnail", "pngThumbnail", "thumbnail",
    "inviteLinkParentGroupThumbnailV2", "attachmentJpegThumbnail", "oldPhoto", "newPhoto",
})  # fmt: skip
"""Members that hold whole files and pictures. Events have their size and hash."""

_TARGETS = (
    "protocolMessage/key", "secretEncryptedMessage/targetMessageKey", "pinInChatMessage/key", "keepInChatMessage/key",
)  # fmt: skip

NOISE: dict[str, str] = {
    **dict.fromkeys(SECRETS, _KEY),
    "deviceListMetadata": _DEVICES,
    "deviceListMetadataVersion": _DEVICES,
    "senderKeyDistributionMessage": _DEVICES,
    "fastRatchetKeySenderKeyDistributionMessage": _DEVICES,
    "phash": _DEVICES,
    **{f"/**/{key}/remoteJid": "the chat itself; a private one by our own address" for key in _TARGETS},
    "paddingBytes": "random bytes",
    "unsigned": "of a 64-bit number's print; it matters from 2^63 on",
    "reportingTokenVersion": "for abuse reports to WhatsApp",
    "reportingTokenInfo": "for abuse reports to WhatsApp",
    "addressingMode": "which of the addresses beside it is the main one: that one's suffix says so",
    "cleanedSenderPn": _ADDRESS,
    "cleanedParticipantPn": _ADDRESS,
    "destinationJid": "repeats the chat; where it does not, `raw` is sent",
    "hasMediaAttachment": "whether a file stands beside it",
    "experimentGroupId": _MEASURE,
    "fbExperimentId": _MEASURE,
    "isSampled": _MEASURE,
    "rankingVersion": _MEASURE,
    "featureEligibilities": "what the sender's app allows other apps to offer",
}
