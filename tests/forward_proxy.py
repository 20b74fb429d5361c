"""A small forward proxy: plain requests by their whole URL, tunnels by CONNECT."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from urllib.parse import urlsplit

from tests.raw_server import RawServer


class ForwardProxy(RawServer):
    """Asks for `credentials` (user:password) where there are any. `lines` are the request lines that came."""

    def __init__(self, credentials: str = "") -> None:
        super().__init__(self._forward)
        self._asked = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""
        self.lines: list[str] = []

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *headers = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        self.lines.append(line)
        if self._asked and f"Proxy-Authorization: {self._asked}" not in headers:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        method, target, _ = line.split(" ")
        where = urlsplit(f"//{target}" if method == "CONNECT" else target)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(where.hostname, where.port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            kept = [each for each in headers if not each.startswith("Proxy-")]
            upstream_writer.write("\r\n".join([f"{method} {where.path} HTTP/1.1", *kept, "", ""]).encode())
        try:
            await asyncio.gather(_pipe(reader, upstream_writer), _pipe(upstream_reader, writer))
        finally:
            upstream_writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
