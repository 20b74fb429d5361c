"""Drift made visible: of each thing that an adapter did not know, one sample for the operator, and how often.

Samples keep the shape of what came and nothing of what it said: letters become x, digits 0. They are made and
written after the answer, at leisure; where that fails, the next webhook of the kind makes up for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from gateway.clock import Clock, Timer
from gateway.store.base import DriftSample, Store, StoreUnavailable
from providers import Adapter, Notes, RawRequest
from providers.base import Drift
from providers.wire import dump_json, resolve_pointer

WRITE_AFTER_S = 5.0
MOST_KINDS = 1000
"""Different things that are counted between two writes, and remembered as sampled."""
MOST_BYTES = 4 * 1024 * 1024
"""Bodies that wait for their sample to be made."""
MOST_ITEMS = 5000
_VALUES = 150
_TEXT = 40
_MEMBERS = 50
_ELEMENTS = 3
_MORE = "…"
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$:=/-]{0,79}")
_LONG_NUMBER = re.compile(r"[0-9]{5}")
_LETTER = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")
_FOREIGN = re.compile(r"[^\x20-\x7e]")

Key = tuple[str, str, str]


class _Origin(NamedTuple):
    adapter: Adapter
    request: RawRequest


@dataclass(slots=True)
class _Seen:
    first_ms: int
    last_ms: int
    count: int
    origin: _Origin | None


class DriftLog:
    """`saw` is called on the accepting path, and only remembers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[Key, _Seen] = {}
        self._sampled: set[Key] = set()
        self._waiting_bytes = 0
        self._timer: Timer | None = None
        self._writing: asyncio.Task[None] | None = None

    def saw(self, adapter: Adapter, request: RawRequest, drift: Iterable[Drift], now_ms: int) -> None:
        """Count drift of a request, whose body is redacted; keep the request until its sample is made."""
        origin = None
        for one in drift:
            key = (adapter.name, one.kind, safe_name(one.name))
            seen = self._seen.get(key)
            if seen is not None:
                seen.count += 1
                seen.last_ms = now_ms
            elif len(self._seen) < MOST_KINDS:
                if origin is None and key not in self._sampled and self._has_room(request):
                    origin = _Origin(adapter, request)
                    self._waiting_bytes += len(request.body)
                self._seen[key] = _Seen(now_ms, now_ms, 1, None if key in self._sampled else origin)
        if self._seen and self._timer is None:
            self._timer = self._clock.call_later(WRITE_AFTER_S, self._start)

    async def close(self) -> None:
        """Write what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._start()
        if self._writing is not None:
            await self._writing

    def _has_room(self, request: RawRequest) -> bool:
        return not self._waiting_bytes or self._waiting_bytes + len(request.body) <= MOST_BYTES

    def _start(self) -> None:
        seen, self._seen = self._seen, {}
        self._waiting_bytes, self._timer = 0, None
        self._writing = asyncio.create_task(self._write(seen, self._writing))

    async def _write(self, seen: dict[Key, _Seen], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        samples = await asyncio.to_thread(_samples, seen)
        try:
            await self._store.keep_drift(samples)
        except StoreUnavailable:
            return
        if len(self._sampled) > MOST_KINDS:
            self._sampled.clear()
        self._sampled.update((one.provider, one.kind, one.name) for one in samples if one.sample is not None)


def _samples(seen: dict[Key, _Seen]) -> list[DriftSample]:
    origins = {id(one.origin): one.origin for one in seen.values() if one.origin is not None}
    made = {number: _cut(*origin) for number, origin in origins.items()}
    return [
        DriftSample(*key, one.first_ms, one.last_ms, one.count, made.get(id(one.origin), {}).get(key))
        for key, one in seen.items()
    ]


def _cut(adapter: Adapter, request: RawRequest) -> dict[Key, bytes]:
    """A masked sample for each thing that the adapter does not know in the request, by reading it once more."""
    samples: dict[Key, bytes] = {}
    try:
        document = request.json()
        for drift, pointer in _places(adapter, request):
            key = (adapter.name, drift.kind, safe_name(drift.name))
            if key not in samples:
                samples[key] = dump_json(masked(resolve_pointer(document, pointer), drift.name))
    except Exception:  # noqa: S110 - an adapter with a fault, which the accepting path has told already
        pass
    return samples


def _places(adapter: Adapter, request: RawRequest) -> Iterator[tuple[Drift, str]]:
    """Each drift of a request, and the pointer of the item that was being read."""
    notes = Notes()
    told = 0
    for item in islice(adapter.items(request, notes), MOST_ITEMS):
        for drift in notes.drift[told:]:
            yield drift, item.pointer
        told = len(notes.drift)
    for drift in notes.drift[told:]:
        yield drift, ""


def safe_name(name: str) -> str:
    """The name of drift, masked where it is no plain word: providers' words are, people's data may be anything."""
    return name if _is_word(name) else _shape(name)


def masked(value: Any, drifted: str = "") -> Any:
    """The value's shape: member names stay, and the words that `drifted` consists of; all else says nothing."""
    words = {drifted, *re.split(r"[.=]", drifted), drifted.partition("=")[2]}
    return _Mask({word for word in words if _is_word(word) or re.fullmatch(r"-?[0-9]{1,4}", word)}).of(value)


class _Mask:
    """Masks up to a number of values; what lies beyond is left out."""

    def __init__(self, words: set[str]) -> None:
        self._words = words
        self._left = _VALUES

    def of(self, value: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            return _MORE
        if isinstance(value, dict):
            members = {safe_name(name): self.of(child) for name, child in islice(value.items(), _MEMBERS)}
            return members | ({_MORE: len(value) - _MEMBERS} if len(value) > _MEMBERS else {})
        if isinstance(value, list):
            return [self.of(child) for child in value[:_ELEMENTS]] + [_MORE] * (len(value) > _ELEMENTS)
        if value is None or isinstance(value, bool) or str(value) in self._words:
            return value
        return _shape(value) if isinstance(value, str) else type(value)(0)


def _shape(text: str) -> str:
    cut = _DIGIT.sub("0", _LETTER.sub("x", text[:_TEXT]))
    return _FOREIGN.sub("?", cut) + (_MORE if len(text) > _TEXT else "")


def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None and _LONG_NUMBER.search(text) is None
