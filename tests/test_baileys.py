"""The Baileys vocabulary: addresses, values in all their prints, wrappers, keys of every version."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import Notes
from providers.shapes.baileys.content import map_content
from providers.shapes.baileys.context import map_context
from providers.shapes.baileys.jids import conversation_of, kind_of, lid_of, normal_jid, party, party_of, phone_of
from providers.shapes.baileys.keys import read_key
from providers.shapes.baileys.protocol import noise
from providers.shapes.baileys.reading import Reading
from providers.shapes.baileys.unwrap import PRIORITY, WRAPPERS, unwrap
from providers.shapes.baileys.values import (
    as_base64,
    as_count,
    enum_name,
    enum_number,
    says_nothing,
)

PEER = "16505551234@s.whatsapp.net"
LID = "186547852312@lid"
GROUP = "120363025246125888@g.us"


@pytest.fixture
def reading() -> Reading:
    return Reading(Notes())


@pytest.mark.parametrize(
    ("given", "normal", "kind", "phone", "lid"),
    [
        (PEER, PEER, "direct", "+16505551234", None),
        ("16505551234@c.us", PEER, "direct", "+16505551234", None),
        ("16505551234@S.WhatsApp.NET", PEER, "direct", "+16505551234", None),
        ("16505551234:27@s.whatsapp.net", PEER, "direct", "+16505551234", None),
        ("16505551234_1:27@s.whatsapp.net", PEER, "direct", "+16505551234", None),
        ("16505551234:99@hosted", "16505551234@hosted", "direct", "+16505551234", None),
        (LID, LID, "direct", None, LID),
        ("186547852312:3@lid", LID, "direct", None, LID),
        ("186547852312@hosted.lid", "186547852312@hosted.lid", "direct", None, LID),
        (GROUP, GROUP, "group", None, None),
        ("16505551234-1580000000@g.us", "16505551234-1580000000@g.us", "group", None, None),
        ("status@broadcast", "status@broadcast", "story", None, None),
        ("1780952000@broadcast", "1780952000@broadcast", "broadcast", None, None),
        ("120363144038483540@newsletter", "120363144038483540@newsletter", "channel", None, None),
        ("867051314767696@bot", "867051314767696@bot", "direct", None, None),
        ("13135550002@c.us", "13135550002@s.whatsapp.net", "direct", None, None),
        ("0@s.whatsapp.net", "0@s.whatsapp.net", "direct", None, None),
        ("X@s.whatsapp.net", "X@s.whatsapp.net", "direct", None, None),
        ("1234567890123456@s.whatsapp.net", "1234567890123456@s.whatsapp.net", "direct", None, None),
        ("١٢٣٤٥٦٧٨@s.whatsapp.net", "١٢٣٤٥٦٧٨@s.whatsapp.net", "direct", None, None),
        ("16505551234", "16505551234", "direct", None, None),
        ("a@b@lid", "a@b@lid", "direct", None, None),
        ("@lid", "@lid", "direct", None, None),
        ("", "", "direct", None, None),
    ],
)
def test_a_jid_is_what_its_server_says(given: str, normal: str, kind: str, phone: str | None, lid: str | None) -> None:
    jid = normal_jid(given)
    assert (jid, kind_of(jid), phone_of(jid), lid_of(jid)) == (normal, kind, phone, lid)
    assert normal_jid(jid) == jid


def test_a_party_takes_the_first_phone_and_the_first_lid() -> None:
    assert party([LID, "16505551234:2@s.whatsapp.net", "16505550100@c.us", "1@lid"]) == {
        "id": "+16505551234",
        "phone": "+16505551234",
        "lid": LID,
    }
    assert party([]) == {"id": "unknown"}
    assert party(["X@bot"], "Y:1@bot") == {"id": "Y@bot"}
    assert party_of("867051314767696@bot") == {"id": "867051314767696@bot"}


def test_a_conversation_keeps_the_given_id_where_ours_differs() -> None:
    assert conversation_of("16505551234@c.us") == {
        "id": "+16505551234",
        "kind": "direct",
        "provider_id": "16505551234@c.us",
    }
    assert conversation_of(GROUP) == {"id": GROUP, "kind": "group"}
    assert conversation_of("120363025246125888@G.US") == {
        "id": GROUP,
        "kind": "group",
        "provider_id": "120363025246125888@G.US",
    }
    assert conversation_of("") == {"id": "unknown", "kind": "direct"}


BOTH = {"id": "+16505551234", "phone": "+16505551234", "lid": LID}


@pytest.mark.parametrize(
    ("key", "sender"),
    [
        pytest.param({"remoteJid": PEER}, {"id": "+16505551234", "phone": "+16505551234"}, id="6.7.18"),
        pytest.param({"remoteJid": PEER, "senderLid": LID, "senderPn": PEER}, BOTH, id="6.7.19"),
        pytest.param({"remoteJid": LID, "senderPn": PEER}, BOTH, id="evolution 2.3"),
        pytest.param({"remoteJid": LID, "remoteJidAlt": PEER}, BOTH, id="7, addressed by lid"),
        pytest.param({"remoteJid": PEER, "remoteJidAlt": LID}, BOTH, id="7, addressed by phone"),
        pytest.param({"remoteJid": PEER, "previousRemoteJid": LID}, BOTH, id="moved to the phone"),
        pytest.param({"remoteJid": LID, "senderPn": "16505551234"}, BOTH, id="bare digits"),
        pytest.param({"remoteJid": LID, "senderPn": 16505551234}, BOTH, id="bare number"),
        pytest.param({"remoteJid": PEER, "senderPn": LID}, BOTH, id="lid where a phone should be"),
        pytest.param({"remoteJid": LID, "senderPn": None}, {"id": LID, "lid": LID}, id="lid only"),
        pytest.param({"remoteJid": LID, "remoteJidUsername": "@pablo"},
                     {"id": LID, "lid": LID, "username": "pablo"}, id="7, with username"),
        pytest.param({"remoteJid": GROUP, "participant": LID, "participantPn": PEER}, BOTH, id="group 6.7.19"),
        pytest.param({"remoteJid": GROUP, "participant": PEER, "participantLid": LID}, BOTH, id="group by phone"),
        pytest.param({"remoteJid": GROUP, "participant": LID, "participantAlt": "16505551234:5@c.us"},
                     BOTH, id="group 7"),
        pytest.param({"remoteJid": GROUP, "participant": LID}, {"id": LID, "lid": LID}, id="group, lid only"),
        pytest.param({"remoteJid": GROUP}, {"id": "unknown"}, id="group, nobody"),
        pytest.param({"remoteJid": GROUP, "fromMe": True}, {"id": "self"}, id="group, ours"),
        pytest.param({"remoteJid": GROUP, "fromMe": True, "participant": PEER},
                     {"id": "+16505551234", "phone": "+16505551234"}, id="group, ours by name"),
        pytest.param({"remoteJid": "status@broadcast", "participant": LID, "participantPn": PEER}, BOTH, id="story"),
        pytest.param({"remoteJid": "1@newsletter"}, {"id": "1@newsletter"}, id="channel"),
        pytest.param({}, {"id": "unknown"}, id="empty"),
    ],
)  # fmt: skip
def test_the_sender_by_every_version_of_the_key(key: dict[str, Any], sender: dict[str, Any], reading: Reading) -> None:
    assert read_key(key, reading).sender == sender
    assert not reading.partial


@pytest.mark.parametrize(
    "key",
    [
        {"remoteJid": LID, "senderLid": "16505551234"},
        {"remoteJid": PEER, "senderPn": "16505550100@s.whatsapp.net"},
        {"remoteJid": LID, "senderLid": "1@lid", "senderPn": PEER},
        {"remoteJid": GROUP, "participant": PEER, "participantPn": "16505550100@s.whatsapp.net"},
    ],
)
def test_addresses_that_contradict_are_left_to_raw(key: dict[str, Any], reading: Reading) -> None:
    read_key(key, reading)
    assert reading.partial
    assert ("conflict", "key") in reading.notes.drift


def test_in_a_private_chat_of_ours_the_key_is_the_peers(reading: Reading) -> None:
    key = read_key({"remoteJid": LID, "senderPn": PEER, "fromMe": True, "id": "A"}, reading)
    assert (key.sender, key.recipient, key.person) == ({"id": "self"}, BOTH, "+16505551234")
    assert key.conversation == {"id": "+16505551234", "kind": "direct", "provider_id": LID}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("YWI=", "YWI="),
        ({"type": "Buffer", "data": [97, 98]}, "YWI="),
        ({"type": "Buffer", "data": "YWI="}, "YWI="),
        ({"0": 97, "1": 98}, "YWI="),
        ({"1": 98, "0": 97}, "YWI="),
        ([97, 98], "YWI="),
        ([0, 255], "AP8="),
        ("", None),
        ([], None),
        ({}, None),
        ({"type": "Buffer", "data": []}, None),
        ({"type": "Buffer", "data": None}, None),
        ({"0": 97, "2": 98}, None),
        ([97, 256], None),
        ([97, -1], None),
        ([97, "b"], None),
        ([True], None),
        ([0] * 5000, None),
        (5, None),
        (None, None),
    ],
)
def test_bytes(value: Any, text: str | None) -> None:
    assert as_base64(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (52046, 52046),
        ("52046", 52046),
        (52046.0, 52046),
        ({"low": 52046, "high": 0, "unsigned": True}, 52046),
        ({"low": -807049093, "high": 395, "unsigned": True}, 1700000000123),
        ({"low": 5}, 5),
        (0, 0),
        (-1, None),
        ({"low": -1, "high": -1, "unsigned": False}, None),
        (8.7, None),
        (2**63, None),
        ({"low": "5", "high": 0}, None),
        ({}, None),
        ("many", None),
        ("5\n", None),
        (True, None),
        ([], None),
    ],
)
def test_counts(value: Any, number: int | None) -> None:
    assert as_count(value) == number


NAMES = {0: "REVOKE", 14: "MESSAGE_EDIT"}


@pytest.mark.parametrize(
    ("value", "name", "number"),
    [
        (14, "MESSAGE_EDIT", 14),
        ("14", "MESSAGE_EDIT", 14),
        ("MESSAGE_EDIT", "MESSAGE_EDIT", 14),
        ("message_edit", "MESSAGE_EDIT", 14),
        (0, "REVOKE", 0),
        (99, "99", 99),
        ("LATER", "LATER", None),
        ("²", None, None),
        (-1, None, None),
        ("", None, None),
        (None, None, None),
        (True, None, None),
        ({}, None, None),
    ],
)
def test_enums(value: Any, name: str | None, number: int | None) -> None:
    assert (enum_name(value, NAMES), enum_number(value, NAMES)) == (name, number)


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_empty_values_say_nothing(value: Any) -> None:
    assert says_nothing(value)


@pytest.mark.parametrize("value", [0, 0.0, True, "0", [None], {"a": None}])
def test_others_do(value: Any) -> None:
    assert not says_nothing(value)


def wrapped(*names: str, message: dict[str, Any]) -> dict[str, Any]:
    for name in reversed(names):
        message = {name: {"message": message}}
    return message


@pytest.mark.parametrize(
    ("message", "name", "flags"),
    [
        ({"conversation": "Hi"}, "conversation", set()),
        (wrapped("ephemeralMessage", message={"conversation": "Hi"}), "conversation", {"ephemeral"}),
        (wrapped("viewOnceMessageV2", message={"imageMessage": {}}), "imageMessage", {"view_once"}),
        (
            wrapped("deviceSentMessage", "ephemeralMessage", "viewOnceMessage", message={"imageMessage": {}}),
            "imageMessage",
            {"", "ephemeral", "view_once"},
        ),
        (wrapped("documentWithCaptionMessage", message={"documentMessage": {}}), "documentMessage", {""}),
        (wrapped("editedMessage", message={"conversation": "Hi"}), "conversation", {"edited"}),
        (wrapped("associatedChildMessage", message={"imageMessage": {}}), "imageMessage", {"telling"}),
        (wrapped("pollCreationMessageV4", message={"pollCreationMessage": {}}), "pollCreationMessage", {""}),
        ({"senderKeyDistributionMessage": {}, "conversation": "Hi"}, "conversation", set()),
        ({"imageMessage": {}, "messageContextInfo": {}}, "imageMessage", set()),
        ({"videoMessage": {}, "imageMessage": {}}, "imageMessage", set()),
        ({"zebraMessage": {}, "appleMessage": {}, "aardvark": {}}, "appleMessage", set()),
        ({"call": {"callKey": "x"}}, "call", set()),
        ({"conversation": None, "imageMessage": {}}, "imageMessage", set()),
        ({"messageContextInfo": {}, "senderKeyDistributionMessage": {}}, "", set()),
        ({}, "", set()),
        ({"ephemeralMessage": "torn"}, "ephemeralMessage", set()),
        ({"ephemeralMessage": {"message": None}}, "ephemeralMessage", set()),
        (wrapped(*["ephemeralMessage"] * 8, message={"conversation": "Hi"}), "conversation", {"ephemeral"}),
        (wrapped(*["ephemeralMessage"] * 9, message={"conversation": "Hi"}), "ephemeralMessage", {"ephemeral"}),
    ],
)
def test_unwrapping(message: dict[str, Any], name: str, flags: set[str], reading: Reading) -> None:
    found = unwrap(message, reading)
    assert (found.name, found.flags) == (name, flags)


@pytest.mark.parametrize("name", sorted(WRAPPERS))
def test_every_wrapper_is_opened(name: str, reading: Reading) -> None:
    assert unwrap(wrapped(name, message={"conversation": "Hi"}), reading).content == "Hi"


def test_the_choice_of_content_does_not_hang_on_the_order_of_members(reading: Reading) -> None:
    members = {name: {} for name in PRIORITY}
    assert unwrap(members, reading).name == unwrap(dict(reversed(members.items())), reading).name == "conversation"


def test_a_second_content_is_left_to_raw(reading: Reading) -> None:
    unwrap({"conversation": "Hi", "imageMessage": {"caption": "Hi"}}, reading)
    assert reading.partial
    assert [drift.name for drift in reading.notes.drift] == ["message.imageMessage"]


def test_a_telling_wrapper_is_told(reading: Reading) -> None:
    found = unwrap(wrapped("ephemeralMessage", "statusAddYours", message={"conversation": "Hi"}), reading)
    assert found.facts == {"wrappers": ["statusAddYours"]}
    assert not reading.partial


def test_a_message_sent_elsewhere_names_its_chat_again(reading: Reading) -> None:
    reading.chat = PEER
    unwrap({"deviceSentMessage": {"destinationJid": "16505551234:3@c.us", "message": {"conversation": "Hi"}}}, reading)
    assert not reading.partial
    unwrap({"deviceSentMessage": {"destinationJid": LID, "message": {"conversation": "Hi"}}}, reading)
    assert reading.partial


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"messageContextInfo": {"messageSecret": "x"}}, "metadata_only"),
        ({"protocolMessage": {"type": 5}}, "HISTORY_SYNC_NOTIFICATION"),
        ({"protocolMessage": {"type": "APP_STATE_SYNC_KEY_SHARE"}}, "APP_STATE_SYNC_KEY_SHARE"),
        ({"protocolMessage": {"type": 16}}, "PEER_DATA_OPERATION_REQUEST_MESSAGE"),
        ({"protocolMessage": {"type": 3}}, None),
        ({"protocolMessage": {"type": 0}}, None),
        ({"protocolMessage": {}}, None),
        ({"protocolMessage": {"type": 99}}, None),
        ({"protocolMessage": "torn"}, None),
        ({"conversation": "Hi"}, None),
    ],
)
def test_noise(message: dict[str, Any], name: str | None, reading: Reading) -> None:
    assert noise(unwrap(message, reading)) == name


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"protocolMessage": {"type": 14}}, "protocolMessage.MESSAGE_EDIT"),
        ({"protocolMessage": {"key": {"id": "A"}}}, "protocolMessage.REVOKE"),
        ({"protocolMessage": {"type": 99}}, "protocolMessage.99"),
        ({"protocolMessage": {"type": {}}}, "protocolMessage.UNKNOWN"),
        ({"hologramMessage": {"url": "x"}}, "hologramMessage"),
        ({"pinInChatMessage": {"type": 0}}, "pinInChatMessage"),
        ({"conversation": ""}, "conversation"),
        ({"conversation": {"text": "Hi"}}, "conversation"),
        ({"extendedTextMessage": {}}, "extendedTextMessage"),
        ({"extendedTextMessage": "Hi"}, "extendedTextMessage"),
        ({"contactsArrayMessage": {"contacts": []}}, "contactsArrayMessage"),
        ({"contactsArrayMessage": {"contacts": "none"}}, "contactsArrayMessage"),
        ({"interactiveResponseMessage": {"body": {"text": "Hi"}}}, "interactiveResponseMessage"),
    ],
)
def test_unknown_content_is_named_and_left_to_raw(message: dict[str, Any], kind: str, reading: Reading) -> None:
    assert map_content(unwrap(message, reading), reading) == {"type": "unknown", "kind": kind}
    assert reading.partial


def test_a_reaction_whose_text_cannot_be_read_is_no_removal(reading: Reading) -> None:
    found = unwrap({"reactionMessage": {"key": {"id": "A"}, "text": {"emoji": "👍"}}}, reading)
    assert map_content(found, reading) == {"type": "reaction", "message_id": "A", "action": "added"}
    assert reading.partial


@pytest.mark.parametrize(
    ("context", "fields", "partial"),
    [
        ({"isForwarded": True}, {"forwarded": True}, False),
        ({"forwardingScore": 4}, {"forwarded": True, "forwarding_score": 4}, False),
        ({"forwardingScore": 5}, {"forwarded": True, "frequently_forwarded": True, "forwarding_score": 5}, False),
        ({"isForwarded": False, "forwardingScore": 1}, {"forwarding_score": 1}, False),
        ({"isForwarded": False, "forwardingScore": 0}, {}, False),
        ({"expiration": "604800"}, {"ephemeral": True, "expires_in_s": 604800}, False),
        ({"expiration": 0}, {}, False),
        ({"mentionedJid": []}, {}, False),
        ({"mentionedJid": [LID, None]}, {"mentions": [{"id": LID, "lid": LID}]}, True),
        ({"mentionedJid": LID}, {}, True),
        ({"stanzaId": "A"}, {"reply_to": {"message_id": "A"}}, False),
        ({"stanzaId": "A", "remoteJid": PEER}, {"reply_to": {"message_id": "A"}}, False),
        (
            {"stanzaId": "A", "remoteJid": "status@broadcast", "quotedType": 1},
            {"reply_to": {"message_id": "A", "conversation_id": "status@broadcast", "automatic": True}},
            False,
        ),
        ({"quotedMessage": {"messageContextInfo": {}}}, {}, False),
        (
            {"quotedMessage": {"extendedTextMessage": {"text": "B", "contextInfo": {"stanzaId": "C"}}}},
            {"reply_to": {"content": {"type": "text", "text": "B"}, "details": {"stanzaId": "C"}}},
            False,
        ),
        ({"externalAdReply": {"mediaType": 2, "mediaUrl": "u"}},
         {"referral": {"media_type": "video", "video_url": "u"}}, False),
        ({"externalAdReply": {"mediaType": "NONE", "mediaUrl": "u"}}, {}, True),
        ({"externalAdReply": "torn"}, {}, True),
        (
            {"groupMentions": [{"groupJid": GROUP}]},
            {"context": {"group_mentions": [{"conversation_id": GROUP}]}},
            False,
        ),
        ({"groupMentions": "torn"}, {}, True),
        (
            {"disappearingMode": {"initiator": 1, "trigger": 0}, "ephemeralSettingTimestamp": "0"},
            {"disappearing": {"initiator": "initiated_by_me"}},
            False,
        ),
        ({"disappearingMode": {"initiator": "LATER"}}, {"disappearing": {"initiator": "later"}}, True),
        ({"isSampled": True, "ephemeralSharedSecret": "x"}, {}, False),
    ],
)  # fmt: skip
def test_context(context: dict[str, Any], fields: dict[str, Any], partial: bool, reading: Reading) -> None:
    assert map_context(context, PEER, reading) == fields
    assert reading.partial is partial
