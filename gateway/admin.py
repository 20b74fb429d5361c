"""The operator's listener: health and metrics."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from gateway.control import Control
from gateway.store.base import Count, Store, StoreUnavailable
from gateway.store.ledger import Account
from gateway.telemetry import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LEDGER = ("delivered", "pending", "parked", "dead", "suppressed", "expired")
"""Of an account: what became of what was matched."""


class Admin:
    """`draining` is asked at each readiness check. `places` has tenants and names of destinations, by number."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        token: str | None,
        draining: Callable[[], bool],
        places: Mapping[int, tuple[str, str]] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._token = token
        self._draining = draining
        self._places = places
        self._showing = asyncio.Lock()

    def application(self) -> web.Application:
        application = web.Application()
        for path in ("/-/healthy", "/healthz"):
            application.router.add_get(path, self._healthy)
        for path in ("/-/ready", "/readyz"):
            application.router.add_get(path, self._ready)
        application.router.add_get("/metrics", self._for_operators(self._show_metrics))
        return application

    async def _healthy(self, request: web.Request) -> web.Response:
        """200 while the event loop turns."""
        return web.json_response({"healthy": True})

    async def _ready(self, request: web.Request) -> web.Response:
        """200 while webhooks can be stored; else 503 with the reasons."""
        reasons = []
        if self._draining():
            reasons.append("stopping")
        elif refusal := await self._store.refusal():
            reasons.append(f"nothing can be stored: {refusal}")
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        """In a thread: with ten thousand destinations it takes a while, and webhooks must not wait for it."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        async with self._showing:
            with suppress(StoreUnavailable):  # then everything else is worth showing all the more
                counts = await self._store.counts()
                accounts = await self._store.accounts(recount=False)
                controls = await self._store.controls()
                await asyncio.to_thread(self._set_gauges, counts, accounts, controls)
            body = await asyncio.to_thread(encode, self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _set_gauges(self, counts: list[Count], accounts: list[Account], controls: list[Control]) -> None:
        metrics = self._metrics
        for gauge in (metrics.deliveries, metrics.oldest, metrics.ledger, metrics.mode, metrics.breaker):
            gauge.clear()
        for count in counts:
            labels = (count.tenant, count.destination, count.state.word)
            metrics.deliveries.labels(*labels).set(count.deliveries)
            if count.oldest_ms is not None:
                metrics.oldest.labels(*labels).set(count.oldest_ms / 1000)
        for account in accounts:
            for state in _LEDGER:
                if deliveries := getattr(account, state):
                    metrics.ledger.labels(account.tenant, account.destination, state).set(deliveries)
        for control in controls:
            place = self._places.get(control.destination)
            if place is not None:
                metrics.mode.labels(*place, control.mode.value).set(1)
                metrics.breaker.labels(*place).set(control.open_since_ms > 0)

    def _for_operators(self, handler: Handler) -> Handler:
        """Asks for the token, where one is configured."""
        if self._token is None:
            return handler
        expected = f"Bearer {self._token}".encode()

        async def guarded(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, expected):
                return web.json_response({"error": "unauthorized"}, status=401, headers={"WWW-Authenticate": "Bearer"})
            return await handler(request)

        return guarded
