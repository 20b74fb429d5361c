"""Changes of people that are no messages: what they want to get, their ids, their entry in the address book.

Cloud API webhooks reference, user_preferences and smb_app_state_sync; business-scoped user ids.
"""

from __future__ import annotations

from typing import Any

from providers.base import Item
from providers.shapes.meta.parties import IDS, party
from providers.shapes.meta.reading import Draft, Table, unix_ms
from providers.shapes.meta.scope import Element, Scope
from providers.wire import Object, as_object, as_text

TIME = {"timestamp": ("time_ms", unix_ms)}

PREFERENCE = Table(
    {
        **IDS,
        **TIME,
        "detail": ("text", as_text),
        "category": ("category", as_text),
        "value": ("preference", as_text),
        "signup_id": ("signup_id", as_text),
    }
)
PREFERENCES = frozenset({"stop", "resume", "signup"})

USER_ID = Table(
    {
        **TIME,
        "wa_id": ("wa_id", as_text),
        "detail": ("text", as_text),
        **{
            name: (name, {"previous": ("previous", as_text), "current": ("current", as_text)})
            for name in ("user_id", "parent_user_id")
        },
    }
)

SYNCED = Table(
    {
        "type": ("type", as_text),
        "action": ("action", as_text),
        "metadata": TIME,
        "contact": {
            **IDS,
            "phone_number": ("wa_id", as_text),
            "full_name": ("full_name", as_text),
            "first_name": ("first_name", as_text),
        },
    }
)
SYNC_ACTIONS = {"add": "address_book_added", "remove": "address_book_removed"}
"""An edit comes as `add`."""


def preference_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `user_preferences`."""
    element = _element("user_preferences", raw, pointer)
    draft = Draft(scope.notes)
    found = draft.read(raw, PREFERENCE, "user_preferences")
    found.pop("time_ms", None)
    named = found.pop("wa_id", None), found.pop("user_id", None), found.pop("parent_user_id", None)
    person = _described(scope, found, *named)
    if person is None or "preference" not in found:
        return element.unknown(scope, "contact", "no person, or no preference")
    if found["preference"] not in PREFERENCES:
        draft.drifted("value", f"user_preferences.value={found['preference']}")
    return _changed(scope, element, draft, person, {"kind": "marketing_preference", **found}, named[0] or named[1])


def user_id_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `user_id_update`: the business-scoped ids of a person changed, the number did not."""
    element = _element("user_id_update", raw, pointer)
    draft = Draft(scope.notes)
    found = draft.read(raw, USER_ID, "user_id_update")
    user_id, parent = found.get("user_id", {}), found.get("parent_user_id", {})
    named = found.get("wa_id"), user_id.get("current"), parent.get("current")
    person = party(*named, scope.people.describe(*named)) if any(named) else None
    previous = party(None, user_id.get("previous"), parent.get("previous"))
    if person is None:
        return element.unknown(scope, "contact", "no person")
    change: Object = {"kind": "user_id_changed"}
    if previous:
        change["previous"] = previous
    if "text" in found:
        change["text"] = found["text"]
    return _changed(scope, element, draft, person, change, named[0] or named[1])


def synced_item(scope: Scope, raw: Any, pointer: str) -> Item:
    """One element of `state_sync`: the address book of the business's phone."""
    element = _element("state_sync", raw, pointer, as_object(as_object(raw).get("metadata")).get("timestamp"))
    draft = Draft(scope.notes)
    found = draft.read(raw, SYNCED, "state_sync")
    named = found.get("wa_id"), found.get("user_id"), found.get("parent_user_id")
    person = _described(scope, found, *named)
    if person is None or found.get("type", "contact") != "contact":
        return element.unknown(scope, "contact", "no contact")
    action = found.get("action", "add")
    if action not in SYNC_ACTIONS:
        draft.drifted("value", f"state_sync.action={action}")
    change: Object = {"kind": SYNC_ACTIONS.get(action, f"address_book_{action}")}
    entry = {name: found[name] for name in ("full_name", "first_name") if name in found}
    if entry:
        change["address_book"] = entry
    return _changed(scope, element, draft, person, change, named[0] or named[1])


def unmapped_preference(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return _element("user_preferences", raw, pointer).unknown(scope, "contact", detail)


def unmapped_user_id(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return _element("user_id_update", raw, pointer).unknown(scope, "contact", detail)


def unmapped_synced(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    time = as_object(as_object(raw).get("metadata")).get("timestamp")
    return _element("state_sync", raw, pointer, time).unknown(scope, "contact", detail)


def _element(array: str, raw: Any, pointer: str, time: Any = None) -> Element:
    return Element(array, raw, pointer, as_object(raw).get("timestamp") if time is None else time)


def _described(
    scope: Scope, found: Object, wa_id: str | None, user_id: str | None, parent_user_id: str | None
) -> Object | None:
    """Whom the element names, as the contacts beside it describe them."""
    described = scope.people.describe(wa_id, user_id, parent_user_id)
    person = party(wa_id, user_id, parent_user_id, described)
    if person is None:
        return None
    if wa_id:
        person.setdefault("wa_id", wa_id)
    if "username" in found:
        person["username"] = found.pop("username")
    return person


def _changed(scope: Scope, element: Element, draft: Draft, person: Object, change: Object, chat: str | None) -> Item:
    data: Object = {"contact": person, "change": change}
    return element.item(scope, "whatsapp.contact.updated", data, draft, chat=chat, person=person)
