"""Reading an object by a table of its members, and counting what the table does not tell.

A table maps a member's name to where it goes and how it is read:

    None                 known, and says nothing by itself
    ("target", reader)   a value; the reader gives None for what it cannot read
    ("target", TABLE)    an object
    ("target", [TABLE])  a list of objects
    TABLE                an object whose members go to the parent's targets
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from providers.base import Notes
from providers.wire import Object

Reader: TypeAlias = Callable[[Any], Any]
Table: TypeAlias = "dict[str, Spec]"
Spec: TypeAlias = "tuple[str, Reader | Table | list[Table]] | Table | None"

_MISSING: Spec = {}
_CONTAINERS = (str, list, dict)


class Draft:
    """One item in the making: whether its typed part tells all, and drift on the way to the notes."""

    __slots__ = ("notes", "partial")

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.partial = False

    def drifted(self, kind: str, name: object) -> None:
        """`kind`: member (unknown), type (unreadable), value (unknown word), conflict (two differ)."""
        self.partial = True
        self.notes.drifted(kind, name)

    def read(self, value: Any, table: Table, path: str, skip: str | None = None) -> Object:
        """What `value` says, by target. `path` names it in drift; the member `skip` is read elsewhere."""
        out: Object = {}
        self._read_into(out, value, table, path, skip)
        return out

    def read_list(self, value: Any, table: Table, path: str) -> list[Object]:
        """What the objects of a list say; those that say nothing are left out."""
        if type(value) is not list:
            self.drifted("type", path)
            return []
        return [found for element in value if (found := self.read(element, table, path))]

    def put(self, out: Object, target: str, value: Any, path: str) -> None:
        """Set a target; the first word counts where two members say different things."""
        if out.setdefault(target, value) != value:
            self.drifted("conflict", path)

    def _read_into(self, out: Object, value: Any, table: Table, path: str, skip: str | None = None) -> None:
        if type(value) is not dict:
            self.drifted("type", path)
            return
        for member, given in value.items():
            if not given and (given is None or type(given) in _CONTAINERS):
                continue
            spec = table.get(member, _MISSING)
            if type(spec) is tuple:
                target, how = spec
                found = self._read_value(given, how, path, member)
                if found is None:
                    continue
                if out.setdefault(target, found) != found:
                    self.drifted("conflict", f"{path}.{member}")
            elif type(spec) is dict and spec is not _MISSING:
                self._read_into(out, given, spec, f"{path}.{member}")
            elif spec is _MISSING and member != skip:
                self.drifted("member", f"{path}.{member}")

    def _read_value(self, given: Any, how: Reader | Table | list[Table], path: str, member: str) -> Any:
        """What a member says; None where it says nothing or cannot be read."""
        if type(how) is dict:
            return self.read(given, how, f"{path}.{member}") or None
        if type(how) is list:
            return self.read_list(given, how[0], f"{path}.{member}") or None
        found = how(given)  # type: ignore[operator]  # what is no table is a reader
        if found is None:
            self.drifted("type", f"{path}.{member}")
        return found


def scalar(value: Any) -> Any:
    """A text or number as the provider wrote it."""
    return value if type(value) in (str, int, float) else None


def structure(value: Any) -> Any:
    """An object or a list as the provider wrote it."""
    return value if type(value) in (dict, list) else None
