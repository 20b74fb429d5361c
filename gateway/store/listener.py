"""Whom a store tells what happens: the engine, in its place."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from typing import Protocol

from gateway.store.base import Delivery


class Listener(Protocol):
    """Whom the store tells what happens. All calls come on the event loop."""

    def committed(self, deliveries: list[Delivery]) -> None:
        """New queued deliveries, in order, of a store that nobody else writes to: take them, or leave them in it."""
        ...

    def hinted(self, destinations: Collection[int]) -> None:
        """There may be queued deliveries of these destinations to read."""
        ...

    def changed(self) -> None:
        """Somebody changed controls or runs: read them again."""
        ...

    async def gained(self, shards: frozenset[int]) -> None:
        """These shards are to be delivered by this process from now on."""
        ...

    def yielding(self, shards: frozenset[int]) -> AsyncGenerator[frozenset[int], None]:
        """These will be given to another process: begin nothing there, and give each as soon as nothing of it is on
        its way, those of which nothing is at once."""
        ...

    @property
    def on_its_way(self) -> frozenset[int]:
        """Shards of which something is: to be kept, where others will do."""
        ...

    def lost(self, shards: frozenset[int]) -> None:
        """These are another's: forget them."""
        ...

    def replicas(self, count: int, *, current: bool) -> None:
        """So many processes share the store, this one included. `current`: none of them has a newer set of
        destinations; who has an older one delivers nothing."""
        ...

    def reached(self, error: str | None) -> None:
        """The store cannot be reached any more, and why; None once it can be again."""
        ...
