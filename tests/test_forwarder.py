"""One attempt: its time, and connections that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from gateway import forwarder
from gateway.forwarder import Forwarder, Target
from gateway.policy import Outcome
from gateway.store.base import StoredEvent
from tests.support import NOW_MS, FakeClock

EVENT = StoredEvent(
    seq=1, id=b"0123456789abcdef", revision=1, type="whatsapp.message.received", received_ms=NOW_MS, partial=False,
    pointer="", head=b'{"id":"1"}', data=b"{}", receipt=1,
)  # fmt: skip


class NoBodies:
    async def body(self, receipt: int) -> bytes:
        raise AssertionError("raw is never wanted here")


class Rude:
    """Reads a request, and closes the connection after `patience` without an answer; counts the requests."""

    def __init__(self, patience: float = 0.0) -> None:
        self.requests = 0
        self.patience = patience

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        try:
            await asyncio.sleep(self.patience)
        finally:
            writer.close()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[URL]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        async with server:
            yield URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


async def attempt(url: URL, timeout: float) -> Outcome:
    async with Forwarder(NoBodies(), FakeClock(), frozenset()) as sender:
        return await sender.send(Target(url, (b"k" * 24,), "never", timeout), EVENT, gap=False)


async def test_a_connection_that_breaks_at_once_is_tried_again() -> None:
    rude = Rude()
    async with rude.serve() as url:
        outcome = await attempt(url, 10.0)
    assert (outcome.status, outcome.error) == (None, "disconnected")
    assert rude.requests == 2


async def test_a_connection_that_breaks_later_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "STALE_S", 0.01)
    rude = Rude(patience=0.05)
    async with rude.serve() as url:
        outcome = await attempt(url, 10.0)
    assert outcome.error == "disconnected"
    assert rude.requests == 1, "downstream may have acted on it"


async def test_both_tries_share_the_time_of_one_attempt() -> None:
    rude = Rude(patience=0.3)
    async with rude.serve() as url:
        outcome = await attempt(url, 0.4)
    assert outcome.error == "timeout"
    assert rude.requests == 2


async def test_nothing_but_the_timeout_of_the_destination_ends_an_attempt() -> None:
    async with Forwarder(NoBodies(), FakeClock(), frozenset()) as sender:
        timeout = sender._session.timeout
    assert (timeout.total, timeout.connect, timeout.sock_connect, timeout.sock_read) == (None, None, None, None)
