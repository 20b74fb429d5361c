"""The way from a body to the objects within: Meta's envelope of entries and changes, or the bare value of an
On-Premises client.

Cloud API, create a webhook endpoint; Graph API webhooks, getting started.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.base import Item, Malformed, Notes
from providers.shapes.guard import guarded
from providers.shapes.meta.fields import Given, change_item, unmapped_change
from providers.shapes.meta.handovers import handover_item, standby_item, unmapped_handover
from providers.shapes.meta.parties import NOBODY, People
from providers.shapes.meta.reading import Draft, Table
from providers.shapes.meta.scope import Number, Scope, number_of
from providers.shapes.meta.value import ARRAYS, HISTORICAL, HISTORY, leftovers, untold, value_items
from providers.wire import EMPTY, Json, Object, as_list, as_object, as_text

OBJECT = "whatsapp_business_account"
STANDBY = "standby"
HANDOVERS = "messaging_handovers"
INITIATOR = "initiated_by"
"""The page on groups puts it into the group or beside the list of groups."""

BARE_ARRAYS = ("messages", "statuses", "errors")
BARE_MEMBERS = frozenset({*BARE_ARRAYS, "contacts", "meta"})
"""`meta` tells the version of the client; it stands in answers of its API, and sometimes in webhooks."""
ENVELOPE_MEMBERS = frozenset({"object", "entry"})
ENTRY_MEMBERS = frozenset({"id", "time", "changes", "object", "field"})
CHANGE_MEMBERS = frozenset({"field", "value"})
MOVED_MEMBERS = frozenset({"rejection_info"})
"""Members of values that a page puts beside them."""
VALUE_MEMBERS = frozenset({"messaging_product", "metadata", "contacts", "field", "object", *ARRAYS, HISTORY, STANDBY})
ARRAY_FIELDS = frozenset(
    {
        "messages", "message_echoes", "smb_message_echoes", "calls", "history", "smb_app_state_sync",
        "user_preferences", "user_id_update", "user_actions", "automatic_events", "group_lifecycle_update",
        "group_participants_update", "group_participant_update", "group_settings_update",
        "group_status_update", "standby",
    }
)  # fmt: skip
"""Fields whose values hold arrays; which of them, the value says itself."""

ENVELOPE_NOISE = {
    "/object": "always whatsapp_business_account; anything else counts as drift",
    "/*/object": "the same, in a list of envelopes",
    "/entry/*/object": "the same, where a page puts it into the entry",
    "/**/value/object": "the same, where a page puts it into the value",
    "/**/value/messaging_product": "always whatsapp",
}
BARE_NOISE = {"/meta": "the version of the client's API"}

SAYING = frozenset({*ARRAYS, HISTORY, STANDBY})
"""Members of values that hold what happened."""
NO_CHANGE = "no field and value"

METADATA = Table({"display_phone_number": ("display", as_text), "phone_number_id": ("id", as_text)})


def envelope_items(document: Json, notes: Notes) -> Iterator[Item]:
    """Items of one envelope, or of a list of them. Raises Malformed."""
    if _is_envelope(document):
        return _envelope_items(document, "", notes)
    if type(document) is list and any(map(_is_envelope, document)):
        return _listed_items(document, notes)
    raise Malformed("not_an_envelope", "neither an object with a list `entry` nor a list with such an object")


def bare_items(body: Json, notes: Notes) -> Iterator[Item]:
    """Items of a body that is one value. Raises Malformed."""
    if type(body) is not dict or not any(type(body.get(array)) is list for array in BARE_ARRAYS):
        raise Malformed("not_an_envelope", "an object with a list of messages, statuses or errors was expected")
    contacts = body.get("contacts")
    people = People(as_list(contacts), body, notes) if contacts else NOBODY
    scope = Scope(notes, "", people=people)
    scope.failed = bool(body.get("errors"))
    return value_items(scope, body, BARE_MEMBERS)


def _is_envelope(document: Any) -> bool:
    return type(document) is dict and type(document.get("entry")) is list


def _listed_items(envelopes: list[Any], notes: Notes) -> Iterator[Item]:
    for position, envelope in enumerate(envelopes):
        pointer = f"/{position}"
        if _is_envelope(envelope):
            yield from _envelope_items(envelope, pointer, notes)
        else:
            yield Scope(notes, pointer).unknown("envelope", pointer, detail="no list `entry`")


def _envelope_items(envelope: Any, pointer: str, notes: Notes) -> Iterator[Item]:
    if envelope.get("object", OBJECT) != OBJECT:
        notes.drifted("value", f"object={as_text(envelope['object'])}")
    for place, entry in enumerate(envelope["entry"]):
        entry_pointer = f"{pointer}/entry/{place}"
        if type(entry) is not dict or type(entry.get("changes")) is not list:
            yield _account(notes, entry, entry_pointer).unknown("entry", entry_pointer, detail="no list `changes`")
            continue
        for position, change in enumerate(entry["changes"]):
            yield from _change_items(notes, entry, change, f"{entry_pointer}/changes/{position}")
        if not entry.keys() <= ENTRY_MEMBERS:
            scope = _account(notes, entry, entry_pointer)
            yield from leftovers(scope, entry, ENTRY_MEMBERS, entry_pointer, "entry")
    if not envelope.keys() <= ENVELOPE_MEMBERS:
        yield from leftovers(Scope(notes, pointer), envelope, ENVELOPE_MEMBERS, pointer, "envelope")


def _account(notes: Notes, entry: Any, pointer: str) -> Scope:
    """The scope of an entry: of what names no number."""
    return Scope(notes, pointer, number_of(as_text(as_object(entry).get("id"))))


def _change_items(notes: Notes, entry: Object, change: Any, pointer: str) -> Iterator[Item]:
    """The items of a change: a change is what its `field` says."""
    if type(change) is not dict or "value" not in change:
        return iter(
            (_account(notes, entry, pointer).unknown("change", pointer, name=_field(change), detail=NO_CHANGE),)
        )
    field, value = change.get("field"), change["value"]
    if _holds_arrays(field, value) and change.keys() == CHANGE_MEMBERS:
        return _value_items(notes, entry, field, value, f"{pointer}/value")
    return _odd_items(notes, entry, change, pointer)


def _odd_items(notes: Notes, entry: Object, change: Object, pointer: str) -> Iterator[Item]:
    """Changes of accounts, and such as the pages have mixed up: the field in the value or the entry, members beside
    the value that belong into it.
    """
    scope = _account(notes, entry, pointer)
    value, value_pointer = change["value"], f"{pointer}/value"
    field = _field(change) or _field(value) or _field(entry)
    if field is None:
        yield scope.unknown("change", pointer, detail=NO_CHANGE)
        return
    if _holds_arrays(field, value):
        yield from _value_items(notes, entry, field, value, value_pointer)
    elif field == HANDOVERS and type(value) is dict:
        yield from _handover_items(notes, entry, value, value_pointer)
    else:
        beside = {name: change[name] for name in MOVED_MEMBERS if name in change}
        given = Given(field, value, value_pointer, entry.get("time"), beside)
        yield guarded(change_item, unmapped_change, scope, given)
    yield from leftovers(scope, change, CHANGE_MEMBERS | MOVED_MEMBERS, pointer, "change")


def _field(holder: Any) -> str | None:
    return as_text(as_object(holder).get("field"))


def _holds_arrays(field: Any, value: Any) -> bool:
    return type(field) is str and field in ARRAY_FIELDS and type(value) is dict and not SAYING.isdisjoint(value)


def _value_items(notes: Notes, entry: Object, field: str | None, value: Object, pointer: str) -> Iterator[Item]:
    if STANDBY in value:
        return _standby_items(notes, entry, value, pointer)
    scope = _value_scope(notes, entry, value, value.get("metadata"), pointer)
    known = VALUE_MEMBERS
    if INITIATOR in value:
        scope.initiated_by = _initiator(value)
        if scope.initiated_by:
            known |= {INITIATOR}
    return value_items(scope, value, known, HISTORICAL if field == HISTORY else ARRAYS)


def _initiator(value: Object) -> str | None:
    """Who began what all groups of the value tell; None where one of them says so itself, or tells nothing."""
    groups = [as_object(group) for group in as_list(value.get("groups"))]
    theirs = groups and all("type" in group and INITIATOR not in group for group in groups)
    return as_text(value[INITIATOR]) if theirs else None


def _standby_items(notes: Notes, entry: Object, value: Object, pointer: str) -> Iterator[Item]:
    """`standby` holds arrays as the value itself does in other fields; contacts may stand in either place."""
    inner, inner_pointer = value[STANDBY], f"{pointer}/{STANDBY}"
    around = _value_scope(notes, entry, value, value.get("metadata"), pointer)
    within = _value_scope(notes, entry, {**value, **as_object(inner)}, value.get("metadata"), inner_pointer)
    within.standby, within.untold_metadata = True, False
    if type(inner) is not dict:
        yield around.unknown("field", inner_pointer, name=STANDBY, detail="not an object")
    elif inner:
        yield from value_items(within, inner, VALUE_MEMBERS)
    else:
        yield standby_item(around, inner_pointer)
    if "contacts" not in as_object(inner):  # those around were matched within
        around.people = within.people
    yield from value_items(around, value, VALUE_MEMBERS)


def _handover_items(notes: Notes, entry: Object, value: Object, pointer: str) -> Iterator[Item]:
    metadata = value.get("metadata") or value.get("recipient")
    scope = _value_scope(notes, entry, value, metadata, pointer)
    yield guarded(handover_item, unmapped_handover, scope, value, pointer)
    yield from untold(scope, value)


def _value_scope(notes: Notes, entry: Object, value: Object, metadata: Any, pointer: str) -> Scope:
    """The scope of a value. What its metadata tell beside the number is told by an item of its own."""
    number, untold_metadata = _named(notes, as_text(entry.get("id")), metadata)
    contacts, calls = value.get("contacts"), value.get("calls")
    people = People(as_list(contacts), value, notes, number.phone) if contacts else NOBODY
    scope = Scope(notes, pointer, number, people)
    scope.untold_metadata = untold_metadata
    scope.failed = bool(value.get("errors"))
    if type(calls) is list and len(calls) == 1:
        scope.call_id = as_text(as_object(calls[0]).get("id"))
    return scope


def _named(notes: Notes, account_id: str | None, metadata: Any) -> tuple[Number, bool]:
    """The number that metadata name, and whether they tell more than it. Nearly all hold two texts."""
    if type(metadata) is dict and metadata.keys() == METADATA.keys():
        display, phone_number_id = metadata["display_phone_number"], metadata["phone_number_id"]
        if type(display) is type(phone_number_id) is str and display and phone_number_id:
            number = number_of(account_id, phone_number_id, display)
            if number.phone:
                return number, False
    draft = Draft(notes)
    named = draft.read(metadata, METADATA, "metadata") if metadata else EMPTY
    number = number_of(account_id, named.get("id"), named.get("display", ""))
    if number.phone is None and "display" in named:
        draft.drifted("type", "metadata.display_phone_number")
    return number, draft.partial
