"""People in Meta's webhooks: known by phone, by user id, or both, and described once beside the messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from providers.base import Notes
from providers.shapes.meta.reading import Draft, Table
from providers.wire import EMPTY, Object, as_text

MAX_PHONE_DIGITS = 15
"""ITU-T E.164, section 6.2.1."""


def e164(value: Any) -> str | None:
    """`+` and the digits, where the value is an international number; nothing is added or repaired."""
    text = value if type(value) is str else as_text(value)
    if not text:
        return None
    digits = text if text.isdecimal() else text.replace(" ", "").removeprefix("+")
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
    phone = e164(given)
    if described:
        phone = phone or e164(described.get("wa_id"))
        user_id = user_id or described.get("user_id")
    known = phone or user_id or given or described.get("wa_id") or parent_user_id
    if not known:
        return None
    person: Object = {"id": known}
    if phone:
        person["phone"] = phone
    if described:
        person |= described
    if given and phone is None and given != known:
        person.setdefault("wa_id", given)
    if user_id:
        person["user_id"] = user_id
    if parent_user_id:
        person["parent_user_id"] = parent_user_id
    return person


IDS = Table(
    {
        "wa_id": ("wa_id", as_text),
        "user_id": ("user_id", as_text),
        "parent_user_id": ("parent_user_id", as_text),
        "username": ("username", username),
    }
)
"""The names that a person has. Each may be missing, and one is always there."""

CONTACT = Table(
    {
        **IDS,
        "identity_key_hash": ("identity_hash", as_text),
        "profile": {"name": ("name", as_text), "username": ("username", username)},
    }
)


def identified(found: Object) -> Object | None:
    """Takes out of `found` what IDS read, and makes a party of it."""
    ids: Object = {
        name: found.pop(name) for name in ("wa_id", "user_id", "parent_user_id", "username") if name in found
    }
    return party(None, described=ids)


class People:
    """`contacts` of one webhook: who the people are that its messages and statuses name by number or id.

    `own` is the business's number, which calls and echoes name beside the person.
    """

    __slots__ = ("_contacts", "_described", "_index", "_named", "_notes", "_own", "_untold", "_value")

    def __init__(self, contacts: list[Any], value: Object, notes: Notes, own: str | None = None) -> None:
        self._contacts = contacts
        self._notes = notes
        self._own = own
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
        if not self._contacts:
            return EMPTY
        position = self._index.get(given) if given else None
        if position is None and user_id:
            position = self._index.get(user_id)
        if position is None and given:
            position = self._index.get(_other_spelling(given))
        if position is None:
            if not self._is_alone(given, user_id):
                return EMPTY
            position = 0
        described = self._described.get(position)
        if described is None:
            described = self._describe(position)
        if not (given or user_id or parent_user_id or described.keys() & _NAMES):
            self._untold[position] = "names nobody"
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
            self._named = _named(self._value, self._own)
        return self._named <= {given, user_id}

    def _describe(self, position: int) -> Object:
        contact = self._contacts[position]
        plain = _plain(contact)
        if plain:
            self._described[position] = plain
            return plain
        draft = Draft(self._notes)
        described = self._described[position] = draft.read(contact, CONTACT, "contacts")
        if draft.partial:
            self._untold[position] = "holds members that are not mapped"
        return described

    def all_told(self) -> bool:
        """Whether there is nothing untold: the usual case, for less."""
        return len(self._described) == len(self._contacts) and not self._untold

    def untold(self) -> Iterator[tuple[int, str]]:
        """Every contact that no event tells wholly: its position, and why. Ask after all `describe`."""
        for position, contact in enumerate(self._contacts):
            if type(contact) is not dict:
                yield position, "not an object"
            elif position in self._untold:
                yield position, self._untold[position]
            elif position not in self._described:
                yield position, "nothing in this webhook refers to it"


_NAMES = frozenset({"wa_id", "user_id", "parent_user_id"})
_PLAIN = frozenset({"profile", "wa_id"})
_PLAIN_PROFILE = frozenset({"name"})


def _plain(contact: Object) -> Object | None:
    """A contact of a number and a name and nothing more, as most are: what the table gives, for less."""
    if contact.keys() != _PLAIN:
        return None
    profile, wa_id = contact["profile"], contact["wa_id"]
    name = profile["name"] if type(profile) is dict and profile.keys() == _PLAIN_PROFILE else None
    if type(name) is type(wa_id) is str and name and wa_id:
        return {"name": name, "wa_id": wa_id}
    return None


_SPELLINGS = (
    (re.compile(r"(55\d\d)9?(\d{8})"), "9"),
    (re.compile(r"(52)1?(\d{10})"), "1"),
    (re.compile(r"(54)9?(\d{10})"), "9"),
)
"""Brazil, Mexico, Argentina: mobile numbers are written with a digit more, or without it, and `wa_id` may differ."""


def _other_spelling(number: str) -> str:
    for spelling, digit in _SPELLINGS:
        found = spelling.fullmatch(number)
        if found:
            start, end = found.groups()
            return start + digit + end if number == start + end else start + end
    return ""


NOBODY = People([], {}, Notes())
"""For what stands beside no contacts."""


def _contradicts(described: str | None, told: str) -> bool:
    """A `u` before the id is a slip of the documentation, and no news."""
    return described is not None and described not in (told, f"u{told}")


def _named(value: Object, own: str | None) -> set[str]:
    """Whom the elements of a webhook name; it stops at two, since more make no difference."""
    named: set[str] = set()
    for array, members in _NAMING:
        elements = value.get(array)
        for element in elements if type(elements) is list else ():
            if type(element) is dict:
                first = next(filter(None, (as_text(element.get(member)) for member in members)), None)
                if first and (own is None or e164(first) != own):
                    named.add(first)
                if len(named) > 1:
                    return named
    return named


_NAMING = (
    ("messages", ("from", "from_user_id")),
    ("message_echoes", ("to", "to_user_id")),
    (
        "statuses",
        ("recipient_participant_id", "participant_recipient_id", "recipient_id", "recipient_user_id"),
    ),
    ("calls", ("from", "from_user_id")),
    ("calls", ("to", "to_user_id")),
    ("user_preferences", ("wa_id", "user_id")),
    ("user_id_update", ("wa_id",)),
)
"""Array -> the members that name a person; of calls, both ends, without the business's own."""
