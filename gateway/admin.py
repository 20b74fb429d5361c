"""The operator's listener: health and metrics."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from gateway.store.base import Count, Store, StoreUnavailable
from gateway.telemetry import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """`draining` is asked at each readiness check."""

    def __init__(self, store: Store, metrics: Metrics, token: str | None, draining: Callable[[], bool]) -> None:
        self._store = store
        self._metrics = metrics
        self._token = token
        self._draining = draining

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
        elif not await self._store.writable():
            reasons.append("the store cannot be written")
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        with suppress(StoreUnavailable):  # then everything else is worth showing all the more
            self._set_gauges(await self._store.counts())
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._metrics.registry), headers={"Content-Type": content_type})

    def _set_gauges(self, counts: list[Count]) -> None:
        for gauge in (self._metrics.deliveries, self._metrics.oldest):
            gauge.clear()
        for count in counts:
            labels = (count.tenant, count.destination, count.state.name.lower())
            self._metrics.deliveries.labels(*labels).set(count.deliveries)
            if count.oldest_ms is not None:
                self._metrics.oldest.labels(*labels).set(count.oldest_ms / 1000)

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
