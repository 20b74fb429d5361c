"""The object that holds contacts and arrays of what happened: `value` of a Cloud API change, or a whole On-Premises
body. Every element of its arrays gives an item, whatever the change's field: Meta's own pages mix fields up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from providers.base import Item
from providers.shapes.guard import guarded_items
from providers.shapes.meta.arrivals import echo_item, message_item, unmapped_echo
from providers.shapes.meta.calls import call_item, unmapped_call
from providers.shapes.meta.groups import group_item, unmapped_group
from providers.shapes.meta.history import (
    history_items,
    late_echo,
    late_item,
    unmapped_late,
    unmapped_late_echo,
    unmapped_part,
)
from providers.shapes.meta.interactions import (
    action_item,
    conversion_item,
    unmapped_action,
    unmapped_conversion,
)
from providers.shapes.meta.messages import ERROR, unmapped_message
from providers.shapes.meta.parties import party
from providers.shapes.meta.persons import (
    preference_item,
    synced_item,
    unmapped_preference,
    unmapped_synced,
    unmapped_user_id,
    user_id_item,
)
from providers.shapes.meta.reading import Draft
from providers.shapes.meta.scope import Scope
from providers.shapes.meta.statuses import status_item, unmapped_status
from providers.wire import Object, pointer_part


class Array(NamedTuple):
    """What one element is called, its mapper, and what stands in for one that cannot be mapped."""

    kind: str
    build: Callable[[Scope, Any, str], Item]
    fallback: Callable[[str, Scope, Any, str], Item]


def error_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `errors`: an error of the account, number or call, of no single message."""
    draft = Draft(scope.notes)
    error = draft.read(raw, ERROR, "errors")
    if not error:
        return unmapped_error("not an error object", scope, raw, pointer)
    data: Object = {"channel": scope.channel, "errors": [error]}
    contact = party(None, described=scope.people.describe(None))
    if contact:
        data["contact"] = contact
    if scope.call_id:
        data["call_id"] = scope.call_id
    return Item(
        type="whatsapp.error",
        data=data,
        identity=None,
        time_ms=None,
        lane=scope.account_lane,
        pointer=pointer,
        subject=scope.account_id,
        route=scope.route,
        partial=draft.partial,
    )


def unmapped_error(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return scope.unknown("error", pointer, detail=detail)


ARRAYS: dict[str, Array] = {
    "messages": Array("message", message_item, unmapped_message),
    "message_echoes": Array("message", echo_item, unmapped_echo),
    "statuses": Array("status", status_item, unmapped_status),
    "calls": Array("call", call_item, unmapped_call),
    "groups": Array("group", group_item, unmapped_group),
    "user_preferences": Array("contact", preference_item, unmapped_preference),
    "user_id_update": Array("contact", user_id_item, unmapped_user_id),
    "state_sync": Array("contact", synced_item, unmapped_synced),
    "automatic_events": Array("interaction", conversion_item, unmapped_conversion),
    "user_actions": Array("interaction", action_item, unmapped_action),
    "errors": Array("error", error_item, unmapped_error),
}
HISTORICAL: dict[str, Array] = {
    **ARRAYS,
    "messages": Array("message", late_item, unmapped_late),
    "message_echoes": Array("message", late_echo, unmapped_late_echo),
}
"""What the arrays hold in a webhook of the field `history`."""
HISTORY = "history"


def value_items(
    scope: Scope, value: Object, known: frozenset[str], arrays: dict[str, Array] = ARRAYS
) -> Iterator[Item]:
    """Items of all arrays, then of what no item tells: odd contacts, and members that are not `known`."""
    for array, elements in value.items():
        found = arrays.get(array)
        if found is None or elements is None:
            continue
        kind, build, fallback = found
        pointer = f"{scope.pointer}/{array}"
        if type(elements) is not list:
            yield scope.unknown(kind, pointer, name=array, detail="not a list")
            continue
        for position, raw in enumerate(elements):
            try:
                item = build(scope, raw, f"{pointer}/{position}")
            except Exception as error:  # as providers.shapes.guard does, without two calls more for each element
                item = fallback(type(error).__name__, scope, raw, f"{pointer}/{position}")
            yield item
    if HISTORY in value:
        yield from _history(scope, value[HISTORY], f"{scope.pointer}/{HISTORY}")
    contacts = value.get("contacts")
    if scope.untold_metadata or not (contacts is None or (type(contacts) is list and scope.people.all_told())):
        yield from untold(scope, value)
    if not value.keys() <= known:
        yield from leftovers(scope, value, known, scope.pointer, "member")


def _history(scope: Scope, parts: Any, pointer: str) -> Iterator[Item]:
    if type(parts) is not list:
        if parts is not None:
            yield unmapped_part("not a list", scope, parts, pointer)
        return
    for position, part in enumerate(parts):
        yield from guarded_items(history_items, unmapped_part, scope, part, f"{pointer}/{position}")


def untold(scope: Scope, value: Object) -> Iterator[Item]:
    """Contacts and metadata that no item tells wholly. Ask after all items."""
    contacts = value.get("contacts")
    pointer = f"{scope.pointer}/contacts"
    if contacts is not None and type(contacts) is not list:
        yield scope.unknown("contact", pointer, name="contacts", detail="not a list")
    for position, detail in scope.people.untold():
        yield scope.unknown("contact", f"{pointer}/{position}", detail=detail)
    if scope.untold_metadata:
        member = "metadata" if value.get("metadata") else "recipient"  # a handover names the number there
        yield scope.unknown("metadata", f"{scope.pointer}/{member}", detail="not told wholly by the events beside it")


def leftovers(scope: Scope, holder: Object, known: frozenset[str], pointer: str, kind: str) -> Iterator[Item]:
    """Members that nobody knows, each with its own fragment; those that say nothing are left out."""
    for name, value in holder.items():
        if name not in known and value not in (None, "", [], {}):
            scope.notes.drifted("member", name)
            yield scope.unknown(kind, f"{pointer}/{pointer_part(name)}", name=name)
