"""What verbs print: aligned text for people, one JSON object a line for machines."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click
import orjson

from gateway.trying.summary import clean

T = TypeVar("T")

SAMPLE = 100
"""Rows whose widths decide those of the columns; a later one that is wider moves its own line alone."""
WIDEST = 100
GAP = "  "


async def print_table(
    headings: Sequence[str], rows: AsyncIterable[Sequence[object]], widths: Sequence[int] = ()
) -> int:
    """Print rows as they come; returns how many. What stands there comes from outside: it is made safe to show.

    Without `widths` those of the first rows count, so these are waited for.
    """
    heading = [text.upper() for text in headings]
    waiting = [heading]
    if widths:
        _print(waiting, widths)
    count = 0
    async for row in rows:
        count += 1
        cells = [clean(_cell(value), WIDEST) for value in row]
        if widths:
            _print([cells], widths)
            continue
        waiting.append(cells)
        if len(waiting) > SAMPLE:
            widths = _widths(waiting)
            _print(waiting, widths)
    if count and not widths:
        _print(waiting, _widths(waiting))
    return count


async def print_json(rows: AsyncIterable[object]) -> int:
    count = 0
    async for row in rows:
        count += 1
        click.echo(orjson.dumps(row))
    return count


async def each(rows: Iterable[T]) -> AsyncIterator[T]:
    for row in rows:
        yield row


def time_text(milliseconds: int | None) -> str | None:
    """RFC 3339 to the second, UTC; None for a time that there is not."""
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat().replace("+00:00", "Z")


def counted(number: int, what: str) -> str:
    """`1 delivery`, `2 deliveries`: `what` is the singular."""
    if number == 1:
        return f"1 {what}"
    return f"{number} {what[:-1] + 'ie' if what.endswith('y') else what}s"


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Of columns, from a heading and the first rows; below zero for numbers, which stand on the right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    return [-width if _numeric(column[1:]) else width for width, column in zip(widths, columns, strict=True)]


def _numeric(cells: Iterable[str]) -> bool:
    return set(cells) != {"-"} and all(cell.isdigit() or cell == "-" for cell in cells)


def _print(rows: Iterable[Sequence[str]], widths: Sequence[int]) -> None:
    for row in rows:
        cells = [
            cell.ljust(width) if width > 0 else cell.rjust(-width) for cell, width in zip(row, widths, strict=True)
        ]
        click.echo(GAP.join(cells).rstrip())
