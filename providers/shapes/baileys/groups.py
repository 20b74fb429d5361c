"""What Baileys emits of groups outside of messages: `group-participants.update`, `groups.update`, `groups.upsert`."""

from __future__ import annotations

from typing import Any

from providers.base import Item
from providers.shapes.baileys.jids import conversation_of, normal_jid, party
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.stubs import person_of
from providers.shapes.baileys.values import as_count, as_moment, says_nothing
from providers.wire import Object, as_list, as_text

ACTIONS = {
    "add": "joined",
    "remove": "left",
    "promote": "promoted",
    "demote": "demoted",
    "modify": "number_changed",
}
"""Baileys, ParticipantAction."""

_MEMBERS: Table = {
    "id": None,
    "participants": None,
    "participantsData": None,
    "action": ("provider_event", as_text),
    **dict.fromkeys(("author", "authorPn", "authorUsername")),
}
_SETTINGS = (
    "announce", "restrict", "memberAddMode", "joinApprovalMode", "isCommunity", "isCommunityAnnounce",
    "ephemeralDuration", "addressingMode", "notify", "subjectOwner", "subjectOwnerPn",
    "subjectOwnerUsername", "subjectTime", "descId", "descOwner", "descOwnerPn", "descOwnerUsername", "descTime",
    "owner_country_code",
)  # fmt: skip
_METADATA: Table = {
    **dict.fromkeys((*_SETTINGS, "id", "participants", "author", "authorPn", "authorUsername")),
    **dict.fromkeys(("owner", "ownerPn", "ownerUsername")),
    "subject": ("subject", as_text),
    "desc": ("description", as_text),
    "inviteCode": ("invite_code", as_text),
    "creation": ("created_at", as_moment),
    "linkedParent": ("parent_group_id", as_text),
    "size": ("size", as_count),
}


def group_item(group: Object, change: Object, pointer: str, reading: Reading, channel: str = "") -> Item:
    """An item without identity: nothing tells a repetition from a second occurrence."""
    conversation = conversation_of(as_text(group.get("id")) or "")
    chat = normal_jid(as_text(group.get("id")) or "")
    return Item(
        type="whatsapp.group.updated",
        data={"channel": {}, "conversation": conversation, "change": change},
        identity=None,
        time_ms=None,
        lane=("chat", channel, chat),
        pointer=pointer,
        subject=conversation["id"],
        partial=reading.partial,
    )


def members_changed(group: Object, happened: str, reading: Reading) -> Object:
    """Who came, went, rose or fell. An action that is not known leaves `happened`."""
    change = reading.read(group, _MEMBERS, "participants")
    action = change.get("provider_event")
    kind = ACTIONS.get(action or "", happened)
    if action and action not in ACTIONS:
        reading.unmapped("action", action)
    change["kind"] = happened or kind or "members_changed"
    people = _people(group, reading)
    if people:
        change["participants"] = people
    return change | _actor(group)


def metadata_changed(group: Object, reading: Reading, kind: str = "") -> Object:
    """What a group is like now: the whole of it, or what changed. Settings are under Baileys' names."""
    change = reading.read(group, _METADATA, "groups.update")
    settings = {name: group[name] for name in _SETTINGS if group.get(name) is not None and group[name] != ""}
    if settings:
        change["settings"] = settings
    owner = _named(group, "owner")
    if owner:
        change["owner"] = owner
    people = _people(group, reading)
    if people:
        change["members"] = people
    change["kind"] = kind or _kind(change)
    return change | _actor(group)


def _kind(change: Object) -> str:
    """One change has a name of its own; several are a change of settings."""
    told = change.keys() - {"created_at", "owner", "size"}
    return {
        frozenset({"subject"}): "subject_changed",
        frozenset({"description"}): "description_changed",
        frozenset({"invite_code"}): "invite_link_changed",
    }.get(frozenset(told), "settings_changed")


def _people(group: Object, reading: Reading) -> list[Object]:
    """Members by address, or as objects; Evolution gives what more it knows of them in a second list."""
    known = {as_text(node.get("jid")): node for node in as_list(group.get("participantsData")) if type(node) is dict}
    people = []
    for value in as_list(group.get("participants")):
        node = {"id": value, **known.pop(value, {})} if type(value) is str and value else value
        if type(node) is dict and node:
            people.append(_person(node, reading))
        else:
            reading.partial = True
    if known or not (type(group.get("participants")) is list or says_nothing(group.get("participants"))):
        reading.partial = True
    return people


_PERSON: Table = dict.fromkeys((
    "id", "jid", "lid", "phoneNumber", "pn", "name", "notify", "username", "admin", "isAdmin", "isSuperAdmin", "imgUrl",
    "verifiedName", "status",
))  # fmt: skip


def _person(node: Object, reading: Reading) -> Object:
    reading.read(node, _PERSON, "participant")
    found = person_of(node)
    picture = as_text(node.get("imgUrl"))
    if picture:
        found["picture_url"] = picture
    if "role" not in found:
        if node.get("isSuperAdmin") is True:
            found["role"] = "superadmin"
        elif node.get("isAdmin") is True:
            found["role"] = "admin"
    return found


def _actor(group: Object) -> Object:
    actor = _named(group, "author")
    return {"actor": actor} if actor else {}


def _named(group: Object, member: str) -> Object:
    """A person whose addresses stand in members that begin alike."""
    jids = [jid for jid in (as_text(group.get(name)) for name in (f"{member}Pn", member)) if jid]
    if not jids:
        return {}
    found: Any = party(jids, jids[-1])
    username = as_text(group.get(f"{member}Username"))
    return {**found, "username": username.removeprefix("@")} if username else found
