"""The leaves of a JSON document, and what may be said of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from providers.wire import pointer_part

Place = tuple[str | int, ...]
"""The way to a value: member names, and indexes into lists."""


class Verdict(StrEnum):
    TYPED = "typed"
    RAW = "raw"
    NOISE = "noise"
    LOST = "lost"


class Leaf(NamedTuple):
    """A leaf and where it went.

    paths    what of the events changes with a typed leaf.
    reason   why noise was dropped.
    partial  the event around a raw leaf says itself that its typed part does not tell all: `raw` is sent by default.
    """

    place: Place
    verdict: Verdict
    paths: tuple[str, ...] = ()
    reason: str = ""
    partial: bool = False

    @property
    def pointer(self) -> str:
        return pointer(self.place)

    @property
    def pattern(self) -> str:
        """The pointer with * for each index."""
        return pointer("*" if isinstance(part, int) else part for part in self.place)


def pointer(place: Iterable[str | int]) -> str:
    """RFC 6901."""
    return "".join("/" + pointer_part(part) for part in place)


def walk(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any, Any]]:
    """(place, holder, value) of each leaf, in order. What says nothing is none: null, an empty text, list, object."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, (dict, list)):
            yield from walk(value, (*place, key))
        elif value is not None and value != "":
            yield (*place, key), node, value


def share_typed(verdicts: Counter[Verdict]) -> float:
    """Typed leaves among those that are not noise; 1 where there are none."""
    telling = verdicts.total() - verdicts[Verdict.NOISE]
    return verdicts[Verdict.TYPED] / telling if telling else 1.0
