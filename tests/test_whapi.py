"""The WHAPI adapter: its proof, its two ack scales, its ids for ever, and rotten values."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.stamp import event_id
from normalized.event import TYPES
from providers import Identity, Item, Malformed, Parsed, Proof, RawRequest, Unauthorized
from providers.whapi import WhapiAdapter, WhapiSettings, messages
from providers.wire import dump_json, load_json
from tests.golden import FIXTURES, RECEIVED, settings_of

KEY = settings_of("whapi")["api_key"]
PEER = "16505551234@s.whatsapp.net"


def adapter(**settings: Any) -> WhapiAdapter:
    return WhapiAdapter(WhapiSettings.model_validate({"api_key": KEY, **settings}))


def request(body: bytes, path_token: str | None = None) -> RawRequest:
    return RawRequest(headers={}, body=body, path_token=path_token, received_at=RECEIVED)


def parse(document: Any, **settings: Any) -> Parsed:
    return adapter(**settings).parse(request(document if isinstance(document, bytes) else dump_json(document)))


def message(results: dict[str, Any]) -> list[Item]:
    return parse({"type": "message", "results": results}).items


def fixture(name: str) -> Any:
    return load_json((FIXTURES / "whapi" / f"{name}.json").read_bytes())


class TestSettings:
    @pytest.mark.parametrize("settings", [{}, {"api_key": []}, {"api_key": "k", "ack_scale": "wwebjs"}])
    def test_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            WhapiSettings.model_validate(settings)


ENVELOPE = {"type": "ready", "results": {"message": "Device connected successfully"}}


def ready(**results: Any) -> bytes:
    return dump_json({"type": "ready", "results": results})


class TestProof:
    def test_each_key_of_a_rotation_is_good(self) -> None:
        both = adapter(api_key=["new-key-0001", "old-key-0001"])
        assert both.verify(request(ready(apiKey="new-key-0001"))) == Proof("api_key", 0)
        assert both.verify(request(ready(apiKey="old-key-0001"))) == Proof("api_key", 1)

    @pytest.mark.parametrize(
        ("body", "code", "status"),
        [
            (ready(), "missing_api_key", 401),
            (ready(apiKey=None), "missing_api_key", 401),
            (ready(apiKey=""), "missing_api_key", 401),
            (ready(apiKey="wrong"), "wrong_api_key", 403),
            (ready(apiKey=KEY + "0"), "wrong_api_key", 403),
            (ready(apiKey=5), "wrong_api_key", 403),
            (ready(apiKey=[KEY]), "wrong_api_key", 403),
            (ready(apiKey={"key": KEY}), "wrong_api_key", 403),
            (ready(apiKey="\u00e9\ud800".encode("utf-8", "replace").decode()), "wrong_api_key", 403),
            (dump_json({"type": "ready", "apiKey": KEY}), "missing_api_key", 401),
            (b"[]", "missing_api_key", 401),
            (b"apiKey=" + KEY.encode(), "missing_api_key", 401),
            (b"", "missing_api_key", 401),
        ],
    )
    def test_refused(self, body: bytes, code: str, status: int) -> None:
        with pytest.raises(Unauthorized) as refused:
            adapter().verify(request(body))
        assert (refused.value.code, refused.value.status) == (code, status)

    @pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"type": 5, "results": {}}', b'{"type": "ready"}'])
    def test_a_path_token_is_enough_for_what_is_no_envelope(self, body: bytes) -> None:
        assert adapter(path_token="token").verify(request(body, "token")) == Proof("path_token")
        with pytest.raises(Unauthorized):
            adapter(path_token="token").verify(request(body, "wrong"))

    @pytest.mark.parametrize("results", [{}, {"apiKey": "wrong"}])
    def test_a_path_token_is_not_enough_for_an_envelope(self, results: dict[str, Any]) -> None:
        with pytest.raises(Unauthorized):
            adapter(path_token="token").verify(request(ready(**results), "token"))

    def test_both_together(self) -> None:
        assert adapter(path_token="token").verify(request(ready(apiKey=KEY), "token")) == Proof("api_key")
        with pytest.raises(Unauthorized):
            adapter(path_token="token").verify(request(ready(apiKey=KEY), None))

    def test_a_sample_is_filled_with_the_first_key(self) -> None:
        both = adapter(api_key=["new-key-0001", "old-key-0001"])
        filled = both.fill(dump_json(ENVELOPE))
        assert both.verify(request(filled)) == Proof("api_key")
        assert both.sign(filled) == {}
        assert both.fill(b"[]") == b"[]"


class TestEnvelope:
    @pytest.mark.parametrize(
        "document",
        [[], "ready", 5, None, {}, {"type": "ready"}, {"results": {}}, {"type": "ready", "results": []},
         {"type": 5, "results": {}}, {"type": "", "results": {}}, {"type": "ready", "results": None}],
    )  # fmt: skip
    def test_what_is_none_is_malformed(self, document: Any) -> None:
        with pytest.raises(Malformed) as malformed:
            parse(document)
        assert malformed.value.code == "not_an_envelope"

    def test_what_is_no_json_is_malformed(self) -> None:
        with pytest.raises(Malformed):
            parse(b'{"type": "ready"')

    def test_documented_types_are_no_drift(self) -> None:
        for kind in ("poll_update", "schedule"):
            parsed = parse({"type": kind, "results": {"a": 1}})
            assert parsed.items[0].data == {"kind": "type", "name": kind}
            assert parsed.items[0].partial
            assert not parsed.notes.drift
        for kind in ("group_join", "group_leave", "group_update"):
            (item,) = parse({"type": kind, "results": {}}).items
            assert item.data == {"kind": "type", "name": kind, "detail": "no group"}
            assert (item.partial, item.pointer) == (True, "/results")
        assert parse({"type": "teleport", "results": {}}).notes.drift == [("type", "teleport")]


def acked(number: Any, kind: str = "message_ack", **settings: Any) -> tuple[Item, list[tuple[str, str]]]:
    parsed = parse({"type": kind, "results": {"ack": {"ack": number, "id": "A", "serialized": PEER}}}, **settings)
    (item,) = parsed.items
    return item, [tuple(drift) for drift in parsed.notes.drift]  # type: ignore[misc]


class TestAcks:
    @pytest.mark.parametrize(
        ("scale", "number", "status", "drift"),
        [
            ("whapi", 0, "failed", False),
            ("whapi", 1, "pending", True),
            ("whapi", 2, "pending", False),
            ("whapi", 3, "sent", False),
            ("whapi", 4, "read", False),
            ("whapi", 5, "played", False),
            ("whapi", "3", "sent", False),
            ("whapi", 6, "unknown", True),
            ("whapi", -1, "unknown", True),
            ("whapi", "READ", "unknown", True),
            ("whapi", 3.5, "unknown", True),
            ("whapi", True, "unknown", True),
            ("whapi", None, "unknown", True),
            ("whapi", {"ack": 3}, "unknown", True),
            ("baileys", 0, "failed", False),
            ("baileys", 1, "pending", False),
            ("baileys", 2, "sent", False),
            ("baileys", 3, "delivered", False),
            ("baileys", 4, "read", False),
            ("baileys", 5, "played", False),
            ("baileys", 6, "unknown", True),
        ],
    )
    def test_scales(self, scale: str, number: Any, status: str, drift: bool) -> None:
        item, drifted = acked(number, ack_scale=scale)
        assert item.data["status"]["status"] == status
        assert item.data["status"]["scale"] == scale
        assert (bool(drifted), item.partial) == (drift, drift)

    def test_the_same_ack_has_the_same_identity_as_number_and_as_text(self) -> None:
        assert acked(3)[0].identity == acked("3")[0].identity == Identity("S", ("A", "3", "", "device", ""))

    def test_the_browsers_ack_is_another(self) -> None:
        assert acked(3, "message_ack_browser")[0].identity == Identity("S", ("A", "3", "", "browser", ""))

    @pytest.mark.parametrize(("scale", "status"), [("whapi", "pending"), ("baileys", "sent")])
    @pytest.mark.parametrize("number", [2, "2", "SERVER_ACK"])
    def test_a_message_sent_through_the_api_has_a_first_status(self, scale: str, status: str, number: Any) -> None:
        document = fixture("sent_by_api")
        document["results"]["status"] = number
        _, item = parse(document, ack_scale=scale).items
        assert item.data["status"] == {
            "message_id": document["results"]["key"]["id"],
            "status": status,
            "rank": {"pending": 1, "sent": 2}[status],
            "provider_status": "2",
            "scale": scale,
        }
        assert item.pointer == "/results/status"
        assert item.lane == ("status", document["results"]["key"]["id"])

    @pytest.mark.parametrize("number", [0, 1, 3, 4, 5, "READ", "PENDING", None, {}])
    def test_no_other_status_of_a_message_is_a_delivery_report(self, number: Any) -> None:
        document = fixture("sent_by_api")
        document["results"]["status"] = number
        assert len(parse(document).items) == 1

    def test_nor_is_one_of_a_received_message(self) -> None:
        document = fixture("text")
        document["results"]["status"] = 2
        assert [item.type for item in parse(document).items] == ["whatsapp.message.received"]


GOLDEN = [
    ("text", 0, Identity("M", ("", PEER, "0", "3EB0C767D097B7C70001")), "6a272d3fb9b2b0687313263ebfd6cd34"),
    (
        "phone_chat_lid_beside",
        0,
        Identity("M", ("", PEER, "0", "3EB0C767D097B7C7000D")),
        "6a272d3f64d80b9f71b333791299412a",
    ),
    (
        "hosted_chat",
        0,
        Identity("M", ("", "16505551234@hosted", "0", "3EB0C767D097B7C7000F")),
        "6a272d3fd29089db4a317dab4c996644",
    ),
    (
        "group_text_own",
        0,
        Identity("M", ("", "120363025246125888@g.us", "1", "3EB0C767D097B7C70009")),
        "6a272d3fb03b7c5a9f5d71da186ff1bb",
    ),
    ("text_flattened_only", 0, Identity("M", ("", PEER, "0", "3EB0FLAT0001")), "6a272d3fb79914449cf6df02b4960d06"),
    (
        "stub_group_add",
        0,
        Identity("M", ("", "120363025246125888@g.us", "0", "3EB0C767D097B7C7003B")),
        "6a272d3f9e6f1aa39382cd04399f331e",
    ),
    ("revoke", 0, Identity("M", ("", PEER, "0", "3EB0C767D097B7C70033")), "6a272d3f03f548875c8b64c611b576a5"),
    ("undecryptable", 0, Identity("U", ("3EB0C767D097B7C70039",)), "6a272d3fbc1fb846d144aa18f782e589"),
    ("sent_by_api", 1, Identity("S", ("3EB0C767D097B7C7003C", "2", "", "", "")), "6a272d3ff66728562206e8fdd3aa7d16"),
    (
        "ack_read",
        0,
        Identity("S", ("3EB0C767D097B7C7A001", "4", "", "device", "")),
        "000000007ef79a189347a995dfc5665c",
    ),
    (
        "ack_browser_read",
        0,
        Identity("S", ("3EB0C767D097B7C7A001", "4", "", "browser", "")),
        "00000000b15d570663814ea72549101b",
    ),
    (
        "ack_group",
        0,
        Identity("S", ("3EB0C767D097B7C7A001", "4", "186547852312@lid", "device", "")),
        "000000005e85875ebf4986d82b757f5f",
    ),
    (
        "ack_unknown",
        0,
        Identity("S", ("3EB0C767D097B7C7A001", "-1", "", "device", "")),
        "000000004d08a81e3377a091a6eabbdd",
    ),
]


class TestIdentity:
    @pytest.mark.parametrize(("name", "index", "identity", "vector"), GOLDEN)
    def test_for_ever(self, name: str, index: int, identity: Identity, vector: str) -> None:
        item = parse(fixture(name)).items[index]
        assert item.identity == identity
        assert event_id("acme/whapi", identity, item.time_ms).hex() == vector

    @pytest.mark.parametrize("jid", [PEER, "16505551234@c.us", "16505551234:7@s.whatsapp.net", "16505551234_1:7@C.US"])
    def test_every_spelling_of_a_chat_is_the_same_chat(self, jid: str) -> None:
        (item,) = message({"key": {"remoteJid": jid, "fromMe": False, "id": "A"}, "message": {"conversation": "Hi"}})
        assert item.identity == Identity("M", ("", PEER, "0", "A"))
        assert item.lane == ("chat", "", PEER)

    @pytest.mark.parametrize(
        "results", [{"chatId": PEER}, {"from": PEER}, {"key": {"remoteJid": None}, "chatId": PEER}]
    )
    def test_without_its_address_the_flat_one_counts(self, results: dict[str, Any]) -> None:
        (item,) = message({"id": "A", "body": "Hi", **results})
        assert item.identity == Identity("M", ("", PEER, "0", "A"))

    def test_a_stub_does_not_use_up_the_identity_of_the_message_that_follows(self) -> None:
        key = {"remoteJid": PEER, "fromMe": False, "id": "A"}
        (stub,) = message({"key": key, "messageStubType": "CIPHERTEXT"})
        (readable,) = message({"key": key, "messageStubType": 2, "message": {"conversation": "Hi"}})
        assert stub.identity == Identity("U", ("A",))
        assert readable.identity == Identity("M", ("", PEER, "0", "A"))

    def test_nor_does_one_that_comes_with_the_groups_keys(self) -> None:
        key = {"remoteJid": "120363025246125888@g.us", "fromMe": False, "id": "A", "participant": PEER}
        keys_only = {"senderKeyDistributionMessage": {"groupId": key["remoteJid"]}}
        (stub,) = message({"key": key, "messageStubType": 2, "message": keys_only})
        assert stub.identity == Identity("U", ("A",))
        assert stub.data["message"]["undecryptable"]

    def test_what_has_no_id_has_no_identity(self) -> None:
        assert message({"body": "Hi"})[0].identity is None
        assert parse({"type": "message_ack", "results": {"ack": {"ack": 3}}}).items[0].identity is None
        for name in ("ready", "disconnected", "change_state_scan", "group_join"):
            assert parse(fixture(name)).items[0].identity is None


class TestMessages:
    @pytest.mark.parametrize("name", ["text", "text_documented", "group_text_lid", "image_caption", "audio_voice",
                                      "document_caption", "sent_by_api", "reaction", "contacts"])  # fmt: skip
    def test_ordinary_messages_are_told_wholly(self, name: str) -> None:
        parsed = parse(fixture(name))
        assert not any(item.partial for item in parsed.items)
        assert not parsed.notes.drift

    def test_keys_of_media_are_not_typed(self) -> None:
        document = fixture("image_caption")
        node = document["results"]["message"]["imageMessage"]
        (item,) = parse(document).items
        assert node["mediaKey"] not in dump_json(item.data).decode()
        assert {"mediaKey", "messageSecret"} <= WhapiAdapter.media_secrets

    def test_a_file_in_base64_is_left_to_raw(self) -> None:
        document = fixture("image_caption")
        document["results"]["body"] = "/9j/4AAQSkZJRgABAQAAAQABAAD"
        (item,) = parse(document).items
        assert item.partial
        assert b"4AAQSkZJRg" not in dump_json(item.data)

    @pytest.mark.parametrize(
        ("times", "time_ms"),
        [
            ({"messageTimestamp": 1780952383}, 1780952383000),
            ({"messageTimestamp": "1780952383"}, 1780952383000),
            ({"messageTimestamp": {"low": 1780952383, "high": 0, "unsigned": True}}, 1780952383000),
            ({"messageTimestamp": {"low": -807049093, "high": 395, "unsigned": True}}, 1700000000123),
            ({"messageTimestamp": "soon", "timestamp": 1780952383}, 1780952383000),
            ({"messageTimestamp": 0, "t": "1780952383"}, 1780952383000),
            ({"messageTimestamp": {}}, None),
            ({}, None),
        ],
    )
    def test_times(self, times: dict[str, Any], time_ms: int | None) -> None:
        (item,) = message({"key": {"remoteJid": PEER, "id": "A"}, "message": {"conversation": "Hi"}, **times})
        assert item.time_ms == time_ms

    def test_a_body_counts_where_the_raw_part_says_nothing(self) -> None:
        (item,) = message({"id": "A", "from": PEER, "message": {"conversation": None}, "body": "Hi"})
        assert item.data["message"]["content"] == {"type": "text", "text": "Hi"}

    def test_the_group_itself_is_nobody(self) -> None:
        (item,) = message({"key": {"remoteJid": "1@g.us", "id": "A"}, "sender": "1@g.us", "body": "Hi"})
        assert item.data["sender"] == {"id": "unknown"}

    @pytest.mark.parametrize(
        ("key", "partial"),
        [([], False), ({}, False), ({"id": {}}, False), ({"id": ""}, False), ("torn", True), ({"id": [5]}, True),
         ({"fromMe": "yes"}, True), ({"participant": [5]}, True), ({"senderPn": {"a": 1}}, True)],
    )  # fmt: skip
    def test_a_torn_key_is_completed_and_left_to_raw(self, key: Any, partial: bool) -> None:
        (item,) = message({"key": key, "id": "A", "from": PEER, "body": "Hi"})
        assert item.identity == Identity("M", ("", PEER, "0", "A"))
        assert item.partial is partial

    def test_noise_is_counted_and_dropped(self) -> None:
        parsed = parse(fixture("noise_history_sync"))
        assert (parsed.items, parsed.notes.noise) == ([], {"message.HISTORY_SYNC_NOTIFICATION": 1})
        parsed = parse(fixture("noise_sender_key"))
        assert (parsed.items, parsed.notes.noise) == ([], {"message.metadata_only": 1})

    def test_a_mistake_of_ours_costs_the_typed_part_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = parse(fixture("text")).items[0]

        def broken(*_: Any) -> Any:
            raise RuntimeError

        monkeypatch.setattr(messages, "_add_hints", broken)
        (item,) = parse(fixture("text")).items
        assert item.type == "whatsapp.unknown"
        assert item.data == {"kind": "message", "name": "conversation", "detail": "RuntimeError"}
        assert (item.identity, item.time_ms, item.lane) == (expected.identity, expected.time_ms, expected.lane)
        assert item.partial


ROTTEN: list[Any] = [
    None, True, False, 0, -1, 2**70, 1.5, "", "x", [], [None], ["a", {}], {}, {"a": 1}, {"low": 1}, "9" * 50,
    {"type": "Buffer", "data": [300]}, {"message": {}}, {"message": {"message": {"conversation": 5}}},
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in members:
        yield (*path, name)
        yield from places(child, (*path, name))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    node = document
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return document


ROTTED = [
    "text_documented", "group_text_phone_and_lid", "image_buffers", "contacts", "reaction", "flow_reply",
    "referral_ad", "reply_quoting_image", "ephemeral", "edit_wrapped", "undecryptable", "sent_by_api",
    "text_flattened_only", "location_live", "list_reply", "ack_group", "ack_list", "disconnected",
    "image_every_field", "text_preview_every_field", "context_every_field", "device_record", "media_base64",
    "menu_native_flow", "menu_carousel", "list", "template", "template_structured", "order", "product", "poll_v5",
    "poll_results", "poll_vote_encrypted", "poll_update_votes", "event", "sticker_pack", "edit_bare", "edit_encrypted",
    "revoke_by_admin", "pin", "keep", "control_passed", "call_log", "comment", "group_leave", "group_update_whole",
    "stub_group_promote", "stub_group_join_request", "album_item",
]  # fmt: skip


@pytest.mark.parametrize("name", ROTTED)
def test_rotten_values_cost_one_field_each(name: str) -> None:
    """No value anywhere raises, breaks the schema or needs the safety net."""
    document = fixture(name)
    for path in places(document["results"], ("results",)):
        for value in ROTTEN:
            if path == ("results",) and not isinstance(value, dict):
                continue
            parsed = parse(replaced(document, path, value))
            for item in parsed.items:
                TYPES[item.type][1].model_validate(item.data)
            assert not [drift for drift in parsed.notes.drift if drift.name.endswith(("Error", "Exception"))]


def test_a_rotten_field_leaves_its_neighbours_alone() -> None:
    (item,) = parse(fixture("wrong_types")).items
    assert item.partial
    assert item.data["message"]["content"] == {"type": "image", "media": {"path": "/v/rotten"}}
    assert item.data["sender"]["id"] == "+16505551234"
