"""Bodies of receipts, decoded once for all the events that were cut from them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple, Protocol

from gateway.store.base import StoredEvent
from providers.wire import Json, load_json

LARGE = 256 * 1024
"""Bytes from which work on a body is done in a thread, so that others do not wait for it."""
KEPT_BYTES = 4 * 1024 * 1024
"""Bodies whose decoding is kept, together; the last one in any case."""
READS = 8


class Bodies(Protocol):
    """Where bodies of receipts come from: the store."""

    async def body(self, receipt: int) -> bytes: ...


class Document(NamedTuple):
    value: Json
    size: int


class Documents:
    """Decoded bodies, the last few of them."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._kept: OrderedDict[int, Document] = OrderedDict()
        self._bytes = 0
        self._reading = asyncio.Semaphore(READS)
        self._decoding = asyncio.Lock()

    async def of(self, event: StoredEvent) -> Document:
        """Raises StoreUnavailable, and LookupError where the receipt is gone."""
        kept = self._kept.get(event.receipt)
        if kept is not None:
            return kept
        if event.body is not None:
            return await self._decoded(event.receipt, event.body)
        async with self._reading:  # until it is decoded: no more bodies than that are in memory
            kept = self._kept.get(event.receipt)
            return kept or await self._decoded(event.receipt, await self._bodies.body(event.receipt))

    async def _decoded(self, receipt: int, body: bytes) -> Document:
        if len(body) < LARGE:
            return self._keep(receipt, load_json(body), len(body))
        async with self._decoding:  # one at a time: decoded they take many times their size
            if receipt not in self._kept:
                self._keep(receipt, await asyncio.to_thread(load_json, body), len(body))
            return self._kept[receipt]

    def _keep(self, receipt: int, value: Json, size: int) -> Document:
        if receipt not in self._kept:
            self._kept[receipt] = Document(value, size)
            self._bytes += size
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                _, left = self._kept.popitem(last=False)
                self._bytes -= left.size
        return self._kept[receipt]
