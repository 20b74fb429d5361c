"""The object that holds contacts, messages, statuses and errors: `value` of a Cloud API change, or a whole
On-Premises body. Every element of its arrays gives an item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from providers.base import Item
from providers.shapes.guard import guarded
from providers.shapes.meta.messages import ERROR, message_item, unmapped_message
from providers.shapes.meta.reading import Draft
from providers.shapes.meta.scope import Scope
from providers.shapes.meta.statuses import status_item, unmapped_status
from providers.wire import Object, pointer_part

Build = Callable[[Scope, Any, str], Item]
Fallback = Callable[[str, Scope, Any, str], Item]


def error_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `errors`: an error of the account or number, of no single message."""
    draft = Draft(scope.notes)
    error = draft.read(raw, ERROR, "errors")
    if not error:
        return unmapped_error("not an error object", scope, raw, pointer)
    return Item(
        type="whatsapp.error",
        data={"channel": scope.channel, "errors": [error]},
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


ARRAYS: dict[str, tuple[str, Build, Fallback]] = {
    "messages": ("message", message_item, unmapped_message),
    "statuses": ("status", status_item, unmapped_status),
    "errors": ("error", error_item, unmapped_error),
}
"""Array -> what one element is called, its mapper, and what stands in for one that cannot be mapped."""


def value_items(scope: Scope, value: Object, known: frozenset[str]) -> Iterator[Item]:
    """Items of all arrays, then of what no item tells: odd contacts, and members that are not `known`."""
    for array, (kind, build, fallback) in ARRAYS.items():
        elements = value.get(array)
        if elements is None:
            continue
        pointer = f"{scope.pointer}/{array}"
        if type(elements) is not list:
            yield scope.unknown(kind, pointer, name=array, detail="not a list")
            continue
        for position, raw in enumerate(elements):
            yield guarded(build, fallback, scope, raw, f"{pointer}/{position}")
    contacts = value.get("contacts")
    if contacts is not None and type(contacts) is not list:
        yield scope.unknown("contact", f"{scope.pointer}/contacts", name="contacts", detail="not a list")
    for position, detail in scope.people.untold():
        yield scope.unknown("contact", f"{scope.pointer}/contacts/{position}", detail=detail)
    yield from leftovers(scope, value, known, scope.pointer, "member")


def leftovers(scope: Scope, holder: Object, known: frozenset[str], pointer: str, kind: str) -> Iterator[Item]:
    """Members that nobody knows, each with its own fragment; those that say nothing are left out."""
    if holder.keys() <= known:
        return
    for name, value in holder.items():
        if name not in known and value not in (None, "", [], {}):
            scope.notes.drifted("member", name)
            yield scope.unknown(kind, f"{pointer}/{pointer_part(name)}", name=name)
