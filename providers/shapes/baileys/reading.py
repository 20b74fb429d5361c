"""Reading an object by a table of its members, and keeping account of what the table does not tell.

A table maps a member's name to where it goes and how it is read:

    None                     read elsewhere, or says nothing by itself
    ("target", reader)       a value
    ("target", TABLE)        an object
    ("target", [TABLE])      a list of objects
    Within("group", "target", reader)
                             a value that goes into an object with others; without a target, an object that joins it
    TABLE                    an object whose members go to the parent's targets
    KEPT                     rare: kept under the provider's name, among the message's details
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from providers.base import Notes
from providers.shapes.baileys.noise import NOISE
from providers.shapes.baileys.values import SILENT, Odd, Reader, as_given, says_nothing
from providers.wire import Object, as_bool, as_list


class Within(NamedTuple):
    group: str
    target: str
    read: Reader


class _Kept:
    pass


KEPT = _Kept()

Table: TypeAlias = "dict[str, Spec]"
Spec: TypeAlias = "tuple[str, Any] | Within | Table | _Kept | None"

_UNKNOWN: Table = {}
_NUMBERS = (int, float)
_TABLES = (dict, list)


class Reading:
    """What is learnt while one message is read: drift, rare details, and whether the typed part misses something."""

    __slots__ = ("chat", "details", "notes", "partial")

    def __init__(self, notes: Notes, chat: str = "") -> None:
        self.notes = notes
        self.chat = chat
        """Normal JID of the message's chat, once it is known."""
        self.partial = False
        self.details: Object = {}

    def read(self, node: Object, table: Table, where: str) -> Object:
        """What the node says, by target. `where` names it in drift. What cannot be read is left to `raw`."""
        out: Object = {}
        self._read_into(out, node, table, where)
        return out

    def read_list(self, nodes: Any, table: Table, where: str) -> list[Object]:
        """What the objects of a list say; those that say nothing are left out."""
        found = []
        for node in as_list(nodes):
            if type(node) is dict:
                said = self.read(node, table, where)
                if said:
                    found.append(said)
            elif not says_nothing(node):
                self.partial = True
        if type(nodes) is not list and not says_nothing(nodes):
            self.partial = True
        return found

    def one(self, node: Object, member: str, read: Reader) -> Any:
        """One member; None where it says nothing or cannot be read. To `as_bool`, false says something."""
        value = node.get(member)
        if value is None:
            return None
        if says_nothing(value):
            return False if value is False and read is as_bool else None
        return self._value(value, read, member)

    def nested(self, node: Object, member: str) -> Object:
        """A member that should be an object; an empty one where it is not."""
        value = node.get(member)
        if type(value) is dict:
            return value
        if not says_nothing(value):
            self.partial = True
        return {}

    def unmapped(self, kind: str, name: object) -> None:
        """A word or type that is not known, or two that contradict."""
        self.partial = True
        self.notes.drifted(kind, name)

    def _read_into(self, out: Object, node: Object, table: Table, where: str) -> None:
        for member, given in node.items():
            if not given and type(given) not in _NUMBERS:
                continue
            spec = table.get(member, _UNKNOWN)
            if spec is None:
                continue
            if type(spec) is tuple:
                target, how = spec  # type: ignore[misc]  # a Within is a tuple, but of another class
                found = self._nested(given, how, f"{where}.{member}") if type(how) in _TABLES else how(given)
                if found is None or found == SILENT or type(found) is Odd:
                    found = self._checked(found, member)
                    if found is None:
                        continue
                if out.setdefault(target, found) != found:
                    self.unmapped("conflict", f"{where}.{member}")
            else:
                self._read_special(out, member, given, spec, where)

    def _read_special(self, out: Object, member: str, given: Any, spec: Spec, where: str) -> None:
        if type(spec) is Within:
            found = self._value(given, spec.read, f"{where}.{member}")
            if found is not None:
                group = out.setdefault(spec.group, {})
                group.update({spec.target: found} if spec.target else found)
        elif spec is KEPT:
            self.details[f"{where}.{member}"] = as_given(given)
        elif spec is _UNKNOWN:
            if member not in NOISE:
                self.unmapped("member", f"{where}.{member}")
        elif type(given) is dict:
            self._read_into(out, given, spec, f"{where}.{member}")  # type: ignore[arg-type]  # a table is left
        else:
            self.partial = True

    def _nested(self, given: Any, table: Any, where: str) -> Any:
        """An object or a list of them; SILENT where it says nothing."""
        if type(table) is list:
            return self.read_list(given, table[0], where) or SILENT
        return (self.read(given, table, where) or SILENT) if type(given) is dict else None

    def _value(self, given: Any, read: Reader, name: str) -> Any:
        found = read(given)
        if found is None or found == SILENT or type(found) is Odd:
            return self._checked(found, name)
        return found

    def _checked(self, found: Any, name: str) -> Any:
        """What a reader gave that is no ordinary value; None where it says nothing or could not be read."""
        if found is None:
            self.partial = True
        elif type(found) is Odd:
            self.unmapped("value", f"{name}={found}")
            return str(found)
        return None
