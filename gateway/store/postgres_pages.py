"""Pages of queued deliveries: whoever asks while one probe is under way is in the next one, in a single statement."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.store import postgres_read
from gateway.store.base import Delivery, Page, StoredEvent, StoreUnavailable
from gateway.store.postgres_link import Connection, Pool, end
from gateway.store.postgres_queued import Ask, Probe, Queued, Row

AT_ONCE = 64
"""Destinations that are asked for in one statement."""
PACE_S = 0.01
"""From one statement to the next, where the last one left nothing behind: what is committed meanwhile, here and by
others, comes in one."""


class _Request(NamedTuple):
    ask: Ask
    limit: int
    future: asyncio.Future[Page]

    @property
    def destination(self) -> int:
        return self.ask.destination


class Pages:
    def __init__(self, pool: Pool, queued: Queued) -> None:
        self._pool = pool
        self._queued = queued
        self._requests: list[_Request] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="pages")

    async def close(self) -> None:
        await end(self._task)
        self._refuse(self._requests, "the store is closed")

    async def queued(self, destination: int, limit: int) -> Page:
        future: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        with self._queued.asking(destination) as ask:
            self._requests.append(_Request(ask, limit, future))
            self._wake.set()
            return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        not_before_s = 0.0
        while True:
            await self._wake.wait()
            if (early_s := not_before_s - loop.time()) > 0:
                await asyncio.sleep(early_s)
            not_before_s = loop.time() + PACE_S
            requests, self._requests = self._next()
            all_taken = not self._requests
            if all_taken:
                self._wake.clear()
            if await self._answer(requests) or not all_taken:
                not_before_s = 0.0

    def _next(self) -> tuple[list[_Request], list[_Request]]:
        """Those of the next statement, one for a destination; and the rest."""
        chosen: dict[int, _Request] = {}
        rest = []
        for request in self._requests:
            if request.future.done():  # nobody waits for it any more: nothing may be given out
                continue
            if len(chosen) < AT_ONCE and request.destination not in chosen:
                chosen[request.destination] = request
            else:
                rest.append(request)
        return list(chosen.values()), rest

    async def _answer(self, requests: Sequence[_Request]) -> bool:
        """Whether there may be more than there was room for."""
        probes: list[Probe] = []
        asked: list[_Request] = []
        for request in requests:
            probe = self._queued.probe(request.ask, request.limit)
            if probe is None:
                request.future.set_result(Page([], self._queued.more(request.destination)))
            else:
                probes.append(probe)
                asked.append(request)
        if not probes:
            return True
        try:
            found, events = await self._pool.run(lambda connection: self._read(connection, probes))
        except BaseException as error:
            for probe in probes:
                self._queued.failed(probe)
            self._refuse(asked, f"{error}")
            if not isinstance(error, Exception):
                raise
            return False
        for request, probe in zip(asked, probes, strict=True):
            self._give(request, probe, found[probe.destination], events)
        return any(len(found[probe.destination]) >= min(probe.wanted, probe.each) for probe in probes)

    async def _read(
        self, connection: Connection, probes: Sequence[Probe]
    ) -> tuple[dict[int, list[Row]], dict[int, StoredEvent]]:
        queued = self._queued
        given = [(probe.destination, list(queued.given(probe.destination))) for probe in probes]
        found, loaded = await postgres_read.probe(connection, probes, given, queued.fresh_events())
        unknown: dict[int, None] = {}
        for probe in probes:
            for row in found[probe.destination][: probe.wanted]:
                if row.event not in loaded and queued.fresh(row.destination, row.event) is None:
                    unknown[row.event] = None
        if unknown:
            loaded |= await postgres_read.events(connection, list(unknown))
        return found, loaded

    def _give(self, request: _Request, probe: Probe, rows: Sequence[Row], events: dict[int, StoredEvent]) -> None:
        if request.future.done():
            self._queued.failed(probe)
            return
        page = self._queued.answer(probe, rows, self._loaded(rows, events))
        if rows and not page.deliveries and page.more and events:  # others filled the statement's page: once more
            self._requests.append(request)
            self._wake.set()
        else:
            request.future.set_result(page)

    def _loaded(self, rows: Sequence[Row], events: dict[int, StoredEvent]) -> Iterator[Delivery]:
        """As far as their events are known."""
        for row in rows:
            delivery = self._queued.fresh(row.destination, row.event)
            if delivery is None:
                event = events.get(row.event)
                if event is None:
                    return
                delivery = Delivery(event, row.destination, row.lane)
            delivery.attempts = row.attempts
            delivery.tried_since_ms = row.tried_since_ms
            yield delivery

    @staticmethod
    def _refuse(requests: Sequence[_Request], reason: str) -> None:
        for request in requests:
            if not request.future.done():
                request.future.set_exception(StoreUnavailable(reason))
