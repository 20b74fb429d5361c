"""`group_join`, `group_leave`, `group_update`: who came and went, and which settings changed.

docs.whapi.id, webhook-usage/polling-group. Nothing in them has an id or a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.base import Item, Notes
from providers.shapes.baileys.groups import group_item, members_changed, metadata_changed
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.guard import guarded
from providers.wire import Object, as_list, as_object

JOINED = {"group_join": ("join", "joined"), "group_leave": ("leave", "left")}
"""Type -> the member that says it, and what happened unless its action tells more."""
KINDS = frozenset({*JOINED, "group_update"})
_AROUND: Table = {"apiKey": None, "join": None, "leave": None, "update": None}


def group_items(kind: str, results: Object, notes: Notes) -> Iterator[Item]:
    around = Reading(notes)
    around.read(results, _AROUND, kind)
    member, happened = JOINED.get(kind, ("update", ""))
    node = results.get(member)
    several = type(node) is list
    for index, element in enumerate(as_list(node) if several else [node]):
        pointer = f"/results/{member}/{index}" if several else f"/results/{member}"
        if around.partial or node is None:
            pointer = "/results"
        item = guarded(_item, _unmapped, element, kind, happened, pointer, notes)
        item.partial = item.partial or around.partial
        yield item
    if several and not node:
        yield _unmapped("empty", None, kind, happened, "/results", notes)


def _item(node: Any, kind: str, happened: str, pointer: str, notes: Notes) -> Item:
    group = as_object(node)
    if not group.get("id"):
        return _unmapped("no group", node, kind, happened, pointer, notes)
    reading = Reading(notes)
    change = members_changed(group, happened, reading) if happened else metadata_changed(group, reading)
    return group_item(group, change, pointer, reading)


def _unmapped(detail: str, node: Any, kind: str, happened: str, pointer: str, notes: Notes) -> Item:
    return Item(
        type="whatsapp.unknown",
        data={"kind": "type", "name": kind, "detail": detail},
        identity=None,
        time_ms=None,
        lane=("other",),
        pointer=pointer,
        partial=True,
    )
