"""Calls: what happens in them, how far they have come, and what was recorded.

Cloud API calling, webhooks; call recording; call transcription.
"""

from __future__ import annotations

from typing import Any

from providers.base import Item
from providers.shapes.meta.contents import MEDIA
from providers.shapes.meta.identity import call_identity
from providers.shapes.meta.messages import ERROR
from providers.shapes.meta.parties import e164, party
from providers.shapes.meta.reading import Draft, Table, alternatives, unix_ms
from providers.shapes.meta.scope import Scope
from providers.wire import Object, as_int, as_object, as_rfc3339, as_text, timestamp_ms

ENDS = ("from", "to")

FILE = Table({"type": ("kind", as_text), "audio": ("media", MEDIA), "document": ("media", MEDIA)})

CALL = Table(
    {
        "id": ("id", as_text),
        "event": ("event", as_text),
        "timestamp": ("time_ms", unix_ms),
        "direction": ("direction", as_text),
        **{
            f"{end}{ending}": (f"{end}{ending}", as_text)
            for end in ENDS
            for ending in ("", "_user_id", "_parent_user_id")
        },
        "status": ("outcome", alternatives),
        "start_time": ("started_at", as_rfc3339),
        "end_time": ("ended_at", as_rfc3339),
        "duration": ("duration_s", as_int),
        "session": ("session", {"sdp_type": ("sdp_type", as_text), "sdp": ("sdp", as_text)}),
        "connection": {"webrtc": {"sdp": ("webrtc_sdp", as_text)}},
        "biz_opaque_callback_data": ("callback_data", as_text),
        "deeplink_payload": ("deeplink_payload", as_text),
        "cta_payload": ("button_payload", as_text),
        "call_recording": ("recording", FILE),
        "call_transcript": ("transcript", FILE),
        "errors": ("errors", [ERROR]),
    }
)
OWN = frozenset(
    {
        "id", "started_at", "ended_at", "duration_s", "session", "webrtc_sdp", "callback_data",
        "deeplink_payload", "button_payload", "recording", "transcript", "errors",
    }
)  # fmt: skip
"""Targets that are fields of the event's call as they are."""

STATUS = Table(
    {
        "id": ("id", as_text),
        "type": None,
        "status": ("event", as_text),
        "timestamp": ("time_ms", unix_ms),
        "recipient_id": ("to", as_text),
        "recipient_user_id": ("to_user_id", as_text),
        "recipient_parent_user_id": ("to_parent_user_id", as_text),
        "biz_opaque_callback_data": ("callback_data", as_text),
        "errors": ("errors", [ERROR]),
    }
)

STATES = {
    "connect": "connecting",
    "call_created": "connecting",
    "created": "connecting",
    "terminate": "terminated",
    "call_recording_available": "recorded",
    "call_transcription_available": "transcribed",
    "ringing": "ringing",
    "accepted": "accepted",
    "rejected": "rejected",
}
DIRECTIONS = {"BUSINESS_INITIATED": "outbound", "USER_INITIATED": "inbound"}
OUTCOMES = frozenset({"completed", "failed", "missed", "rejected", "ongoing"})


def call_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `calls`."""
    return _item(scope, raw, pointer, CALL, "calls")


def call_status_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `statuses` that is about a call: calls by the business only."""
    return _item(scope, raw, pointer, STATUS, "statuses")


def unmapped_call(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    """What is no call to us; it keeps the id that the call's event will have once it can be mapped."""
    call = as_object(raw)
    word = as_text(call.get("event")) or as_text(call.get("status"))
    return scope.unknown(
        "call",
        pointer,
        name=word,
        detail=detail,
        identity=call_identity(call, word, _file_id(call)),
        time_ms=timestamp_ms(call.get("timestamp")),
        lane=_lane(scope, as_text(call.get("id"))),
    )


def _item(scope: Scope, raw: Any, pointer: str, table: Table, path: str) -> Item:
    draft = Draft(scope.notes)
    found = draft.read(raw, table, path)
    word = found.get("event")
    if "id" not in found and word is None:
        return unmapped_call("neither id nor event", scope, raw, pointer)
    data: Object = {"channel": scope.channel}
    call, person, given = _call(scope, draft, found, path)
    if person:
        data["conversation"] = {"id": person["id"], "kind": "direct"}
        if given and given != person["id"]:
            data["conversation"]["provider_id"] = given
    data["call"] = call
    return Item(
        type="whatsapp.call.updated",
        data=data,
        identity=call_identity(raw, word, _file_id(raw)),
        time_ms=found.get("time_ms"),
        lane=_lane(scope, found.get("id")),
        pointer=pointer,
        subject=person["id"] if person else None,
        party=person["id"] if person else None,
        route=scope.route,
        partial=draft.partial,
    )


def _call(scope: Scope, draft: Draft, found: Object, path: str) -> tuple[Object, Object | None, str | None]:
    """The call, the person at its other end, and that person's number or id as given."""
    call = {name: value for name, value in found.items() if name in OWN}
    word = found.get("event")
    call["state"] = STATES.get((word or "").lower(), "unknown")
    if word:
        call["provider_state"] = word
    if call["state"] == "unknown":
        draft.drifted("value", f"{path}.event={word}")
    direction = found.get("direction")
    if direction:
        call["direction"] = DIRECTIONS.get(direction) or draft.word(direction, frozenset(), f"{path}.direction")
    if "outcome" in found:
        call["outcome"] = draft.word(found["outcome"], OUTCOMES, f"{path}.status")
    ends: Ends = {
        end: (found.get(end), found.get(f"{end}_user_id"), found.get(f"{end}_parent_user_id")) for end in ENDS
    }
    person = _person_end(scope.own, ends, call.get("direction"))
    for end, named in ends.items():
        described = scope.people.describe(*named) if end == person and any(named) else {}
        known = party(*named, described=described)
        if known:
            call[end] = known
    return call, call.get(person), ends[person][0] or ends[person][1]


Ends = dict[str, tuple[str | None, str | None, str | None]]


def _person_end(own: str | None, ends: Ends, direction: str | None) -> str:
    """Which end is the person: the one that is not the business's number; where that does not tell, by direction."""
    business = [end for end in ENDS if own and e164(ends[end][0]) == own]
    if len(business) == 1:
        return "to" if business[0] == "from" else "from"
    if not any(ends["from"]):
        return "to"
    return "to" if direction == "outbound" else "from"


def _file_id(raw: Object) -> str | None:
    for name in ("call_recording", "call_transcript"):
        for file in as_object(raw.get(name)).values():
            if type(file) is dict and file.get("id"):
                return as_text(file["id"])
    return None


def _lane(scope: Scope, call_id: str | None) -> tuple[str, ...]:
    return ("call", call_id) if call_id else scope.account_lane
