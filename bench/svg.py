"""Line plots as SVG: just enough of it. They bring their own background, and colours for light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 78, 36, 84, 62
"""Margins around the lines; the legend is in the upper one."""
LEGEND_COLUMN = 230

_STYLE = """
  .ground { fill: #ffffff } .grid { stroke: #e3e6ea } .frame { stroke: #8a929c }
  text { fill: #24292f; font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 16px; font-weight: 600 }
  .line { fill: none; stroke-width: 2.2; stroke-linejoin: round } .dashed { stroke-dasharray: 6 4 }
  .none { stroke: #8a929c; fill: #8a929c; stroke-width: 1.2 }
  .c0 { stroke: #0b5cad; fill: #0b5cad } .c1 { stroke: #b4560c; fill: #b4560c }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #14181d } .grid { stroke: #2c333b } .frame { stroke: #79828d }
    text { fill: #e6e9ed }
    .none { stroke: #79828d; fill: #79828d }
    .c0 { stroke: #6cb2ff; fill: #6cb2ff } .c1 { stroke: #f0a35e; fill: #f0a35e }
  }
  .line { fill: none }
"""


@dataclass(frozen=True)
class Axis:
    """Its first and last tick are its ends."""

    title: str
    ticks: Sequence[float]
    label: Callable[[float], str]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where on the axis: 0 at its beginning, 1 at its end."""
        low, high, at = (self._straight(one) for one in (self.ticks[0], self.ticks[-1], value))
        return (at - low) / (high - low)

    def _straight(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


@dataclass(frozen=True)
class Line:
    """`colour` is a number; None draws in grey and without points."""

    name: str
    colour: int | None
    points: Sequence[tuple[float, float]]
    dashed: bool = False

    @property
    def classes(self) -> str:
        colour = "none" if self.colour is None else f"c{self.colour}"
        return f"line {colour}{' dashed' if self.dashed else ''}"


@dataclass(frozen=True)
class Plot:
    """The first line is drawn over the others."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = field(default_factory=list)

    def svg(self) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" role="img" aria-label="{escape(self.title)}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
            _text(LEFT, 28, self.title, "start", "title"),
            *self._x_axis(),
            *self._y_axis(),
            *(part for line in reversed(self.lines) for part in self._line(line)),
            *self._legend(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a point is drawn: rightwards and downwards from the upper left corner."""
        x, y = point
        return (
            LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM),
        )

    def _x_axis(self) -> list[str]:
        low, high = self.y.ticks[0], self.y.ticks[-1]
        parts = []
        for tick in self.x.ticks:
            (x, bottom), (_, top) = self.place((tick, low)), self.place((tick, high))
            parts.append(_rule(x, bottom, x, top, "grid"))
            parts.append(_text(x, bottom + 20, self.x.label(tick), "middle"))
        (left, bottom), (right, _) = self.place((self.x.ticks[0], low)), self.place((self.x.ticks[-1], low))
        parts.append(_rule(left, bottom, right, bottom, "frame"))
        parts.append(_text((left + right) / 2, HEIGHT - 16, self.x.title, "middle"))
        return parts

    def _y_axis(self) -> list[str]:
        low, high = self.x.ticks[0], self.x.ticks[-1]
        parts = []
        for tick in self.y.ticks:
            (left, y), (right, _) = self.place((low, tick)), self.place((high, tick))
            parts.append(_rule(left, y, right, y, "grid"))
            parts.append(_text(left - 9, y + 4.5, self.y.label(tick), "end"))
        (left, bottom), (_, top) = self.place((low, self.y.ticks[0])), self.place((low, self.y.ticks[-1]))
        parts.append(_rule(left, bottom, left, top, "frame"))
        middle = (bottom + top) / 2
        turned = f'transform="rotate(-90 18 {middle:.1f})"'
        parts.append(f'<text x="18" y="{middle:.1f}" text-anchor="middle" {turned}>{escape(self.y.title)}</text>')
        return parts

    def _line(self, line: Line) -> list[str]:
        places = [self.place(point) for point in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts = [f'<polyline class="{line.classes}" points="{path}"/>']
        if line.colour is not None:
            parts += [f'<circle class="c{line.colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
        return parts

    def _legend(self) -> list[str]:
        parts = []
        for number, line in enumerate(self.lines):
            x, y = LEFT + number // 2 * LEGEND_COLUMN, 48 + number % 2 * 18
            parts.append(f'<polyline class="{line.classes}" points="{x},{y} {x + 30},{y}"/>')
            parts.append(_text(x + 38, y + 4.5, line.name, "start"))
        return parts


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def steps(most: float, count: int = 6) -> list[float]:
    """Ticks from zero to at least `most`: multiples of 1, 2 or 5 times a power of ten, about so many."""
    power = 10.0 ** math.floor(math.log10(most / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * count >= most)
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]


def decades(least: float, most: float) -> list[float]:
    """Ticks at 1, 2 and 5 times powers of ten, from the last at or below `least` to the first at or above `most`."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    ticks = [factor * 10.0**power for power in range(low, high + 1) for factor in (1, 2, 5)]
    first = max(tick for tick in ticks if tick <= least * (1 + 1e-9))
    last = min(tick for tick in ticks if tick >= most * (1 - 1e-9) and tick > first)
    return [tick for tick in ticks if first <= tick <= last]
