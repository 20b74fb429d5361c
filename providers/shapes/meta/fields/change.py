"""What the modules of fields give, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from providers.shapes.meta.parties import displayed
from providers.shapes.meta.reading import Draft, Table
from providers.wire import Object


class Change(NamedTuple):
    """Type, data beside the account's id, and what it is about, where that is not the account.

    `time`: the value's own timestamp, as given.
    """

    type: str
    data: Object
    subject: str | None = None
    time: Any = None


Read = Callable[[Draft, Any], Change | None]
"""(draft, value) -> change; None where the value lacks what the field is about."""


class Given(NamedTuple):
    """One change as it came. `beside`: what stands beside the value and belongs into it."""

    field: str
    value: Any
    pointer: str
    entry_time: Any
    beside: Object


ANYWHERE = {"field": None, "object": None, "messaging_product": None}
"""Some pages put the envelope's members into the value."""


def value_table(specs: dict[str, Any]) -> Table:
    return Table({**ANYWHERE, **specs})


def number(given: str | None, beside: str = "display") -> Object:
    """A number that is written for people; under the name `beside` where it is none."""
    if not given:
        return {}
    phone = displayed(given)
    return {"phone": phone} if phone else {beside: given}
