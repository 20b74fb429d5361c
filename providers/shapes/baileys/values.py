"""Values as Baileys messages carry them: one field prints differently even within one stream.

A reader gives None for what it cannot read, and SILENT for what says nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from providers.shapes.baileys.noise import BULKY, SECRETS
from providers.wire import Malformed, Object, as_int, as_rfc3339, as_text, load_json, timestamp_ms

Reader = Callable[[Any], Any]

SILENT = ""

_MAX_BYTES = 4096
"""Hashes and the like; whole files are only hashed."""
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_URL_SAFE = str.maketrans("-_", "+/")


class Odd(str):
    """A word outside the vocabulary that is known."""

    __slots__ = ()


def says_nothing(value: Any) -> bool:
    """Null, false and everything empty: what protobuf leaves out and some serialisers print."""
    return value is None or value is False or (not value and type(value) in (str, list, dict))


def as_true(value: Any) -> bool | None:
    return True if value is True else None


def as_false(value: Any) -> bool | None:
    """For a member that denies what our field says."""
    return False if value is True else None


def as_count(value: Any) -> int | None:
    """A whole number from zero to 2^63: a size, a length. Number, decimal text or Long."""
    if type(value) is float and not value.is_integer():
        return None
    number = as_int(value)
    return number if number is not None and 0 <= number < 2**63 else None


def as_some(value: Any) -> int | str | None:
    """A count of which zero says nothing."""
    number = as_count(value)
    return SILENT if number == 0 else number


def as_milli(value: Any) -> float | int | None:
    """An amount in thousandths, in the main unit."""
    number = as_count(value)
    if number is None:
        return None
    return number // 1000 if number % 1000 == 0 else number / 1000


def as_moment(value: Any) -> str | None:
    """A time, RFC 3339. Zero is what serialisers print for never."""
    return SILENT if as_int(value) == 0 else as_rfc3339(value)


def as_texts(value: Any) -> list[str] | None:
    """A list of texts; None if one of its elements is none."""
    if type(value) is not list:
        return None
    texts = [as_text(element) for element in value]
    return texts if None not in texts else None  # type: ignore[return-value]


def as_counts(value: Any) -> list[int] | None:
    if type(value) is not list:
        return None
    counts = [as_count(element) for element in value]
    return counts if None not in counts else None  # type: ignore[return-value]


def as_given(value: Any) -> Any:
    """As the provider has it, without keys and pictures."""
    if type(value) is dict:
        return {name: as_given(child) for name, child in value.items() if name not in SECRETS and name not in BULKY}
    if type(value) is list:
        return [as_given(child) for child in value]
    return value


def as_objects(value: Any) -> list[Object] | None:
    """A list of objects, as the provider has them."""
    return as_given(value) if type(value) is list and all(type(element) is dict for element in value) else None


def as_json_object(text: str) -> Object | None:
    """The object that a text encodes."""
    try:
        value = load_json(text.encode("utf-8", "replace"))
    except Malformed:
        return None
    return value if type(value) is dict else None


def as_base64(value: Any) -> str | None:
    """Bytes as base64 text, from base64 text, a Node Buffer, an indexed object or a plain list of numbers."""
    if type(value) is str:
        return value or None
    if type(value) is dict and type(value.get("data")) is str:
        return value["data"] or None
    found = _listed(value, _MAX_BYTES)
    return base64.b64encode(found).decode() if found else None


def as_base64s(value: Any) -> list[str] | None:
    if type(value) is not list:
        return None
    texts = [as_base64(element) for element in value]
    return texts if None not in texts else None  # type: ignore[return-value]


def as_digest(value: Any) -> Object | None:
    """Hash and size of bytes that came along, in any of their prints."""
    if type(value) is dict and type(value.get("data")) is str:
        value = value["data"]
    found = _decoded(value) if type(value) is str else _listed(value, None)
    return {"sha256": hashlib.sha256(found).hexdigest(), "size": len(found)} if found else None


def _decoded(text: str) -> bytes:
    """Base64 as Node reads it: either alphabet, what is in neither skipped, padding or none."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        text = _NO_BASE64.sub("", text.partition("=")[0].translate(_URL_SAFE))
        return base64.b64decode(text[: len(text) - (len(text) % 4 == 1)] + "==")


def _listed(value: Any, most: int | None) -> bytes | None:
    """Bytes from a list of numbers, a Buffer that holds one, or an object of them by index."""
    if type(value) is dict:
        value = value["data"] if "data" in value else _indexed(value)
    if type(value) is not list or (most is not None and len(value) > most):
        return None
    if not all(type(byte) is int for byte in value):
        return None
    try:
        return bytes(value)
    except ValueError:
        return None


def _indexed(value: Object) -> list[Any] | None:
    """The values of `{"0": 97, "1": 98}` in the order of their indexes."""
    count = len(value)
    if any(str(index) not in value for index in range(count)):
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


def word(*names: str, at: dict[int, str] | None = None, silent: str | None = None) -> Reader:
    """A reader of an enum: its name in lower case. `names` count from zero, `at` gives those that do not.

    The name `silent` says nothing: it is what serialisers print where the sender said nothing.
    """
    known = {**dict(enumerate(names)), **(at or {})}
    words = frozenset(known.values())

    def read(value: Any) -> str | None:
        name = enum_name(value, known)
        if name is None:
            return None
        if name not in words:
            return Odd(name.lower())
        return SILENT if name == silent else name.lower()

    return read


def as_date_ms(value: Any) -> int | None:
    """Milliseconds since 1970 of a date as JavaScript prints it, or of a number."""
    if type(value) is not str or value.isdigit():
        return timestamp_ms(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return timestamp_ms(int(moment.timestamp() * 1000)) if moment.tzinfo else None
