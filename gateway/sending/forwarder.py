"""One attempt: build the bytes of an event or of a batch, sign them, POST them, and say what came of it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence, Set
from functools import partial
from types import TracebackType

from gateway.clock import Clock
from gateway.delivering.policy import Outcome
from gateway.sending.connect import ConnectFailed
from gateway.sending.connections import Connections
from gateway.sending.documents import LARGE, Bodies, Document, Documents
from gateway.sending.envelope import BATCH_TYPE, EVENT_TYPE, batch_id, composed, wants_raw, webhook_id
from gateway.sending.http1 import Answer, ProtocolError
from gateway.sending.signing import sign
from gateway.sending.target import Target, target_of
from gateway.store.base import StoredEvent

__all__ = ["Forwarder", "NotHeld", "Target", "target_of"]


class NotHeld(Exception):
    """The lane is another process's by now: nothing was written."""


def _always() -> bool:
    return True


class Forwarder:
    """Sends events. Use as a context manager.

    Of the provider's own JSON, members named in `media_secrets` leave for destinations that ask for media keys, save
    those that are `withheld` from all; files in members named in `bulky` give way to their size.
    """

    def __init__(
        self,
        bodies: Bodies,
        clock: Clock,
        media_secrets: Set[str],
        bulky: Set[str] = frozenset(),
        withheld: Set[str] = frozenset(),
    ) -> None:
        self._documents = Documents(bodies)
        self._clock = clock
        self._without = {"plain": media_secrets, "keys": withheld}
        self._bulky = bulky

    async def __aenter__(self) -> Forwarder:
        self._connections = Connections(asyncio.get_running_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()

    async def send(
        self,
        target: Target,
        event: StoredEvent,
        *,
        gap: bool = False,
        replay: int | None = None,
        may_write: Callable[[], bool] = _always,
    ) -> Outcome:
        """One attempt with one event. `may_write` is asked right before anything is written.

        Raises NotHeld, and StoreUnavailable where the raw fragment cannot be read.
        """
        if wants_raw(target.raw, event):
            body = await self.with_raw(target, event, gap=gap, replay=replay)
        else:
            body = composed(event, gap=gap, replay=replay)
        return await self._attempt(target, webhook_id(event), EVENT_TYPE, body, may_write)

    async def send_batch(
        self,
        target: Target,
        members: Sequence[tuple[StoredEvent, bool]],
        *,
        replay: int | None = None,
        may_write: Callable[[], bool] = _always,
    ) -> Outcome:
        """One attempt with several events, each with its `gap`. Raises as `send` does."""
        bodies = [
            await self.with_raw(target, event, gap=gap, replay=replay)
            if wants_raw(target.raw, event)
            else composed(event, gap=gap, replay=replay)
            for event, gap in members
        ]
        body = b"[%b]" % b",".join(bodies)
        return await self._attempt(target, batch_id(event for event, _ in members), BATCH_TYPE, body, may_write)

    async def with_raw(
        self, target: Target, event: StoredEvent, *, gap: bool = False, replay: int | None = None
    ) -> bytes:
        """An event's bytes, the provider's own JSON among them. Raises StoreUnavailable."""
        document: Document = await self._documents.of(event)
        build = partial(
            composed, event, document.value, with_raw=True, without=self._without[target.media], bulky=self._bulky,
            gap=gap, replay=replay,
        )  # fmt: skip
        return build() if document.size < LARGE else await asyncio.to_thread(build)

    async def post(
        self,
        target: Target,
        webhook_id: str,
        content_type: str,
        body: bytes,
        may_write: Callable[[], bool] = _always,
    ) -> Answer:
        """Sign and POST these bytes. Raises NotHeld, ConnectFailed, ProtocolError, TimeoutError or another OSError."""
        timestamp = self._clock.now_ms() // 1000
        signing = partial(sign, target.keys, webhook_id, timestamp, body)
        signature = signing() if len(body) < LARGE else await asyncio.to_thread(signing)
        request = target.head + (
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\nwebhook-id: {webhook_id}\r\n"
            f"webhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n\r\n"
        ).encode() + body  # fmt: skip

        def before_write() -> None:
            if not may_write():
                raise NotHeld

        return await self._connections.post(target, request, before_write)

    async def _attempt(
        self, target: Target, webhook_id: str, content_type: str, body: bytes, may_write: Callable[[], bool]
    ) -> Outcome:
        started = time.perf_counter()
        try:
            answer = await self.post(target, webhook_id, content_type, body, may_write)
        except OSError as error:
            return Outcome(None, error_word(error), None, time.perf_counter() - started)
        return Outcome(answer.status, None, answer.retry_after, time.perf_counter() - started)


_ERROR_WORDS: tuple[tuple[type[OSError], str], ...] = (
    (ProtocolError, "protocol"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
)


def error_word(error: OSError) -> str:
    """A word for logs and metrics, of a small set."""
    if isinstance(error, ConnectFailed):
        return error.word
    return next((word for kind, word in _ERROR_WORDS if isinstance(error, kind)), "disconnected")
