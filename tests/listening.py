"""Who listens to a store in tests, in the engine's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection

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
        self.busy: frozenset[int] = frozenset()
        self.current = True
        self.errors: list[str | None] = []

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

    async def yielding(self, shards: frozenset[int]) -> AsyncGenerator[frozenset[int], None]:
        self.told.append(("yielding", shards))
        if free := shards - self.busy:
            self.shards -= free
            yield free
        if late := shards & self.busy:
            await self.yielded.wait()
            self.shards -= late
            yield late

    @property
    def on_its_way(self) -> frozenset[int]:
        return self.busy

    def lost(self, shards: frozenset[int]) -> None:
        self.told.append(("lost", shards))
        self.shards -= shards

    def replicas(self, count: int, *, current: bool) -> None:
        self.count = count
        self.current = current

    def reached(self, error: str | None) -> None:
        self.errors.append(error)


async def attended(store: Store) -> Listening:
    listener = Listening(store)
    await store.attend(listener)
    return listener


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [int.from_bytes(delivery.event.id[4:], "big") for delivery in deliveries]
