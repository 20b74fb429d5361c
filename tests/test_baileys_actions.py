"""Messages that do something to another message or to a chat, and notices that stand in place of one."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from providers import Identity, Item
from providers.base import RawRequest
from providers.whapi import WhapiAdapter, WhapiSettings
from providers.wire import dump_json
from tests.golden import RECEIVED, settings_of

PEER = "16505551234@s.whatsapp.net"
OTHER = "16505550100@s.whatsapp.net"
LID = "186547852312@lid"
GROUP = "120363025246125888@g.us"
BOTH = {"id": "+16505550100", "phone": "+16505550100", "lid": LID}
TARGET = "3EB0AAAABBBBCCCC0001"
ADAPTER = WhapiAdapter(WhapiSettings.model_validate(settings_of("whapi")))


def item(message: Any = None, *, group: bool = False, from_me: bool = False, **info: Any) -> Item:
    key = {"remoteJid": GROUP if group else PEER, "fromMe": from_me, "id": "A"}
    if group:
        key["participant"] = PEER
    results = {"key": key, "messageTimestamp": 1780952383, **({"message": message} if message else {}), **info}
    body = dump_json({"type": "message", "results": results})
    (found,) = ADAPTER.parse(RawRequest(headers={}, body=body, received_at=RECEIVED)).items
    return found


def protocol(kind: Any, **members: Any) -> dict[str, Any]:
    return {"protocolMessage": {"type": kind, "key": {"remoteJid": PEER, "fromMe": True, "id": TARGET}, **members}}


class TestEdits:
    EDIT: ClassVar = protocol("MESSAGE_EDIT", editedMessage={"conversation": "at 6"}, timestampMs="1780952383000")

    WRAPPED: ClassVar = {"ephemeralMessage": {"message": {"extendedTextMessage": {"text": "at 6"}}}}

    @pytest.mark.parametrize(
        "message", [EDIT, {"editedMessage": {"message": EDIT}}, protocol(14, editedMessage=WRAPPED)]
    )
    def test_two_shapes_name_their_target(self, message: Any) -> None:
        found = item(message)
        assert found.type == "whatsapp.message.edited"
        assert found.data["content"] == {"type": "text", "text": "at 6"}
        assert found.data["target"]["message_id"] == TARGET
        assert found.identity == Identity("M", ("", PEER, "0", "A"))
        assert not found.partial

    @pytest.mark.parametrize(("from_me", "theirs", "business"), [
        (False, True, False), (True, True, True), (False, False, None), (True, False, False),
    ])  # fmt: skip
    def test_the_targets_key_is_the_editors(self, from_me: bool, theirs: bool, business: bool | None) -> None:
        message = protocol("MESSAGE_EDIT", editedMessage={"conversation": "at 6"})
        message["protocolMessage"]["key"]["fromMe"] = theirs
        assert item(message, from_me=from_me).data["target"].get("from_business") is business

    def test_the_third_shape_has_no_target(self) -> None:
        found = item({"editedMessage": {"message": {"conversation": "at 6"}}})
        assert found.type == "whatsapp.message.edited"
        assert "target" not in found.data
        assert found.identity == Identity("M", ("", PEER, "0", "A"))

    @pytest.mark.parametrize("kind", [1, 2, "MESSAGE_EDIT", "EVENT_EDIT"])
    def test_an_encrypted_one_cannot_be_read(self, kind: Any) -> None:
        node = {"targetMessageKey": {"id": TARGET, "fromMe": True}, "encPayload": "eA==", "secretEncType": kind}
        found = item({"secretEncryptedMessage": node})
        assert found.data["encrypted"] is True
        assert found.data["ciphertext"] == {"payload": "eA=="}
        assert "content" not in found.data

    @pytest.mark.parametrize(
        "message",
        [
            {"secretEncryptedMessage": {"secretEncType": 2}},
            {"secretEncryptedMessage": {"targetMessageKey": {"id": TARGET}, "secretEncType": 0}},
            {"protocolMessage": {"type": 14}},
            {"protocolMessage": {"type": 0}},
            {"protocolMessage": {"type": "REVOKE", "key": {"id": ""}}},
            {"pinInChatMessage": {"key": {"id": TARGET}, "type": 0}},
            {"keepInChatMessage": {"key": {"id": TARGET}}},
            protocol(99),
        ],
    )
    def test_what_does_not_say_what_to_do_is_left_to_raw(self, message: Any) -> None:
        found = item(message)
        assert found.type == "whatsapp.message.received"
        assert found.data["message"]["content"]["type"] == "unknown"
        assert found.partial


class TestMarks:
    PIN: ClassVar = {"key": {"id": TARGET, "remoteJid": "15550783881@s.whatsapp.net"}, "type": 1}

    @pytest.mark.parametrize(("from_me", "theirs", "business"), [
        (False, True, False), (True, True, True), (False, False, None), (True, False, False),
    ])  # fmt: skip
    def test_the_targets_key_is_the_doers(self, from_me: bool, theirs: bool, business: bool | None) -> None:
        pin = {**self.PIN, "key": {**self.PIN["key"], "fromMe": theirs}}
        target = item({"pinInChatMessage": pin}, from_me=from_me).data["change"]["target"]
        assert target["message_id"] == TARGET
        assert target.get("from_business") is business

    @pytest.mark.parametrize("message", [{"pinInChatMessage": PIN}, {"keepInChatMessage": {**PIN, "keepType": 1}}])
    def test_who_calls_the_chat_by_our_address_means_this_one(self, message: Any) -> None:
        message = {name: {**node, "key": {**node["key"], "fromMe": True}} for name, node in message.items()}
        assert item(message).data["change"]["target"] == {"message_id": TARGET, "from_business": False}


class TestDeletions:
    def test_by_who_wrote_it(self) -> None:
        found = item(protocol(0))
        assert found.type == "whatsapp.message.deleted"
        assert found.data["target"] == {"message_id": TARGET, "from_business": False}
        assert found.identity == Identity("M", ("", PEER, "0", "A"))

    def test_by_an_admin(self) -> None:
        key = {"remoteJid": GROUP, "fromMe": False, "id": TARGET, "participant": OTHER}
        found = item({"protocolMessage": {"type": "REVOKE", "key": key}}, group=True)
        assert found.data["target"]["sender"]["phone"] == "+16505550100"
        assert found.data["sender"]["phone"] == "+16505551234"

    @pytest.mark.parametrize("stub", [1, "REVOKE", "ADMIN_REVOKE", 132])
    def test_a_notice_in_its_place_does_not_have_the_messages_identity(self, stub: Any) -> None:
        found = item(messageStubType=stub)
        assert found.data["target"] == {"message_id": "A"}
        assert found.identity == Identity("E", ("", PEER, "A", "deleted", ""))


def change(stub: Any, *parameters: Any) -> Any:
    return item(group=True, messageStubType=stub, messageStubParameters=list(parameters))


class TestGroups:
    @pytest.mark.parametrize(
        ("stub", "parameters", "expected"),
        [
            (27, [OTHER], {"kind": "joined", "participants": [{"id": "+16505550100", "phone": "+16505550100"}]}),
            (28, [LID], {"kind": "removed", "participants": [{"id": LID, "lid": LID}]}),
            (
                "GROUP_PARTICIPANT_PROMOTE",
                [json.dumps({"id": LID, "phoneNumber": OTHER, "username": "@pablo", "admin": "admin"})],
                {
                    "kind": "promoted",
                    "participants": [
                        {
                            "id": "+16505550100",
                            "phone": "+16505550100",
                            "lid": LID,
                            "username": "pablo",
                            "role": "admin",
                        }
                    ],
                },
            ),
            (21, ["Regulars"], {"kind": "subject_changed", "subject": "Regulars"}),
            (22, [], {"kind": "icon_deleted"}),
            (22, ["17"], {"kind": "icon_changed", "icon": {"id": "17"}}),
            (25, ["on"], {"kind": "settings_changed", "settings": {"restrict": True}}),
            (26, ["false"], {"kind": "settings_changed", "settings": {"announce": False}}),
            (171, ["all_member_add"], {"kind": "settings_changed", "settings": {"member_add_mode": "all_member_add"}}),
            (
                172,
                [json.dumps({"lid": LID, "pn": OTHER}), "rejected"],
                {
                    "kind": "join_request_rejected",
                    "participants": [BOTH],
                },
            ),
        ],
    )
    def test_notices(self, stub: Any, parameters: list[Any], expected: dict[str, Any]) -> None:
        found = change(stub, *parameters)
        told = {name: value for name, value in found.data["change"].items() if name not in ("actor", "provider_event")}
        assert (found.type, told) == ("whatsapp.group.updated", expected)
        assert found.data["change"]["actor"]["phone"] == "+16505551234"
        assert found.data["message_id"] == "A"
        assert found.identity == Identity("M", ("", GROUP, "0", "A"))
        assert not found.partial

    @pytest.mark.parametrize(
        ("stub", "parameters"),
        [(21, ["one", "two"]), (25, []), (172, [OTHER, "teleported"]), (27, [OTHER, {"id": LID}]), (27, [None])],
    )
    def test_what_cannot_be_placed_is_left_to_raw(self, stub: Any, parameters: list[Any]) -> None:
        assert change(stub, *parameters).partial

    def test_other_notices_are_named(self) -> None:
        found = change(38, PEER)
        assert found.data["message"]["content"] == {"type": "unknown", "kind": "stub.38"}
        assert found.data["message"]["device"] == {"stub": {"kind": "e2e_identity_changed", "parameters": [PEER]}}
        assert change("LATER").data["message"]["content"]["kind"] == "stub.LATER"

    def test_what_the_business_did_itself_says_so(self) -> None:
        found = item(group=True, from_me=True, messageStubType=21, messageStubParameters=["Regulars"])
        assert found.data["message"] == {"id": "A", "direction": "outbound"}


def test_a_notice_beside_a_message_is_told_with_it() -> None:
    found = item({"conversation": "Hi"}, messageStubType="CIPHERTEXT", messageStubParameters=["Bad MAC"])
    assert found.data["message"]["content"] == {"type": "text", "text": "Hi"}
    assert found.data["message"]["device"]["stub"] == {"kind": "ciphertext", "parameters": ["Bad MAC"]}
    assert not found.partial


def test_rare_members_are_kept_without_their_keys() -> None:
    info = {"photoChange": {"oldPhoto": "eA==", "newPhotoId": 5}, "paymentInfo": {"currency": "INR", "mediaKey": "k"}}
    found = item({"conversation": "Hi"}, **info)
    assert found.data["message"]["details"] == {
        "message.photoChange": {"newPhotoId": 5},
        "message.paymentInfo": {"currency": "INR"},
    }


def test_a_call_that_nobody_took() -> None:
    found = item(messageStubType="CALL_MISSED_VOICE")
    assert found.type == "whatsapp.call.updated"
    assert (found.data["call"]["outcome"], found.data["call"]["video"]) == ("missed", False)
