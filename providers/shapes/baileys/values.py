"""Values as Baileys messages carry them: one field prints differently even within one stream."""

from __future__ import annotations

import base64
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from providers.base import Notes
from providers.wire import Object, as_int

Fields = tuple[tuple[str, str, Callable[[Any], Any]], ...]
"""A table of an object's members: the member, its name in the event, how to read it."""

KEPT_IN_RAW = frozenset({
    "annotations", "base64", "base64_file", "groupMentions", "nonJidMentions", "entryPointConversionSource",
    "entryPointConversionApp", "entryPointConversionDelaySeconds", "conversionSource", "conversionData",
    "conversionDelaySeconds", "contactVcard", "degreesClockwiseFromMagneticNorth", "eventResponses",
    "forwardedNewsletterMessageInfo", "interactiveAnnotations", "labels", "messageAssociation", "pollUpdates",
    "reactions", "sequenceNumber", "server_id", "sourceApp", "speedInMps", "timeOffset", "userReceipt",
})  # fmt: skip
"""Members that are known and have no place in the event: `raw` tells them, and they are no drift."""

_MAX_BYTES = 4096
"""Hashes and the like; whole files are never read as bytes."""


class Reading:
    """What is learnt while one message is read: drift, and whether the typed part misses something."""

    __slots__ = ("notes", "partial")

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.partial = False

    def take(self, node: Object, fields: Fields) -> Object:
        """The fields that the node has, under our names. A value that cannot be read is left to `raw`."""
        found = {}
        for member, name, read in fields:
            value = node.get(member)
            if value is None:
                continue
            typed = read(value)
            if typed is not None:
                found[name] = typed
            elif not says_nothing(value):
                self.partial = True
        return found

    def one(self, node: Object, member: str, read: Callable[[Any], Any]) -> Any:
        """One member, read like `take` does."""
        value = node.get(member)
        if value is None:
            return None
        typed = read(value)
        if typed is None and not says_nothing(value):
            self.partial = True
        return typed

    def nested(self, node: Object, member: str) -> Object:
        """A member that should be an object; an empty one where it is not."""
        value = node.get(member)
        if type(value) is dict:
            return value
        if not says_nothing(value):
            self.partial = True
        return {}

    def check(self, node: Object, known: AbstractSet[str], where: str) -> None:
        """Members beyond the known ones make the reading partial; they are drift unless named above."""
        if node.keys() <= known:
            return
        for name in node.keys() - known:
            if says_nothing(node[name]):
                continue
            self.partial = True
            if name not in KEPT_IN_RAW:
                self.notes.drifted("member", f"{where}.{name}")

    def unmapped(self, kind: str, name: object) -> None:
        """A word or type that is not known."""
        self.partial = True
        self.notes.drifted(kind, name)


def says_nothing(value: Any) -> bool:
    """Null, false and everything empty: what protobuf leaves out and some serialisers print."""
    return value is None or value is False or (not value and type(value) in (str, list, dict))


def as_true(value: Any) -> bool | None:
    return True if value is True else None


def as_count(value: Any) -> int | None:
    """A whole number from zero to 2^63: a size, a length. Number, decimal text or Long."""
    if type(value) is float and not value.is_integer():
        return None
    number = as_int(value)
    return number if number is not None and 0 <= number < 2**63 else None


def as_base64(value: Any) -> str | None:
    """Bytes as base64 text, from base64 text, a Node Buffer, an indexed object or a plain list of numbers."""
    if type(value) is str:
        return value or None
    if type(value) is dict:
        value = value["data"] if "data" in value else _indexed(value)
        if type(value) is str:
            return value or None
    if type(value) is not list or not 0 < len(value) <= _MAX_BYTES:
        return None
    if not all(type(byte) is int and 0 <= byte <= 255 for byte in value):
        return None
    return base64.b64encode(bytes(value)).decode()


def _indexed(value: Object) -> list[Any] | None:
    """The values of `{"0": 97, "1": 98}` in the order of their indexes."""
    count = len(value)
    if not 0 < count <= _MAX_BYTES or any(str(index) not in value for index in range(count)):
        return None
    return [value[str(index)] for index in range(count)]


def enum_name(value: Any, names: dict[int, str]) -> str | None:
    """An enum's name in upper case, from number, digits or name; an unknown number as its digits."""
    if type(value) is str and not value.isdigit():
        return value.upper() or None
    number = as_count(value)
    return None if number is None else names.get(number, str(number))


def enum_number(value: Any, names: dict[int, str]) -> int | None:
    """An enum's number, from the same."""
    if type(value) is str and not value.isdigit():
        wanted = value.upper()
        return next((number for number, name in names.items() if name == wanted), None)
    return as_count(value)
