"""The composition root: the only place that names concrete classes and wires them."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress

from aiohttp import web

from gateway.admin import Admin
from gateway.clock import Clock, SystemClock
from gateway.config import Config, Destination, Source
from gateway.config.values import Address
from gateway.engine import Engine
from gateway.engine import Served as ServedDestination
from gateway.forwarder import Forwarder
from gateway.ingress import Ingress
from gateway.ingress import Served as ServedSource
from gateway.intake import Budget, RateLimit
from gateway.schemas.serve import Schemas
from gateway.stamp import SourceStamp
from gateway.store.base import DestinationRow, SourceRow
from gateway.store.sqlite import SqliteStore
from gateway.telemetry import Log, Metrics
from gateway.version import VERSION

KEEPALIVE_S = 75.0
ADMIN_SHUTDOWN_S = 1.0
"""Operators' requests are not waited for: nothing is lost with them."""
SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may keep the interpreter lock from the store's thread: a tenth of Python's default, since
each statement of a commit has to win it back. Measured in bench/."""


class CannotListen(Exception):
    """An address is taken, or not ours; the message says which."""


class Gateway:
    """A running gateway. `start`, then `stop`; after `start`, `url` and `admin_url` say where it listens."""

    def __init__(self, config: Config, log: Log, *, clock: Clock | None = None) -> None:
        self.config = config
        self.metrics = Metrics()
        self._log = log
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._budget = Budget(config.limits.inflight_bytes)
        self.metrics.inflight_bytes.set_function(lambda: self._budget.used)
        self.url = ""
        self.admin_url = ""

    async def start(self) -> None:
        """Raises gateway.store.base.StoreError or CannotListen; then nothing is left running."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _start(self) -> None:
        config = self.config
        self._store = store = SqliteStore(config.store.path)
        await store.open()
        self._stack.push_async_callback(store.close)
        adapters = [source.adapter for tenant in config.tenants.values() for source in tenant.sources.values()]
        forwarder = await self._stack.enter_async_context(
            Forwarder(
                store,
                self._clock,
                media_secrets=frozenset().union(*(adapter.media_secrets for adapter in adapters)),
                bulky=frozenset().union(*(adapter.bulky for adapter in adapters)),
            )
        )
        self._engine = engine = Engine(store, forwarder, self._clock, self._log, self.metrics)
        destinations, sources = await self._register()
        self._ingress = ingress = Ingress(
            sources, store, self._clock, self._log, self.metrics,
            origin=config.origin, max_items=config.limits.max_items,
        )  # fmt: skip
        store.on_deliveries = engine.offer
        await engine.start(destinations)
        token = config.admin.token.get_secret_value() if config.admin.token else None
        admin = Admin(store, self.metrics, token, lambda: ingress.draining)
        admin_runner = web.AppRunner(admin.application(), access_log=None, shutdown_timeout=ADMIN_SHUTDOWN_S)
        self.admin_url = await self._listen(admin_runner, config.admin.listen)
        handle = Schemas(config.origin).before(ingress.handle)
        server = web.Server(handle, access_log=None, keepalive_timeout=KEEPALIVE_S, auto_decompress=False)
        self._runner = web.ServerRunner(server, shutdown_timeout=config.limits.shutdown)
        self.url = await self._listen(self._runner, config.listen)
        self._log.info(
            "started", version=VERSION, listen=self.url, admin=self.admin_url, store=str(config.store.path),
            tenants=len(config.tenants), sources=len(sources), destinations=len(destinations),
        )  # fmt: skip

    async def stop(self) -> None:
        """Accept nothing more, finish what is in flight within the limit, leave the rest in the store.

        Requests and attempts have the same time: what is accepted meanwhile is committed, and delivered after the
        next start.
        """
        self._ingress.draining = True
        self._log.info("stopping", in_flight=self._engine.active)
        await asyncio.gather(self._runner.cleanup(), self._engine.stop(self.config.limits.shutdown))
        await self._ingress.close()
        await self._stack.aclose()
        self._log.info("stopped")

    async def _register(self) -> tuple[list[ServedDestination], list[ServedSource]]:
        tenants = self.config.tenants.values()
        destinations = [destination for tenant in tenants for destination in tenant.destinations.values()]
        sources = [source for tenant in tenants for source in tenant.sources.values()]
        destination_numbers = await self._store.register_destinations(
            [DestinationRow(one.tenant, one.name) for one in destinations]
        )
        source_numbers = await self._store.register_sources(
            [SourceRow(one.tenant, one.name, one.uid, one.provider) for one in sources]
        )
        by_tenant: dict[str, list[tuple[int, Destination]]] = defaultdict(list)
        for number, destination in zip(destination_numbers, destinations, strict=True):
            by_tenant[destination.tenant].append((number, destination))
        return (
            [ServedDestination(*pair) for pair in zip(destination_numbers, destinations, strict=True)],
            [
                self._serve_source(number, source, by_tenant[source.tenant])
                for number, source in zip(source_numbers, sources, strict=True)
            ],
        )

    def _serve_source(self, number: int, source: Source, destinations: list[tuple[int, Destination]]) -> ServedSource:
        stamp = SourceStamp(
            tenant=source.tenant, source=source.name, provider=source.provider, uid=source.uid,
            origin=self.config.origin, channel=source.channel,
        )  # fmt: skip
        limit = None
        if source.rate_limit is not None:
            limit = RateLimit(source.rate_limit, asyncio.get_running_loop().time)
        return ServedSource(source, number, stamp, destinations, self._budget.part(source.adapter.max_body), limit)

    async def _listen(self, runner: web.BaseRunner, address: Address) -> str:
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, address.host or None, address.port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(f"cannot listen on {address}: {os.strerror(error.errno or 0)}") from error
        host, port = _bound(runner.addresses)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _bound(addresses: Iterable[tuple[str, int]]) -> tuple[str, int]:
    host, port = next(iter(addresses))[:2]
    return (host if host not in ("0.0.0.0", "::") else "127.0.0.1"), port  # noqa: S104 - compared, not bound


def _raise_descriptor_limit() -> None:
    """As many connections as the system allows: the soft limit is often 1024, for the sake of select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems cannot go as far as they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(config: Config, log: Log) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises StoreError or CannotListen."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _raise_descriptor_limit()
    gateway = Gateway(config, log)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await gateway.start()
    gc.collect()
    gc.freeze()  # what is there now stays: collections need not walk it again and again
    gc.set_threshold(20_000, 20, 50)  # requests make many short-lived objects, and hardly a cycle
    await stopped.wait()
    await gateway.stop()
