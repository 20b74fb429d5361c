"""The On-Premises adapter: its proofs, identity, and what differs from the Cloud API."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.stamp import event_id
from providers import Item, Malformed, Parsed, Proof, RawRequest, Unauthorized
from providers.on_premises import OnPremises
from tests.golden import FIXTURES, RECEIVED, adapter_for, normalize

PERSON = "16505551234"
UID = "acme/waba"
BASIC = {"basic_auth": {"username": "waba", "password": ["s3cret:with colon", "older"]}}
TOKEN = {"path_token": "in-the-url"}


def adapter(**settings: Any) -> OnPremises:
    return OnPremises(OnPremises.Settings.model_validate(settings or TOKEN))


def request(body: bytes = b"{}", **more: Any) -> RawRequest:
    return RawRequest(**{"headers": {}, "body": body, "received_at": RECEIVED, **more})


def parse(document: Any, **more: Any) -> Parsed:
    return adapter().parse(request(json.dumps(document).encode()), **more)


def only(document: Any) -> Item:
    (item,) = parse(document).items
    return item


def message(tag: str = "one", **more: Any) -> dict[str, Any]:
    return {
        "from": PERSON, "id": f"ABGG{tag}", "timestamp": "1780952383", "type": "text", "text": {"body": tag}, **more
    }  # fmt: skip


def status(word: str = "read", **more: Any) -> dict[str, Any]:
    return {"id": "ABGGsent", "status": word, "timestamp": "1780952383", "recipient_id": PERSON, **more}


# Settings and proof


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({}, "set path_token, basic_auth or both"),
        ({"path_token": []}, "set path_token, basic_auth or both"),
        ({**TOKEN, "client_cert": {"cn": "waba"}}, "client certificates are not supported yet"),
        ({"basic_auth": {"username": "a:b", "password": "x"}}, "username"),
        ({"basic_auth": {"username": "waba", "password": []}}, "password"),
    ],
)
def test_settings_that_prove_nothing_say_the_fix(settings: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        OnPremises.Settings.model_validate(settings)


def basic(text: str | bytes, scheme: str = "Basic ") -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {"Authorization": scheme + base64.b64encode(raw).decode()}


@pytest.mark.parametrize(
    ("headers", "index"),
    [
        (basic("waba:s3cret:with colon"), 0),
        (basic("waba:older"), 1),
        (basic("waba:older", "basic  "), 1),
    ],
)
def test_basic_auth_proves(headers: dict[str, str], index: int) -> None:
    assert adapter(**BASIC).verify(request(headers=headers)) == Proof("basic_auth", index)


@pytest.mark.parametrize(
    ("headers", "code", "http_status"),
    [
        ({}, "missing_basic_auth", 401),
        ({"Authorization": ""}, "missing_basic_auth", 401),
        ({"Authorization": "Bearer abc"}, "malformed_basic_auth", 403),
        ({"Authorization": "Basic"}, "malformed_basic_auth", 403),
        ({"Authorization": "Basic !!!!"}, "malformed_basic_auth", 403),
        ({"Authorization": "Basic YQ"}, "malformed_basic_auth", 403),
        ({"Authorization": "Basic \u00e9\u00e9\u00e9\u00e9"}, "malformed_basic_auth", 403),
        (basic("waba:wrong"), "wrong_basic_auth", 403),
        (basic("other:older"), "wrong_basic_auth", 403),
        (basic("waba"), "wrong_basic_auth", 403),
        (basic(b"\xff\xfe\x00"), "wrong_basic_auth", 403),
    ],
)
def test_other_credentials_are_refused(headers: dict[str, str], code: str, http_status: int) -> None:
    with pytest.raises(Unauthorized) as refused:
        adapter(**BASIC).verify(request(headers=headers))
    assert (refused.value.code, refused.value.status) == (code, http_status)


def test_path_token_alone_proves() -> None:
    assert adapter(**TOKEN).verify(request(path_token="in-the-url")) == Proof("path_token", 0)
    with pytest.raises(Unauthorized, match="missing_path_token"):
        adapter(**TOKEN).verify(request())


def test_where_both_are_set_both_are_wanted() -> None:
    both = adapter(**TOKEN, **BASIC)
    assert both.verify(request(headers=both.sign(b""), path_token="in-the-url")) == Proof("basic_auth", 0)
    with pytest.raises(Unauthorized, match="missing_path_token"):
        both.verify(request(headers=both.sign(b"")))
    with pytest.raises(Unauthorized, match="missing_basic_auth"):
        both.verify(request(path_token="in-the-url"))


def test_sign_gives_what_prove_wants() -> None:
    assert adapter(**BASIC).sign(b"") == basic("waba:s3cret:with colon")
    assert adapter(**TOKEN).sign(b"") == {}


# Identity: these ids are fixed for ever


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"messages": [message()]}, "6a272d3f6b0f0687366380a60aeaf24b"),
        ({"statuses": [status()]}, "6a272d3f82686c956de121c1c8224bd6"),
        ({"statuses": [status("failed", errors=[{"code": 480}])]}, "6a272d3fea59ed2e62786ceaaf045422"),
    ],
)
def test_golden_ids(document: Any, expected: str) -> None:
    item = only(document)
    assert item.identity is not None
    assert event_id(UID, item.identity, item.time_ms).hex() == expected


def test_errors_have_no_identity() -> None:
    assert only({"errors": [{"code": 400, "title": "Media download error"}]}).identity is None


def test_lanes_and_channel() -> None:
    chat, group, receipt = parse(
        {"messages": [message(), message(context={"group_id": "GROUP"})], "statuses": [status()]}
    ).items
    assert chat.lane == ("chat", "", PERSON)
    assert group.lane == ("chat", "", "GROUP")
    assert group.data["conversation"] == {"id": "GROUP", "kind": "group"}
    assert receipt.lane == ("status", "ABGGsent")
    assert chat.data["channel"] == receipt.data["channel"] == {}


# Envelope and rotten neighbours


@pytest.mark.parametrize(
    "document",
    [None, 5, "text", [], {}, [{"messages": []}], {"contacts": [{"wa_id": PERSON}]}, {"messages": {}, "errors": "x"}],
)
def test_what_is_no_envelope_is_malformed(document: Any) -> None:
    with pytest.raises(Malformed) as malformed:
        parse(document)
    assert malformed.value.code == "not_an_envelope"


def test_meta_says_nothing() -> None:
    assert parse({"messages": [], "meta": {"api_status": "stable", "version": "2.53.4"}}).items == []


@pytest.mark.parametrize("rotten", [None, 7, "text", True, [], [[]], {}, {"id": 5}], ids=json.dumps)
@pytest.mark.parametrize("place", ["messages", "statuses", "errors", "contacts"])
def test_a_rotten_element_is_kept_and_harms_nobody(place: str, rotten: Any) -> None:
    good = {
        "contacts": [{"profile": {"name": "Ana"}, "wa_id": PERSON}],
        "messages": [message()],
        "statuses": [status()],
        "errors": [{"code": 1, "title": "one"}],
    }
    spoilt = copy.deepcopy(good)
    spoilt[place].insert(0, rotten)
    before, after = parse(good).items, parse(spoilt).items
    known = [item.data for item in before]
    extra = [item for item in after if item.data not in known]
    assert len(after) == len(before) + 1
    assert [item.pointer for item in extra] == [f"/{place}/0"]
    assert extra[0].partial


def test_more_items_than_allowed_are_cut_and_said_to_be() -> None:
    body = b'{"statuses":[' + b",".join([b"{}"] * 1_000_000) + b"]}"
    parsed = adapter().parse(request(body), max_items=5000)
    assert (len(parsed.items), parsed.overflow) == (5000, True)


def test_every_sample_is_mapped() -> None:
    samples = sorted((FIXTURES.parent.parent / "providers" / "samples" / "on_premises").glob("*.json"))
    assert {path.stem for path in samples} >= {"text", "voice", "group_text", "status_delivered", "status_failed"}
    for path in samples:
        events = normalize(adapter_for("on_premises"), path.read_bytes())
        assert events
        assert "whatsapp.unknown" not in {event["type"] for event in events}
