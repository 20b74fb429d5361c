"""What of a destination's backlog is in memory: bounded by count and by bytes, since events differ a thousandfold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.delivering.policy import Rules
from gateway.store.base import Delivery, shard_of

WINDOW = 512
"""Deliveries in memory at a time, unless concurrency or batches ask for more."""
WINDOW_BYTES = 8 * 1024 * 1024
"""Of events in memory, beyond which nothing more is read; what is read at once may exceed it by a page."""

PROBING_WINDOW = 8
"""The same while the destination is down."""


def window_limit(rules: Rules) -> int:
    return max(WINDOW, 2 * rules.concurrency, 2 * rules.batch_events)


class Reading:
    """A page that is being read. It may show deliveries as they were before: those that have left memory meanwhile,
    and those of shards that were not held all the time."""

    __slots__ = ("_left", "_shards")

    def __init__(self, shards: frozenset[int]) -> None:
        self._left: set[int] = set()
        self._shards = shards

    def leave(self, seq: int) -> None:
        self._left.add(seq)

    def lose(self, shards: frozenset[int]) -> None:
        self._shards -= shards

    def misses(self, shards: frozenset[int]) -> bool:
        """Whether some of these, which are held now, were not when the reading began."""
        return not shards <= self._shards

    def is_right(self, delivery: Delivery) -> bool:
        """Whether the page shows it as it is."""
        return delivery.event.seq not in self._left and shard_of(delivery.destination, delivery.lane) in self._shards


class Window:
    """Counts what is loaded. `limit` is the most deliveries, and what is read at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._loaded: set[int] = set()
        self._readings: set[Reading] = set()

    def add(self, delivery: Delivery) -> None:
        self._loaded.add(delivery.event.seq)
        self.bytes += delivery.event.size

    def remove(self, delivery: Delivery) -> None:
        self._loaded.discard(delivery.event.seq)
        self.bytes -= delivery.event.size
        for reading in self._readings:
            reading.leave(delivery.event.seq)

    def lose(self, shards: frozenset[int]) -> None:
        """What is read of these will not be right."""
        for reading in self._readings:
            reading.lose(shards)

    def __len__(self) -> int:
        return len(self._loaded)

    @contextmanager
    def reading(self, shards: frozenset[int]) -> Iterator[Reading]:
        """While a page of these shards is read."""
        reading = Reading(shards)
        self._readings.add(reading)
        try:
            yield reading
        finally:
            self._readings.discard(reading)

    def news(self, page: Sequence[Delivery], reading: Reading) -> list[Delivery]:
        """What of a page is right, and not loaded yet."""
        return [one for one in page if one.event.seq not in self._loaded and reading.is_right(one)]

    @property
    def full(self) -> bool:
        """Nothing more is taken in."""
        return len(self._loaded) >= self.limit or self.bytes >= WINDOW_BYTES

    @property
    def wants_more(self) -> bool:
        """Half of it is free: time to read on."""
        return len(self._loaded) <= self.limit // 2 and self.bytes <= WINDOW_BYTES // 2
