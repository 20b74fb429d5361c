"""Which events and deliveries an operator means: criteria, and the SQL that they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from gateway.config.errors import suggestion
from gateway.stamp import party_hash
from gateway.store.base import PENDING, State
from gateway.store.session import Session
from normalized.event import TYPES
from providers import load_adapters

PREFIX = "whatsapp."

Key = tuple[str, str]
"""Tenant, and the name of a source or destination."""

STATES: dict[str, tuple[State, ...]] = {
    "pending": PENDING,
    "parked": PENDING,
    **{state.word: (state,) for state in State},
}
"""What an operator may call states; `parked` is what is pending where nothing is tried."""

FINAL = tuple(state.word for state in State if state not in PENDING)

_TABLES = {"r": "receipts", "s": "sources", "e": "events", "d": "deliveries", "n": "destinations", "b": "destinations"}
"""`b` is the destination itself where `n` may be a run's."""
_LINKS = {
    "rs": "s.id = r.source",
    "re": "e.receipt = r.seq",
    "ed": "d.event = e.seq",
    "dn": "n.id = d.destination",
    "nb": "b.tenant = n.tenant AND b.name = n.name AND b.run = 0",
}


def joined(order: str) -> str:
    """FROM and the beginning of WHERE. SQLite takes the tables in this order: the first one is the one to search."""
    tables = " CROSS JOIN ".join(f"{_TABLES[alias]} {alias}" for alias in order)
    links = " AND ".join(link for aliases, link in _LINKS.items() if set(aliases) <= set(order))
    return f"FROM {tables} WHERE {links}"


class NotUnderstood(ValueError):
    """A criterion that means nothing; the message says what would."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """All that are given must hold. Times are those of receipt, in milliseconds since 1970 UTC, both inclusive.

    `states` are names of STATES; `destination` is one of `tenant`; `party` is the hash of a person.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    tenant: str | None = None
    source: str | None = None
    provider: str | None = None
    destination: str | None = None
    outcome: str | None = None
    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    party: str | None = None

    def __post_init__(self) -> None:
        """Raises NotUnderstood."""
        if self.since_ms is not None and self.until_ms is not None and self.since_ms > self.until_ms:
            raise NotUnderstood("--since is later than --until: of two times ago, the longer one goes with --since")

    def told(self) -> dict[str, Any]:
        """Those that are given, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Criteria:
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
        }
        return cls(**given)

    @property
    def wanted_states(self) -> tuple[State, ...]:
        return tuple(sorted({state for name in self.states for state in STATES[name]}))


def types_of(patterns: Iterable[str]) -> tuple[str, ...]:
    """The event types that the patterns name; `whatsapp.` may be left out. Raises NotUnderstood."""
    found: dict[str, None] = {}
    for pattern in patterns:
        named = [name for name in TYPES if fnmatchcase(name, pattern) or fnmatchcase(name, PREFIX + pattern)]
        if not named:
            raise NotUnderstood(f"no event type is like {pattern!r}; {suggestion(PREFIX + pattern, TYPES)}")
        found |= dict.fromkeys(named)
    return tuple(found)


def event_id_of(text: str) -> str:
    """An event's id as downstream knows it, with or without its revision: 32 hex digits. Raises NotUnderstood."""
    digits = text.partition("_r")[0].lower()
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        raise NotUnderstood(f"{text!r} is no event id: those are 32 hex digits")
    return digits


def named(text: str, known: Iterable[Key], what: str) -> Key:
    """The one that TENANT/NAME means, or the name alone where one tenant has it. Raises NotUnderstood."""
    keys = {f"{tenant}/{name}": (tenant, name) for tenant, name in known}
    matching = [key for key in keys if text in (key, keys[key][1])]
    if len(matching) > 1:
        raise NotUnderstood(f"several tenants have a {what} {text!r}: {', '.join(sorted(matching)[:5])}")
    if not matching:
        raise NotUnderstood(f"there is no {what} {text!r}; {suggestion(text, keys)}")
    return keys[matching[0]]


async def provider_of(session: Session, text: str | None) -> str | None:
    """A provider that an adapter is there for, or of which the store has something. Raises NotUnderstood."""
    stored = "SELECT provider FROM sources UNION SELECT provider FROM drift"
    return await _known(session, text, load_adapters(), stored, "provider")


async def tenant_of(session: Session, text: str | None, configured: Iterable[str]) -> str | None:
    """A tenant of the configuration, or of which the store has something. Raises NotUnderstood."""
    stored = "SELECT tenant FROM sources UNION SELECT tenant FROM destinations"
    return await _known(session, text, configured, stored, "tenant")


async def _known(session: Session, text: str | None, names: Iterable[str], stored: str, what: str) -> str | None:
    if text is None:
        return None
    if text not in (known := {*names, *(row[0] for row in await session.fetch(stored))}):
        raise NotUnderstood(f"there is no {what} {text!r}; {suggestion(text, known)}")
    return text


def person_of(text: str) -> str:
    """A person's id as events have it. Raises NotUnderstood for what none can be."""
    digits = _WRITTEN.sub("", text)
    if _PHONE.fullmatch(digits) and text != f"+{digits}":
        raise NotUnderstood(f"{text!r} is no person's id; did you mean +{digits}?")
    if not text or re.search(r"\s", text):
        raise NotUnderstood(f"{text!r} is no person's id: those are such as {_PERSONS}")
    return text


_WRITTEN = re.compile(r"[\s().+-]")
"""What people write between the digits of a phone number."""
_PHONE = re.compile(r"[1-9][0-9]{4,14}")
_PERSONS = "+16505551234, US.13491208655302741918 or 186547852312@lid"


def within(tenant: str | None, known: Iterable[Key]) -> set[Key]:
    """Those of a tenant; all, where none is named."""
    return {key for key in known if tenant in (None, key[0])}


async def with_person(session: Session, criteria: Criteria, person: str | None) -> Criteria:
    """The criteria for a person as events name them (Party.id); the person's name itself is kept nowhere.

    Raises NotUnderstood.
    """
    if person is None:
        return criteria
    key = bytes((await session.fetch("SELECT value FROM meta WHERE name = 'party_key'"))[0][0])
    return replace(criteria, party=party_hash(key, person_of(person)).hex())


def where(session: Session, criteria: Criteria) -> tuple[str, dict[str, Any]]:
    """Further conditions, for what follows `joined`, and their parameters."""
    conditions = []
    parameters: dict[str, Any] = {}
    for name, condition, value in _SIMPLE:
        if (given := value(criteria)) is not None:
            conditions.append(condition)
            parameters[name] = given
    for column, name, values in (
        ("e.type", "type", criteria.types),
        ("e.id", "id", tuple(map(bytes.fromhex, criteria.ids))),
    ):
        if values:
            marks = ", ".join(f":{name}{index}" for index in range(len(values)))
            conditions.append(f"{column} IN ({marks})")
            parameters |= {f"{name}{index}": value for index, value in enumerate(values)}
    if criteria.states:
        conditions.append(in_states(criteria.wanted_states))
    if "parked" in criteria.states and "pending" not in criteria.states:
        conditions.append(f"(d.state > {State.BESIDE:d} OR {session.parked})")
    return "".join(f" AND {condition}" for condition in conditions), parameters


INDEXED: tuple[tuple[State, ...], ...] = (
    (State.HELD, State.BESIDE),
    (State.WAITING,),
    (State.QUEUED,),
    (State.DEAD,),
)
"""States that have an index together, by destination. The troubled ones come first."""


def indexed(criteria: Criteria) -> list[tuple[State, ...]]:
    """The groups of INDEXED that have all that is wanted; none where another way is needed, or shorter."""
    wanted = set(criteria.wanted_states)
    groups = [group for group in INDEXED if wanted & set(group)]
    return groups if not criteria.ids and wanted <= {state for group in groups for state in group} else []


def in_states(states: Iterable[State]) -> str:
    """A condition in numbers, not parameters: partial indexes serve no others."""
    numbers = [f"{state:d}" for state in states]
    return f"d.state = {numbers[0]}" if len(numbers) == 1 else f"d.state IN ({', '.join(numbers)})"


_SIMPLE: tuple[tuple[str, str, Callable[[Criteria], Any]], ...] = (
    ("since_ms", "r.received_ms >= :since_ms", lambda criteria: criteria.since_ms),
    ("until_ms", "r.received_ms <= :until_ms", lambda criteria: criteria.until_ms),
    ("tenant", "s.tenant = :tenant", lambda criteria: criteria.tenant),
    ("source", "s.name = :source", lambda criteria: criteria.source),
    ("provider", "s.provider = :provider", lambda criteria: criteria.provider),
    ("destination", "n.name = :destination", lambda criteria: criteria.destination),
    ("outcome", "r.outcome = :outcome", lambda criteria: criteria.outcome),
    ("party", "e.party = :party", lambda criteria: bytes.fromhex(criteria.party) if criteria.party else None),
)
