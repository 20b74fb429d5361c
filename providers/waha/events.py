"""What is no message: sessions, groups, calls, presence, labels, archived chats."""

from __future__ import annotations

from providers.base import Identity, Item
from providers.shapes.baileys.jids import SELF, conversation_of, normal_jid, party_of
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.values import as_moment, as_true
from providers.waha.envelope import Build, Envelope, object_of, unknown_item
from providers.wire import Object, as_bool, as_list, as_object, as_text, timestamp_ms

STATES = {
    "WORKING": "connected",
    "STARTING": "connecting",
    "SCAN_QR_CODE": "awaiting_scan",
    "PASSKEY_REQUIRED": "pairing",
    "PASSKEY_CONFIRMATION_REQUIRED": "pairing",
    "STOPPED": "disconnected",
    "FAILED": "disconnected",
}
_STEP: Table = {"status": ("provider_state", as_text), "timestamp": ("at", as_moment)}
_SESSION: Table = {
    "data": None,
    "name": None,
    "statuses": ("history", [_STEP]),
    "status": ("provider_state", as_text),
}


def session_item(envelope: Envelope) -> Item:
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    connection = reading.read(payload, _SESSION, "session.status")
    connection["state"] = STATES.get(connection.get("provider_state", ""), "unknown")
    if connection["state"] == "unknown":
        reading.unmapped("state", connection.get("provider_state"))
    history = [step for step in connection.get("history", ()) if "provider_state" in step]
    if "history" in connection:
        connection["history"] = history
    if payload.get("data"):
        reading.partial = True  # what a passkey is made from
    if envelope.session:
        connection["session"] = envelope.session
    last = as_object(as_list(payload.get("statuses"))[-1]) if as_list(payload.get("statuses")) else {}
    return Item(
        type="whatsapp.connection.updated",
        data={"channel": {}, "connection": {name: value for name, value in connection.items() if value}},
        identity=None,
        time_ms=timestamp_ms(last.get("timestamp")),
        lane=("connection", envelope.session),
        pointer="/payload",
        partial=reading.partial,
    )


_AROUND: Table = dict.fromkeys(("group", "timestamp", "_data", "type", "participants"))
_GROUP: Table = {
    "id": None,
    "participants": None,
    "subject": ("subject", as_text),
    "description": ("description", as_text),
    "invite": ("invite_link", as_text),
    **dict.fromkeys(("membersCanAddNewMember", "membersCanSendMessages", "newMembersApprovalRequired")),
}
_SETTINGS = ("membersCanAddNewMember", "membersCanSendMessages", "newMembersApprovalRequired")
_MEMBER: Table = {"id": None, "role": ("role", as_text), "pn": None, "lid": None}
_WE = {"group.v2.join": "joined", "group.v2.leave": "left"}
_TYPES = {"join": "joined", "leave": "left", "promote": "promoted", "demote": "demoted"}
_NAMED = (
    ("subject", "subject_changed"),
    ("description", "description_changed"),
    ("invite_link", "invite_link_changed"),
)


def group_item(envelope: Envelope) -> Item:
    """`group.v2.join` and `leave` are ours; `participants` are about others, `update` about the group."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    reading.read(payload, _AROUND, envelope.event)
    group = reading.nested(payload, "group")
    given = as_text(group.get("id"))
    if not given:
        return unknown_item(envelope, "no group")
    change = reading.read(group, _GROUP, "group")
    settings = {name: group[name] for name in _SETTINGS if type(group.get(name)) is bool}
    if settings:
        change["settings"] = settings
    for target, holder in (("participants", payload), ("members", group)):
        people = _members(holder.get("participants"), reading)
        if people:
            change[target] = people
    change["kind"] = _kind(envelope, payload, change, reading)
    if envelope.event in _WE:
        change["participants"] = [{"id": SELF}]
    return _change_item("whatsapp.group.updated", envelope, given, change, payload, reading)


def _kind(envelope: Envelope, payload: Object, change: Object, reading: Reading) -> str:
    if envelope.event in _WE:
        change["provider_event"] = envelope.event
        return _WE[envelope.event]
    word = reading.one(payload, "type", as_text)
    if word:
        change["provider_event"] = word
    if envelope.event == "group.v2.participants":
        if word not in _TYPES:
            reading.unmapped("action", word)
        return _TYPES.get(word or "", "members_changed")
    named = [kind for name, kind in _NAMED if name in change]
    return named[0] if len(named) == 1 and "settings" not in change else "settings_changed"


def _members(nodes: object, reading: Reading) -> list[Object]:
    people = []
    for node in as_list(nodes):
        member = as_object(node)
        jid = as_text(member.get("id"))
        if jid:
            people.append({**party_of(jid), **reading.read(member, _MEMBER, "participant")})
        else:
            reading.partial = True
    return people


_CALL: Table = {
    "id": ("id", as_text),
    "isGroup": ("group", as_true),
    **dict.fromkeys(("from", "to", "timestamp", "isVideo", "_data")),
}
_CALLS = {
    "call.received": ("ringing", ""),
    "call.accepted": ("accepted", ""),
    "call.rejected": ("terminated", "rejected"),
}
"""Event -> state and outcome. WAHA says that a call was rejected when it ended, too."""


def call_item(envelope: Envelope) -> Item:
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    state, outcome = _CALLS[envelope.event]
    call: Object = {"direction": "inbound", "state": state, "provider_state": envelope.event}
    call |= reading.read(payload, _CALL, "call")
    if outcome:
        call["outcome"] = outcome
    video = reading.one(payload, "isVideo", as_bool)
    if video is not None:
        call["video"] = video
    given = reading.one(payload, "from", as_text) or ""
    caller = party_of(given) if given else {"id": "unknown"}
    call["from"] = caller
    return Item(
        type="whatsapp.call.updated",
        data={"channel": {}, "conversation": conversation_of(given), "call": call},
        identity=Identity("C", (call["id"], envelope.event, "")) if "id" in call else None,
        time_ms=timestamp_ms(payload.get("timestamp")),
        lane=("call", envelope.session, call.get("id", "")),
        pointer="/payload",
        subject=caller["id"],
        party=caller["id"],
        partial=reading.partial,
    )


def _change_item(
    event_type: str, envelope: Envelope, given: str, change: Object, payload: Object, reading: Reading
) -> Item:
    """A change of the chat that `given` names."""
    conversation = conversation_of(given)
    return Item(
        type=event_type,
        data={"channel": {}, "conversation": conversation, "change": change},
        identity=None,
        time_ms=timestamp_ms(payload.get("timestamp")),
        lane=("chat", envelope.session, normal_jid(given)),
        pointer="/payload",
        subject=conversation["id"],
        partial=reading.partial,
    )


def archive_item(envelope: Envelope) -> Item:
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    reading.read(payload, dict.fromkeys(("id", "timestamp", "archived", "_data")), "chat.archive")
    archived = reading.one(payload, "archived", as_bool)
    given = reading.one(payload, "id", as_text)
    if archived is None or not given:
        return unknown_item(envelope, "not archived or unarchived")
    kind = "archived" if archived else "unarchived"
    return _change_item("whatsapp.conversation.updated", envelope, given, {"kind": kind}, payload, reading)


_PRESENCE: Table = {
    "participant": None,
    "lastKnownPresence": ("state", as_text),
    "lastSeen": ("last_seen_at", as_moment),
}


def presence_item(envelope: Envelope) -> Item:
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    reading.read(payload, dict.fromkeys(("id", "presences", "_data")), "presence.update")
    given = reading.one(payload, "id", as_text)
    if not given:
        return unknown_item(envelope, "no chat")
    presences = []
    for node in as_list(payload.get("presences")):
        found = as_object(node)
        jid = as_text(found.get("participant"))
        if jid:
            presences.append({"party": party_of(jid), **reading.read(found, _PRESENCE, "presence")})
        else:
            reading.partial = True
    change: Object = {"kind": "presence", **({"presences": presences} if presences else {})}
    return _change_item("whatsapp.conversation.updated", envelope, given, change, payload, reading)


_LABEL: Table = {
    "labelId": ("label_id", as_text),
    "label": {
        "id": ("label_id", as_text),
        "name": ("label_name", as_text),
        "color": None,
        "colorHex": ("label_color", as_text),
    },
    **dict.fromkeys(("chatId", "_data")),
}


def label_item(envelope: Envelope) -> Item:
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    change = reading.read(payload, _LABEL, envelope.event)
    given = reading.one(payload, "chatId", as_text)
    if not given:
        return unknown_item(envelope, "no chat")
    change["kind"] = "label_added" if envelope.event == "label.chat.added" else "label_removed"
    return _change_item("whatsapp.conversation.updated", envelope, given, change, payload, reading)


EVENTS: dict[str, Build] = {
    "session.status": session_item,
    "group.v2.join": group_item,
    "group.v2.leave": group_item,
    "group.v2.participants": group_item,
    "group.v2.update": group_item,
    **dict.fromkeys(_CALLS, call_item),
    "chat.archive": archive_item,
    "presence.update": presence_item,
    "label.chat.added": label_item,
    "label.chat.deleted": label_item,
}
