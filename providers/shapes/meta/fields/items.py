"""From a change to its item."""

from __future__ import annotations

from typing import Any

from providers.base import Identity, Item
from providers.shapes.meta.fields import account, numbers, templates
from providers.shapes.meta.fields.change import Given, Read
from providers.shapes.meta.identity import change_identity
from providers.shapes.meta.reading import Draft
from providers.shapes.meta.scope import Scope
from providers.wire import as_object, timestamp_ms

FIELDS: dict[str, Read] = {**account.FIELDS, **numbers.FIELDS, **templates.FIELDS}


def change_item(scope: Scope, given: Given) -> Item:
    """The item of one change; unknown where its field is, or its value lacks what the field is about."""
    read = FIELDS.get(given.field)
    if read is None:
        scope.notes.drifted("field", given.field)
        return unmapped_change(None, scope, given)
    draft = Draft(scope.notes)
    value = {**given.beside, **as_object(given.value)} if given.beside else given.value
    change = read(draft, value)
    if change is None:
        return unmapped_change("the value lacks what the field is about", scope, given)
    time = given.entry_time if change.time is None else change.time
    return Item(
        type=change.type,
        data={"account_id": scope.account_id, **change.data} if scope.account_id else change.data,
        identity=_identity(scope, given, given.entry_time or change.time),
        time_ms=timestamp_ms(time),
        lane=scope.account_lane,
        pointer=given.pointer,
        subject=change.subject or scope.account_id,
        route=scope.route,
        partial=draft.partial or bool(given.beside),
    )


def unmapped_change(detail: str | None, scope: Scope, given: Given) -> Item:
    return scope.unknown(
        "field",
        given.pointer,
        name=given.field,
        detail=detail,
        identity=_identity(scope, given, given.entry_time),
        time_ms=timestamp_ms(given.entry_time),
    )


def _identity(scope: Scope, given: Given, time: Any) -> Identity | None:
    return change_identity(scope.account_id, given.field, given.value, time)
