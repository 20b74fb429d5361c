"""What of a destination's backlog is in memory: bounded by count and by bytes, since events differ a thousandfold."""

from __future__ import annotations

from gateway.store.base import Delivery

WINDOW = 512
"""Deliveries in memory at a time, unless the concurrency asks for more."""
WINDOW_BYTES = 8 * 1024 * 1024
"""Of events in memory, beyond which nothing more is read; what is read at once may exceed it by a page."""


class Window:
    """Counts what is loaded. `limit` is the most deliveries, and what is read at once."""

    def __init__(self, concurrency: int) -> None:
        self.limit = max(WINDOW, 2 * concurrency)
        self.loaded = 0
        self.bytes = 0

    def add(self, delivery: Delivery) -> None:
        self.loaded += 1
        self.bytes += delivery.event.size

    def remove(self, delivery: Delivery) -> None:
        self.loaded -= 1
        self.bytes -= delivery.event.size

    @property
    def full(self) -> bool:
        """Nothing more is taken in."""
        return self.loaded >= self.limit or self.bytes >= WINDOW_BYTES

    @property
    def wants_more(self) -> bool:
        """Half of it is free: time to read on."""
        return self.loaded <= self.limit // 2 and self.bytes <= WINDOW_BYTES // 2
