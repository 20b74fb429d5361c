"""Messages that are none: they edit, delete, pin or keep another, change a chat, or record a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from providers.shapes.baileys import protocol
from providers.shapes.baileys.content import content_of, map_content
from providers.shapes.baileys.context import DISAPPEARING, map_context
from providers.shapes.baileys.jids import party_of
from providers.shapes.baileys.keys import MessageKey
from providers.shapes.baileys.reading import KEPT, Reading, Table
from providers.shapes.baileys.replies import CIPHERTEXT
from providers.shapes.baileys.targets import as_target, by_the_sender
from providers.shapes.baileys.unwrap import EDITED, EPHEMERAL, LIMIT_SHARING, VIEW_ONCE, Unwrapped, unwrap
from providers.shapes.baileys.values import as_count, as_moment, as_true, word
from providers.wire import Object, as_object, as_text


@dataclass(slots=True)
class Draft:
    """A message in the making: its key, what is known of it whatever it says, and the account of the reading."""

    key: MessageKey
    reading: Reading
    facts: Object = field(default_factory=dict)


class Told(NamedTuple):
    """What became of it: the event's type, and its data without channel and conversation."""

    type: str
    data: Object


Act = Callable[[Object, Draft], Told | None]
"""None where it does not say what to do, or to what."""


def facts_of(found: Unwrapped, chat: str, reading: Reading) -> Object:
    """What is said of a message beside its content: by its wrappers, its metadata and its context."""
    facts = dict(found.facts)
    node = as_object(found.content)
    context = reading.nested(node, "contextInfo")
    if context:
        facts |= map_context(context, chat, reading)
    if VIEW_ONCE in found.flags or node.get("viewOnce") is True:
        facts["view_once"] = True
    if EPHEMERAL in found.flags:
        facts["ephemeral"] = True
    return facts


def act(found: Unwrapped, draft: Draft) -> Told | None:
    """The event of a message that does something; None where it just says something."""
    if found.name in _ACTS and type(found.content) is dict:
        return _ACTS[found.name](found.content, draft)
    if EDITED in found.flags and found.name:
        content = content_of(found.name, found.content, draft.reading)
        return edited(draft, {}, content)
    return None


def edited(draft: Draft, target: Object, content: Object | None, **more: Any) -> Told:
    data = {**_people(draft), "message": draft.facts}
    if target:
        data["target"] = target
    if content:
        data["content"] = content
    return Told("whatsapp.message.edited", {**data, **more})


def deleted(draft: Draft, target: Object) -> Told:
    return Told("whatsapp.message.deleted", {**_people(draft), "target": target, "message": draft.facts})


def conversation_changed(draft: Draft, change: Object) -> Told:
    if draft.key.id:
        change["message_id"] = draft.key.id
    return Told("whatsapp.conversation.updated", _with_facts(draft, {"actor": draft.key.sender, "change": change}))


def group_changed(draft: Draft, change: Object) -> Told:
    data: Object = {"change": {**change, "actor": draft.key.sender}}
    if draft.key.id:
        data["message_id"] = draft.key.id
    return Told("whatsapp.group.updated", _with_facts(draft, data))


def called(draft: Draft, call: Object) -> Told:
    key = draft.key
    call = {"direction": "outbound" if key.from_me else "inbound", **call, "from": key.sender}
    if key.id:
        call["id"] = key.id
    if key.recipient:
        call["to"] = key.recipient
    return Told("whatsapp.call.updated", _with_facts(draft, {"call": call}))


def _people(draft: Draft) -> Object:
    people = {"sender": draft.key.sender}
    return {**people, "recipient": draft.key.recipient} if draft.key.recipient else people


def _with_facts(draft: Draft, data: Object) -> Object:
    """Only where they are more than the id of what somebody else did."""
    if draft.facts.keys() <= {"id", "direction"} and not draft.key.from_me:
        return data
    return {**data, "message": draft.facts}


_PROTOCOL: Table = {
    "key": None,
    "type": None,
    "editedMessage": None,
    "disappearingMode": ("disappearing", DISAPPEARING),
    "ephemeralExpiration": ("expires_in_s", as_count),
    "ephemeralSettingTimestamp": ("set_at", as_moment),
    "timestampMs": ("at", as_moment),
    "limitSharing": ("limit_sharing", LIMIT_SHARING),
    "memberLabel": {"label": ("label", as_text), "labelTimestamp": ("label_at", as_moment)},
    "cloudApiThreadControlNotification": ("control", {
        "status": ("kind", word("UNKNOWN", "CONTROL_PASSED", "CONTROL_TAKEN", silent="UNKNOWN")),
        "senderNotificationTimestampMs": ("changed_at", as_moment),
        "consumerLid": ("lid", as_text),
        "consumerPhoneNumber": ("phone", as_text),
        "notificationContent": {
            "handoffNotificationText": ("context", as_text),
            "extraJson": ("metadata", as_text),
        },
        "shouldSuppressNotification": None,
    }),
    "botFeedbackMessage": KEPT,
    "invokerJid": KEPT,
    "aiPsiMetadata": KEPT,
    "aiQueryFanout": KEPT,
    "requestWelcomeMessageMetadata": KEPT,
    "mediaNotifyMessage": KEPT,
}  # fmt: skip


def _protocol(node: Object, draft: Draft) -> Told | None:
    build = _PROTOCOL_ACTS.get(protocol.protocol_type(node))
    if build is None:
        return None
    said = draft.reading.read(node, _PROTOCOL, "protocolMessage")
    target = as_target(draft.reading.nested(node, "key"), draft.reading, "protocolMessage.key")
    return build(node, said, by_the_sender(target, draft.key) if target else {}, draft)


def _edit(node: Object, said: Object, target: Object, draft: Draft) -> Told | None:
    found = unwrap(draft.reading.nested(node, "editedMessage"), draft.reading)
    content = None
    if found.name:
        draft.facts |= facts_of(found, draft.key.chat, draft.reading)
        content = map_content(found, draft.reading)
    elif not target:
        return None
    return edited(draft, target, content, **({"edited_at": said["at"]} if "at" in said else {}))


def _revoke(node: Object, said: Object, target: Object, draft: Draft) -> Told | None:
    return deleted(draft, target) if "message_id" in target else None


def _disappear(node: Object, said: Object, target: Object, draft: Draft) -> Told:
    change: Object = {"kind": "disappearing_messages", "expires_in_s": said.get("expires_in_s", 0)}
    if "set_at" in said:
        change["changed_at"] = said["set_at"]
    if "disappearing" in said:
        change["disappearing"] = said["disappearing"]
    if target:
        change["target"] = target
    return conversation_changed(draft, change)


def _limit(node: Object, said: Object, target: Object, draft: Draft) -> Told:
    limits = {"limit_sharing": said["limit_sharing"]} if "limit_sharing" in said else {}
    return conversation_changed(draft, {"kind": "sharing_limited", **limits})


def _label(node: Object, said: Object, target: Object, draft: Draft) -> Told:
    change: Object = {"kind": "member_label_changed", "participants": [draft.key.sender]}
    for name, given in (("label", "label"), ("changed_at", "label_at")):
        if given in said:
            change[name] = said[given]
    return group_changed(draft, change)


def _control(node: Object, said: Object, target: Object, draft: Draft) -> Told:
    change = {"kind": "control_changed", **said.get("control", {})}
    if any(change.pop(name, None) for name in ("lid", "phone")):
        draft.reading.partial = True
    return conversation_changed(draft, change)


_PROTOCOL_ACTS: dict[str, Callable[[Object, Object, Object, Draft], Told | None]] = {
    protocol.EDIT: _edit,
    protocol.REVOKE: _revoke,
    protocol.EPHEMERAL: _disappear,
    protocol.LIMIT_SHARING: _limit,
    protocol.MEMBER_LABEL: _label,
    protocol.THREAD_CONTROL: _control,
}

_SECRET: Table = {
    **CIPHERTEXT,
    "targetMessageKey": None,
    "secretEncType": ("kind", word("UNKNOWN", "EVENT_EDIT", "MESSAGE_EDIT")),
}


def _secret_edit(node: Object, draft: Draft) -> Told | None:
    """An edit that only the message's secret opens. Its target's key is the sender's, too."""
    said = draft.reading.read(node, _SECRET, "secretEncryptedMessage")
    target = as_target(draft.reading.nested(node, "targetMessageKey"), draft.reading, "secretEncryptedMessage")
    if said.get("kind") not in ("event_edit", "message_edit") or not target:
        return None
    more = {"ciphertext": said["ciphertext"]} if "ciphertext" in said else {}
    return edited(draft, by_the_sender(target, draft.key), None, encrypted=True, kind=said["kind"], **more)


_PIN: Table = {
    "key": None,
    "contextInfo": None,
    "type": ("kind", word("UNKNOWN_TYPE", "PIN_FOR_ALL", "UNPIN_FOR_ALL")),
    "senderTimestampMs": ("changed_at", as_moment),
}
_KEEP: Table = {
    "key": None,
    "contextInfo": None,
    "keepType": ("kind", word("UNKNOWN", "KEEP_FOR_ALL", "UNDO_KEEP_FOR_ALL")),
    "timestampMs": ("changed_at", as_moment),
}
_KINDS = {
    "pin_for_all": "pinned",
    "unpin_for_all": "unpinned",
    "keep_for_all": "kept",
    "undo_keep_for_all": "unkept",
}


def _pin(node: Object, draft: Draft) -> Told | None:
    return _mark(node, _PIN, "pinInChatMessage", draft)


def _keep(node: Object, draft: Draft) -> Told | None:
    return _mark(node, _KEEP, "keepInChatMessage", draft)


def _mark(node: Object, table: Table, where: str, draft: Draft) -> Told | None:
    change = draft.reading.read(node, table, where)
    if change.get("kind") not in _KINDS:
        return None
    change["kind"] = _KINDS[change["kind"]]
    target = as_target(draft.reading.nested(node, "key"), draft.reading, where)
    if target:
        change["target"] = by_the_sender(target, draft.key)
    if "add_on_expires_in_s" in draft.facts:
        change["expires_in_s"] = draft.facts.pop("add_on_expires_in_s")
    return conversation_changed(draft, change)


_OUTCOMES = {
    "connected": "completed",
    "missed": "missed",
    "failed": "failed",
    "rejected": "rejected",
    "accepted_elsewhere": "completed",
    "ongoing": "ongoing",
    "silenced_by_dnd": "missed",
    "silenced_unknown_caller": "missed",
}
_OUTCOME = word(*(name.upper() for name in _OUTCOMES))
_PARTICIPANT: Table = {"jid": ("jid", as_text), "callOutcome": ("outcome", _OUTCOME)}
_CALL_LOG: Table = {
    "contextInfo": None,
    "isVideo": ("video", as_true),
    "callOutcome": ("provider_state", _OUTCOME),
    "durationSecs": ("duration_s", as_count),
    "callType": ("kind", word("REGULAR", "SCHEDULED_CALL", "VOICE_CHAT")),
    "participants": ("participants", [_PARTICIPANT]),
}


def _call_log(node: Object, draft: Draft) -> Told:
    call: Object = {"video": False, **draft.reading.read(node, _CALL_LOG, "callLogMessage")}
    outcome = _OUTCOMES.get(call.get("provider_state", "connected"))
    if outcome:
        call["outcome"] = outcome
    call["state"] = "accepted" if outcome == "ongoing" else "terminated"
    for person in call.get("participants", ()):
        jid = person.pop("jid", None)
        person["party"] = party_of(jid) if jid else {"id": "unknown"}
    return called(draft, call)


_ACTS: dict[str, Act] = {
    "protocolMessage": _protocol,
    "secretEncryptedMessage": _secret_edit,
    "pinInChatMessage": _pin,
    "keepInChatMessage": _keep,
    "callLogMesssage": _call_log,
    "callLogMessage": _call_log,
}
