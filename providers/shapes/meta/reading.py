"""Reading an object by a table of its members, and counting what the table does not tell.

A table maps a member's name to where it goes and how it is read:

    None                 known, and says nothing by itself
    ("target", reader)   a value; the reader gives None for what it cannot read
    ("target", {...})    an object
    ("target", [{...}])  a list of objects
    {...}                an object whose members go to the parent's targets
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from providers.base import Notes
from providers.wire import Object, as_text, timestamp_ms

Reader: TypeAlias = Callable[[Any], Any]
Spec: TypeAlias = "tuple[str, Reader | Mapping[str, Spec] | list[dict[str, Spec]]] | Mapping[str, Spec] | None"

_TEXT, _VALUE, _OBJECT, _LIST, _INLINE, _NOTHING = range(6)
"""How a member is read, resolved once; texts are most of all members, and are read without a call."""
_MAX_SECONDS = 2**32
_EMPTY: tuple[Any, ...] = ("", None, [], {})


class Table(dict[str, Spec]):
    """A table whose members are resolved once, when it is made."""

    __slots__ = ("members",)

    def __init__(self, specs: Mapping[str, Spec]) -> None:
        super().__init__(specs)
        self.members = {name: _resolved(spec) for name, spec in specs.items()}


def _resolved(spec: Spec) -> tuple[int, str, Any]:
    if spec is None:
        return _NOTHING, "", None
    if not isinstance(spec, tuple):
        return _INLINE, "", _table(spec)
    target, how = spec
    if how is as_text:
        return _TEXT, target, how
    if isinstance(how, Mapping):
        return _OBJECT, target, _table(how)
    if isinstance(how, list):
        return _LIST, target, _table(how[0])
    return _VALUE, target, how


def _table(specs: Mapping[str, Spec]) -> Table:
    return specs if isinstance(specs, Table) else Table(specs)


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

    def word(self, given: str, known: frozenset[str], path: str) -> str:
        """Meta's upper-case word in lower case; a word that is not known goes on, and counts."""
        word = given.lower()
        if word not in known:
            self.drifted("value", f"{path}={given}")
        return word

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

    def unplaced(self, found: Object, names: tuple[str, ...], path: str) -> None:
        """Members that were read, and have no place in this kind of event."""
        for name in names:
            if found.get(name):
                self.drifted("member", f"{path}.{name}")

    def _read_into(self, out: Object, value: Any, table: Table, path: str, skip: str | None = None) -> None:
        if type(value) is not dict:
            self.drifted("type", path)
            return
        members = table.members
        for member, given in value.items():
            how = members.get(member)
            if how is None:
                if member != skip and given not in _EMPTY:
                    self.drifted("member", f"{path}.{member}")
                continue
            kind, target, reader = how
            if kind == _TEXT and type(given) is str:
                found = given or None
            elif kind <= _VALUE:
                found = reader(given)
                if found is None and given not in _EMPTY:
                    self.drifted("type", f"{path}.{member}")
            else:
                found = self._read_nested(out, given, kind, reader, f"{path}.{member}")
            if found is not None and out.setdefault(target, found) != found:
                self.drifted("conflict", f"{path}.{member}")

    def _read_nested(self, out: Object, given: Any, kind: int, table: Table, path: str) -> Any:
        """An object or list to be set; None where it says nothing, or went to the parent's targets."""
        if kind == _NOTHING or given in _EMPTY:
            return None
        if kind == _OBJECT:
            return self.read(given, table, path) or None
        if kind == _LIST:
            return self.read_list(given, table, path) or None
        self._read_into(out, given, table, path)
        return None


def unix_ms(value: Any) -> int | None:
    """Milliseconds of a provider's timestamp. Nearly all are texts of ten digits, which need no closer look."""
    if type(value) is str and len(value) == 10 and value.isdecimal() and value.isascii():
        seconds = int(value)
        return seconds * 1000 if 0 < seconds < _MAX_SECONDS else None
    return timestamp_ms(value)


def anything(value: Any) -> Any:
    """A value of any type, as the provider wrote it."""
    return None if value in _EMPTY else value


def scalar(value: Any) -> Any:
    """A text or number as the provider wrote it."""
    return value if type(value) in (str, int, float) else None


def structure(value: Any) -> Any:
    """An object or a list as the provider wrote it."""
    return value if value and type(value) in (dict, list) else None


def texts(value: Any) -> list[str] | None:
    """A list of texts, none of them empty."""
    found = [as_text(element) for element in value] if type(value) is list else []
    return found if found and None not in found else None  # type: ignore[return-value]  # no None is left


def alternatives(value: Any) -> str | None:
    """A word; a page or two of the documentation list all that it may be."""
    found = texts(value)
    return " | ".join(found) if found else as_text(value)


def named_texts(value: Any) -> dict[str, str] | None:
    """An object of texts under names of the business's own choice."""
    if type(value) is not dict or not value:
        return None
    found = {name: as_text(given) for name, given in value.items()}
    return found if None not in found.values() else None  # type: ignore[return-value]  # no None is left
