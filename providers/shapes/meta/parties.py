"""People in Meta's webhooks: known by phone, by user id, or both, and described once beside the messages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from providers.base import Notes
from providers.shapes.meta.reading import Draft, Table
from providers.wire import EMPTY, Object, as_text

MAX_PHONE_DIGITS = 15
"""ITU-T E.164, section 6.2.1."""


def e164(value: Any) -> str | None:
    """`+` and the digits, where the value is an international number; nothing is added or repaired."""
    text = as_text(value)
    if text is None:
        return None
    digits = text.replace(" ", "").removeprefix("+")
    if len(digits) <= MAX_PHONE_DIGITS and digits.isdecimal() and digits.isascii() and digits[0] != "0":
        return "+" + digits
    return None


def displayed(value: Any) -> str | None:
    """E.164 of a number that is written for people, with brackets, dots and hyphens."""
    return e164(value) or e164((as_text(value) or "").translate(_WRITTEN_FOR_PEOPLE))


_WRITTEN_FOR_PEOPLE = {ord(mark): None for mark in "()-.\u2011\u00a0"}


def phones(value: Any) -> list[Object] | None:
    """A list of numbers, as parties."""
    if type(value) is not list:
        return None
    found = [party(as_text(element)) for element in value]
    return found if None not in found else None  # type: ignore[return-value]  # no None is left


def username(value: Any) -> str | None:
    text = as_text(value)
    return text.removeprefix("@") or None if text else None


def party(
    given: str | None,
    user_id: str | None = None,
    parent_user_id: str | None = None,
    described: Object = EMPTY,
) -> Object | None:
    """A Party; None where nothing tells who it is. `given` is what stands in place of the phone number."""
    phone = e164(given) or e164(described.get("wa_id"))
    user_id = user_id or described.get("user_id")
    known = phone or user_id or given or described.get("wa_id")
    if not known:
        return None
    person: Object = {"id": known}
    if phone:
        person["phone"] = phone
    if described:
        person.update(described)
    if user_id:
        person["user_id"] = user_id
    if parent_user_id:
        person["parent_user_id"] = parent_user_id
    return person


CONTACT: Table = {
    "wa_id": ("wa_id", as_text),
    "user_id": ("user_id", as_text),
    "parent_user_id": ("parent_user_id", as_text),
    "identity_key_hash": ("identity_hash", as_text),
    "profile": {"name": ("name", as_text), "username": ("username", username)},
}


class People:
    """`contacts` of one webhook: who the people are that its messages and statuses name by number or id."""

    __slots__ = ("_contacts", "_described", "_index", "_named", "_notes", "_untold", "_value")

    def __init__(self, contacts: list[Any], value: Object, notes: Notes) -> None:
        self._contacts = contacts
        self._notes = notes
        self._described: dict[int, Object] = {}
        self._untold: dict[int, str] = {}
        self._index: dict[str, int] = {}
        for position, contact in enumerate(contacts):
            if type(contact) is dict:
                for key in (as_text(contact.get("wa_id")), as_text(contact.get("user_id"))):
                    if key:
                        self._index.setdefault(key, position)
        self._value = value
        self._named: set[str] | None = None

    def describe(self, given: str | None, user_id: str | None = None, parent_user_id: str | None = None) -> Object:
        """What is known of a person. One contact and one person belong together, even if their ids differ."""
        position = self._index.get(given or "")
        if position is None:
            position = self._index.get(user_id or "")
        if position is None:
            if not self._is_alone(given, user_id):
                return EMPTY
            position = 0
        described = self._described.get(position)
        if described is None:
            described = self._describe(position)
        if user_id and _contradicts(described.get("user_id"), user_id):
            self._contradicted(position, "user_id")
        if parent_user_id and _contradicts(described.get("parent_user_id"), parent_user_id):
            self._contradicted(position, "parent_user_id")
        return described

    def _contradicted(self, position: int, name: str) -> None:
        """The message's word counts; the contact goes on by itself."""
        self._untold[position] = "contradicts the message"
        self._notes.drifted("conflict", f"contacts.{name}")

    def _is_alone(self, given: str | None, user_id: str | None) -> bool:
        """Whether there is one contact, and nobody but this person."""
        if len(self._contacts) != 1 or type(self._contacts[0]) is not dict:
            return False
        if self._named is None:
            self._named = _named(self._value)
        return self._named <= {given, user_id}

    def _describe(self, position: int) -> Object:
        contact = self._contacts[position]
        draft = Draft(self._notes)
        described = self._described[position] = draft.read(contact, CONTACT, "contacts")
        if draft.partial:
            self._untold[position] = "holds members that are not mapped"
        return described

    def untold(self) -> Iterator[tuple[int, str]]:
        """Every contact that no event tells wholly: its position, and why. Ask after all `describe`."""
        for position, contact in enumerate(self._contacts):
            if type(contact) is not dict:
                yield position, "not an object"
            elif position in self._untold:
                yield position, self._untold[position]
            elif position not in self._described:
                yield position, "nothing in this webhook refers to it"


NOBODY = People([], {}, Notes())
"""For what stands beside no contacts."""


def _contradicts(described: str | None, told: str) -> bool:
    """A `u` before the id is a slip of the documentation, and no news."""
    return described is not None and described not in (told, f"u{told}")


def _named(value: Object) -> set[str]:
    """Whom the messages and statuses of a webhook name; it stops at two, since more make no difference."""
    named: set[str] = set()
    for array, members in _NAMING:
        elements = value.get(array)
        for element in elements if type(elements) is list else ():
            if type(element) is dict:
                named.update(islice(filter(None, (as_text(element.get(member)) for member in members)), 1))
                if len(named) > 1:
                    return named
    return named


_NAMING = (
    ("messages", ("from", "from_user_id")),
    (
        "statuses",
        ("recipient_participant_id", "participant_recipient_id", "recipient_id", "recipient_user_id"),
    ),
)
