"""What tests share: a clock that is told the time, waiting for conditions, a downstream, a running gateway."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import structlog
from aiohttp import web

from gateway.app import Gateway
from gateway.config import load_config
from gateway.stamp import Event, new_receipt_id
from gateway.store.base import Receipt, Route, Submission
from providers import load_adapters

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
APP_SECRET = "test-app-secret"
NOW_MS = 1_790_000_000_000


def counted(gateway: Gateway, name: str, **labels: Any) -> float:
    """What a counter shows to who scrapes it."""
    shown = {label: str(value) for label, value in labels.items()}
    return gateway.metrics.registry.get_sample_value(f"wagw_{name}_total", shown) or 0


async def until(condition: Callable[[], Any], what: str = "the condition", limit_s: float = 20.0) -> None:
    """Wait until it holds; fail by name when it never does."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"waited {limit_s} s in vain for {what}"
        await asyncio.sleep(0.001)


@dataclass
class _Timer:
    clock: FakeClock
    entry: tuple[int, int, Callable[[], None]]

    def cancel(self) -> None:
        if self.entry in self.clock.timers:
            self.clock.timers.remove(self.entry)
            heapq.heapify(self.clock.timers)


@dataclass
class FakeClock:
    """Time stands still until `advance` moves it; timers fire then, on the caller's stack. `wrong_ms` is how far the
    machine's clock has jumped since the start."""

    time_ms: int = NOW_MS
    wrong_ms: int = 0
    timers: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def now_ms(self) -> int:
        return self.time_ms + self.wrong_ms

    def steady_ms(self) -> int:
        return self.time_ms

    def call_later(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        entry = (self.time_ms + int(max(0.0, seconds) * 1000), next(self._numbers), callback)
        heapq.heappush(self.timers, entry)
        return _Timer(self, entry)

    def advance(self, seconds: float) -> None:
        end = self.time_ms + int(seconds * 1000)
        while self.timers and self.timers[0][0] <= end:
            due, _, callback = heapq.heappop(self.timers)
            self.time_ms = max(self.time_ms, due)
            callback()
        self.time_ms = end


def event(number: int, lane: int = 1, *, type_: str = "whatsapp.message.received", partial: bool = False) -> Event:
    """An event as stamp makes them; equal numbers give equal ids."""
    return Event(
        id=(NOW_MS // 1000 + number).to_bytes(4, "big") + number.to_bytes(12, "big"),
        type=type_,
        time_ms=NOW_MS + number,
        lane=lane,
        party=None,
        head=orjson.dumps({"id": str(number), "type": type_}),
        data=orjson.dumps({"number": number}),
        pointer="/0",
        partial=partial,
    )


def submission(
    source: int,
    events: list[Event],
    destinations: tuple[int | Route, ...] = (),
    body: bytes = b"[{}]",
    received_ms: int = NOW_MS,
) -> Submission:
    receipt = Receipt(new_receipt_id(received_ms), source, received_ms, "parsed", b"{}", body)
    routes = [one if isinstance(one, Route) else Route(one) for one in destinations]
    return Submission(receipt, events, [routes] * len(events))


@dataclass
class Delivered:
    """A request as downstream got it."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        value: dict[str, Any] = orjson.loads(self.body)
        return value


class Downstream:
    """A destination: keeps what it got, and answers what `answer` says (200 if nothing)."""

    def __init__(self) -> None:
        self.got: list[Delivered] = []
        self.answer: Callable[[Delivered], Awaitable[web.Response] | web.Response] = lambda got: web.Response()
        self.url = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [got.event for got in self.got]

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        got = Delivered(dict(request.headers), await request.content.read())
        self.got.append(got)
        answer = self.answer(got)
        return answer if isinstance(answer, web.Response) else await answer

    @asynccontextmanager
    async def serve(self, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Downstream]:
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
            self.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}/hook"
            yield self
        finally:
            await runner.cleanup()


CONFIG = """
origin: https://hooks.acme.example
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
store: sqlite:store.db
limits: {limits}
tenants:
  acme:
    sources:
      cloud: {{provider: cloud_api, app_secret: test-app-secret, verify_token: test-verify-token{cloud}}}
      coreapp: {{provider: on_premises, path_token: test-path-token, channel: {{phone: "+15550783881"}}}}
      device: {{provider: whapi, api_key: test-api-key-0123456789, channel: {{id: shop}}}}
    destinations: {destinations}
"""


def write_config(
    directory: Path, destinations: dict[str, Any], *, limits: dict[str, Any] | None = None, cloud: str = ""
) -> Path:
    """A configuration with three sources. `destinations` are blocks by name; `secret` is filled in."""
    blocks = {name: {"secret": SECRET, **block} for name, block in destinations.items()}
    path = directory / "config.yaml"
    path.write_text(
        CONFIG.format(
            destinations=orjson.dumps(blocks).decode(), limits=orjson.dumps(limits or {}).decode(), cloud=cloud
        )
    )
    return path


@asynccontextmanager
async def running(config_path: Path, **options: Any) -> AsyncIterator[Gateway]:
    """A gateway in this process."""
    config = load_config(config_path, {}, load_adapters())
    gateway = Gateway(config, structlog.get_logger(), **options)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
