"""Numbered migrations: SQL files in this package, `NNNN_name.<engine>.sql`, each run once and in order."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from gateway.store.base import StoreError


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def migrations(engine: str) -> list[Migration]:
    """Migrations of an engine, in order."""
    found = []
    for entry in files("gateway.store").joinpath("migrations").iterdir():
        stem, _, kind = entry.name.removesuffix(".sql").rpartition(".")
        if kind == engine and entry.name.endswith(".sql"):
            found.append(Migration(int(stem[:4]), stem, entry.read_text("utf-8")))
    return sorted(found)


def outstanding(engine: str, version: int, store: object) -> list[Migration]:
    """Those that a store at `version` lacks. Raises StoreError for a store that a newer program wrote."""
    known = migrations(engine)
    if version > known[-1].number:
        raise StoreError(
            f"{store} is at schema version {version}, and this program knows versions up to {known[-1].number}: "
            "run the newer wa-gateway that wrote it"
        )
    return [migration for migration in known if migration.number > version]
