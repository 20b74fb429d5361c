"""What is wrong with a configuration: every problem with its place, all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

Loc = tuple[str | int, ...]
"""Path to a setting: keys, and indexes of lists."""


class Place(NamedTuple):
    """Where in which file; lines and columns count from 1. Line 0 is the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Problem(NamedTuple):
    place: Place
    loc: Loc
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), dotted(self.loc), self.message) if part)

    @property
    def path(self) -> str:
        return dotted(self.loc)


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.place, problem.path))
        super().__init__("\n".join(map(str, self.problems)))


class Problems:
    """Collects problems. A setting is complained about once: what follows from that is left out."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self._blamed: set[Loc] = set()

    def add(self, place: Place, loc: Loc, message: str) -> None:
        self.found.append(Problem(place, loc, message))
        self._blamed.add(loc)

    def note(self, place: Place, loc: Loc, message: str) -> None:
        """Add a problem that leaves the rest of the setting worth checking."""
        self.found.append(Problem(place, loc, message))

    def blame(self, loc: Loc) -> None:
        """Take the setting as complained about: its problem was found elsewhere."""
        self._blamed.add(loc)

    def blamed(self, loc: Loc) -> bool:
        """Whether the setting, or a block that it is in, has been complained about."""
        return any(loc[:length] in self._blamed for length in range(1, len(loc) + 1))

    def raise_if_any(self) -> None:
        if self.found:
            raise ConfigError(self.found)


def dotted(loc: Loc) -> str:
    return ".".join(map(str, loc))


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean …?`, or all that is known."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known are: {', '.join(names) or 'none'}"
