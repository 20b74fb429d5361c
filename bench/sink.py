"""A downstream that answers 200 to every POST at once, and counts events, one by one or in a batch.

GET tells what it has counted; GET /forget does, too, and forgets when the first came.

`python -m bench.sink PORT`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Iterable
from typing import NamedTuple

import orjson

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "
_ID = b"\r\nwebhook-id: "
_TYPE = b"\r\ncontent-type: "
_BATCH = b"application/cloudevents-batch+json"


class Figures(NamedTuple):
    """Requests, events, distinct events; first and last are when POSTs came, on the clock that all processes share."""

    requests: int = 0
    received: int = 0
    distinct: int = 0
    first: float = 0.0
    last: float = 0.0


class Counter:
    """What came so far."""

    def __init__(self) -> None:
        self._requests = self._received = 0
        self._first = self._last = 0.0
        self._ids: set[bytes] = set()

    def count(self, head: bytes, body: bytes) -> None:
        """`head` is in lower case."""
        self._last = time.monotonic()
        self._first = self._first or self._last
        self._requests += 1
        before = self._received
        for number in _ids(head, body):
            self._received += 1
            self._ids.add(number)
        assert self._received > before, "a request without an event"

    def figures(self) -> Figures:
        return Figures(self._requests, self._received, len(self._ids), self._first, self._last)

    def forget_first(self) -> None:
        self._first = 0.0


class _Connection(asyncio.Protocol):
    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2].lower()
            length = int(_field(head, _LENGTH) or 0)
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get "):
            figures = json.dumps(self._counter.figures()).encode()
            if head.startswith(b"get /forget "):
                self._counter.forget_first()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(figures), figures))
            return
        self._counter.count(head, body)
        self._transport.write(OK)


def _ids(head: bytes, body: bytes) -> Iterable[bytes]:
    """The header says it of one event; the members of a batch say it themselves."""
    if _field(head, _TYPE).startswith(_BATCH):
        return [f"{event['id']}:{event.get('revision', 1)}".encode() for event in orjson.loads(body)]
    return (_field(head, _ID),)


def _field(head: bytes, name: bytes) -> bytes:
    start = head.find(name)
    return b"" if start < 0 else head[start + len(name) : head.index(b"\r\n", start + 2)]


def ask(url: str) -> Figures:
    """What the sink at the URL has counted."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return Figures(*json.load(response))


async def main(port: int) -> None:
    counter = Counter()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(counter), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
