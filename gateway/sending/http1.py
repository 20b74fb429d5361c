"""A small HTTP/1.1 client for one purpose: POST bytes that are ready, and learn status and Retry-After.

Delivering is what the gateway does all day, and a general client costs several times what the bytes cost. Parsing of
answers is httptools' (llhttp); connections, their reuse and their end are here. No redirects, no cookies, no content
decoding: none of them has a place in delivering webhooks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import httptools

from gateway.sending.connect import Names, Origin, connect

ANSWER_BYTES = 64 * 1024
"""Of an answer that are read to keep the connection; a longer one closes it. One whose head is longer is no HTTP."""
START_BYTES = 512
IDLE_S = 30.0
"""How long a connection is kept for the next request."""
STALE_S = 1.0
"""A kept connection that ends within this time after a request was closed before it. Later, the other side may have
acted on it."""


class Answer(NamedTuple):
    """`start` is the beginning of the body, for people to read."""

    status: int
    retry_after: str | None = None
    start: bytes = b""


class Stale(ConnectionError):
    """A kept connection was closed before anything of an answer came: most likely before it was used."""


class ProtocolError(OSError):
    """The answer is not HTTP."""


class Connection(asyncio.Protocol):
    """One request at a time. `reusable` says whether there may be another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._used = 0
        self._sent_at = 0.0
        self._received = 0
        self._headed = False
        self._start = b""
        self._retry_after: str | None = None
        self.reusable = False
        self.idle_since = 0.0

    def send(self, request: bytes, deadline: float) -> asyncio.Future[Answer]:
        """Write it whole. The future ends with the answer, Stale, ProtocolError, or another OSError: TimeoutError
        where there is no answer at `deadline`, a time of the loop."""
        self._used += 1
        self._set_deadline(deadline)
        self._sent_at = self._loop.time()
        self.reusable = False
        self._received = 0
        self._headed = False
        self._start = b""
        self._retry_after = None
        self._answer = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            self._fail(Stale("closed while idle") if self._used > 1 else ConnectionResetError("closed at once"))
        else:
            self._transport.write(request)
        return self._answer

    def _set_deadline(self, deadline: float) -> None:
        """A timer outlives its request: when it goes off, it is set again for the request that is under way by then.
        Nearly all are answered long before, so that few requests need one."""
        self._deadline = deadline
        if self._timer is not None and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._answer is None or self._answer.done():
            return
        if self._loop.time() < self._deadline:
            self._set_deadline(self._deadline)
        else:
            self._give_up(TimeoutError("no answer in time"))

    def close(self) -> None:
        """At once: what is not written yet stays unwritten."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # nothing was asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._give_up(ProtocolError(type(error).__name__))
        else:
            if self._received > ANSWER_BYTES and not self._answer.done():
                self._give_up(ProtocolError("the head of the answer is too long"))

    def eof_received(self) -> None:
        """An answer without a length ends here; asyncio closes the transport next."""

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._headed:
            self._resolve()  # the status is known, whatever became of the body
        elif self._used > 1 and not self._received and self._loop.time() - self._sent_at <= STALE_S:
            self._fail(Stale("closed as it was used"))
        else:
            self._fail(error if isinstance(error, OSError) else ConnectionResetError("closed without an answer"))

    # httptools

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.done():  # a second answer to one question: it would be the next one's
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headed = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        if len(self._start) < START_BYTES:
            self._start = (self._start + data)[:START_BYTES]

    def on_message_complete(self) -> None:
        if not self._headed:  # 1xx: the answer is still to come
            return
        self.reusable = (
            self._parser.should_keep_alive()
            and self._received <= ANSWER_BYTES
            and self._transport is not None
            and not self._transport.is_closing()
            and not self._transport.get_write_buffer_size()  # answered before it had read everything
        )
        self._resolve()
        if not self.reusable:
            self.close()

    def _give_up(self, error: OSError) -> None:
        """Where the status is known it counts, whatever would become of the body."""
        if self._headed:
            self._resolve()
        else:
            self._fail(error)
        self.close()

    def _resolve(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), self._retry_after, self._start))

    def _fail(self, error: OSError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class Pool:
    """Connections to one origin that wait for their next request. Who uses it bounds how many are open at a time."""

    def __init__(self, origin: Origin, names: Names, loop: asyncio.AbstractEventLoop) -> None:
        self._origin = origin
        self._names = names
        self._loop = loop
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()

    async def post(self, request: bytes, timeout_s: float, before_write: Callable[[], None]) -> Answer:
        """Send a whole request, head and body, and wait for its answer.

        `before_write` is called right before anything is written, and may raise. A connection that was closed while it
        waited for this says nothing about the other side: then the request goes out once more, on a new one, within
        the same time. Raises ConnectFailed, ProtocolError, TimeoutError or another OSError.
        """
        end = self._loop.time() + timeout_s
        connection = self._take()
        while True:
            if connection is None:
                async with asyncio.timeout_at(end):
                    connection = await connect(self._origin, self._names, self._loop, lambda: Connection(self._loop))
            self._open.add(connection)
            try:
                before_write()
                return await connection.send(request, end)
            except Stale:  # a new one never is
                pass
            finally:
                self._put_back(connection)
            connection = None

    def _put_back(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection.reusable:
            connection.idle_since = self._loop.time()
            self._idle.append(connection)
        else:
            connection.close()

    def _take(self) -> Connection | None:
        """The connection that was used last, so that those in excess grow old."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    @property
    def kept(self) -> int:
        """Connections that wait."""
        return len(self._idle)

    def sweep(self, idle_s: float = IDLE_S) -> bool:
        """Close what has waited too long; whether anything is left open."""
        end = self._loop.time() - idle_s
        while self._idle and (self._idle[0].idle_since <= end or not self._idle[0].reusable):
            self._idle.popleft().close()
        return bool(self._idle or self._open)

    def close(self) -> None:
        for connection in [*self._idle, *self._open]:
            connection.close()
        self._idle.clear()
