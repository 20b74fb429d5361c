"""Meta's vocabulary, where the fixtures do not speak for themselves: who is who, and what makes a thing the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers import Item, RawRequest
from providers.cloud_api import CloudApi
from providers.shapes.meta import arrivals, parties
from tests.golden import FIXTURES, RECEIVED, adapter_for, payloads

ACCOUNT, NUMBER, BUSINESS, PERSON = "102290129340398", "106540352242922", "15550783881", "16505551234"
TIME = "1780952383"


def items(field: str, *, account: str = ACCOUNT, number: str = NUMBER, **value: Any) -> list[Item]:
    metadata = {"display_phone_number": BUSINESS, "phone_number_id": number}
    change = {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    document = {"object": "whatsapp_business_account", "entry": [{"id": account, "changes": [change]}]}
    settings = CloudApi.Settings.model_validate({"app_secret": "secret", "verify_token": "token"})
    request = RawRequest(headers={}, received_at=RECEIVED, body=json.dumps(document).encode())
    return CloudApi(settings).parse(request).items


def only(field: str, **more: Any) -> Item:
    (item,) = items(field, **more)
    return item


def echo(**more: Any) -> dict[str, Any]:
    text = {"type": "text", "text": {"body": "hello"}}
    return {"from": BUSINESS, "to": PERSON, "id": "wamid.echo", "timestamp": TIME, **text, **more}


# Messages


@pytest.mark.parametrize("provider", ["cloud_api", "on_premises"])
def test_shortcuts_give_what_the_tables_give(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = adapter_for(provider)
    requests = [RawRequest(headers={}, received_at=RECEIVED, body=path.read_bytes()) for path in payloads(provider)]
    short = [adapter.parse(request).items for request in requests]
    monkeypatch.setattr(arrivals, "plain_text", lambda *_: None)
    monkeypatch.setattr(parties, "_plain", lambda *_: None)
    assert [adapter.parse(request).items for request in requests] == short


def test_an_echo_is_not_the_message_of_the_same_id() -> None:
    received = only("messages", messages=[{**echo(), "from": PERSON, "to": BUSINESS}])
    echoed = only("smb_message_echoes", message_echoes=[echo()])
    assert received.identity is not None
    assert echoed.identity is not None
    assert received.identity.key == (NUMBER, "", "0", "wamid.echo")
    assert echoed.identity.key == (NUMBER, "", "1", "wamid.echo")
    assert received.lane == echoed.lane == ("chat", NUMBER, PERSON)
    assert (echoed.subject, echoed.party) == ("+16505551234", "+16505551234")


def test_an_edit_keeps_the_id_of_the_message_that_it_is() -> None:
    edit = {"original_message_id": "wamid.first", "message": {"type": "text", "text": {"body": "b"}}}
    message = {"from": PERSON, "id": "wamid.edit", "timestamp": TIME, "type": "edit", "edit": edit}
    item = only("messages", messages=[message])
    assert item.identity is not None
    assert item.identity == ("M", (NUMBER, "", "0", "wamid.edit"))
    assert not item.partial


@pytest.mark.parametrize("broken", [None, "x", {}, {"message": {"type": "text"}}, []])
def test_an_edit_or_deletion_of_nothing_is_a_message_of_unknown_content(broken: Any) -> None:
    for kind in ("edit", "revoke"):
        if kind == "edit" and broken and type(broken) is dict:
            continue
        item = only("messages", messages=[{"from": PERSON, "id": "a", "timestamp": TIME, "type": kind, kind: broken}])
        assert item.type == "whatsapp.message.received"
        assert item.data["message"]["content"] == {"type": "unknown", "kind": kind}
        assert item.partial


# The past


def past(sender: str | None, thread: str = PERSON, **more: Any) -> dict[str, Any]:
    message = {"id": "wamid.past", "timestamp": TIME, "type": "text", "text": {"body": "then"}, **more}
    if sender:
        message["from"] = sender
    part = {
        "metadata": {"phase": 1, "chunk_order": 3, "progress": 40},
        "threads": [{"id": thread, "messages": [message]}],
    }
    return {"history": [part]}


@pytest.mark.parametrize(
    ("sender", "more", "event"),
    [
        (PERSON, {}, "received"),
        (BUSINESS, {}, "echoed"),
        (BUSINESS, {"to": PERSON}, "echoed"),
        ("12125550199", {"to": PERSON}, "echoed"),
        ("12125550199", {}, "received"),
        (None, {"from_user_id": "US.1"}, "received"),
        (None, {}, "received"),
    ],
)
def test_who_wrote_a_message_of_the_past(sender: str | None, more: Any, event: str) -> None:
    message, progress = items("history", **past(sender, **more))
    assert message.type == f"whatsapp.message.{event}"
    assert message.data["conversation"]["id"] in ("+16505551234", "US.1")
    assert message.data["message"]["historical"] == {"phase": 1, "chunk_order": 3, "progress": 40}
    assert progress.data["progress"] == {"phase": 1, "chunk_order": 3, "percent": 40}
    assert progress.identity is None


def test_a_message_of_the_past_comes_once_with_its_file_and_once_without() -> None:
    placeholder, _ = items("history", **past(PERSON, type="media_placeholder", text=None))
    image = {"type": "image", "image": {"id": "1", "mime_type": "image/jpeg"}}
    late = only("history", messages=[{"from": PERSON, "id": "wamid.past", "timestamp": TIME, **image}])
    assert placeholder.identity == ("H", ("wamid.past", "1", ""))
    assert late.identity == ("H", ("wamid.past", "", "media"))
    assert late.data["message"]["historical"] == {"late_media": True}


# Calls


def call(**more: Any) -> dict[str, Any]:
    return {"id": "wacid.1", "from": PERSON, "to": BUSINESS, "event": "connect", "timestamp": TIME, **more}


def test_a_call_is_told_by_its_id_and_what_happened() -> None:
    connect, terminate = items("calls", calls=[call(), call(event="terminate")])
    ringing = only("calls", statuses=[{"id": "wacid.1", "type": "call", "status": "RINGING", "timestamp": TIME}])
    files = [
        only("calls", calls=[call(event="call_recording_available", call_recording={"audio": {"id": file}})])
        for file in ("7", "8")
    ]
    assert [item.identity for item in (connect, terminate, ringing, *files)] == [
        ("C", ("wacid.1", "connect", "")),
        ("C", ("wacid.1", "terminate", "")),
        ("C", ("wacid.1", "RINGING", "")),
        ("C", ("wacid.1", "call_recording_available", "7")),
        ("C", ("wacid.1", "call_recording_available", "8")),
    ]
    assert {item.lane for item in (connect, terminate, ringing, *files)} == {("call", "wacid.1")}


@pytest.mark.parametrize(
    ("ends", "direction", "person"),
    [
        ({"from": PERSON, "to": BUSINESS}, "USER_INITIATED", "from"),
        ({"from": BUSINESS, "to": PERSON}, "BUSINESS_INITIATED", "to"),
        ({"from": PERSON, "to": BUSINESS}, "BUSINESS_INITIATED", "from"),  # an example of Meta's, mixed up
        ({"from": "12125550199", "to": PERSON}, "BUSINESS_INITIATED", "to"),
        ({"from": PERSON, "to": "12125550199"}, "USER_INITIATED", "from"),
        ({"from": BUSINESS, "to_user_id": "US.1"}, "BUSINESS_INITIATED", "to"),
        ({"to": PERSON}, None, "to"),
    ],
)
def test_the_person_of_a_call_is_the_end_that_is_not_the_business(ends: Any, direction: Any, person: str) -> None:
    contacts = [{"profile": {"name": "Sheena Nelson"}, "wa_id": PERSON}]
    given = {**{k: v for k, v in call(direction=direction).items() if k not in ("from", "to")}, **ends}
    item = only("calls", contacts=contacts, calls=[given])
    assert item.data["call"][person]["name"] == "Sheena Nelson"
    assert item.data["conversation"]["id"] == item.data["call"][person]["id"] == item.party


def test_an_error_names_the_call_only_where_there_is_one() -> None:
    error = {"code": 138021, "title": "Call failed"}
    *_, alone = items("calls", calls=[call()], errors=[error])
    *_, among = items("calls", calls=[call(), call(id="wacid.2")], errors=[error])
    assert alone.data["call_id"] == "wacid.1"
    assert "call_id" not in among.data


# What has a time and no id


STOP = {"wa_id": PERSON, "category": "marketing_messages", "value": "stop", "timestamp": 1780952383}


def test_what_has_a_time_is_the_same_by_content_time_and_number() -> None:
    first, again = only("user_preferences", user_preferences=[STOP]), only("messages", user_preferences=[dict(STOP)])
    assert first.identity is not None
    assert first.identity == again.identity
    assert first.identity.kind == "A"
    others = [
        only("user_preferences", number="2", user_preferences=[STOP]),
        only("user_preferences", account="2", user_preferences=[STOP]),
        only("user_preferences", user_preferences=[{**STOP, "value": "resume"}]),
        only("user_preferences", user_preferences=[{**STOP, "timestamp": 1780952384}]),
    ]
    assert len({first.identity, *(item.identity for item in others)}) == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_preferences", {"user_preferences": [{k: v for k, v in STOP.items() if k != "timestamp"}]}),
        ("user_id_update", {"user_id_update": [{"wa_id": PERSON, "user_id": {"current": "US.2"}}]}),
        ("smb_app_state_sync", {"state_sync": [{"action": "add", "contact": {"phone_number": PERSON}}]}),
        ("automatic_events", {"automatic_events": [{"event_name": "Purchase", "id": "wamid.1"}]}),
        ("messages", {"user_actions": [{"action_type": "marketing_messages_link_click", "timestamp": "soon"}]}),
        ("group_status_update", {"groups": [{"type": "group_suspend", "group_id": "GROUP"}]}),
        ("history", {"history": [{"metadata": {"phase": 0, "progress": 100}}]}),
        ("standby", {"standby": {}}),
        ("calls", {"calls": [{"event": "connect", "from": PERSON, "timestamp": TIME}]}),
    ],
)
def test_without_time_and_id_nothing_is_taken_for_a_duplicate(field: str, value: Any) -> None:
    item = only(field, **value)
    assert item.type != "whatsapp.unknown"
    assert item.identity is None


@pytest.mark.parametrize("path", sorted((FIXTURES / "cloud_api").glob("*.json")), ids=lambda path: path.stem)
def test_no_event_repeats_the_id_of_another_in_one_webhook(path: Any) -> None:
    if not path.name.endswith(".expected.json") or path.name.startswith(("batch", "array_of")):
        return
    ids = [event["id"] for event in json.loads(path.read_text())]
    assert len(ids) == len(set(ids))


def test_two_people_in_a_group_have_two_statuses() -> None:
    def status(**who: str) -> dict[str, Any]:
        return {
            "id": "wamid.1",
            "status": "read",
            "timestamp": TIME,
            "recipient_id": "G",
            "recipient_type": "group",
            **who,
        }

    by_user, other, by_number = items(
        "messages",
        statuses=[
            status(recipient_participant_user_id="US.1"),
            status(recipient_participant_user_id="US.2"),
            status(recipient_participant_user_id="US.1", recipient_participant_id=PERSON),
        ],
    )
    assert [item.identity and item.identity.key[2] for item in (by_user, other, by_number)] == ["US.1", "US.2", PERSON]


# Where arrays stand


@pytest.mark.parametrize("field", ["messages", "calls", "smb_message_echoes", "user_preferences", "history"])
def test_arrays_are_read_under_whatever_field_they_come(field: str) -> None:
    found = items(
        field,
        groups=[{"type": "group_suspend", "group_id": "GROUP", "timestamp": TIME}],
        state_sync=[{"action": "add", "contact": {"phone_number": PERSON}}],
        calls=[call()],
    )
    assert [item.type for item in found] == [
        "whatsapp.group.updated", "whatsapp.contact.updated", "whatsapp.call.updated"
    ]  # fmt: skip


def test_an_unknown_field_is_not_guessed_at() -> None:
    item = only("consumer_profile", messages=[echo()])
    assert (item.type, item.data["name"]) == ("whatsapp.unknown", "consumer_profile")


def test_contacts_of_a_standby_may_stand_in_either_place() -> None:
    contacts = [{"profile": {"name": "Sheena Nelson"}, "wa_id": PERSON}]
    messages = [{**echo(), "from": PERSON, "to": BUSINESS}]
    outside = only("standby", contacts=contacts, standby={"messages": messages})
    inside = only("standby", standby={"contacts": contacts, "messages": messages})
    assert outside.data == inside.data
    assert outside.data["sender"]["name"] == "Sheena Nelson"
    assert outside.data["message"]["standby"] is True
