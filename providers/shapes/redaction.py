"""Taking a credential out of a body: by bytes, so that it works on bodies that do not parse, in linear time.

Device gateways repeat their API key in every webhook. Who has it can send in the business's name. So it must not
be stored, not even where somebody wrote it into a message, and not where JSON escapes hide it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from providers.wire import Json, Malformed, dump_json, load_json

REDACTED = "[redacted]"
SHORTEST = 8
"""A shorter key is only looked for in its member: elsewhere it could be part of anything."""

_VALUE = rb'(?:"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[^\s",:\[\]{}]++)'
_REPLACEMENT = b'\\1"' + REDACTED.encode() + b'"'


def _escapable(text: str) -> bytes:
    """A pattern for a text inside a JSON string, each of its characters plain or escaped."""
    return b"".join(_escapable_character(character) for character in text)


def _escapable_character(character: str) -> bytes:
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = b"".join(
        rb"\\u" + b"".join(_either_case(digit) for digit in units[index : index + 2].hex())
        for index in range(0, len(units), 2)
    )
    plain = re.escape(character.encode("utf-8", "surrogatepass"))
    if character in '"\\/':
        plain = (rb"\\?" if character == "/" else rb"\\") + plain
    return b"(?:" + plain + b"|" + escaped + b")"


def _either_case(digit: str) -> bytes:
    return digit.encode() if digit.isdigit() else f"[{digit}{digit.upper()}]".encode()


class Redactor:
    """Made once for a source: `member` is the name under which its `keys` come."""

    def __init__(self, member: str, keys: Iterable[str]) -> None:
        self._member = member
        self._name = b'"' + member.encode() + b'"'
        self._done = self._name + b':"' + REDACTED.encode() + b'"'
        self._plain_member = re.compile(b"(" + self._name + rb"\s*+:\s*+)" + _VALUE, re.DOTALL)
        escapable = b'"' + _escapable(member) + b'"'
        self._escaped_member = re.compile(b"(" + escapable + rb"\s*+:\s*+)" + _VALUE, re.DOTALL)
        self._nested_member = re.compile(escapable + rb"\s*+:\s*+[\[{]")
        long = [key for key in keys if len(key) >= SHORTEST]
        self._plain = [key.encode("utf-8", "surrogatepass") for key in long]
        self._escaped = [re.compile(_escapable(key)) for key in long]

    def redact(self, body: bytes) -> bytes:
        """The body without the key; the same object where there is none."""
        clean = body
        replacement = REDACTED.encode()
        for key in self._plain:
            if key in clean:
                clean = clean.replace(key, replacement)
        if b"\\" in clean:
            for pattern in self._escaped:
                clean = pattern.sub(replacement, clean)
            clean = self._escaped_member.sub(_REPLACEMENT, clean)
        elif clean.count(self._name) == clean.count(self._done):  # the usual case, at a tenth of the cost
            return body if clean == body else clean
        else:
            clean = self._plain_member.sub(_REPLACEMENT, clean)
        if self._nested_member.search(clean) is not None:
            clean = self._rewritten(clean)
        return body if clean == body else clean

    def _rewritten(self, body: bytes) -> bytes:
        """For a key that is, against all documentation, an object or a list: only decoding finds its end."""
        try:
            return dump_json(self._without(load_json(body)))
        except Malformed:
            return body

    def _without(self, value: Json) -> Any:
        if isinstance(value, list):
            return [self._without(item) for item in value]
        if isinstance(value, dict):
            return {name: REDACTED if name == self._member else self._without(item) for name, item in value.items()}
        return value
