"""Contact cards as text: vCards, RFC 6350 and the two versions before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from providers.wire import Object

_FOLD = re.compile(r"\r?\n[ \t]")
_PART = re.compile(r"(?<!\\);")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NAMES = ("last_name", "first_name", "middle_name", "prefix", "suffix")
_ADDRESS = ("", "", "street", "city", "state", "zip", "country")
_ORGANIZATION = ("company", "department")
_NO_TYPE = frozenset({"pref", "voice", "internet"})
"""Types that say nothing of what a number or address is to the person."""


class _Line(NamedTuple):
    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        return _unescaped(self.value)

    def parts(self, names: tuple[str, ...]) -> Object:
        """The value's parts, by the names of their places; those that are empty or have no name are left out."""
        found = zip(names, map(_unescaped, _PART.split(self.value)), strict=False)
        return {name: text for name, text in found if name and text}

    def typed(self, name: str) -> Object:
        """The text under a name, with its type."""
        kind = self.parameters.get("type")
        return {name: self.text, **({"type": kind} if kind else {})}


def card_of(vcard: str) -> Object:
    """The card's fields, as in the event. What has no field there stays in the text."""
    card: Object = {}
    for line in _lines(vcard):
        read = _FIELDS.get(line.name)
        if read is not None and line.text.strip(";"):
            read(card, line)
    return card


def _lines(vcard: str) -> Iterator[_Line]:
    for text in _FOLD.sub("", vcard).splitlines():
        head, colon, value = text.partition(":")
        name, *parameters = head.split(";")
        if colon:
            yield _Line(name.rpartition(".")[2].upper(), _parameters(parameters), value.strip())


def _parameters(given: list[str]) -> dict[str, str]:
    """By name in lower case. Of several types the first that says something; old cards name no `type` at all."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name, value = (name.lower(), value.strip('"')) if equals else ("type", name)
        if value and not (name == "type" and value.lower() in _NO_TYPE):
            found.setdefault(name, value)
    return found


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], text).strip()


def _name(card: Object, line: _Line) -> None:
    card["name"] = {**line.parts(_NAMES), **card.get("name", {})}


def _formatted_name(card: Object, line: _Line) -> None:
    card.setdefault("name", {})["formatted_name"] = line.text


def _organization(card: Object, line: _Line) -> None:
    card["organization"] = {**line.parts(_ORGANIZATION), **card.get("organization", {})}


def _title(card: Object, line: _Line) -> None:
    card.setdefault("organization", {})["title"] = line.text


def _birthday(card: Object, line: _Line) -> None:
    card["birthday"] = line.text


def _phone(card: Object, line: _Line) -> None:
    """`waid` is WhatsApp's own parameter: its number for the person."""
    phone = line.typed("phone")
    if "waid" in line.parameters:
        phone["wa_id"] = line.parameters["waid"]
    card.setdefault("phones", []).append(phone)


def _address(card: Object, line: _Line) -> None:
    address = line.parts(_ADDRESS)
    if "type" in line.parameters:
        address["type"] = line.parameters["type"]
    if address:
        card.setdefault("addresses", []).append(address)


def _listed(field: str, name: str) -> Callable[[Object, _Line], None]:
    def read(card: Object, line: _Line) -> None:
        card.setdefault(field, []).append(line.typed(name))

    return read


_FIELDS: dict[str, Callable[[Object, _Line], None]] = {
    "FN": _formatted_name,
    "N": _name,
    "TEL": _phone,
    "EMAIL": _listed("emails", "email"),
    "URL": _listed("urls", "url"),
    "ADR": _address,
    "ORG": _organization,
    "TITLE": _title,
    "BDAY": _birthday,
}
