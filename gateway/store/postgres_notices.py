"""What replicas tell one another by NOTIFY: hints that make waiting shorter, and never the only way to learn something.

A notice is a word, and for `queued` the deliveries that it is about: `queued 12:255,13:4` names pairs of destination
and shard; alone it means that there may be some anywhere. Other notices: `changed` (controls or runs), `leases`, and
`ping` with a replica's own mark, by which it finds out whether notices arrive: not every database that speaks
PostgreSQL's protocol has them, and a pooler may keep them away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

from gateway.store.base import StoreUnavailable
from gateway.store.postgres_link import Connection, Links, Pool, end

CHANNEL = "wagw"
LARGEST = 7900
"""Bytes of a payload; PostgreSQL takes 7,999."""
RECONNECT_S = 1.0
PONG_S = 12.0
"""A ping that arrived so recently shows that notices arrive."""

NOTIFY = f"SELECT pg_notify('{CHANNEL}', word) FROM unnest($1::text[]) AS word"  # noqa: S608


class Notices:
    """`heard` is called with the word and the pairs, for each notice that arrives, own ones included."""

    def __init__(self, links: Links, pool: Pool, heard: Callable[[str, list[tuple[int, int]]], None]) -> None:
        self._links = links
        self._pool = pool
        self._heard = heard
        self._mark = os.urandom(8).hex()
        self._words: dict[str, None] = {}
        self._queued: set[tuple[int, int]] = set()
        self._wake = asyncio.Event()
        self._pong = -PONG_S
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._speak())]

    async def close(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._send()
        await end(*self._tasks)

    @property
    def arrive(self) -> bool:
        """Whether notices were seen to arrive lately."""
        return time.monotonic() - self._pong < PONG_S

    def tell(self, word: str) -> None:
        self._words[word] = None
        self._wake.set()

    def tell_queued(self, pairs: set[tuple[int, int]]) -> None:
        self._queued |= pairs
        self._wake.set()

    def ping(self) -> None:
        self.tell(f"ping {self._mark}")

    async def _speak(self) -> None:
        """One statement at a time; what comes meanwhile is in the next one."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with contextlib.suppress(StoreUnavailable):  # others find out for themselves
                await self._send()

    async def _send(self) -> None:
        words = [*self._words]
        if self._queued:
            text = "queued " + ",".join(f"{destination}:{shard}" for destination, shard in self._queued)
            words.append(text if len(text) <= LARGEST else "queued")
        self._words, self._queued = {}, set()
        if words:
            await self._pool.run(lambda connection: connection.execute(NOTIFY, words))

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # whatever it is: polling goes on, and this is tried again
                await self._listen_once()
            await asyncio.sleep(RECONNECT_S)

    async def _listen_once(self) -> None:
        """Until the connection is lost."""
        connection = await self._links.connect({})
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda *_: lost.set())
            await connection.add_listener(CHANNEL, self._receive)
            self._heard("queued", [])  # what was said meanwhile was missed
            self._heard("changed", [])
            self.ping()
            await lost.wait()
        finally:
            connection.terminate()

    def _receive(self, connection: Connection | Any, pid: int, channel: str, payload: object) -> None:
        word, _, text = str(payload).partition(" ")
        if word == "ping":
            if text == self._mark:
                self._pong = time.monotonic()
            return
        pairs = []
        with contextlib.suppress(ValueError):  # anybody may send anything
            for pair in text.split(",") if text else ():
                destination, _, shard = pair.partition(":")
                pairs.append((int(destination), int(shard)))
        self._heard(word, pairs)
