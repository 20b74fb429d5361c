"""Figures, and the table that they are printed in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS = ("measure", "ours", "against", "ratio", "aim", "CPU µs an event")


@dataclass
class Sample:
    """One run of one server: how many events a second, for how much processor time each."""

    rate: float
    cpu_us: float


@dataclass
class Row:
    """A line of the table. The aim compares `value` with a limit: at least, or at most."""

    measure: str
    ours: str
    against: str = ""
    ratio: str = ""
    value: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    cpu: str = ""
    note: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    @property
    def aim(self) -> str:
        if self.met is None:
            return ""
        sign, limit = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        return f"{sign} {limit:g}{self.unit}, {'met' if self.met else 'MISSED'}"

    def cells(self) -> tuple[str, ...]:
        return (self.measure, self.ours, self.against, self.ratio, self.aim, self.cpu)

    def as_json(self) -> dict[str, Any]:
        limits = {"at_least": self.at_least, "at_most": self.at_most, "met": self.met}
        return {
            "measure": self.measure,
            "value": self.value,
            **{name: limit for name, limit in limits.items() if limit is not None},
            "note": self.note,
            **self.figures,
        }


def pair(
    measure: str,
    unit: str,
    ours: Sequence[Sample],
    peers: Sequence[Sample],
    at_least: float,
    note: str,
    **figures: Any,
) -> Row:
    """Ours against a peer, run in turns: the median of the rounds' ratios, which the machine's moods touch least."""
    ratios = [one.rate / peer.rate for one, peer in zip(ours, peers, strict=True)]
    return Row(
        measure,
        f"{_median(ours):,.0f} {unit}",
        f"{_median(peers):,.0f} {unit}",
        spread(ratios),
        statistics.median(ratios),
        at_least=at_least,
        cpu=f"{_median_cpu(ours):.0f} vs {_median_cpu(peers):.0f}",
        note=note,
        figures={
            "ours": [vars(one) for one in ours],
            "peer": [vars(one) for one in peers],
            "ratios": ratios,
            **figures,
        },
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, and how far the others lie from it."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _median(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.rate for sample in samples)


def _median_cpu(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.cpu_us for sample in samples)


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(rows: Sequence[Row]) -> str:
    """Markdown that is read well as it is, too."""
    lines = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in (COLUMNS, rule, *lines[1:])
    )


def notes(rows: Sequence[Row]) -> str:
    return "\n".join(f"{row.measure}: {row.note}" for row in rows if row.note)
