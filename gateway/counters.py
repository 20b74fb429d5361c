"""Counters and histograms that the event loop alone touches, for what is counted at every request and attempt.

prometheus-client's own take a lock and half a dozen calls each time, and one or two kilobytes for each set of labels.
These are an entry of a dictionary, and prometheus-client collects them like its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Label = str | int
"""Shown as text."""


class Counter(Collector):
    """`name` is without the `_total` that it is shown with."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._counts: dict[tuple[Label, ...], int] = {}
        registry.register(self)

    def add(self, *labels: Label, amount: int = 1) -> None:
        self._counts[labels] = self._counts.get(labels, 0) + amount

    def describe(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self.name, self.meaning, labels=self.labels)

    def collect(self) -> Iterator[Metric]:
        """In whatever thread: a dictionary is copied in one step, as its items are not."""
        family = CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, count in self._counts.copy().items():
            family.add_metric(list(map(str, labels)), count)
        yield family


class Histogram(Collector):
    """`bounds` are the upper ends of the buckets, rising; one without end follows."""

    def __init__(
        self, name: str, meaning: str, labels: Sequence[str], bounds: Sequence[float], *, registry: CollectorRegistry
    ) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._bounds = bounds
        self._ends = [*map(str, bounds), "+Inf"]  # as prometheus-client writes them, below a million
        self._seen: dict[tuple[Label, ...], tuple[list[int], list[float]]] = {}
        registry.register(self)

    def observe(self, value: float, *labels: Label) -> None:
        seen = self._seen.get(labels)
        if seen is None:
            seen = self._seen[labels] = [0] * len(self._ends), [0.0]
        buckets, total = seen
        buckets[bisect_left(self._bounds, value)] += 1
        total[0] += value

    def describe(self) -> Iterator[Metric]:
        yield HistogramMetricFamily(self.name, self.meaning, labels=self.labels)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, (buckets, total) in self._seen.copy().items():
            ends = zip(self._ends, accumulate(list(buckets)), strict=True)
            family.add_metric(list(map(str, labels)), [(end, float(count)) for end, count in ends], total[0])
        yield family
