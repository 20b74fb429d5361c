"""The Cloud API adapter: handshake, signature, identity, and how little a rotten element may cost."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.stamp import event_id
from providers import Item, Malformed, Parsed, Proof, RawRequest, Reply, Route, Unauthorized
from providers.cloud_api import CloudApi
from providers.shapes.meta import messages
from tests.golden import FIXTURES, RECEIVED, adapter_for, normalize, payloads

SECRET, OLD_SECRET, VERIFY_TOKEN = "fixture-app-secret", "older-secret", "fixture-verify-token"
PERSON, NUMBER, ACCOUNT = "16505551234", "106540352242922", "102290129340398"
UID = "acme/cloud"


def adapter(**more: Any) -> CloudApi:
    settings = {"app_secret": [SECRET, OLD_SECRET], "verify_token": VERIFY_TOKEN, **more}
    return CloudApi(CloudApi.Settings.model_validate(settings))


def request(body: bytes = b"{}", **more: Any) -> RawRequest:
    return RawRequest(**{"headers": {}, "body": body, "received_at": RECEIVED, **more})


def parse(document: Any, **more: Any) -> Parsed:
    return adapter().parse(request(json.dumps(document).encode()), **more)


def message(tag: str = "one", **more: Any) -> dict[str, Any]:
    return {
        "from": PERSON, "id": f"wamid.{tag}", "timestamp": "1780952383", "type": "text", "text": {"body": tag}, **more
    }  # fmt: skip


def status(word: str = "delivered", **more: Any) -> dict[str, Any]:
    return {"id": "wamid.sent", "status": word, "timestamp": "1780952383", "recipient_id": PERSON, **more}


def envelope(*changes: Any, **more: Any) -> dict[str, Any]:
    return {"object": "whatsapp_business_account", "entry": [{"id": ACCOUNT, "changes": list(changes), **more}]}


def value(**arrays: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": NUMBER}
    return {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **arrays}}


def only(document: Any) -> Item:
    (item,) = parse(document).items
    return item


# Handshake


def challenge(prefix: str = "hub.", **more: str) -> dict[str, str]:
    query = {"mode": "subscribe", "verify_token": VERIFY_TOKEN, "challenge": "1158201444", **more}
    return {prefix + name: text for name, text in query.items()}


@pytest.mark.parametrize("prefix", ["hub.", "hub_"])
def test_handshake_echoes_the_challenge_as_text(prefix: str) -> None:
    reply = adapter().handshake(request(method="GET", query=challenge(prefix, challenge="<b>7</b>")))
    assert reply == Reply(200, b"<b>7</b>", "text/plain")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "not_a_handshake"),
        (challenge(mode="unsubscribe"), "not_a_handshake"),
        (challenge(challenge=""), "not_a_handshake"),
        (challenge(verify_token=""), "not_a_handshake"),
        (challenge(verify_token="wrong"), "wrong_verify_token"),
        (challenge(verify_token="w\u00f6rd \ud800"), "wrong_verify_token"),
    ],
)
def test_a_get_that_is_no_handshake_is_refused(query: dict[str, str], code: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        adapter().handshake(request(method="GET", query=query))
    assert (refused.value.code, refused.value.status) == (code, 403)


def test_handshake_wants_the_path_token_where_one_is_set() -> None:
    guarded = adapter(path_token="in-the-url")
    with pytest.raises(Unauthorized, match="missing_path_token"):
        guarded.handshake(request(method="GET", query=challenge()))
    assert guarded.handshake(request(method="GET", query=challenge(), path_token="in-the-url")) is not None


def test_a_post_is_no_handshake() -> None:
    assert adapter().handshake(request(query=challenge())) is None


# Signature


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


BODY = b'{"entry": [] , "object":"whatsapp_business_account"}'


@pytest.mark.parametrize(
    ("header", "index"),
    [
        (signature(BODY), 0),
        (signature(BODY, OLD_SECRET), 1),
        ("sha256=" + signature(BODY)[7:].upper(), 0),
    ],
)
def test_signature_is_of_the_bytes_as_they_came(header: str, index: int) -> None:
    proof = adapter().verify(request(BODY, headers={"X-Hub-Signature-256": header}))
    assert proof == Proof("app_secret", index)


@pytest.mark.parametrize(
    ("header", "code", "http_status"),
    [
        (None, "missing_signature", 401),
        ("", "missing_signature", 401),
        (signature(BODY)[7:], "malformed_signature", 403),
        ("sha1=" + signature(BODY)[7:], "malformed_signature", 403),
        (signature(BODY)[:-1], "malformed_signature", 403),
        (signature(BODY) + "0", "malformed_signature", 403),
        ("sha256=" + "zz" * 32, "malformed_signature", 403),
        ("sha256=" + "0 " * 32, "malformed_signature", 403),
        ("sha256=" + "\u00e9" * 64, "malformed_signature", 403),
        ("sha256=" + "\uff10" * 64, "malformed_signature", 403),
        (signature(BODY + b" "), "wrong_signature", 403),
        (signature(BODY, "other-secret"), "wrong_signature", 403),
    ],
)
def test_what_is_no_signature_of_ours_is_refused(header: str | None, code: str, http_status: int) -> None:
    headers = {} if header is None else {"X-Hub-Signature-256": header}
    with pytest.raises(Unauthorized) as refused:
        adapter().verify(request(BODY, headers=headers))
    assert (refused.value.code, refused.value.status) == (code, http_status)


def test_path_token_is_wanted_beside_the_signature() -> None:
    guarded = adapter(path_token="in-the-url")
    headers = guarded.sign(BODY)
    assert guarded.verify(request(BODY, headers=headers, path_token="in-the-url")) == Proof("app_secret", 0)
    with pytest.raises(Unauthorized, match="wrong_path_token"):
        guarded.verify(request(BODY, headers=headers, path_token="guessed"))


def test_sign_uses_the_first_secret() -> None:
    assert adapter().sign(BODY) == {"X-Hub-Signature-256": signature(BODY)}


@pytest.mark.parametrize(
    "settings", [{}, {"app_secret": "s"}, {"verify_token": "v"}, {"app_secret": [], "verify_token": "v"}]
)
def test_both_secrets_are_required(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CloudApi.Settings.model_validate(settings)


# Identity: these ids are fixed for ever


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (value(messages=[message()]), "6a272d3f23b52e17eed1254e93410b3d"),
        (value(statuses=[status()]), "6a272d3f3dcd3f7e190a58c031df24f3"),
        (
            value(statuses=[status(recipient_id="GROUP", recipient_type="group", recipient_participant_id=PERSON)]),
            "6a272d3f76ebb43a679fef646b651760",
        ),
        (
            value(statuses=[status("failed", errors=[{"code": 131049}, {"code": 1}])]),
            "6a272d3f56c9afb5b309bab97ae0e577",
        ),
        (value(statuses=[status("captured", type="payment")]), "6a272d3f81eb78b6ecdcdc26965aecc6"),
    ],
)
def test_golden_ids(change: Any, expected: str) -> None:
    item = only(envelope(change))
    assert item.identity is not None
    assert event_id(UID, item.identity, item.time_ms).hex() == expected


def test_golden_id_of_an_account_change() -> None:
    document = envelope(
        {"field": "account_update", "value": {"event": "VERIFIED_ACCOUNT", "country": "BR"}}, time=1780952383
    )
    item = only(document)
    assert item.identity is not None
    assert event_id(UID, item.identity, item.time_ms).hex() == "6a272d3ff0ec55a6a52b7ecb950f6a54"


def test_id_does_not_hang_on_what_may_differ_between_deliveries() -> None:
    """Key order, neighbours, and the entry that an element stands in."""
    first = only(envelope(value(messages=[message()])))
    again = parse(envelope(value(statuses=[status()]), value(messages=[dict(reversed(message().items()))]))).items[-1]
    assert (first.identity, first.time_ms) == (again.identity, again.time_ms)


@pytest.mark.parametrize(
    "document",
    [
        envelope(value(errors=[{"code": 131035, "title": "too late"}])),
        envelope({"field": "account_update", "value": {"event": "VERIFIED_ACCOUNT"}}),
        envelope({"field": "consumer_profile", "value": {}}),
        envelope({"field": "consumer_profile", "value": {}}, time="soon"),
        envelope(value(messages=[{"from": PERSON, "type": "text", "text": {"body": "no id"}}])),
        envelope(value(messages=[message(id=["no id"])])),
    ],
)
def test_nothing_without_id_or_time_is_ever_taken_for_a_duplicate(document: Any) -> None:
    assert only(document).identity is None


def test_what_cannot_be_mapped_keeps_the_id_that_it_will_have() -> None:
    mapped = only(envelope(value(messages=[message()])))
    unmapped = only(envelope(value(messages=[{k: v for k, v in message().items() if k != "from"}])))
    assert unmapped.type == "whatsapp.unknown"
    assert (unmapped.identity, unmapped.time_ms) == (mapped.identity, mapped.time_ms)


def test_a_mistake_in_mapping_costs_one_message_its_typed_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(kind: str | None, given: Any, draft: Any, **more: Any) -> Any:
        if given == {"body": "two"}:
            raise ZeroDivisionError("secret detail")
        return real(kind, given, draft, **more)

    real = messages.read_content
    monkeypatch.setattr(messages, "read_content", stumble)
    odd = message("two", context={"forwarded": True})
    items = parse(envelope(value(messages=[message("one"), odd, message("three")]))).items
    assert [item.type for item in items] == [
        "whatsapp.message.received", "whatsapp.unknown", "whatsapp.message.received"
    ]  # fmt: skip
    assert items[1].data == {
        "kind": "message",
        "name": "text",
        "detail": "ZeroDivisionError",
        "channel": items[0].data["channel"],
    }
    assert items[1].identity is not None
    assert items[1].identity.key == (NUMBER, "", "0", "wamid.two")


# Where an item belongs


def test_lanes_and_routes() -> None:
    chat, receipt, group, account = parse(
        envelope(
            value(messages=[message()], statuses=[status()]),
            value(messages=[message(group_id="GROUP")]),
            {"field": "account_review_update", "value": {"decision": "APPROVED"}},
        )
    ).items
    assert chat.lane == ("chat", NUMBER, PERSON)
    assert receipt.lane == ("status", "wamid.sent")
    assert group.lane == ("chat", NUMBER, "GROUP")
    assert account.lane == ("account", ACCOUNT)
    assert chat.route == receipt.route == group.route == Route(ACCOUNT, NUMBER)
    assert account.route == Route(ACCOUNT, None)
    assert (chat.subject, group.subject, account.subject) == ("+16505551234", "GROUP", ACCOUNT)
    assert (chat.party, receipt.party, account.party) == ("+16505551234", "+16505551234", None)


# Rotten neighbours

ROTTEN = [None, 7, "text", True, [], [[]], {}, {"id": 5}, {"changes": "x"}, {"field": "messages", "value": 3}]
PLACES = {
    "entry": lambda document: document["entry"],
    "changes": lambda document: document["entry"][0]["changes"],
    "messages": lambda document: document["entry"][0]["changes"][0]["value"]["messages"],
    "statuses": lambda document: document["entry"][0]["changes"][0]["value"]["statuses"],
    "errors": lambda document: document["entry"][0]["changes"][0]["value"]["errors"],
}


@pytest.mark.parametrize("rotten", ROTTEN, ids=json.dumps)
@pytest.mark.parametrize("place", PLACES)
def test_a_rotten_element_is_kept_and_harms_nobody(place: str, rotten: Any) -> None:
    good = envelope(
        value(
            contacts=[{"profile": {"name": "Ana"}, "wa_id": "another-spelling"}],
            messages=[message("one")],
            statuses=[status()],
            errors=[{"code": 1, "title": "one"}],
        )
    )
    spoilt = copy.deepcopy(good)
    PLACES[place](spoilt).insert(0, rotten)
    before, after = parse(good).items, parse(spoilt).items
    assert len(after) == len(before) + 1
    (extra,) = [item for item in after if item.data not in [known.data for known in before]]
    assert extra.partial
    assert extra.pointer.startswith(f"/entry/0{'' if place == 'entry' else '/changes/0'}")


@pytest.mark.parametrize("array", ["messages", "statuses", "errors", "contacts"])
@pytest.mark.parametrize("rotten", [7, "text", True, {"0": {}}])
def test_an_array_that_is_none_is_kept_whole(array: str, rotten: Any) -> None:
    items = parse(envelope(value(**{"messages": [message()]} | {array: rotten}))).items
    kept = [item for item in items if item.type == "whatsapp.unknown"]
    assert [item.pointer for item in kept] == [f"/entry/0/changes/0/value/{array}"]
    assert len(items) == (1 if array == "messages" else 2)


def test_empty_arrays_and_nulls_are_nothing() -> None:
    assert parse(envelope(value(messages=[], statuses=None, contacts=[]))).items == []
    assert parse({"entry": []}).items == []


@pytest.mark.parametrize("document", [None, 5, "text", {}, [], {"entry": {}}, {"object": "page"}, [{}], [None, 3]])
def test_what_is_no_envelope_is_malformed(document: Any) -> None:
    with pytest.raises(Malformed) as malformed:
        parse(document)
    assert malformed.value.code == "not_an_envelope"


def test_an_envelope_among_others_in_an_array_is_read() -> None:
    items = parse([3, envelope(value(messages=[message()]))]).items
    assert [(item.type, item.pointer) for item in items] == [
        ("whatsapp.unknown", "/0"),
        ("whatsapp.message.received", "/1/entry/0/changes/0/value/messages/0"),
    ]


@pytest.mark.parametrize(
    ("timestamp", "time_ms"),
    [
        ("1780952383", 1780952383000),
        (1780952383, 1780952383000),
        (1780952383250, 1780952383250),
        ("1780952383250", 1780952383250),
        (None, None),
        ("", None),
        ("soon", None),
        (-5, None),
        (10**30, None),
        ({"low": 1}, 1000),
        ([1780952383], None),
    ],
)
def test_timestamps_in_any_state(timestamp: Any, time_ms: int | None) -> None:
    for item in parse(
        envelope(value(messages=[message(timestamp=timestamp)], statuses=[status(timestamp=timestamp)]))
    ).items:
        assert item.time_ms == time_ms
        assert item.identity is not None
        assert item.partial == (time_ms is None and timestamp not in (None, ""))


@pytest.mark.parametrize("path", payloads("cloud_api"), ids=lambda path: path.stem)
@pytest.mark.parametrize("wrong", [None, 7, "text", True, [[]], {"a": {"b": 1}}], ids=json.dumps)
def test_a_wrong_type_deep_inside_costs_one_field(path: Any, wrong: Any) -> None:
    """Every leaf of every fixture in turn: nothing raises, and no item gets lost."""
    document = json.loads(path.read_text())
    count = len(adapter().parse(request(json.dumps(document).encode())).items)
    for holder, key in _inner_leaves(document):
        right, holder[key] = holder[key], wrong
        assert len(parse(document).items) >= count - (wrong is None), (key, wrong)
        holder[key] = right


def _inner_leaves(node: Any, depth: int = 0) -> Any:
    for key, child in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(child, (dict, list)):
            yield from _inner_leaves(child, depth + 1)
        elif depth > 6:
            yield node, key


def test_a_million_elements_are_cut_and_said_to_be() -> None:
    body = json.dumps(envelope(value(contacts=[{"wa_id": "1"}], messages=["@"])))
    started = time.perf_counter()
    parsed = adapter().parse(request(body.replace('"@"', ",".join(["1"] * 1_000_000)).encode()), max_items=5000)
    assert len(parsed.items) == 5000
    assert parsed.overflow
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("display", "phone"),
    [
        ("15550783881", "+15550783881"),
        ("+1 555 078 3881", "+15550783881"),
        ("+1 (555) 078-3881", "+15550783881"),
        ("PHONE_NUMBER", None),
        ("0123456789", None),
        ("1234567890123456", None),
    ],
)
def test_the_business_number_is_read_and_never_repaired(display: str, phone: str | None) -> None:
    change = value(messages=[message()])
    change["value"]["metadata"] = {"display_phone_number": display}
    received, *untold = parse(envelope(change)).items
    assert received.data["channel"].get("phone") == phone
    assert [item.data["kind"] for item in untold] == ([] if phone else ["metadata"])
    assert received.identity is not None
    assert received.identity.key[0] == "".join(filter(str.isdigit, display))


def test_a_contact_that_contradicts_its_message_is_kept() -> None:
    contact = {"wa_id": PERSON, "user_id": "US.1", "parent_user_id": "US.ENT.1"}
    sender = {"from_user_id": "US.2", "from_parent_user_id": "US.ENT.1"}
    received, untold = parse(envelope(value(contacts=[contact], messages=[message(**sender)]))).items
    assert received.data["sender"]["user_id"] == "US.2"
    assert (untold.data["kind"], untold.data["detail"]) == ("contact", "contradicts the message")


def test_one_contact_is_nobody_elses() -> None:
    """A message that names nobody is not given to the one contact when another message names it."""
    nameless = {k: v for k, v in message("nameless").items() if k != "from"}
    contact = {"profile": {"name": "Ana"}, "user_id": "US.1"}
    alone = parse(envelope(value(contacts=[contact], messages=[nameless]))).items
    beside = parse(envelope(value(contacts=[contact], messages=[message(from_user_id="US.1"), nameless]))).items
    assert [item.type for item in alone] == ["whatsapp.message.received"]
    assert alone[0].data["sender"] == {"id": "US.1", "user_id": "US.1", "name": "Ana"}
    assert [item.type for item in beside] == ["whatsapp.message.received", "whatsapp.unknown"]


def test_unknown_members_are_counted_and_keep_their_fragment() -> None:
    parsed = parse(
        envelope(value(messages=[message(text={"body": "x", "newfield": 1}, context={"id": "a", "from": [1]})]))
    )
    assert {tuple(drift) for drift in parsed.notes.drift} == {
        ("member", "messages.text.newfield"),
        ("type", "messages.context.from"),
    }
    assert parsed.items[0].partial


def test_every_sample_is_mapped() -> None:
    samples = sorted((FIXTURES.parent.parent / "providers" / "samples" / "cloud_api").glob("*.json"))
    assert {path.stem for path in samples} >= {
        "text", "image", "reaction", "reaction_removed", "button_reply", "status_sent", "status_delivered",
        "status_read", "status_failed", "account_update", "template_rejected", "unknown_field", "batch",
    }  # fmt: skip
    for path in samples:
        events = normalize(adapter_for("cloud_api"), path.read_bytes())
        assert events
        assert (path.stem == "unknown_field") == ("whatsapp.unknown" in {event["type"] for event in events})
