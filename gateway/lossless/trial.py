"""The trial of a body: each leaf changed, each change read by the adapter, the events compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.lossless.leaves import Leaf, Place, Verdict, pointer, walk
from gateway.lossless.variants import Vocabulary, member_name, variants
from providers import Adapter, Item, Malformed, RawRequest
from providers.wire import dump_json, load_json

HEADERS = {"content-type": "application/json"}
CREDENTIAL = "credential"
MEDIA_KEY = "media key, taken out of raw"
_NUMBER = "number of events"
_RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
"""The same for every reading, so that it makes no difference."""


def explain(
    adapter: Adapter, body: bytes, vocabulary: Vocabulary | None = None, headers: Mapping[str, str] = HEADERS
) -> list[Leaf]:
    """Where each leaf of the body went, in the body's order. Raises Malformed."""
    return list(_Trial(adapter, body, vocabulary or {}, headers).leaves())


class _Reading(NamedTuple):
    """What an adapter makes of a body. `facts` are the events without id, raw and what the gateway adds."""

    body: bytes
    facts: list[dict[str, Any]]
    items: list[Item]
    noise: Counter[str]


class _Trial:
    def __init__(self, adapter: Adapter, body: bytes, vocabulary: Vocabulary, headers: Mapping[str, str]) -> None:
        self._adapter = adapter
        self._headers = headers
        self._vocabulary = vocabulary
        self._document = load_json(body)
        self._base = self._read(dump_json(self._document))
        self._partial = {item.pointer: item.partial for item in self._base.items}
        self._noise = [(_matcher(name), reason) for name, reason in adapter.noise_members.items()]

    def leaves(self) -> Iterator[Leaf]:
        if isinstance(self._document, (dict, list)):
            for place, holder, value in list(walk(self._document)):
                try:
                    yield self._leaf(place, holder, value)
                except Exception as error:
                    error.add_note(f"with another value at {pointer(place)}")
                    raise
                finally:
                    holder[place[-1]] = value

    def _read(self, body: bytes) -> _Reading:
        body = self._adapter.redact(body)
        parsed = self._adapter.parse(RawRequest(headers=self._headers, body=body, received_at=_RECEIVED))
        facts = [
            {"data": item.data, "type": item.type, "subject": item.subject, "time": item.time_ms}
            for item in parsed.items
        ]
        return _Reading(body, facts, parsed.items, Counter(parsed.notes.noise))

    def _leaf(self, place: Place, holder: Any, value: Any) -> Leaf:
        credential = True
        for other in variants(value, self._vocabulary.get(member_name(place), ())):
            holder[place[-1]] = other
            try:
                reading = self._read(dump_json(self._document))
            except Malformed:
                return Leaf(place, Verdict.TYPED, (_NUMBER,))  # of no events: no webhook of this provider
            if reading.facts != self._base.facts:
                return Leaf(place, Verdict.TYPED, tuple(_differences(self._base.facts, reading.facts)))
            credential = credential and reading.body == self._base.body
        holder[place[-1]] = value
        if reason := CREDENTIAL if credential else self._known_noise(place):
            return Leaf(place, Verdict.NOISE, reason=reason)
        around = self._around(place)
        if around is not None:
            return Leaf(place, Verdict.RAW, partial=self._partial[around])
        noise = self._dropped_with(place)
        return Leaf(place, Verdict.NOISE, reason=noise) if noise else Leaf(place, Verdict.LOST)

    def _known_noise(self, place: Place) -> str | None:
        if not self._adapter.media_secrets.isdisjoint(place):
            return MEDIA_KEY
        way = pointer(place)
        return next((reason for matches, reason in self._noise if matches.search(way)), None)

    def _around(self, place: Place) -> str | None:
        """The pointer of the innermost event whose fragment holds the place."""
        ways = (pointer(place[:length]) for length in range(len(place), -1, -1))
        return next((way for way in ways if way in self._partial), None)

    def _dropped_with(self, place: Place) -> str | None:
        """The kind of protocol noise that the leaf was dropped with: less of it without the innermost part around."""
        if not self._base.noise:
            return None
        for length in range(len(place), 0, -1):
            try:
                reading = self._read(dump_json(_without(self._document, place[:length])))
            except Malformed:
                break
            missing = self._base.noise - reading.noise
            if missing and len(reading.facts) >= len(self._base.facts):
                return next(iter(missing))
            if reading.facts != self._base.facts:
                return None
        return None if self._base.facts else next(iter(self._base.noise))


def _without(node: Any, place: Place) -> Any:
    """A copy without one value; all else is shared."""
    part, rest = place[0], place[1:]
    if isinstance(node, list):
        return [_without(child, rest) if at == part else child for at, child in enumerate(node) if rest or at != part]
    return {key: _without(child, rest) if key == part else child for key, child in node.items() if rest or key != part}


def _matcher(name: str) -> re.Pattern[str]:
    """For a member name, or a pointer in which * is one part and ** any number of them."""
    if not name.startswith("/"):
        return re.compile(rf"/{re.escape(name)}(?:/|$)")
    parts = (".*" if part == "**" else "[^/]+" if part == "*" else re.escape(part) for part in name[1:].split("/"))
    return re.compile(rf"^/{'/'.join(parts)}(?:/|$)")


def _differences(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[str]:
    """Paths of what differs between two runs of events; with the event's number where there are several."""
    if len(before) != len(after):
        yield _NUMBER
        return
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        prefix = f"#{number} " if len(before) > 1 else ""
        for path in _changes(old, new, ""):
            yield prefix + path


def _changes(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        if old.get("type") != new.get("type"):  # another event or member of the union: all of it differs
            yield f"{path}.type" if path else "type"
            return
        for key in {**old, **new}:
            if old.get(key) != new.get(key):
                yield from _changes(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            if one != other:
                yield from _changes(one, other, f"{path}[{index}]")
    else:
        yield path
