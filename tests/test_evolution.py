"""The Evolution adapter: its proofs, its redaction, whose message it is, and identities."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from providers import Identity, Malformed, Parsed, Proof, RawRequest, Unauthorized
from providers.evolution import EvolutionAdapter, EvolutionSettings
from providers.wire import dump_json, load_json
from tests.golden import FIXTURES, RECEIVED, payloads, settings_of

KEY = settings_of("evolution")["api_key"]
JWT_KEY = "fixture-jwt-key-0123456789"
PEER = "16505551234@s.whatsapp.net"
GROUP = "120363025246125888@g.us"


def adapter(**settings: Any) -> EvolutionAdapter:
    return EvolutionAdapter(EvolutionSettings.model_validate(settings or {"api_key": KEY}))


def request(body: bytes, token: str | None = None, path_token: str | None = None) -> RawRequest:
    headers = {} if token is None else {"Authorization": token}
    return RawRequest(headers=headers, body=body, path_token=path_token, received_at=RECEIVED)


def envelope(event: str = "connection.update", data: Any = None, **members: Any) -> bytes:
    return dump_json({"event": event, "instance": "shop", "data": data or {}, **members})


def parse(event: str, data: Any, **members: Any) -> Parsed:
    return adapter().parse(request(envelope(event, data, **members)))


def fixture(name: str) -> Any:
    return load_json((FIXTURES / "evolution" / f"{name}.json").read_bytes())


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(key: str = JWT_KEY, header: Any = None, **claims: Any) -> str:
    now = int(RECEIVED.timestamp())
    all_claims = {"iat": now, "exp": now + 600, "app": "evolution", "action": "webhook", **claims}
    signed = f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(all_claims)}"
    mac = base64.urlsafe_b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()).rstrip(b"=")
    return f"Bearer {signed}.{mac.decode()}"


class TestProof:
    def test_something_must_prove(self) -> None:
        with pytest.raises(ValidationError, match="api_key, jwt_key, path_token"):
            EvolutionSettings.model_validate({})

    def test_the_key_in_the_body(self) -> None:
        both = adapter(api_key=["new-key-0001", "old-key-0001"])
        assert both.verify(request(envelope(apikey="old-key-0001"))) == Proof("api_key", 1)

    @pytest.mark.parametrize(
        ("body", "code", "status"),
        [
            (envelope(), "missing_api_key", 401),
            (envelope(apikey=None), "missing_api_key", 401),
            (envelope(apikey=""), "missing_api_key", 401),
            (envelope(apikey="wrong"), "wrong_api_key", 403),
            (envelope(apikey=[KEY]), "wrong_api_key", 403),
            (b"no json", "missing_api_key", 401),
        ],
    )
    def test_a_body_without_the_key_is_refused(self, body: bytes, code: str, status: int) -> None:
        with pytest.raises(Unauthorized) as refused:
            adapter().verify(request(body))
        assert (refused.value.code, refused.value.status) == (code, status)

    def test_a_path_token_is_enough_for_what_is_no_envelope(self) -> None:
        both = adapter(api_key=KEY, path_token="token")
        assert both.verify(request(b"no json", path_token="token")) == Proof("path_token")
        with pytest.raises(Unauthorized):
            both.verify(request(envelope(), path_token="token"))

    def test_the_events_name_may_follow_in_the_path(self) -> None:
        assert adapter().verify(request(envelope(apikey=KEY), path_token="messages-upsert")) == Proof("api_key")

    @pytest.mark.parametrize(
        ("given", "index"),
        [(token(), 0), (token().replace("Bearer", "bearer"), 0), (token("the-older-one"), 1), (token(iat=0), 0)],
    )
    def test_a_signed_token(self, given: str, index: int) -> None:
        signed = adapter(jwt_key=[JWT_KEY, "the-older-one"])
        assert signed.verify(request(envelope(), given)) == Proof("jwt_key", index)

    @pytest.mark.parametrize(
        ("given", "code", "status"),
        [
            (None, "missing_jwt", 401),
            ("Basic dTpw", "missing_jwt", 401),
            ("Bearer ", "missing_jwt", 401),
            ("Bearer a.b.c", "malformed_jwt", 403),
            ("Bearer é.é", "malformed_jwt", 403),
            (token(header={"alg": "none"}), "malformed_jwt", 403),
            (token("another key"), "wrong_jwt", 403),
            (token() + "A", "wrong_jwt", 403),
            (token(app="other"), "wrong_jwt", 403),
            (token(action="login"), "wrong_jwt", 403),
            (token(exp=int(RECEIVED.timestamp())), "expired_jwt", 403),
            (token(exp="soon"), "expired_jwt", 403),
        ],
    )
    def test_other_tokens_are_refused(self, given: str | None, code: str, status: int) -> None:
        with pytest.raises(Unauthorized) as refused:
            adapter(jwt_key=JWT_KEY).verify(request(envelope(), given))
        assert (refused.value.code, refused.value.status) == (code, status)

    def test_a_token_expires(self) -> None:
        late = request(envelope(), token())
        late.received_at = RECEIVED + timedelta(minutes=10)
        with pytest.raises(Unauthorized, match="expired_jwt"):
            adapter(jwt_key=JWT_KEY).verify(late)

    def test_each_proof_that_is_set_must_hold(self) -> None:
        both = adapter(jwt_key=JWT_KEY, api_key=KEY)
        assert both.verify(request(envelope(apikey=KEY), token())) == Proof("api_key", 0)
        for body, given in ((envelope(apikey="wrong"), token()), (envelope(apikey=KEY), None)):
            with pytest.raises(Unauthorized):
                both.verify(request(body, given))

    def test_what_it_sends_itself_it_accepts(self) -> None:
        both = adapter(jwt_key=JWT_KEY, api_key=KEY)
        body = both.fill(envelope())
        assert both.verify(request(body, both.sign(body)["Authorization"]))
        assert adapter(path_token="token").sign(body) == {}
        assert adapter(path_token="token").fill(body) is body


class TestRedaction:
    def test_neither_key_nor_path_token_stays(self) -> None:
        both = adapter(api_key=KEY, path_token="secret-path-token")
        clean = both.redact(
            envelope(apikey=KEY, destination="https://hooks.example.com/hooks/a/b/secret-path-token", note=KEY)
        )
        assert load_json(clean) == {
            "event": "connection.update", "instance": "shop", "data": {}, "apikey": "[redacted]",
            "destination": "https://hooks.example.com/hooks/a/b/[redacted]", "note": "[redacted]",
        }  # fmt: skip
        assert both.redact(clean) is clean

    @pytest.mark.parametrize("path", payloads("evolution"), ids=lambda path: path.stem)
    def test_no_event_of_a_fixture_holds_the_key(self, path: Any) -> None:
        assert KEY.encode() not in path.with_suffix(".expected.json").read_bytes()


class TestEnvelope:
    @pytest.mark.parametrize("document", [[], {}, {"event": "call"}, {"data": {}}, {"event": 5, "data": {}}, None])
    def test_what_is_none_is_malformed(self, document: Any) -> None:
        with pytest.raises(Malformed):
            adapter().parse(request(dump_json(document)))

    def test_the_channel_is_the_instance_and_its_number(self) -> None:
        def channel(**members: Any) -> Any:
            return parse("connection.update", {"state": "open"}, **members).items[0].data["channel"]

        assert channel(sender="15550783881@s.whatsapp.net") == {"id": "shop", "phone": "+15550783881"}
        assert channel(sender="1@lid") == {"id": "shop"}
        assert channel(instance=None) == {}

    @pytest.mark.parametrize("event", ["messages.upsert", "MESSAGES_UPSERT", "messages-upsert"])
    def test_an_events_name_in_every_spelling(self, event: str) -> None:
        document = fixture("text")
        (item,) = adapter().parse(request(dump_json({**document, "event": event}))).items
        assert item.type == "whatsapp.message.received"

    def test_known_events_without_a_place_are_no_drift(self) -> None:
        assert not parse("contacts.update", [{"id": PEER}]).notes.drift
        assert parse("holograms.upsert", {"a": 1}).notes.drift == [("type", "holograms.upsert")]

    def test_one_bad_element_costs_its_neighbours_nothing(self) -> None:
        good = fixture("status_read")["data"]
        items = parse("messages.update", [None, good, "torn", {}]).items
        assert [item.type for item in items] == ["whatsapp.unknown", "whatsapp.message.status"] + [
            "whatsapp.unknown"
        ] * 2
        assert [item.pointer for item in items] == ["/data/0", "/data/1", "/data/2", "/data/3"]


class TestIdentity:
    def test_ids_are_unique_in_a_chat_of_an_instance(self) -> None:
        document = fixture("text")
        (item,) = adapter().parse(request(dump_json(document))).items
        assert item.identity == Identity("M", ("shop", PEER, "0", document["data"]["key"]["id"]))
        assert item.lane == ("chat", "shop", PEER)

    def test_two_edits_of_a_message_are_told_apart_by_their_time(self) -> None:
        def edited(at: str) -> Any:
            data = fixture("edited_by_us")["data"] | {"timestampMs": at}
            return parse("messages.edited", data).items[0].identity

        assert edited("1780952383000") == Identity(
            "E", ("shop", PEER, "3EB0AAAABBBBCCCC0031", "edited", "1780952383000")
        )
        assert edited("1780952383000") != edited("1780952384000")

    def test_an_edit_within_a_message_has_the_messages_own_id(self) -> None:
        document = fixture("edit_in_message")
        (item,) = adapter().parse(request(dump_json(document))).items
        assert item.identity == Identity("M", ("shop", PEER, "0", document["data"]["key"]["id"]))


class TestEdits:
    def test_a_key_from_the_other_side_names_nobody(self) -> None:
        (item,) = adapter().parse(request(dump_json(fixture("edited")))).items
        assert item.data["sender"] == {"id": "unknown"}
        assert item.data["conversation"] == {"id": "unknown", "kind": "direct"}
        assert item.data["target"]["from_business"] is False

    def test_noise_is_counted_and_dropped(self) -> None:
        for event, name in (("messages.edited", "edited_noise"), ("messages.upsert", "noise_history_sync")):
            parsed = parse(event, fixture(name)["data"])
            assert (parsed.items, parsed.notes.noise) == ([], {"message.HISTORY_SYNC_NOTIFICATION": 1})


def test_a_file_that_came_along_is_told_by_size_and_hash() -> None:
    (item,) = adapter().parse(request(dump_json(fixture("group_image")))).items
    content = base64.b64decode(fixture("group_image")["data"]["message"]["base64"])
    assert item.data["message"]["content"]["media"]["inline"] == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    assert not item.partial


def test_a_context_that_is_another_than_the_contents_is_left_to_raw() -> None:
    document = fixture("group_image")
    document["data"]["contextInfo"]["forwardingScore"] = 9
    (item,) = adapter().parse(request(dump_json(document))).items
    assert item.partial


def test_a_status_of_their_message_is_about_us() -> None:
    (item,) = adapter().parse(request(dump_json(fixture("status_of_theirs")))).items
    assert item.data["recipient"] == {"id": "self"}


def test_a_code_that_links_a_device_never_leaves() -> None:
    (item,) = adapter().parse(request(dump_json(fixture("qrcode")))).items
    assert item.data["connection"]["qr_code"] is True
    assert b"ABCD1234" not in dump_json(item.data)
    assert "qrcode" in EvolutionAdapter.media_secrets & EvolutionAdapter.withheld
