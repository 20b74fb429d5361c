"""The WAHA adapter: its proof, how it writes ids, its scale, and identities."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from providers import Identity, Item, Malformed, Parsed, Proof, RawRequest, Unauthorized
from providers.waha import WahaAdapter, WahaSettings
from providers.waha.envelope import MessageId, split_id
from providers.wire import dump_json, load_json
from tests.golden import FIXTURES, RECEIVED

PEER = "16505551234@s.whatsapp.net"
GROUP = "120363025246125888@g.us"
LID = "186547852312@lid"
DOCUMENTED = b'{"event":"message","session":"default","engine":"WEBJS"}'
VECTOR = (
    "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8"
    "097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
)
"""WAHA documentation, Events, HMAC authentication: this body, signed with `my-secret-key`."""


def adapter(**settings: Any) -> WahaAdapter:
    return WahaAdapter(WahaSettings.model_validate(settings or {"hmac_key": "my-secret-key"}))


def request(body: bytes, headers: dict[str, str] | None = None, path_token: str | None = None) -> RawRequest:
    return RawRequest(headers=headers or {}, body=body, path_token=path_token, received_at=RECEIVED)


def fixture(name: str) -> Any:
    return load_json((FIXTURES / "waha" / f"{name}.json").read_bytes())


def parse(document: Any) -> Parsed:
    return adapter().parse(request(dump_json(document)))


def item(name: str, **payload: Any) -> Item:
    document = fixture(name)
    document["payload"] |= payload
    (found,) = parse(document).items
    return found


class TestProof:
    def test_something_must_prove(self) -> None:
        with pytest.raises(ValidationError, match="hmac_key"):
            WahaSettings.model_validate({})

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Webhook-Hmac": VECTOR, "X-Webhook-Hmac-Algorithm": "sha512"},
            {"X-Webhook-Hmac": VECTOR.upper()},
            {"X-Webhook-Hmac": VECTOR, "X-Webhook-Hmac-Algorithm": "SHA512"},
        ],
    )
    def test_the_documented_vector(self, headers: dict[str, str]) -> None:
        assert adapter().verify(request(DOCUMENTED, headers)) == Proof("hmac_key", 0)

    def test_each_key_of_a_rotation_is_good(self) -> None:
        both = adapter(hmac_key=["the-new-one", "my-secret-key"])
        assert both.verify(request(DOCUMENTED, {"X-Webhook-Hmac": VECTOR})) == Proof("hmac_key", 1)

    @pytest.mark.parametrize(
        ("body", "headers", "code", "status"),
        [
            (DOCUMENTED, {}, "missing_signature", 401),
            (DOCUMENTED, {"X-Webhook-Hmac": ""}, "missing_signature", 401),
            (DOCUMENTED, {"X-Webhook-Hmac": "abc"}, "malformed_signature", 403),
            (DOCUMENTED, {"X-Webhook-Hmac": "é" * 128}, "malformed_signature", 403),
            (DOCUMENTED, {"X-Webhook-Hmac": "0" * 128}, "wrong_signature", 403),
            (DOCUMENTED + b" ", {"X-Webhook-Hmac": VECTOR}, "wrong_signature", 403),
            (DOCUMENTED, {"X-Webhook-Hmac": VECTOR, "X-Webhook-Hmac-Algorithm": "md5"}, "unknown_algorithm", 403),
        ],
    )
    def test_refused(self, body: bytes, headers: dict[str, str], code: str, status: int) -> None:
        with pytest.raises(Unauthorized) as refused:
            adapter().verify(request(body, headers))
        assert (refused.value.code, refused.value.status) == (code, status)

    def test_a_path_token_alone(self) -> None:
        only = adapter(path_token="token")
        assert only.verify(request(DOCUMENTED, path_token="token")) == Proof("path_token")
        assert only.sign(DOCUMENTED) == {}

    def test_what_it_signs_itself_it_accepts(self) -> None:
        headers = adapter().sign(DOCUMENTED)
        assert headers["X-Webhook-Hmac"] == VECTOR
        assert adapter().verify(request(DOCUMENTED, headers))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("true_1@c.us_AAAA", MessageId(True, "1@c.us", "AAAA", "")),
        ("false_1@g.us_AAAA_9@lid", MessageId(False, "1@g.us", "AAAA", "9@lid")),
        ("false_1@g.us_AAAA_9_1:2@c.us", MessageId(False, "1@g.us", "AAAA", "9_1:2@c.us")),
        ("3EB0AAAA", MessageId(None, "", "3EB0AAAA", "")),
        ("some_id", MessageId(None, "", "some_id", "")),
        ("", MessageId(None, "", "", "")),
    ],
)
def test_ids(text: str, parts: MessageId) -> None:
    assert split_id(text) == parts


class TestEnvelope:
    @pytest.mark.parametrize("document", [[], {}, {"event": "message"}, {"payload": {}}, {"event": 5, "payload": {}}])
    def test_what_is_none_is_malformed(self, document: Any) -> None:
        with pytest.raises(Malformed):
            parse(document)

    def test_the_channel_is_the_session_and_its_number(self) -> None:
        assert item("text").data["channel"] == {
            "id": "shop", "phone": "+15550783881", "name": "Shop", "metadata": {"user.id": "123"},
        }  # fmt: skip
        (bare,) = parse({"event": "message", "payload": fixture("text")["payload"]}).items
        assert bare.data["channel"] == {}

    def test_known_events_without_a_place_are_no_drift(self) -> None:
        assert not parse(fixture("label_upsert")).notes.drift
        assert parse(fixture("unknown_event")).notes.drift == [("type", "hologram.received")]

    @pytest.mark.parametrize("payload", [None, [], "torn", 5])
    @pytest.mark.parametrize("event", ["message", "message.ack", "session.status", "group.v2.join", "poll.vote"])
    def test_a_torn_payload_is_left_to_raw(self, event: str, payload: Any) -> None:
        (found,) = parse({"event": event, "payload": payload}).items
        assert found.partial


class TestIdentity:
    def test_message_and_message_any_are_the_same(self) -> None:
        assert item("text").identity == item("text_any").identity
        assert item("text").identity == Identity("M", ("shop", PEER, "0", "3EB0C767D097B7C70301"))

    def test_a_message_in_a_group(self) -> None:
        found = item("group_image")
        assert found.identity == Identity("M", ("shop", GROUP, "0", "3EB0C767D097B7C70303"))
        assert found.data["sender"] == {"id": LID, "lid": LID}

    def test_an_edit_is_not_the_message(self) -> None:
        """Some engines give the edit the message's own id."""
        same = item("edited", id="false_16505551234@c.us_3EB0AAAABBBBCCCC0040")
        assert same.identity == item("edited").identity
        assert same.identity == Identity(
            "E", ("shop", PEER, "3EB0AAAABBBBCCCC0040", "edited", "evt_01jpx8n4f0000000000000001")
        )

    def test_the_same_vote_of_another_message_is_another(self) -> None:
        assert item("vote").identity == Identity("M", ("shop", PEER, "0", "3EB0C767D097B7C70311"))


class TestAcks:
    @pytest.mark.parametrize(
        ("number", "status"),
        [(-1, "failed"), (0, "pending"), (1, "sent"), (2, "delivered"), (3, "read"), ("3", "read"), (4, "played")],
    )
    def test_its_own_scale(self, number: Any, status: str) -> None:
        found = item("ack_read", ack=number, ackName=None)
        assert (found.data["status"]["status"], found.data["status"]["scale"]) == (status, "waha")
        assert not found.partial

    @pytest.mark.parametrize("number", [5, -2, None, "READ", True, {}])
    def test_other_numbers_are_drift(self, number: Any) -> None:
        found = item("ack_read", ack=number, ackName=None)
        assert found.data["status"]["status"] == "unknown"
        assert found.partial

    def test_a_name_that_contradicts_the_number_is_left_to_raw(self) -> None:
        assert item("ack_read", ackName="PLAYED").partial

    def test_who_in_a_group(self) -> None:
        found = item("ack_group")
        assert found.data["recipient"] == {"id": LID, "lid": LID}
        assert found.identity == Identity("S", ("3EB0C767D097B7C7030C", "3", LID, "", ""))


class TestMessages:
    @pytest.mark.parametrize(
        ("mimetype", "kind"),
        [("image/png", "image"), ("video/mp4", "video"), ("audio/ogg; codecs=opus", "audio"), ("text/csv", "document"),
         (None, "document")],
    )  # fmt: skip
    def test_media_by_their_mime_type(self, mimetype: str | None, kind: str) -> None:
        found = item("group_image", media={"url": "https://waha.example.com/x", "mimetype": mimetype})
        assert found.data["message"]["content"]["type"] == kind

    def test_addresses_beside_an_id_that_contradict_it_are_left_to_raw(self) -> None:
        assert not item("text").partial
        assert item("text", **{"from": "16505550100@c.us"}).partial
        assert item("text", fromMe=True).partial

    def test_what_was_sent_from_elsewhere_is_echoed(self) -> None:
        found = item("sent_by_api")
        assert (found.type, found.data["sender"]) == ("whatsapp.message.echoed", {"id": "self"})
        assert found.data["recipient"]["phone"] == "+16505551234"

    def test_the_engines_own_object_tells_what_the_others_cannot(self) -> None:
        assert item("poll_from_engine").data["message"]["content"]["type"] == "poll"
        assert item("poll_from_engine", _data={}).data["message"]["content"]["type"] == "unknown"
