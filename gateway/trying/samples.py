"""The sample webhooks that come with an adapter: JSON files in its package.

They stand in `samples/<provider>/` or `samples/`, beside the adapter's module or above it in its package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from providers import Adapter

SUFFIX = ".json"


def samples(adapter: type[Adapter]) -> dict[str, Traversable]:
    """The files by name; empty where the adapter brings none."""
    for folder in _folders(adapter):
        if found := _bodies(folder):
            return found
    return {}


def default_sample(names: Iterable[str]) -> str | None:
    """The one to show first: a text message, where there is one."""
    return min(names, key=lambda name: (name != "text", "text" not in name.split("_")), default=None)


def _folders(adapter: type[Adapter]) -> Iterator[Traversable]:
    package = sys.modules[adapter.__module__].__package__ or ""
    while package:
        folder = files(package) / "samples"
        yield folder / adapter.name
        yield folder
        package = package.rpartition(".")[0]


def _bodies(folder: Traversable) -> dict[str, Traversable]:
    if not folder.is_dir():
        return {}
    named = [(entry.name.removesuffix(SUFFIX), entry) for entry in folder.iterdir() if entry.name.endswith(SUFFIX)]
    return dict(sorted(named, key=lambda pair: pair[0]))
