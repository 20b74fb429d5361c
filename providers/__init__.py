"""Adapters, one module or package per provider, found by looking: none is listed anywhere.

`load_adapters()` gives them by name.
"""

from providers.base import (
    Adapter,
    Identity,
    Item,
    Malformed,
    Notes,
    Parsed,
    Proof,
    RawRequest,
    Reply,
    Route,
    Secrets,
    SourceSettings,
    Unauthorized,
)
from providers.discovery import AdapterClash, load_adapters

__all__ = [
    "Adapter",
    "AdapterClash",
    "Identity",
    "Item",
    "Malformed",
    "Notes",
    "Parsed",
    "Proof",
    "RawRequest",
    "Reply",
    "Route",
    "Secrets",
    "SourceSettings",
    "Unauthorized",
    "load_adapters",
]
