"""Reading what providers put on the wire: JSON in every state of repair, and values of uncertain type.

Nothing here raises but `load_json`, and that raises only Malformed.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
Object = dict[str, Any]

EMPTY: Object = {}
MAX_DEPTH = 250
"""Deeper than any provider nests, and within what orjson writes (254)."""

_BOM = b"\xef\xbb\xbf"
_SHAPE = bytes.maketrans(bytes(range(256)), bytes(
    48 if 48 <= byte <= 57 else 91 if byte in b"[{" else 32 for byte in range(256)
))  # fmt: skip
"""Maps digits to 0 and what opens a level to [: what a body looks like, found faster than by a regular expression."""
_LONG_NUMBER = b"0" * 19
_HUGE_INTEGER = re.compile(rb"[:\[,]\s*-?\d{19}")
_NUL_OR_SURROGATE = re.compile("[\x00\ud800-\udfff]")
_NUL_ESCAPE = b"\\u0000"
_DECIMAL = re.compile(r"-?[0-9]{1,20}")
_MAX_DIGITS = 4000
"""The interpreter refuses to convert longer ones (4300); they stay text."""


class Malformed(Exception):
    """The body is no JSON, or no envelope of this provider. `code` is one of a few words."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail


def load_json(body: bytes) -> Json:
    """Decode a body as orjson does, and what orjson refuses or changes as the standard library does.

    Falls back for lone surrogates (U+FFFD in the result), NaN and infinities (their names as text), raw control
    characters, and integers above 64 bits, which orjson turns into floats. A byte order mark is skipped. A NUL
    becomes U+2400 (the symbol for it), since many databases refuse U+0000. Raises Malformed.
    """
    if body.startswith(_BOM):
        body = body[len(_BOM) :]
    shape = body.translate(_SHAPE)
    document: Json
    if _LONG_NUMBER in shape and _HUGE_INTEGER.search(body) is not None:
        document = _load_leniently(body)
    else:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = _load_leniently(body)
        else:
            if b"\\" in body and _NUL_ESCAPE in body:
                document = _cleaned(document)
    if shape.count(b"[") > MAX_DEPTH:
        _check_depth(document)
    return document


def _load_leniently(body: bytes) -> Json:
    try:
        document: Json = json.loads(
            body.decode("utf-8", "replace"), strict=False, parse_constant=str, parse_int=_parse_int
        )
    except RecursionError:
        raise Malformed("too_deep", "nested too deeply") from None
    except ValueError as error:
        raise Malformed("not_json", str(error)[:200]) from None
    _check_depth(document)
    cleaned: Json = _cleaned(document)
    return cleaned


def _parse_int(digits: str) -> int | str:
    return int(digits) if len(digits) < _MAX_DIGITS else digits


def _check_depth(document: Json) -> None:
    """Raise Malformed where the document nests deeper than MAX_DEPTH."""
    level = [document] if isinstance(document, (dict, list)) else []
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
    raise Malformed("too_deep", f"nested deeper than {MAX_DEPTH} levels")


def clean_text(text: str) -> str:
    """Text that every downstream can store: no NUL, no lone surrogate."""
    if _NUL_OR_SURROGATE.search(text) is None:
        return text
    return _NUL_OR_SURROGATE.sub(lambda match: "\u2400" if match[0] == "\x00" else "\ufffd", text)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item) for key, item in value.items()}
    return value


def dump_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Encode; integers above 64 bits, which orjson refuses, too."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys).encode()


def as_object(value: Any) -> Object:
    """The value if it is an object, else an empty one (which must not be changed)."""
    return value if type(value) is dict else EMPTY


def as_list(value: Any) -> list[Any]:
    return value if type(value) is list else []


def as_text(value: Any) -> str | None:
    """A non-empty text; numbers become their digits, everything else None."""
    if type(value) is str:
        return value or None
    if type(value) is int:
        return str(value) if -_BIG < value < _BIG else None
    if type(value) is float:
        return repr(value)
    return None


_BIG = 10**40


def as_int(value: Any) -> int | None:
    """An integer from a number, a decimal string or a 64-bit Long object."""
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if abs(value) < 2**63 else None  # NaN is not
    if type(value) is str:
        return int(value) if _DECIMAL.fullmatch(value) else None
    if type(value) is dict:
        return _long(value)
    return None


def _long(value: Object) -> int | None:
    """A JavaScript Long `{low, high, unsigned}`: two 32-bit halves, of which `low` may print as negative."""
    low, high = value.get("low"), value.get("high", 0)
    if type(low) is not int or type(high) is not int or abs(low) >= 2**32 or abs(high) >= 2**32:
        return None
    number = ((high & 0xFFFFFFFF) << 32) + (low & 0xFFFFFFFF)
    return number if value.get("unsigned") is True or number < 2**63 else number - 2**64


def as_number(value: Any) -> float | int | None:
    """A finite number, or a decimal string of one."""
    if type(value) is int:
        return value if -_BIG < value < _BIG else None
    if type(value) is str and len(value) <= 40:
        try:
            value = float(value)
        except ValueError:
            return None
    if type(value) is float and math.isfinite(value):
        return value
    return None


def as_bool(value: Any) -> bool | None:
    return value if type(value) is bool else None


_MS_FROM = 100_000_000_000
"""Seconds reach this in the year 5138; milliseconds passed it in 1973."""
_MAX_SECONDS = 2**32


def timestamp_ms(value: Any) -> int | None:
    """Milliseconds since 1970 from seconds, milliseconds or microseconds: a number, string or Long; else None.

    What lies outside 1970-2106 is rubbish too: event ids have room for 32 bits of seconds.
    """
    number = as_int(value)
    if number is None and type(value) is str:
        decimal = as_number(value)
        number = int(decimal * 1000) if decimal is not None and 0 < decimal < _MS_FROM else None
    elif number is not None and type(value) is float and number < _MS_FROM:
        number = int(value * 1000)
    elif number is not None and number < _MS_FROM:
        number *= 1000
    if number is not None and number >= _MS_FROM * 1000:
        number //= 1000
    if number is None or not 0 < number < _MAX_SECONDS * 1000:
        return None
    return number


@lru_cache(maxsize=4096)
def rfc3339(time_ms: int) -> str:
    """`2026-06-08T20:59:43Z`, with milliseconds only where there are any. Under load many ask for the same one."""
    seconds, millis = divmod(time_ms, 1000)
    return f"{_to_the_second(seconds)}.{millis:03d}Z" if millis else _to_the_second(seconds) + "Z"


@lru_cache(maxsize=4096)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def as_rfc3339(value: Any) -> str | None:
    """A provider's timestamp, as RFC 3339."""
    time_ms = timestamp_ms(value)
    return None if time_ms is None else rfc3339(time_ms)


def compact(**fields: Any) -> Object:
    """An object of those fields that say something: no nulls, no empty texts, lists or objects."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", [], {})}


def pointer_part(name: object) -> str:
    """One reference token of a JSON pointer, RFC 6901 section 3."""
    return str(name).replace("~", "~0").replace("/", "~1")


def resolve_pointer(document: Any, pointer: str) -> Any:
    """The value that the pointer names; None where there is none."""
    value = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
