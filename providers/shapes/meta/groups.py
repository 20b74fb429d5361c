"""Groups of the Groups API: what became of them, their members and their settings.

Cloud API groups, webhooks. The four fields share one shape, and the element's type tells what happened.
"""

from __future__ import annotations

from typing import Any

from providers.base import Item
from providers.shapes.meta.messages import ERROR
from providers.shapes.meta.parties import IDS, identified, party
from providers.shapes.meta.reading import Draft, Table, unix_ms
from providers.shapes.meta.scope import Element, Scope
from providers.wire import Object, as_bool, as_object, as_text

MEMBER = Table({"input": ("input", as_text), **IDS, "errors": ("errors", [ERROR])})
SETTING = Table(
    {
        "text": ("text", as_text),
        "mime_type": ("mime_type", as_text),
        "sha256": ("sha256", as_text),
        "update_successful": ("successful", as_bool),
        "errors": ("errors", [ERROR]),
    }
)
SETTINGS = {"group_subject": "subject", "group_description": "description", "profile_picture": "icon"}

GROUP = Table(
    {
        "timestamp": ("time_ms", unix_ms),
        "group_id": ("group_id", as_text),
        "type": ("provider_event", as_text),
        "request_id": ("request_id", as_text),
        "subject": ("subject", as_text),
        "description": ("description", as_text),
        "invite_link": ("invite_link", as_text),
        "join_approval_mode": ("join_approval", as_text),
        "reason": ("reason", as_text),
        "initiated_by": ("initiated_by", as_text),
        "join_request_id": ("join_request_id", as_text),
        **IDS,
        "added_participants": ("members", [MEMBER]),
        "removed_participants": ("members", [MEMBER]),
        "failed_participants": ("failed", [MEMBER]),
        **{member: (f"set_{target}", SETTING) for member, target in SETTINGS.items()},
        "errors": ("errors", [ERROR]),
    }
)
OWN = (
    "provider_event", "request_id", "subject", "description", "invite_link", "join_approval", "reason",
    "initiated_by", "join_request_id", "errors",
)  # fmt: skip
"""Targets that are fields of the change as they are."""

KINDS = {
    "group_create": "created",
    "group_delete": "ended",
    "group_participants_add": "joined",
    "group_add_participants": "joined",
    "group_participants_remove": "removed",
    "group_remove_participants": "removed",
    "group_join_request_created": "join_requested",
    "group_join_request_revoked": "join_request_revoked",
    "group_settings_update": "settings_changed",
    "group_suspend": "suspended",
    "group_suspend_cleared": "suspension_cleared",
}


def group_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `groups`."""
    element = _element(raw, pointer)
    draft = Draft(scope.notes)
    found = draft.read(raw, GROUP, "groups")
    event, group_id = found.get("provider_event"), found.get("group_id")
    if event is None or not (group_id or "request_id" in found):
        return element.unknown(scope, "group", "no type, or no group")
    if scope.initiated_by:
        found["initiated_by"] = scope.initiated_by
    change: Object = {"kind": _kind(draft, event, found)}
    change |= {name: found[name] for name in OWN if name in found}
    _set_members(scope, found, change)
    _set_settings(draft, found, change)
    if _wanting(change):
        done = any(outcome.get("successful") for outcome in change.get("outcomes", ()))
        change["outcome"] = "partial" if done or "participants" in change else "failed"
    data: Object = {"conversation": {"id": group_id or "unknown", "kind": "group"}, "change": change}
    return element.item(scope, "whatsapp.group.updated", data, draft, chat=group_id)


def unmapped_group(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return _element(raw, pointer).unknown(scope, "group", detail)


def _element(raw: Any, pointer: str) -> Element:
    return Element("groups", raw, pointer, as_object(raw).get("timestamp"))


def _kind(draft: Draft, event: str, found: Object) -> str:
    kind = KINDS.get(event)
    if kind is None:
        draft.drifted("value", f"groups.type={event}")
        return event
    return "left" if kind == "removed" and found.get("initiated_by") == "participant" else kind


def _wanting(change: Object) -> bool:
    """Whether something did not happen: as a whole, to some of the people, or to one of the settings."""
    if "errors" in change or "failures" in change:
        return True
    return any(map(_refused, change.get("outcomes", ())))


def _refused(outcome: Object) -> bool:
    return outcome.get("successful") is False or "errors" in outcome


def _set_members(scope: Scope, found: Object, change: Object) -> None:
    """People stand in lists, where they were named in a request with the word that named them, or alone."""
    alone = identified(found)
    members = [person for member in found.get("members", ()) if (person := _member(scope, member))]
    if alone:
        members.append(alone)
    if members:
        change["participants"] = members
    failures = [_failure(scope, member) for member in found.get("failed", ())]
    if failures:
        change["failures"] = failures


def _member(scope: Scope, member: Object) -> Object | None:
    given = member.get("input")
    known = identified(member)
    if known is None:
        return party(given, described=scope.people.describe(given))
    return {**known, "input": given} if given and given not in known.values() else known


def _failure(scope: Scope, member: Object) -> Object:
    failure: Object = {"participant": _member(scope, member) or {"id": "unknown"}}
    if "errors" in member:
        failure["errors"] = member["errors"]
    return failure


def _set_settings(draft: Draft, found: Object, change: Object) -> None:
    """New values, and beside them what became of each. The group does not have a value that was refused."""
    outcomes = []
    for target in SETTINGS.values():
        setting = found.get(f"set_{target}")
        if setting is None:
            continue
        outcome: Object = {"setting": target}
        outcome |= {name: setting.pop(name) for name in ("successful", "errors") if name in setting}
        outcomes.append(outcome)
        icon = target == "icon"
        value = setting if icon else setting.get("text")
        if value and _refused(outcome):
            outcome["refused_icon" if icon else "refused"] = value
        elif value:
            draft.put(change, target, value, f"groups.{target}")
    if outcomes:
        change["outcomes"] = outcomes
