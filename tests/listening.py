"""Who listens to a store in tests, in the engine's place."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from gateway.store.base import Delivery, Store


class Listening:
    """Keeps what it is told. With a store it reads the backlog of what it gains, as the engine does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.told: list[tuple[str, frozenset[int]]] = []
        self.shards: set[int] = set()
        self.count = 0
        self.changes = 0
        self.hints: list[int] = []
        self.yielded = asyncio.Event()
        self.yielded.set()

    def committed(self, deliveries: list[Delivery]) -> None:
        raise AssertionError("others write here too")

    def hinted(self, destinations: Collection[int]) -> None:
        self.hints += destinations

    def changed(self) -> None:
        self.changes += 1

    async def gained(self, shards: frozenset[int]) -> None:
        assert not shards & self.shards
        self.told.append(("gained", shards))
        await self.store.backlog(shards)
        self.shards |= shards

    async def yielding(self, shards: frozenset[int]) -> None:
        self.told.append(("yielding", shards))
        await self.yielded.wait()
        self.shards -= shards

    def lost(self, shards: frozenset[int]) -> None:
        self.told.append(("lost", shards))
        self.shards -= shards

    def replicas(self, count: int) -> None:
        self.count = count


async def attended(store: Store) -> Listening:
    listener = Listening(store)
    await store.attend(listener)
    return listener


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [int.from_bytes(delivery.event.id[4:], "big") for delivery in deliveries]
