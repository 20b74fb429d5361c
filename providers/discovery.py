"""Finding adapters: our own by looking into this package, other people's through their entry points."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from inspect import isclass

import providers
from providers.base import Adapter

ENTRY_POINT_GROUP = "wa_gateway.providers"


class AdapterClash(Exception):
    """Two adapters want the same name."""


@cache
def load_adapters() -> dict[str, type[Adapter]]:
    """Every adapter class by name. Raises AdapterClash, and whatever a foreign module raises on import."""
    found: dict[str, type[Adapter]] = {}
    for adapter in [*_own(), *_foreign()]:
        other = found.setdefault(adapter.name, adapter)
        if other is not adapter:
            raise AdapterClash(
                f"two adapters are named {adapter.name!r}: {_place(other)} and {_place(adapter)}; rename or remove one"
            )
    return dict(sorted(found.items()))


def _own() -> list[type[Adapter]]:
    return [
        value
        for info in pkgutil.iter_modules(providers.__path__, "providers.")
        for value in vars(importlib.import_module(info.name)).values()
        if isclass(value)
        and issubclass(value, Adapter)
        and value.__module__.startswith(info.name)
        and hasattr(value, "name")
    ]


def _foreign() -> list[type[Adapter]]:
    return [entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP)]


def _place(adapter: type[Adapter]) -> str:
    return f"{adapter.__module__}.{adapter.__qualname__}"
