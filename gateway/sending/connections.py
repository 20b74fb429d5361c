"""Connections of all destinations. Each has a pool of its own: what one of them does to it is nobody else's trouble."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from gateway.sending.connect import ConnectFailed, Names, Origin, Proxy
from gateway.sending.http1 import IDLE_S, Answer, Pool
from gateway.sending.target import Endpoint, Target, Trust

IDLE_CONNECTIONS = 1000
"""Kept for destinations to which nothing is sent just now; above this those of the least recently used are closed."""
CONTEXTS = 1000
SWEEP_S = 5.0


class _Pooled:
    """A pool, how many use it, and how many connections it kept when the last of them left."""

    __slots__ = ("free", "kept", "pool", "users")

    def __init__(self, pool: Pool, concurrency: int) -> None:
        self.pool = pool
        self.free = asyncio.Semaphore(concurrency)
        self.users = 0
        self.kept = 0


class Connections:
    """`close` when done. A destination to which nothing was sent for a while costs nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._names = Names(loop)
        self._busy: dict[Target, _Pooled] = {}
        self._idle: OrderedDict[Target, _Pooled] = OrderedDict()
        self._kept = 0
        self._contexts = lru_cache(maxsize=CONTEXTS)(_context)
        self._sweeper = loop.call_later(SWEEP_S, self._sweep_on)

    async def post(self, target: Target, request: bytes, before_write: Callable[[], None]) -> Answer:
        """Raises what Pool.post does."""
        pooled = self._busy.get(target)
        if pooled is None:
            pooled = self._busy[target] = self._wake(target) if target in self._idle else self._open(target)
        pooled.users += 1
        try:
            await pooled.free.acquire()
            try:
                return await pooled.pool.post(request, target.timeout, before_write)
            finally:
                pooled.free.release()
        finally:
            pooled.users -= 1
            if not pooled.users:
                self._rest(target)

    def _open(self, target: Target) -> _Pooled:
        try:
            origin = Origin(target.endpoint.host, target.endpoint.port, self._tls(target.endpoint), self._proxy(target))
        except (OSError, ValueError) as error:  # its files have changed since configuration was checked
            raise ConnectFailed("tls", error) from error
        return _Pooled(Pool(origin, self._names, self._loop), target.concurrency)

    def _proxy(self, target: Target) -> Proxy | None:
        if target.proxy is None:
            return None
        return Proxy(target.proxy.host, target.proxy.port, self._tls(target.proxy), target.authorization)

    def _tls(self, endpoint: Endpoint) -> ssl.SSLContext | None:
        return self._contexts(endpoint.trust) if endpoint.trust else None

    def _rest(self, target: Target) -> None:
        pooled = self._idle[target] = self._busy.pop(target)
        pooled.kept = pooled.pool.kept
        self._kept += pooled.kept
        while self._kept > IDLE_CONNECTIONS:
            self._wake(next(iter(self._idle))).pool.close()

    def _wake(self, target: Target) -> _Pooled:
        pooled = self._idle.pop(target)
        self._kept -= pooled.kept
        return pooled

    def sweep(self, idle_s: float = IDLE_S) -> None:
        """Close what has waited too long for its next request."""
        for pooled in self._busy.values():
            pooled.pool.sweep(idle_s)
        for target in [target for target, pooled in self._idle.items() if not pooled.pool.sweep(idle_s)]:
            self._wake(target)

    def _sweep_on(self) -> None:
        self.sweep()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep_on)

    def close(self) -> None:
        self._sweeper.cancel()
        for pooled in [*self._busy.values(), *self._idle.values()]:
            pooled.pool.close()
        self._idle.clear()
        self._names.close()


def _context(trust: Trust) -> ssl.SSLContext:
    """Shared by all that trust and show the same. Raises OSError (ssl.SSLError is one) or ValueError."""
    context = ssl.create_default_context(cafile=trust.ca)
    context.set_alpn_protocols(["http/1.1"])
    if trust.cert:
        context.load_cert_chain(trust.cert, trust.key, password=_no_passphrase)
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")
