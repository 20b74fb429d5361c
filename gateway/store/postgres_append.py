"""Commits of what comes in: what has gathered, or arrived while a commit was under way, is the next one."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence

from gateway.store.base import Appended, Delivery, StoreUnavailable, Submission
from gateway.store.gathering import Gathering
from gateway.store.postgres_link import BY_HASH, ONE_PLAN, Link, Links
from gateway.store.postgres_write import Batch

WRITERS = 2
"""Commits under way at a time: while one waits for the disk, the next is made up."""
BATCH = 256
BATCH_BYTES = 16 * 1024 * 1024
"""A commit ends after so many bodies, or so many bytes of them."""
SLOTS = 32
"""Rows of tallies and volumes that writers have beside one another; two that share one wait for one another."""
COMMIT_S = 5.0

_Item = tuple[Submission, "asyncio.Future[Appended]"]


class Appender:
    """`committed` is told of new deliveries as soon as they are durable."""

    def __init__(self, links: Links, committed: Callable[[list[Delivery]], None]) -> None:
        # The server gives up first: then it is certain that nothing was stored
        settings = {**BY_HASH, **ONE_PLAN, "work_mem": "'64MB'", "statement_timeout": "'4s'"}
        self._links = [Link(links, settings) for _ in range(WRITERS)]
        self._committed = committed
        self._queue: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    def start(self) -> None:
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._gathering: Gathering[_Item] = Gathering(self._loop, self._line_up)
        first = random.randrange(SLOTS)  # noqa: S311 - spreads, hides nothing
        self._tasks = [
            asyncio.create_task(self._run(link, (first + number) % SLOTS), name=f"append-{number}")
            for number, link in enumerate(self._links)
        ]

    async def close(self) -> None:
        """What was handed over is committed first."""
        self._open = False
        self._gathering.flush()
        self._wake.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links:
            await link.close()

    def append(self, submission: Submission) -> asyncio.Future[Appended]:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[Appended] = self._loop.create_future()
        self._gathering.add((submission, future))
        return future

    def _line_up(self, items: list[_Item]) -> None:
        self._queue += items
        self._wake.set()

    async def _run(self, link: Link, slot: int) -> None:
        while self._open or self._queue:
            if self._queue:
                await self._commit(link, slot, self._next_batch())
            else:
                self._wake.clear()
                await self._wake.wait()

    def _next_batch(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._queue and len(batch) < BATCH and size < BATCH_BYTES:
            item = self._queue.popleft()
            size += len(item[0].receipt.body)
            batch.append(item)
        return batch

    async def _commit(self, link: Link, slot: int, batch: Sequence[_Item]) -> None:
        try:
            await self._write(link, slot, batch)
        except StoreUnavailable as error:
            if link.lost:  # those that came meanwhile need not wait to hear the same
                _refuse(batch, error)
                _refuse(self._queue, error)
                self._queue.clear()
            elif len(batch) > 1:  # one rotten submission must not take the others with it
                for item in batch:
                    await self._commit(link, slot, [item])
            else:
                _refuse(batch, error)
        except Exception as error:  # the task must live whatever happens: without it requests would wait for ever
            _refuse(batch, StoreUnavailable(f"{type(error).__name__}: {error}"))

    async def _write(self, link: Link, slot: int, batch: Sequence[_Item]) -> None:
        rows = Batch([submission for submission, _ in batch])
        appended = await link.run(lambda connection: rows.write(connection, slot), COMMIT_S)
        self._committed([delivery for one in appended for delivery in one.deliveries])
        for (_, future), one in zip(batch, appended, strict=True):
            if not future.done():
                future.set_result(one)


def _refuse(batch: Sequence[_Item], error: StoreUnavailable) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(StoreUnavailable(str(error)))
