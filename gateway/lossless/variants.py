"""Other valid values of a value's kind: digits stay digits, a date a date, a JID a JID of the same server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from gateway.lossless.leaves import Place, walk

Vocabulary = Mapping[str, frozenset[str | int]]
"""Words and small numbers that were seen in a member, by the member's name."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.+/; =-]{0,39}")
_SMALL = 1000
_WORDS_TRIED = 24
_DAY_S = 86_400
_SECONDS = range(1_000_000_000, 2_200_000_000)
"""Times from 2001 to 2039; the same in milliseconds and microseconds."""
_SCALES = (1, 1_000, 1_000_000)
_RINGS = ("abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ", "0123456789")
"""A character is changed for the next of its ring: hex stays hex, base64 base64, a word a word."""
_NEXT = {ring[i]: ring[(i + 1) % len(ring)] for ring in _RINGS for i in range(len(ring))}


def member_name(place: Place) -> str:
    """The name of the member in which a value stands, itself or in a list."""
    return next((part for part in reversed(place) if isinstance(part, str)), "")


def learn(documents: Iterable[Any]) -> Vocabulary:
    """The vocabulary of some bodies."""
    found: dict[str, set[str | int]] = {}
    for document in documents:
        if isinstance(document, (dict, list)):
            for place, _, value in walk(document):
                if _is_word(value):
                    found.setdefault(member_name(place), set()).add(value)
    return {name: frozenset(words) for name, words in found.items()}


def _is_word(value: Any) -> bool:
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    return type(value) is int and abs(value) < _SMALL


def variants(value: Any, words: Iterable[str | int] = ()) -> Iterator[Any]:
    """Other values, most alike first; then `words`, as far as they are of the same kind."""
    if isinstance(value, bool):
        yield not value
        return
    if isinstance(value, int):
        yield from _integers(value)
    elif isinstance(value, float):
        yield value / 2 or 0.5
        yield value + 1
    else:
        yield from _texts(value)
    same = sorted((word for word in words if type(word) is type(value) and word != value), key=str)
    if _is_word(value):
        yield from same[:_WORDS_TRIED]


def _integers(value: int) -> Iterator[int]:
    for scale in _SCALES:
        if value // scale in _SECONDS:
            yield value - scale
            yield value - _DAY_S * scale
            return
    if value == 1:
        yield 0
    yield value - 1 if value > 1 or value < 0 else value + 1
    yield value + 1 if value > 1 else value + 2


def _texts(text: str) -> Iterator[str]:
    for pattern, change in _KINDS:
        if pattern.fullmatch(text):
            yield from (other for other in change(text) if other != text)
            return
    yield from _swapped(text)


def _swapped(text: str) -> Iterator[str]:
    """One character changed: in the middle, at the end, at the start."""
    places = [index for index, character in enumerate(text) if character in _NEXT]
    if not places:
        places = [index for index, character in enumerate(text) if character.isalnum()] or [0]
    for index in dict.fromkeys((places[len(places) // 2], places[-1], places[0])):
        yield text[:index] + _NEXT.get(text[index], chr(ord(text[index]) ^ 1)) + text[index + 1 :]


def _truth(text: str) -> Iterator[str]:
    other = "true" if text.lower() == "false" else "false"
    yield other if text.islower() else other.upper() if text.isupper() else other.title()


def _digits(text: str) -> Iterator[str]:
    """As a time where it may be one; and with another last digit, so that a phone keeps its country."""
    if len(text) < 20:
        yield from (str(number) for number in _integers(int(text)) if number >= 0 and len(str(number)) == len(text))
    yield text[:-1] + _NEXT[text[-1]]


def _dates(text: str) -> Iterator[str]:
    with suppress(ValueError):
        if len(text) <= 10:
            yield (date.fromisoformat(text) - timedelta(days=1)).isoformat()
        else:
            moved = datetime.fromisoformat(text) - timedelta(days=1, hours=1, minutes=1, seconds=1)
            yield moved.isoformat()[:19] + text[19:]
    yield from _swapped(text)


def _addresses(text: str) -> Iterator[str]:
    """JIDs and mail addresses: another user (before a device number) at the same server."""
    user, _, server = text.partition("@")
    name, colon, device = user.partition(":")
    for other in [*_swapped(name)][1:] or _swapped(name):
        yield f"{other}{colon}{device}@{server}"


def _urls(text: str) -> Iterator[str]:
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    if path:
        yield from (f"{scheme}://{host}{slash}{other}" for other in _swapped(path))
    yield f"{scheme}://www.{rest}"


def _documents(text: str) -> Iterator[str]:
    """JSON inside a text: changed inside."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        yield from _swapped(text)
        return
    for place, holder, value in walk(document):
        for other in variants(value):
            holder[place[-1]] = other
            yield orjson.dumps(document).decode()
            break
        holder[place[-1]] = value


def _cards(text: str) -> Iterator[str]:
    """A vCard with another name, or another value in one of its lines."""
    for line in re.finditer(r"(?m)^(?:FN|N|TEL|EMAIL|ORG)\b[^:\n]*:([^\r\n]+)", text):
        for other in _swapped(line[1]):
            yield text[: line.start(1)] + other + text[line.end(1) :]
            break


_KINDS: tuple[tuple[re.Pattern[str], Callable[[str], Iterator[str]]], ...] = (
    (re.compile(r"(?i:true|false)"), _truth),
    (re.compile(r"[0-9]+"), _digits),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d\S*)?"), _dates),
    (re.compile(r"[^@\s]+@[A-Za-z0-9.-]+"), _addresses),
    (re.compile(r"[a-z][a-z0-9+.-]*://\S+"), _urls),
    (re.compile(r"\s*[{\[].*[}\]]\s*", re.DOTALL), _documents),
    (re.compile(r"BEGIN:VCARD\b.*", re.DOTALL), _cards),
)
"""Kinds of texts, the first that fits; any other text is changed in one character."""
