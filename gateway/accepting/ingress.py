"""Accepting: from a request to a durable receipt, and only then a 2xx."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson
from aiohttp import web

from gateway.accepting.answers import Answer
from gateway.accepting.drift import DriftLog
from gateway.accepting.intake import Budget, RateLimit, Refused, Share, Uploads, body_at_hand, read_body
from gateway.clock import Clock
from gateway.config import Destination, Source
from gateway.stamp import STATUS, Event, SourceStamp, new_receipt_id, stamp
from gateway.store.base import Appended, Receipt, Route, Store, StoreUnavailable, Submission
from gateway.telemetry import Log, Metrics
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
    labels: dict[str, Any] = field(init=False)
    """In each log line of the source."""
    _routes: dict[str, tuple[Route, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        source = self.source
        self.labels = {"tenant": source.tenant, "source": source.name, "provider": source.provider}

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
        full: Callable[[str, int], str | None] = lambda tenant, size: None,
    ) -> None:
        """`full` is asked before so many bytes of a tenant are stored: why they may not be, in a word."""
        self._sources = {f"/hooks/{one.source.tenant}/{one.source.name}": one for one in sources}
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
        started = perf_counter()
        served, token, tail = self._find(request.raw_path)
        wide = served.labels.copy() if served else {"provider": "none"}
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
            if self.draining:
                self._ended.set()
        self._record(request.method, answer.status, perf_counter() - started, wide)
        return answer

    def _find(self, path: str) -> tuple[Served | None, str | None, str]:
        """Source, token and tail of /hooks/TENANT/SOURCE[/TOKEN[/TAIL]]."""
        served = self._sources.get(path)
        if served is not None:
            return served, None, ""
        parts = path.partition("?")[0].split("/", 5)
        token = unquote(parts[4]) if len(parts) > 4 else ""
        return self._sources.get("/".join(parts[:4])), token or None, parts[5] if len(parts) > 5 else ""

    async def _answer(
        self, request: web.BaseRequest, served: Served | None, token: str | None, tail: str, wide: dict[str, Any]
    ) -> Answer:
        if served is None:
            raise Refused(404, "not_found")
        received_ms = self._clock.now_ms()
        raw = self._opened(request, token, tail, received_ms)
        adapter = served.source.adapter
        try:
            if raw.method == "GET":
                raw.query = request.query
                return self._handshake(served, raw, wide)
            adapter.check_path_token(raw)
            with Share(served.budget) as share:
                body = body_at_hand(request, adapter.max_body, share)
                if body is None:
                    body = await read_body(request, adapter.max_body, share, self._uploads)
                raw.body = body
                wide["bytes"] = len(body)
                receipt_id = new_receipt_id(received_ms)
                if len(body) > OFF_LOOP:
                    mapped = await asyncio.to_thread(self._map, served, raw, receipt_id, received_ms)
                else:
                    mapped = self._map(served, raw, receipt_id, received_ms)
                submission = _submission(served, raw, mapped, receipt_id, received_ms)
                self._admit(served, mapped.proof, submission.size)
                wide["receipt"] = receipt_id.hex()
                appended = await self._store.append(submission)
                return self._accepted(served, raw, mapped, appended, received_ms, wide)
        except Unauthorized as refusal:
            return self._unauthorized(served, refusal, wide)
        except StoreUnavailable as error:
            wide["error"] = str(error)
            raise Refused(503, "store_unavailable", retry_after_s=STORE_RETRY_S) from error

    def _opened(self, request: web.BaseRequest, token: str | None, tail: str, received_ms: int) -> RawRequest:
        """The request without its body. Raises Refused."""
        method = request.method
        if method not in {"POST", "GET"}:
            raise Refused(405, "method", allow="GET, POST")
        if self.draining:
            raise Refused(503, "stopping", retry_after_s=STORE_RETRY_S)
        return RawRequest(
            method=method,
            url=self._origin + request.raw_path,
            headers=request.headers,
            path_token=token,
            path_tail=tail,
            received_at=datetime.fromtimestamp(received_ms / 1000, UTC),
            remote=request.remote,
        )

    def _handshake(self, served: Served, raw: RawRequest, wide: dict[str, Any]) -> Answer:
        reply = served.source.adapter.handshake(raw)
        if reply is None:
            raise Refused(405, "method", allow="POST")
        wide["outcome"] = "handshake"
        return Answer(reply.status, reply.body, reply.content_type)

    def _accepted(
        self, served: Served, raw: RawRequest, mapped: Mapped, appended: Appended, received_ms: int,
        wide: dict[str, Any],
    ) -> Answer:  # fmt: skip
        stored = sum(appended.stored)
        duplicates = len(mapped.events) - stored
        self._count(served, mapped, appended, duplicates)
        wide["outcome"] = _outcome(mapped, stored)
        wide["events"] = stored
        wide["duplicates"] = duplicates
        wide["proof"] = mapped.proof.name
        if mapped.unmapped:
            wide["reason"] = mapped.unmapped
        if mapped.notes.drift:
            self._drift.saw(served.source.adapter, raw.with_body(mapped.body), mapped.notes.drift, received_ms)
        return Answer(200, b'{"events":%d,"duplicates":%d}' % (stored, duplicates))

    def _admit(self, served: Served, proof: Proof, size: int) -> None:
        """What a proven request still has to pass. Raises Refused."""
        source = served.source
        self._metrics.proofs.add(source.tenant, source.name, proof.name, proof.index)
        if served.rate_limit is not None:
            served.rate_limit.check()
        if reason := self._full(source.tenant, size):
            raise Refused(503, reason, retry_after_s=QUOTA_RETRY_S)

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
        self._metrics.unauthorized.add(served.source.tenant, served.source.name, refusal.code)
        return _refusal(refusal.status, "unauthorized" if refusal.status == 401 else "forbidden")

    # What the operator sees

    def _count(self, served: Served, mapped: Mapped, appended: Appended, duplicates: int) -> None:
        metrics, provider = self._metrics, served.source.provider
        for event, stored in zip(mapped.events, appended.stored, strict=True):
            if stored:
                metrics.events.add(provider, event.type)
        if duplicates:
            metrics.duplicates.add(provider, amount=duplicates)
        for kind, count in mapped.notes.noise.items():
            metrics.noise.add(provider, kind, amount=count)
        for drift in mapped.notes.drift:
            metrics.drift.add(provider, drift.kind)
        if mapped.overflow:
            metrics.overflow.add(provider)
        if mapped.unmapped:
            metrics.unmapped.add(provider, mapped.unmapped)

    def _record(self, method: str, status: int, took_s: float, wide: dict[str, Any]) -> None:
        """One line a request, and its metrics."""
        provider = wide["provider"]
        self._metrics.requests.add(provider, status)
        self._metrics.request_seconds.observe(took_s, provider)
        self._log.info("receipt", method=method, status=status, latency_ms=round(took_s * 1000, 1), **wide)


def _submission(served: Served, raw: RawRequest, mapped: Mapped, receipt_id: bytes, received_ms: int) -> Submission:
    outcome = "unmapped" if mapped.unmapped else "parsed"
    headers = _kept_headers(served, raw)
    return Submission(
        Receipt(receipt_id, served.number, received_ms, outcome, headers, mapped.body),
        mapped.events,
        [served.routes(event.type) for event in mapped.events],
    )


def _outcome(mapped: Mapped, stored: int) -> str:
    if mapped.unmapped:
        return "unmapped"
    if not mapped.events:
        return "empty"
    return "stored" if stored else "duplicate"


def _refusal(status: int, word: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, orjson.dumps({"error": word}), headers=headers)


def _kept_headers(served: Served, raw: RawRequest) -> bytes:
    headers = raw.headers
    kept = {name: value for name in served.source.adapter.kept_headers if (value := headers.get(name)) is not None}
    try:
        return orjson.dumps(kept)
    except TypeError:  # bytes that are no UTF-8 come as lone surrogates, which JSON cannot hold
        return orjson.dumps({name: value.encode("utf-8", "replace").decode() for name, value in kept.items()})


def _place(error: BaseException) -> str:
    """Where it happened: file and line, without any value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
