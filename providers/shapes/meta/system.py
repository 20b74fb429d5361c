"""System messages: somebody changed number, id or device, or a group changed.

Cloud API webhooks reference, messages/system; On-Premises API webhooks, system and group notifications.
"""

from __future__ import annotations

from typing import NamedTuple

from providers.base import Item
from providers.shapes.meta.messages import Said, identity_of
from providers.shapes.meta.parties import party, phones
from providers.shapes.meta.reading import Draft, Table
from providers.shapes.meta.scope import chat_of
from providers.wire import Object, as_object, as_text

PERSONAL = Table(
    {
        "type": None,
        "body": ("text", as_text),
        "new_wa_id": ("wa_id", as_text),
        "wa_id": ("wa_id", as_text),
        "user_id": ("user_id", as_text),
        "parent_user_id": ("parent_user_id", as_text),
        "identity": ("identity_hash", as_text),
        "customer": ("from", as_text),
        "user": ("from", as_text),
    }
)

GROUP = Table(
    {
        "type": None,
        "body": ("text", as_text),
        "group_id": ("group_id", as_text),
        "operator": ("from", as_text),
        "users": ("participants", phones),
    }
)

CONTACT_CHANGES = {
    "user_changed_number": "phone_changed",
    "customer_changed_number": "phone_changed",
    "user_changed_user_id": "user_id_changed",
    "user_identity_changed": "identity_changed",
    "customer_identity_changed": "identity_changed",
}

GROUP_CHANGES = {
    "group_created": "created",
    "group_ended": "ended",
    "group_user_joined": "joined",
    "group_user_left": "left",
    "group_user_removed": "removed",
    "group_user_promoted": "promoted",
    "group_user_demoted": "demoted",
    "group_subject_changed": "subject_changed",
    "group_description_changed": "description_changed",
    "group_icon_changed": "icon_changed",
    "group_icon_deleted": "icon_deleted",
    "group_invite_link_revoked": "invite_link_revoked",
    "broadcast_list_created": "created",
}
GROUP_FAILED = "group_error_"
"""Begins the names of what could not be done to a group."""

IDENTITY_CHECK = {
    "hash": "identity_hash",
    "acknowledged": "identity_acknowledged",
    "created_at": "identity_created_at",
}


class Told(NamedTuple):
    """What differs between the two kinds of change."""

    type: str
    data: Object
    subject: str
    person: Object | None


def system_item(said: Said, pointer: str) -> Item | None:
    """A system message as the change that it reports; None where it is of a kind that has no table."""
    scope, draft, head = said.scope, said.draft, said.head
    system = as_object(said.raw.get("system"))
    kind = as_text(system.get("type")) or ""
    if kind in CONTACT_CHANGES:
        told = _contact(draft, CONTACT_CHANGES[kind], system, head, said.sender)
    elif kind in GROUP_CHANGES or kind.startswith(GROUP_FAILED):
        told = _group(draft, kind, system, head, said.sender)
    else:
        told = None
    if told is None:
        return None
    draft.unplaced(head, ("context", "referral", "errors", "logical_sender_id", "past_status"), "messages")
    data: Object = {"channel": scope.channel, **told.data}
    if "id" in head:
        data["message_id"] = head["id"]
    return Item(
        type=told.type,
        data=data,
        identity=identity_of(scope, said.raw, said.way, said.past),
        time_ms=head.get("time_ms"),
        lane=scope.chat_lane(chat_of(head) or told.subject),
        pointer=pointer,
        subject=told.subject,
        party=told.person["id"] if told.person else None,
        route=scope.route,
        partial=draft.partial,
    )


def _contact(draft: Draft, kind: str, system: Object, head: Object, sender: Object | None) -> Told | None:
    """`contact` is who the person is now; `from` and `customer` say who it was."""
    found = draft.read(system, PERSONAL, "messages.system")
    before, other = _same_person(found, head, sender)
    after = party(found.get("wa_id"), found.get("user_id"), found.get("parent_user_id"))
    change: Object = {"kind": kind}
    if kind == "identity_changed":
        contact = _same(draft, before, after)
    elif after:
        contact = after
        if before:
            change["previous"] = before
    else:
        contact = before
        draft.drifted("value", f"messages.system.{kind}")
    if contact is None:
        return None
    for name in ("text", "identity_hash"):
        if name in found:
            change[name] = found[name]
    for name, told in head.get("identity", {}).items():
        draft.put(change, IDENTITY_CHECK[name], told, f"messages.identity.{name}")
    data: Object = {"contact": contact, "change": change}
    if "group_id" in head:
        data["conversation"] = {"id": head["group_id"], "kind": "group"}
    if other:
        data["sender"] = other
    return Told("whatsapp.contact.updated", data, contact["id"], contact)


def _group(draft: Draft, kind: str, system: Object, head: Object, sender: Object | None) -> Told | None:
    found = draft.read(system, GROUP, "messages.system")
    group_id = head.setdefault("group_id", found.get("group_id"))
    if not group_id:
        return None
    if "identity" in head:
        draft.drifted("member", "messages.identity")
    actor, other = _same_person(found, head, sender)
    change: Object = {"kind": GROUP_CHANGES.get(kind, "failed"), "provider_event": kind}
    if actor:
        change["actor"] = actor
    for name in ("participants", "text"):
        if name in found:
            change[name] = found[name]
    conversation = {"id": group_id, "kind": "broadcast" if kind.startswith("broadcast") else "group"}
    if found.get("group_id", group_id) != group_id:
        conversation["provider_id"] = found["group_id"]
    data: Object = {"conversation": conversation, "change": change}
    if other:
        data["sender"] = other
    return Told("whatsapp.group.updated", data, group_id, actor)


def _same(draft: Draft, one: Object | None, other: Object | None) -> Object | None:
    if one and other and one["id"] != other["id"]:
        draft.drifted("conflict", "messages.system.wa_id")
    return one or other


def _same_person(found: Object, head: Object, sender: Object | None) -> tuple[Object | None, Object | None]:
    """Who acted or was, as the system object says; and the message's sender, where that is somebody else."""
    named = found.get("from")
    if named is None or named == head.get("from"):
        return sender, None
    return party(named), sender
