"""One attempt: build the event's bytes, sign them, POST them, and say what came of it."""

from __future__ import annotations

import asyncio
import io
import time
from collections import OrderedDict
from collections.abc import Set
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import aiohttp
from yarl import URL

from gateway.clock import Clock
from gateway.policy import Outcome
from gateway.raw import cut_raw
from gateway.signing import sign
from gateway.stamp import compose
from gateway.store.base import StoredEvent
from gateway.version import VERSION
from providers.wire import Json, load_json

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
USER_AGENT = f"wa-gateway/{VERSION}"
LARGE = 256 * 1024
DRAINED_ANSWER = 64 * 1024
"""Bytes of an answer that are read to keep the connection; a longer one closes it."""
STALE_S = 1.0
"""A connection that breaks within this time was closed before it was used. Later, downstream may have acted on it."""
DECODED_BODIES = 8
"""Decoded receipts kept for the neighbours: raw fragments of one batch are cut from one decoding."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to send. `raw` is never, unknown or always; `timeout` is in seconds."""

    url: URL
    keys: tuple[bytes, ...]
    raw: str
    timeout: float


class Bodies(Protocol):
    """Where bodies of receipts come from: the store."""

    async def body(self, receipt: int) -> bytes: ...


class Forwarder:
    """Sends events. Use as a context manager; members named `media_secrets` never leave, nor do files in `bulky`."""

    def __init__(self, bodies: Bodies, clock: Clock, media_secrets: Set[str], bulky: Set[str] = frozenset()) -> None:
        self._bodies = bodies
        self._clock = clock
        self._media_secrets = media_secrets
        self._bulky = bulky
        self._documents: OrderedDict[int, Json] = OrderedDict()

    async def __aenter__(self) -> Forwarder:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
            timeout=aiohttp.ClientTimeout(),  # none of its own: the target's bounds the whole attempt
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, target: Target, event: StoredEvent, *, gap: bool) -> Outcome:
        """One attempt. Raises StoreUnavailable where the raw fragment cannot be read."""
        body = compose(event.head, event.data, _extensions(event, gap), await self._raw(target, event))
        webhook_id = event.id.hex() if event.revision == 1 else f"{event.id.hex()}_r{event.revision}"
        timestamp = self._clock.now_ms() // 1000
        headers = {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": USER_AGENT,
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(target.keys, webhook_id, timestamp, body),
        }
        started = time.perf_counter()
        try:
            status, retry_after = await self._post(target, headers, body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Outcome(None, error_word(error), None, time.perf_counter() - started)
        return Outcome(status, None, retry_after, time.perf_counter() - started)

    async def _post(self, target: Target, headers: dict[str, str], body: bytes) -> tuple[int, str | None]:
        started = time.perf_counter()
        async with asyncio.timeout(target.timeout):
            try:
                return await self._post_once(target, headers, body)
            except aiohttp.ServerDisconnectedError:
                if time.perf_counter() - started > STALE_S:
                    raise
                # Downstream closed an idle connection just as it was used; that says nothing about downstream.
                return await self._post_once(target, headers, body)

    async def _post_once(self, target: Target, headers: dict[str, str], body: bytes) -> tuple[int, str | None]:
        async with self._session.post(
            target.url,
            data=body if len(body) < LARGE else io.BytesIO(body),  # aiohttp sends these piece by piece
            headers=headers,
            allow_redirects=False,
        ) as response:
            await _drain(response)
            return response.status, response.headers.get("Retry-After")

    async def _raw(self, target: Target, event: StoredEvent) -> bytes | None:
        wanted = target.raw == "always" or (target.raw == "unknown" and event.partial)
        if not wanted or not event.pointer:
            return None
        return cut_raw(await self._document(event), event.pointer, self._media_secrets, self._bulky)

    async def _document(self, event: StoredEvent) -> Json:
        if event.receipt not in self._documents:
            body = event.body if event.body is not None else await self._bodies.body(event.receipt)
            self._documents[event.receipt] = load_json(body)
            if len(self._documents) > DECODED_BODIES:
                self._documents.popitem(last=False)
        return self._documents[event.receipt]


def _extensions(event: StoredEvent, gap: bool) -> bytes:
    extensions = b',"sequence":"%018d"' % event.seq
    if event.revision > 1:
        extensions += b',"revision":%d' % event.revision
    return extensions + b',"gap":true' if gap else extensions


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end, so that the connection can be used again; give a long one up."""
    left = DRAINED_ANSWER
    while not response.content.at_eof():
        left -= len(await response.content.readany())
        if left < 0:
            response.close()
            return


_ERROR_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorCertificateError, "tls"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.InvalidURL, "url"),
    (aiohttp.ClientResponseError, "protocol"),
    (aiohttp.ClientPayloadError, "protocol"),
)


def error_word(error: BaseException) -> str:
    """A word for logs and metrics, of a small set."""
    return next((word for kind, word in _ERROR_WORDS if isinstance(error, kind)), "disconnected")
