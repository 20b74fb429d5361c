"""Reading request bodies within bounds: of one body, of all bodies in memory, of requests in a second, of time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

BODY_TIMEOUT_S = 30.0
HASTE_S = 2.0
"""What is left to a body that is still coming when the process is told to stop."""


class Refused(Exception):
    """A request that is answered without being looked at further. `word` is one of a few, for logs and callers."""

    def __init__(self, status: int, word: str, *, retry_after_s: int | None = None, allow: str | None = None) -> None:
        super().__init__(word)
        self.status = status
        self.word = word
        self.headers: dict[str, str] = {}
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)
        if allow is not None:
            self.headers["Allow"] = allow


class Budget:
    """Bytes of request bodies that may be in memory at one time. What a part of it holds, the whole holds too; a part
    has no parts."""

    __slots__ = ("_whole", "limit", "used")

    def __init__(self, limit: int, whole: Budget | None = None) -> None:
        self.limit = limit
        self.used = 0
        self._whole = whole

    def part(self, largest: int) -> Budget:
        """For one source: half, so that none can use up what the others need; or one body of the `largest` size."""
        return Budget(max(self.limit // 2, largest), self)

    def take(self, size: int) -> None:
        """Raises Refused (503) where it is not there; the provider then keeps its copy and comes again."""
        whole = self._whole
        if self.used + size > self.limit or (whole is not None and whole.used + size > whole.limit):
            raise Refused(503, "busy", retry_after_s=5)
        self._add(size)

    def give_back(self, size: int) -> None:
        self._add(-size)

    def _add(self, size: int) -> None:
        self.used += size
        if self._whole is not None:
            self._whole.used += size


class Share:
    """One request's part of the budget, given back at the end however it ends."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def take(self, size: int) -> None:
        self._budget.take(size)
        self._size += size

    def __enter__(self) -> Share:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._size)


class RateLimit:
    """A bucket that fills at `rate` a second and holds one second's worth, at least one."""

    def __init__(self, rate: float, now_s: Callable[[], float]) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate)
        self._level = self._capacity
        self._now_s = now_s
        self._filled_at = now_s()

    def check(self) -> None:
        """Raises Refused (429) where the bucket is empty."""
        now = self._now_s()
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._level < 1:
            raise Refused(429, "rate_limited", retry_after_s=max(1, round((1 - self._level) / self._rate)))
        self._level -= 1


class Uploads:
    """The time that bodies have to come in whole; less once the process is to stop."""

    def __init__(self) -> None:
        self._coming: set[asyncio.Timeout] = set()
        self.hastened = False

    def hasten(self) -> None:
        """A sender that has stalled must not hold up the stop. It was not answered, so it will come again."""
        self.hastened = True
        soon = asyncio.get_running_loop().time() + HASTE_S
        for one in self._coming:
            one.reschedule(min(one.when() or soon, soon))

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raises TimeoutError."""
        async with asyncio.timeout(HASTE_S if self.hastened else BODY_TIMEOUT_S) as one:
            self._coming.add(one)
            try:
                yield
            finally:
                self._coming.discard(one)


def body_at_hand(request: web.BaseRequest, limit: int, share: Share) -> bytes | None:
    """The body, if it came with the headers, as nearly all do; else None, and `read_body` waits for it."""
    _refuse_encoded(request)
    content = request.content
    if not content.is_eof() or content.exception() is not None:
        return None
    body = content.read_nowait()
    if len(body) > limit:
        raise Refused(413, "too_large")
    share.take(len(body))
    return body


def _refuse_encoded(request: web.BaseRequest) -> None:
    """Signatures are over the bytes before any encoding."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "content_encoding")


async def read_body(request: web.BaseRequest, limit: int, share: Share, uploads: Uploads) -> bytes:
    """The body exactly as sent. Raises Refused for what is encoded, too large, too slow, cut off, or above the
    budget."""
    _refuse_encoded(request)
    declared = request.content_length
    if declared is not None and declared > limit:
        raise Refused(413, "too_large")
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with uploads.limit():
            return await _read_on(request, limit, share)
    except TimeoutError:
        if uploads.hastened:
            raise Refused(503, "stopping", retry_after_s=5) from None
        raise Refused(408, "too_slow") from None
    except (ConnectionError, web.RequestPayloadError, BadHttpMessage):  # it hung up, or its chunks are none
        raise Refused(400, "disconnected") from None


async def _read_on(request: web.BaseRequest, limit: int, share: Share) -> bytes:
    pieces = []
    size = 0
    while not request.content.at_eof():
        piece = await request.content.readany()
        size += len(piece)
        if size > limit:
            raise Refused(413, "too_large")
        share.take(len(piece))
        pieces.append(piece)
    return b"".join(pieces)
