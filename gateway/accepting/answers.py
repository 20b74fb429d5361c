"""Small answers in one write.

aiohttp's own responses prepare for everything that a response may be: streams, cookies, compression, ranges. The
answer to a webhook is a few bytes, and there is one for each: writing it whole takes about a tenth off accepting.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion10, web
from aiohttp.abc import AbstractStreamWriter

UNREAD = 1024 * 1024
"""Bytes of answers that a client may leave unread. One that sends on and never reads would fill the memory."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Answer(web.StreamResponse):
    """What the provider is told. `headers` are further ones, already safe to write."""

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        # The base class is not initialized: nothing of it is used but what aiohttp calls, below.
        self._status = status
        self._payload = body
        self._content_type = content_type
        self._further = headers

    def __repr__(self) -> str:
        return f"<Answer {self._status}>"

    @property
    def status(self) -> int:
        return self._status

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything. Raises ConnectionError where the client is gone."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if transport.get_write_buffer_size() > UNREAD:
            transport.abort()
            raise ConnectionResetError("the client does not read its answers")
        self._keep_alive = request.keep_alive
        further = b"" if self._keep_alive else b"Connection: close\r\n"
        if self._keep_alive and request.version == HttpVersion10:
            further = b"Connection: keep-alive\r\n"
        if self._further:
            further += _lines(self._further)
        payload = self._payload
        transport.write(
            b"%b%bDate: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (
                _head(self._status, self._content_type), further, _date(int(time.time())), len(payload),
                b"" if request.method == "HEAD" else payload,
            )
        )  # fmt: skip
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """It is written."""


def _lines(headers: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1", "replace")


@lru_cache(maxsize=256)
def _head(status: int, content_type: str) -> bytes:
    """Status line and the headers that are always the same."""
    line = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n".encode()
    return line + _lines({"Content-Type": content_type, "Server": "wa-gateway"})


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """Made once in each second."""
    return formatdate(second, usegmt=True).encode()
