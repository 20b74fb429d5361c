"""Cutting the provider's own fragment out of a stored body."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from providers.wire import dump_json, resolve_pointer

BULKY_FROM = 1024
"""Bytes of JSON from which a member that may hold a file is left out."""


def cut_raw(document: Any, pointer: str, without: Set[str] = frozenset(), bulky: Set[str] = frozenset()) -> bytes:
    """The fragment that `pointer` names, as JSON, less the members named in `without`.

    A file in a member named in `bulky` gives way to {"omitted_bytes": N}; its bytes stay in the receipt.
    """
    fragment = resolve_pointer(document, pointer)
    return dump_json(_lighter(fragment, without, bulky) if without or bulky else fragment)


def _lighter(value: Any, without: Set[str], bulky: Set[str]) -> Any:
    """A copy without the named members. Recursion is safe: bodies nest at most providers.wire.MAX_DEPTH deep."""
    if isinstance(value, dict):
        return {
            key: _without_file(child) if key in bulky else _lighter(child, without, bulky)
            for key, child in value.items()
            if key not in without
        }
    if isinstance(value, list):
        return [_lighter(child, without, bulky) for child in value]
    return value


def _without_file(value: Any) -> Any:
    size = len(value) if isinstance(value, str) else len(dump_json(value))
    return {"omitted_bytes": size} if size >= BULKY_FROM else value
