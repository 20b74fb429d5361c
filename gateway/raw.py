"""Cutting the provider's own fragment out of a stored body."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from providers.wire import dump_json, resolve_pointer


def cut_raw(document: Any, pointer: str, media_secrets: Set[str] = frozenset()) -> bytes:
    """The fragment that `pointer` names, as JSON, without the members named in `media_secrets`."""
    fragment = resolve_pointer(document, pointer)
    return dump_json(_without(fragment, media_secrets) if media_secrets else fragment)


def _without(value: Any, names: Set[str]) -> Any:
    """A copy without the named members. Recursion is safe: bodies nest at most providers.wire.MAX_DEPTH deep."""
    if isinstance(value, dict):
        return {key: _without(child, names) for key, child in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(child, names) for child in value]
    return value
