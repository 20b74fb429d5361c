"""The composition root: the only place that names concrete classes and wires them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from gateway.accepting.ingress import Ingress
from gateway.accepting.ingress import Served as ServedSource
from gateway.accepting.intake import Budget, RateLimit
from gateway.admin import Admin
from gateway.clock import Clock, SystemClock
from gateway.config import Config, Destination, Source
from gateway.config.values import Address
from gateway.delivering.engine import Engine
from gateway.delivering.engine import Served as ServedDestination
from gateway.retention import Retention
from gateway.schemas.serve import Schemas
from gateway.sending.forwarder import Forwarder
from gateway.sockets import CannotListen, bind, refusal, url_of
from gateway.stamp import SourceStamp
from gateway.store.base import DestinationRow, SourceRow
from gateway.store.engines import store_of
from gateway.telemetry import Log, Metrics
from gateway.version import VERSION

KEEPALIVE_S = 75.0
BACKLOG = 1024
"""Connections that wait to be accepted."""
CLEANUP_S = 1.0
"""For what is left when all is done: answers that are being written, operators' requests. Nothing is lost with them."""


class Gateway:
    """A running gateway. `start`, then `stop`; after `start`, `url` and `admin_url` say where it listens.

    `sockets` are bound already; without them it binds its own.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        *,
        clock: Clock | None = None,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self.config = config
        self.metrics = Metrics()
        self._log = log
        self._clock = clock or SystemClock()
        self._given = sockets
        self._stack = AsyncExitStack()
        self._budget = Budget(config.limits.inflight_bytes)
        self.metrics.inflight_bytes.set_function(lambda: self._budget.used)
        self._sources = [source for tenant in config.tenants.values() for source in tenant.sources.values()]
        self._destinations = [one for tenant in config.tenants.values() for one in tenant.destinations.values()]
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
        """Nothing is accepted before it can be stored, and nothing is touched where an address is taken."""
        config = self.config
        sockets = self._given or self._bind(config.listen)
        admin_sockets = self._bind(config.admin.listen)
        self._store = store = store_of(config.store, config.retention.size)
        await store.open()
        self._stack.push_async_callback(store.close)
        self._numbers = numbers = await self._start_delivering()
        retention = self._keep(numbers)
        self._ingress = Ingress(
            await self._serve_sources(numbers), store, self._clock, self._log, self.metrics,
            origin=config.origin, max_items=config.limits.max_items, full=retention.full,
        )  # fmt: skip
        self._stack.push_async_callback(self._ingress.close)
        retention.start()
        self._stack.push_async_callback(retention.stop)
        self.admin_url = await self._listen(self._admin(), config.admin.listen, admin_sockets)
        self._runner = self._server()
        self.url = await self._listen(self._runner, config.listen, sockets)
        self._log.info(
            "started", version=VERSION, listen=self.url, admin=self.admin_url, store=str(config.store),
            tenants=len(config.tenants), sources=len(self._sources), destinations=len(self._destinations),
        )  # fmt: skip

    async def stop(self) -> None:
        """Accept nothing more, finish what is in flight within the limit, leave the rest in the store.

        Requests and attempts have the same time: what is accepted meanwhile is committed, and delivered after the
        next start, or by another process.
        """
        limit_s = self.config.limits.shutdown
        self._log.info("stopping", in_flight=self._engine.active)
        self._store.retire()
        try:
            await asyncio.gather(self._stop_accepting(limit_s), self._engine.stop(limit_s))
        finally:
            await self._stack.aclose()
        self._log.info("stopped")

    async def _stop_accepting(self, limit_s: float) -> None:
        """The server is told last: once it stops, it reads nothing more of what is coming in."""
        for site in self._runner.sites:
            await site.stop()
        await self._ingress.drain(limit_s)
        await self._runner.cleanup()

    # Delivering

    async def _start_delivering(self) -> dict[tuple[str, str], int]:
        """Returns the destinations' numbers, by tenant and name."""
        adapters = [source.adapter for source in self._sources]
        forwarder = await self._stack.enter_async_context(
            Forwarder(
                self._store,
                self._clock,
                media_secrets=frozenset().union(*(adapter.media_secrets for adapter in adapters)),
                bulky=frozenset().union(*(adapter.bulky for adapter in adapters)),
                withheld=frozenset().union(*(adapter.withheld for adapter in adapters)),
            )
        )
        rows = [DestinationRow(one.tenant, one.name) for one in self._destinations]
        numbers = await self._store.register_destinations(rows)
        self._engine = engine = Engine(self._store, forwarder, self._clock, self._log, self.metrics)
        self._stack.push_async_callback(engine.stop, 0.0)
        await engine.start(map(ServedDestination, numbers, self._destinations))
        await self._store.attend(engine)
        return {(row.tenant, row.name): number for row, number in zip(rows, numbers, strict=True)}

    def _keep(self, numbers: dict[tuple[str, str], int]) -> Retention:
        park_for = {
            numbers[one.tenant, one.name]: one.park_for for one in self._destinations if one.park_for is not None
        }
        return Retention(self.config.retention, park_for, self._store, self._clock, self._log, self.metrics)

    # Accepting

    async def _serve_sources(self, destination_numbers: dict[tuple[str, str], int]) -> list[ServedSource]:
        rows = [SourceRow(one.tenant, one.name, one.uid, one.provider) for one in self._sources]
        numbers = await self._store.register_sources(rows)
        destinations = {
            tenant.name: [(destination_numbers[tenant.name, one.name], one) for one in tenant.destinations.values()]
            for tenant in self.config.tenants.values()
        }
        return [
            self._serve_source(number, source, destinations[source.tenant])
            for number, source in zip(numbers, self._sources, strict=True)
        ]

    def _serve_source(self, number: int, source: Source, destinations: list[tuple[int, Destination]]) -> ServedSource:
        stamp = SourceStamp(
            tenant=source.tenant, source=source.name, provider=source.provider, uid=source.uid,
            origin=self.config.origin, channel=source.channel,
            ranked=any(destination.statuses == "monotonic" for _, destination in destinations),
        )  # fmt: skip
        limit = None
        if source.rate_limit is not None:
            limit = RateLimit(source.rate_limit, asyncio.get_running_loop().time)
        return ServedSource(source, number, stamp, destinations, self._budget.part(source.adapter.max_body), limit)

    def _server(self) -> web.ServerRunner:
        handle = Schemas(self.config.origin).before(self._ingress.handle)
        server = web.Server(handle, access_log=None, keepalive_timeout=KEEPALIVE_S, auto_decompress=False)
        return web.ServerRunner(server, shutdown_timeout=CLEANUP_S)

    def _admin(self) -> web.AppRunner:
        token = self.config.admin.token.get_secret_value() if self.config.admin.token else None
        places = {number: place for place, number in self._numbers.items()}
        admin = Admin(self._store, self.metrics, token, lambda: self._ingress.draining, places)
        return web.AppRunner(admin.application(), access_log=None, shutdown_timeout=CLEANUP_S)

    def _bind(self, address: Address) -> list[socket.socket]:
        sockets = bind(address)
        for one in sockets:
            self._stack.callback(one.close)
        return sockets

    async def _listen(self, runner: web.BaseRunner, address: Address, sockets: Sequence[socket.socket]) -> str:
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        for one in sockets:
            try:
                await web.SockSite(runner, one, backlog=BACKLOG).start()
            except OSError as error:  # another one has bound it at the same moment
                raise CannotListen(refusal(address, error)) from error
        return url_of(sockets)
