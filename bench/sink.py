"""A downstream that answers 200 to every POST at once, and counts. GET tells what it has counted.

`python -m bench.sink PORT`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from typing import NamedTuple

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "
_ID = b"\r\nwebhook-id: "


class Figures(NamedTuple):
    """`last` is when the last POST came, on the monotonic clock that all processes of the machine share."""

    received: int = 0
    distinct: int = 0
    last: float = 0.0


class _Counter:
    def __init__(self) -> None:
        self.received = 0
        self.last = 0.0
        self.ids: set[bytes] = set()


class _Connection(asyncio.Protocol):
    def __init__(self, counter: _Counter) -> None:
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
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        counter = self._counter
        if head.startswith(b"get "):
            figures = json.dumps([counter.received, len(counter.ids), counter.last]).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(figures), figures))
            return
        counter.received += 1
        counter.ids.add(_field(head, _ID))
        counter.last = time.monotonic()
        self._transport.write(OK)


def _field(head: bytes, name: bytes) -> bytes:
    start = head.find(name)
    return b"" if start < 0 else head[start + len(name) : head.index(b"\r\n", start + 2)]


def ask(url: str) -> Figures:
    """What the sink at the URL has counted."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return Figures(*json.load(response))


async def main(port: int) -> None:
    counter = _Counter()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(counter), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
