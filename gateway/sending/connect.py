"""Opening connections: names to addresses, addresses to sockets, TLS, and tunnels through forward proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

TUNNEL_BYTES = 16 * 1024
"""Of a proxy's answer before the tunnel stands."""

Protocol = TypeVar("Protocol", bound=asyncio.Protocol)


class ConnectFailed(OSError):
    """No connection: refused or unreachable (`connect`), the name unknown to DNS (`dns`), not trusted (`tls`), or the
    proxy is not there or does not let us through (`proxy`)."""

    def __init__(self, word: str, reason: BaseException | str) -> None:
        super().__init__(str(reason))
        self.word = word


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy, spoken to in plain where `tls` is None. `authorization` is the value of its header."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    authorization: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect, in plain where `tls` is None.

    With a proxy, TLS goes through a tunnel in it; plain requests go to the proxy itself, and their head says where to.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    proxy: Proxy | None = None


class Names:
    """DNS, with a short memory. A name that is slow to resolve takes one thread, however many wait for it.

    Its threads are daemons: whoever stops the process does not wait for a resolver that does not answer.
    """

    KEPT_S = 60.0
    THREADS = 64

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._threads = asyncio.Semaphore(self.THREADS)
        self._known: dict[tuple[str, int], tuple[float, list[AddrInfoType]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Future[list[AddrInfoType]]] = {}

    async def addresses(self, host: str, port: int) -> list[AddrInfoType]:
        """Raises OSError."""
        place = (host, port)
        known = self._known.get(place)
        if known is not None and known[0] > self._loop.time():
            return known[1]
        asked = self._asked.get(place)
        if asked is None:
            asked = self._asked[place] = self._loop.create_task(self._ask(host, port))
            asked.add_done_callback(lambda answer: self._learn(place, answer))
        return await asyncio.shield(asked)

    async def _ask(self, host: str, port: int) -> list[AddrInfoType]:
        async with self._threads:
            answer: asyncio.Future[list[AddrInfoType]] = self._loop.create_future()

            def ask() -> None:
                try:
                    tell = partial(_set_result, answer, _resolve(host, port))
                except Exception as error:
                    tell = partial(_set_exception, answer, error)
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(tell)

            threading.Thread(target=ask, name=f"dns {host}", daemon=True).start()
            return await answer

    def _learn(self, place: tuple[str, int], answer: asyncio.Future[list[AddrInfoType]]) -> None:
        del self._asked[place]
        if not answer.cancelled() and answer.exception() is None:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[place] = (self._loop.time() + self.KEPT_S, answer.result())

    def forget(self, host: str, port: int) -> None:
        """Nobody answers there: ask again next time."""
        self._known.pop((host, port), None)

    def close(self) -> None:
        for asked in self._asked.values():
            asked.cancel()


def _set_result(answer: asyncio.Future[list[AddrInfoType]], found: list[AddrInfoType]) -> None:
    if not answer.done():
        answer.set_result(found)


def _set_exception(answer: asyncio.Future[list[AddrInfoType]], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _resolve(host: str, port: int) -> list[AddrInfoType]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


async def connect(
    origin: Origin, names: Names, loop: asyncio.AbstractEventLoop, protocol: Callable[[], Protocol]
) -> Protocol:
    """A connection with a protocol of this kind on it, ready for requests. Raises ConnectFailed."""
    if origin.proxy is None:
        return await _connect(origin.host, origin.port, origin.tls, names, loop, protocol)
    proxy = origin.proxy
    try:
        if origin.tls is None:
            return await _connect(proxy.host, proxy.port, proxy.tls, names, loop, protocol)
        tunnel = await _connect(proxy.host, proxy.port, proxy.tls, names, loop, lambda: _Tunnel(loop))
    except ConnectFailed as error:
        raise ConnectFailed("proxy", error) from error
    return await _through(tunnel, origin, origin.tls, loop, protocol())


async def _connect(
    host: str, port: int, tls: ssl.SSLContext | None, names: Names, loop: asyncio.AbstractEventLoop,
    protocol: Callable[[], Protocol],
) -> Protocol:  # fmt: skip
    try:
        addresses = await names.addresses(host, port)
    except (OSError, UnicodeError) as error:  # the latter for names that no name can be, such as a..b
        raise ConnectFailed("dns", error) from error
    try:
        sock = await start_connection(addresses, happy_eyeballs_delay=0.25)
    except OSError as error:
        names.forget(host, port)
        raise ConnectFailed("connect", error) from error
    try:
        _, connected = await loop.create_connection(protocol, sock=sock, ssl=tls, server_hostname=host if tls else None)
    except ssl.SSLError as error:
        raise ConnectFailed("tls", error) from error
    except OSError as error:
        raise ConnectFailed("connect", error) from error
    return connected


async def _through(
    tunnel: _Tunnel, origin: Origin, tls: ssl.SSLContext, loop: asyncio.AbstractEventLoop, protocol: Protocol
) -> Protocol:
    assert origin.proxy is not None
    assert tunnel.transport is not None
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if origin.proxy.authorization:
        lines.append(f"Proxy-Authorization: {origin.proxy.authorization}")
    transport = tunnel.transport
    try:
        await tunnel.open("\r\n".join([*lines, "", ""]).encode())
        secure = await loop.start_tls(transport, protocol, tls, server_hostname=origin.host)
    except ConnectFailed:
        transport.abort()
        raise
    except Exception as error:  # before Python 3.11.8 a TypeError, where TLS in TLS is not trusted
        transport.abort()
        raise ConnectFailed("tls", error) from error
    except BaseException:  # cancelled: the time is up
        transport.abort()
        raise
    if secure is None:
        raise ConnectFailed("tls", "the proxy closed the connection")
    protocol.connection_made(secure)
    return protocol


class _Tunnel(asyncio.Protocol):
    """A connection to a proxy until it has answered CONNECT."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] = loop.create_future()
        self._answer = b""

    async def open(self, request: bytes) -> None:
        """Raises ConnectFailed."""
        assert self.transport is not None
        self.transport.write(request)
        await self._answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if not end and len(head) <= TUNNEL_BYTES:
            return
        version, _, status = head.partition(b"\r\n")[0].partition(b" ")
        if end and not rest and version.startswith(b"HTTP/1.") and status[:1] == b"2":
            self._resolve(None)
        else:
            self._resolve(ConnectFailed("proxy", f"the proxy says {status[:80].decode('latin-1')}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._resolve(ConnectFailed("proxy", error or "the proxy closed the connection"))

    def _resolve(self, error: ConnectFailed | None) -> None:
        if self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)
