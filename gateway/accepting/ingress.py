"""Accepting: from a request to a durable receipt, and only then a 2xx."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson
from aiohttp import web

from gateway.accepting.answers import Answer
from gateway.accepting.drift import DriftLog
from gateway.accepting.intake import Budget, RateLimit, Refused, Share, Uploads, read_body
from gateway.clock import Clock
from gateway.config import Destination, Source
from gateway.stamp import STATUS, Event, SourceStamp, new_receipt_id, stamp
from gateway.store.base import Appended, Receipt, Route, Store, StoreUnavailable, Submission
from gateway.telemetry import Children, Log, Metrics
from providers.base import Malformed, Notes, Parsed, Proof, RawRequest, Unauthorized

OFF_LOOP = 256 * 1024
"""Bodies above this many bytes are read and mapped in a thread, so that others do not wait for them."""
STORE_RETRY_S = 5
QUOTA_RETRY_S = 60
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Served:
    """A source under the number that the store gave it, with the destinations of its tenant."""

    source: Source
    number: int
    stamp: SourceStamp
    destinations: list[tuple[int, Destination]]
    budget: Budget
    rate_limit: RateLimit | None = None
    _routes: dict[str, tuple[Route, ...]] = field(default_factory=dict)

    def routes(self, event_type: str) -> tuple[Route, ...]:
        """To the destinations that want the event."""
        routes = self._routes.get(event_type)
        if routes is None:
            routes = self._routes[event_type] = tuple(
                Route(
                    number,
                    ordered=destination.ordering == "conversation",
                    monotonic=destination.statuses == "monotonic" and event_type == STATUS,
                )
                for number, destination in self.destinations
                if destination.wants(event_type, self.source.name)
            )
        return routes


class Mapped(NamedTuple):
    """A proven request, read. `unmapped` says why it could not be."""

    proof: Proof
    body: bytes
    events: list[Event]
    notes: Notes
    overflow: bool
    unmapped: str | None


class Ingress:
    """`handle` is the web server's handler."""

    def __init__(
        self,
        sources: Iterable[Served],
        store: Store,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        *,
        origin: str,
        max_items: int,
        full: Callable[[str], bool] = lambda tenant: False,
    ) -> None:
        """`full` says of a tenant, by name, that it holds all of the store that it may."""
        self._sources = {(one.source.tenant, one.source.name): one for one in sources}
        self._store = store
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._origin = origin
        self._max_items = max_items
        self._full = full
        self._drift = DriftLog(store, clock)
        self._uploads = Uploads()
        self._active = 0
        self._ended = asyncio.Event()
        self.draining = False
        self._proofs = Children(metrics.proofs)
        self._events = Children(metrics.events)
        self._requests = Children(metrics.requests)
        self._request_seconds = Children(metrics.request_seconds)

    async def drain(self, limit_s: float) -> None:
        """Refuse new requests, and wait for those under way; bodies that are still coming get a little time."""
        self.draining = True
        self._uploads.hasten()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._active:
                    self._ended.clear()
                    await self._ended.wait()

    async def close(self) -> None:
        """Write down what is not written yet, once no request comes any more and before the store is closed."""
        await self._drift.close()

    async def handle(self, request: web.BaseRequest) -> Answer:
        started = time.perf_counter()
        served, token, tail = self._find(request.raw_path)
        wide: dict[str, Any] = {}
        self._active += 1
        try:
            answer = await self._answer(request, served, token, tail, wide)
        except Refused as refused:
            answer = _refusal(refused.status, refused.word, refused.headers)
            wide.setdefault("outcome", refused.word)
        except Exception as error:
            self._log.error("internal_error", error=type(error).__name__, place=_place(error))
            answer = _refusal(500, "internal")
            wide["outcome"] = "internal"
        finally:
            self._active -= 1
            self._ended.set()
        took = time.perf_counter() - started
        self._record(served, request.method, answer.status, took, wide)
        return answer

    def _find(self, path: str) -> tuple[Served | None, str | None, str]:
        """Source, token and tail of /hooks/TENANT/SOURCE[/TOKEN[/TAIL]]."""
        parts = path.partition("?")[0].split("/", 5)
        if len(parts) < 4 or parts[0] or parts[1] != "hooks":
            return None, None, ""
        token = unquote(parts[4]) if len(parts) > 4 else None
        return self._sources.get((parts[2], parts[3])), token or None, parts[5] if len(parts) > 5 else ""

    async def _answer(
        self, request: web.BaseRequest, served: Served | None, token: str | None, tail: str, wide: dict[str, Any]
    ) -> Answer:
        if served is None:
            raise Refused(404, "not_found")
        if request.method not in ("POST", "GET"):
            raise Refused(405, "method", allow="GET, POST")
        if self.draining:
            raise Refused(503, "stopping", retry_after_s=STORE_RETRY_S)
        adapter = served.source.adapter
        received_ms = self._clock.now_ms()
        raw = RawRequest(
            method=request.method,
            url=self._origin + request.raw_path,
            headers=request.headers,
            path_token=token,
            path_tail=tail,
            received_at=datetime.fromtimestamp(received_ms / 1000, UTC),
            remote=request.remote,
        )
        try:
            if request.method == "GET":
                raw.query = request.query
                return self._handshake(served, raw, wide)
            adapter.check_path_token(raw)
            with Share(served.budget) as share:
                raw.body = await read_body(request, adapter.max_body, share, self._uploads)
                wide["bytes"] = len(raw.body)
                return await self._accept(served, raw, received_ms, wide)
        except Unauthorized as refusal:
            return self._unauthorized(served, refusal, wide)

    def _handshake(self, served: Served, raw: RawRequest, wide: dict[str, Any]) -> Answer:
        reply = served.source.adapter.handshake(raw)
        if reply is None:
            raise Refused(405, "method", allow="POST")
        wide["outcome"] = "handshake"
        return Answer(reply.status, reply.body, reply.content_type)

    async def _accept(self, served: Served, raw: RawRequest, received_ms: int, wide: dict[str, Any]) -> Answer:
        receipt_id = new_receipt_id(received_ms)
        if len(raw.body) > OFF_LOOP:
            mapped = await asyncio.to_thread(self._map, served, raw, receipt_id, received_ms)
        else:
            mapped = self._map(served, raw, receipt_id, received_ms)
        source, proof = served.source, mapped.proof
        self._proofs[source.tenant, source.name, proof.name, proof.index].inc()
        if served.rate_limit is not None:
            served.rate_limit.check()
        if self._full(source.tenant):
            raise Refused(503, "tenant_over_quota", retry_after_s=QUOTA_RETRY_S)
        receipt = Receipt(
            receipt_id,
            served.number,
            received_ms,
            "unmapped" if mapped.unmapped else "parsed",
            _kept_headers(served, raw),
            mapped.body,
        )
        routes = [served.routes(event.type) for event in mapped.events]
        wide["receipt"] = receipt_id.hex()
        try:
            appended = await self._store.append(Submission(receipt, mapped.events, routes))
        except StoreUnavailable as error:
            wide["error"] = str(error)
            raise Refused(503, "store_unavailable", retry_after_s=STORE_RETRY_S) from error
        self._count(served, mapped, appended, wide)
        if mapped.notes.drift:
            self._drift.saw(served.source.adapter, raw.with_body(mapped.body), mapped.notes.drift, received_ms)
        stored = sum(appended.stored)
        return Answer(200, b'{"events":%d,"duplicates":%d}' % (stored, len(appended.stored) - stored))

    def _map(self, served: Served, raw: RawRequest, receipt_id: bytes, received_ms: int) -> Mapped:
        """Verify, redact, parse, stamp. Raises Unauthorized."""
        adapter = served.source.adapter
        proof = adapter.verify(raw)
        raw = raw.with_body(adapter.redact(raw.body))
        unmapped = None
        try:
            parsed = adapter.parse(raw, self._max_items)
        except Malformed as malformed:
            parsed, unmapped = Parsed([], Notes()), malformed.code
        except Exception as error:  # an adapter with a fault: the webhook is kept, and can be parsed again
            parsed, unmapped = Parsed([], Notes()), "adapter_error"
            self._log.error(
                "adapter_error", provider=served.source.provider, receipt=receipt_id.hex(), error=type(error).__name__,
                place=_place(error),
            )  # fmt: skip
        traceparent = raw.headers.get("traceparent", "")
        events = stamp(
            served.stamp,
            parsed,
            receipt_id=receipt_id,
            received_ms=received_ms,
            party_key=self._store.party_key,
            traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        )
        return Mapped(proof, raw.body, events, parsed.notes, parsed.overflow, unmapped)

    def _unauthorized(self, served: Served, refusal: Unauthorized, wide: dict[str, Any]) -> Answer:
        """The caller learns the status and nothing else."""
        wide["outcome"] = "unauthorized"
        wide["reason"] = refusal.code
        self._metrics.unauthorized.labels(served.source.tenant, served.source.name, refusal.code).inc()
        return _refusal(refusal.status, "unauthorized" if refusal.status == 401 else "forbidden")

    # What the operator sees

    def _count(self, served: Served, mapped: Mapped, appended: Appended, wide: dict[str, Any]) -> None:
        metrics, provider = self._metrics, served.source.provider
        for event, stored in zip(mapped.events, appended.stored, strict=True):
            if stored:
                self._events[provider, event.type].inc()
        stored_count = sum(appended.stored)
        if stored_count < len(mapped.events):
            metrics.duplicates.labels(provider).inc(len(mapped.events) - stored_count)
        for kind, count in mapped.notes.noise.items():
            metrics.noise.labels(provider, kind).inc(count)
        for drift in mapped.notes.drift:
            metrics.drift.labels(provider, drift.kind).inc()
        if mapped.overflow:
            metrics.overflow.labels(provider).inc()
        if mapped.unmapped:
            metrics.unmapped.labels(provider, mapped.unmapped).inc()
            wide["reason"] = mapped.unmapped
        wide["outcome"] = _outcome(mapped, stored_count)
        wide["events"] = stored_count
        wide["duplicates"] = len(mapped.events) - stored_count
        wide["proof"] = mapped.proof.name

    def _record(self, served: Served | None, method: str, status: int, took_s: float, wide: dict[str, Any]) -> None:
        provider = served.source.provider if served else "none"
        self._requests[provider, status].inc()
        self._request_seconds[provider,].observe(took_s)
        names = {"tenant": served.source.tenant, "source": served.source.name} if served else {}
        self._log.info(
            "receipt", **names, provider=provider, method=method, status=status,
            latency_ms=round(took_s * 1000, 1), **wide,
        )  # fmt: skip


def _outcome(mapped: Mapped, stored: int) -> str:
    if mapped.unmapped:
        return "unmapped"
    if not mapped.events:
        return "empty"
    return "stored" if stored else "duplicate"


def _refusal(status: int, word: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, orjson.dumps({"error": word}), headers=headers)


def _kept_headers(served: Served, raw: RawRequest) -> bytes:
    names = served.source.adapter.kept_headers
    kept = {name: _encodable(raw.headers[name]) for name in names if name in raw.headers}
    return orjson.dumps(kept)


def _encodable(text: str) -> str:
    """Bytes of headers that are no UTF-8 come as lone surrogates, which JSON cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _place(error: BaseException) -> str:
    """Where it happened: file and line, without any value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
