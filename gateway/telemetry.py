"""Logs and metrics: what the operator sees. Never a text of a message, a full phone number, a secret or a token."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import select
import stat
import sys
import threading
import time
from collections import Counter as Counts
from collections.abc import Callable, Sequence
from time import time_ns
from typing import Any, Protocol

import orjson
import structlog
from prometheus_client import CollectorRegistry, Gauge, Info
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from gateway.counters import Counter, Histogram
from gateway.store.base import State
from gateway.version import VERSION
from providers.wire import rfc3339


class Log(Protocol):
    """What of structlog the gateway uses."""

    def debug(self, event: str, **fields: Any) -> Any: ...

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


class _LineWriter:
    """Writes lines to a descriptor, those of one turn of the event loop together.

    A reader that stalls or goes away costs log lines, never the gateway's work: a pipe gets no more than it takes
    without blocking, the rest waits up to LIMIT bytes, and what comes beyond is counted. `on_dropped` is told the
    count once lines flow again.
    """

    LIMIT = 1 << 20
    RETRY_S = 0.05
    LAST_S = 1.0
    """How long the end of the process may wait for a reader."""

    def __init__(self, descriptor: int, on_dropped: Callable[[int], None] = lambda lines: None) -> None:
        self._descriptor = descriptor = _opened_anew(descriptor)
        self.on_dropped = on_dropped
        self._at_once = stat.S_ISREG(os.fstat(descriptor).st_mode) or os.isatty(descriptor)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lock = threading.RLock()  # threads log too
        self._lines: list[bytes] = []
        self._text = bytearray()
        self._size = 0
        self._dropped = 0
        self._awaited: asyncio.AbstractEventLoop | None = None

    def msg(self, line: bytes) -> None:
        with self._lock:
            if self._dropped or self._size > self.LIMIT:
                self._dropped += 1
                return
            self._lines.append(line)  # joined when they are written: a buffer that grows is copied over and over
            self._size += len(line) + 1
        awaited = self._awaited  # once: another thread may change it
        if awaited is not None and not awaited.is_closed():
            return  # a turn is to come, and takes these along
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # at start, at the end, in a thread
            self._write()
            return
        self._awaited = loop
        loop.call_soon(self._take_turn, loop)

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._awaited = None
        self._write()
        if self._text and self._awaited is None:
            self._awaited = loop
            loop.call_later(self.RETRY_S, self._take_turn, loop)

    def close(self) -> None:
        """At the end of the process: wait for the reader, but not long."""
        end = time.monotonic() + self.LAST_S
        self._write()
        while self._text and (left := end - time.monotonic()) > 0:
            self._poll.poll(left * 1000)
            self._write()

    def _write(self) -> None:
        with self._lock:
            if self._lines:
                self._lines.append(b"")
                self._text += b"\n".join(self._lines)
                self._lines.clear()
            try:
                while self._text and (self._at_once or self._poll.poll(0)):
                    size = len(self._text) if self._at_once else self._piece()
                    del self._text[: os.write(self._descriptor, self._text[:size])]
            except BlockingIOError:  # whoever shares the pipe made it so, and filled it
                pass
            except OSError:  # nobody will read them
                self._text.clear()
            self._size = len(self._text)
            if self._dropped and self._size <= self.LIMIT // 2:
                dropped, self._dropped = self._dropped, 0
                self.on_dropped(dropped)

    def _piece(self) -> int:
        """A pipe that can be written takes PIPE_BUF bytes, and may block on the next one. They are whole lines where
        it can be, since workers share the pipe, and what is written at once stays together."""
        return self._text.rfind(b"\n", 0, select.PIPE_BUF) + 1 or select.PIPE_BUF

    debug = info = warning = error = critical = msg


def _opened_anew(descriptor: int) -> int:
    """The same pipe, for this process alone: that it never blocks is nobody else's affair, and that others fill it
    between a look and a write is not ours. Anything else is left as it is."""
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # a system without /proc, or a pipe that nobody reads
        return descriptor


def configure_logging(level: str = "info", style: str = "auto", **always: Any) -> Log:
    """`style` is console, json, or auto: console on a terminal, JSON otherwise. Lines go to standard error, and each
    has the fields `always`."""
    least: int = logging.getLevelName(level.upper())
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    writer = _LineWriter(sys.stderr.fileno())
    processors: list[Any]
    if console:
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
            _encode,
        ]
    else:
        processors = []
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(least) if console else _lean_logger(least),
        logger_factory=lambda *args: writer,
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger().bind(**always)  # bound: a lazy one looks its methods up again at each line
    writer.on_dropped = lambda lines: log.warning("lines_dropped", lines=lines)
    atexit.register(writer.close)
    logging.basicConfig(handlers=[_Bridge(log)], level=logging.WARNING, force=True)
    return log


class _Bridge(logging.Handler):
    """What libraries log, in our form. Their arguments may hold requests: only the message's pattern is kept.

    The same line again and again, as of an event loop that is out of descriptors, is written once in a second.
    """

    EACH_S = 1.0
    PATTERNS = 1000

    def __init__(self, log: Log, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._log = log
        self._now_s = now_s
        self._written: dict[tuple[str, str], float] = {}
        self._suppressed: Counts[tuple[str, str]] = Counts()

    def emit(self, record: logging.LogRecord) -> None:
        text = str(record.msg).partition("\n")[0][:200]  # further lines show objects
        pattern = (record.name, text)
        now = self._now_s()
        if now - self._written.get(pattern, -self.EACH_S) < self.EACH_S:
            self._suppressed[pattern] += 1
            return
        if len(self._written) >= self.PATTERNS:  # of texts that are put together before they are logged
            self._written.clear()
            self._suppressed.clear()
        self._written[pattern] = now
        suppressed = self._suppressed.pop(pattern, 0)
        kind = record.exc_info[0] if record.exc_info else None
        self._log.warning(
            "library", library=record.name, text=text, error=kind.__name__ if kind else None,
            **({"suppressed": suppressed} if suppressed else {}),
        )  # fmt: skip


def _lean_logger(least: int) -> type[structlog.BoundLoggerBase]:
    """A logger that goes from fields to a line in one step: there is one for every request and every attempt, and a
    chain of processors costs more than the line does."""

    def method(name: str) -> Callable[..., None]:
        def write(self: Any, event: str, **fields: Any) -> None:
            now = rfc3339(time_ns() // 1_000_000)
            line = {"timestamp": now, "level": name, **self._context, **fields, "event": event}
            self._logger.msg(orjson.dumps(line, default=str))

        return write if getattr(logging, name.upper()) >= least else lambda self, event, **fields: None

    names = ("debug", "info", "warning", "error")
    return type("LeanLogger", (structlog.BoundLoggerBase,), {name: method(name) for name in names})


def _encode(logger: Any, name: str, line: str) -> bytes:
    return line.encode("utf-8", "replace")


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LAG = (0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21600.0, 86400.0)


AttemptMetrics = Callable[[Sequence[tuple[State, float]], str, float], None]


class Metrics:
    """All metrics, each under the name that docs/reference/metrics.md promises."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Info("wagw_build", "The running program.", registry=registry).info({"version": VERSION})
        self.requests = Counter(
            "wagw_requests", "Webhook requests, by answer.", ["provider", "code"], registry=registry
        )
        self.request_seconds = Histogram(
            "wagw_request_duration_seconds", "From a request's first byte to its answer.", ["provider"],
            _SECONDS, registry=registry,
        )  # fmt: skip
        self.proofs = Counter(
            "wagw_proofs", "Proven requests, by the setting that proved them and which of its values.",
            ["tenant", "source", "setting", "secret"], registry=registry,
        )  # fmt: skip
        self.unauthorized = Counter(
            "wagw_unauthorized", "Requests that did not prove their origin.", ["tenant", "source", "reason"],
            registry=registry,
        )  # fmt: skip
        self.events = Counter(
            "wagw_events_received", "Events stored for the first time.", ["provider", "type"], registry=registry
        )
        self.duplicates = Counter(
            "wagw_events_duplicate", "Events that were stored already.", ["provider"], registry=registry
        )
        self.unmapped = Counter(
            "wagw_receipts_unmapped", "Requests that were stored but could not be read.", ["provider", "reason"],
            registry=registry,
        )  # fmt: skip
        self.overflow = Counter(
            "wagw_receipts_overflow", "Requests with more items than max_items.", ["provider"], registry=registry
        )
        self.noise = Counter(
            "wagw_noise", "Protocol noise that was dropped on purpose.", ["provider", "kind"], registry=registry
        )
        self.drift = Counter(
            "wagw_schema_drift", "Words, members and types that the adapter does not know.", ["provider", "kind"],
            registry=registry,
        )  # fmt: skip
        self.inflight_bytes = Gauge("wagw_inflight_body_bytes", "Bytes of request bodies in memory.", registry=registry)
        self.attempts = Counter(
            "wagw_attempts", "Attempts to deliver an event, by what came of them; each event of a batch counts.",
            ["tenant", "destination", "outcome", "reason"], registry=registry,
        )  # fmt: skip
        self.attempt_seconds = Histogram(
            "wagw_attempt_duration_seconds", "How long a request took, with one event or a batch.",
            ["tenant", "destination"], _SECONDS, registry=registry,
        )  # fmt: skip
        self.lag_seconds = Histogram(
            "wagw_delivery_lag_seconds", "From receipt to delivery.", ["tenant", "destination"], _LAG,
            registry=registry,
        )  # fmt: skip
        self.deliveries = Gauge(
            "wagw_deliveries", "Deliveries in the store that are pending or dead.",
            ["tenant", "destination", "state"], registry=registry,
        )  # fmt: skip
        self.oldest = Gauge(
            "wagw_deliveries_oldest_timestamp_seconds", "When the oldest of them was received.",
            ["tenant", "destination", "state"], registry=registry,
        )  # fmt: skip

        self.ledger = Gauge(
            "wagw_ledger", "All deliveries there ever were, by what became of them; parked ones wait for an operator.",
            ["tenant", "destination", "state"], registry=registry,
        )  # fmt: skip
        self.mode = Gauge(
            "wagw_destination_mode", "1 for the mode of a destination that was ever paused or disabled.",
            ["tenant", "destination", "mode"], registry=registry,
        )  # fmt: skip
        self.breaker = Gauge(
            "wagw_breaker_open", "1 while a destination's breaker is open; for those where it was ever open.",
            ["tenant", "destination"], registry=registry,
        )  # fmt: skip
        self.replicas = Gauge("wagw_replicas", "Processes that share the store, this one included.", registry=registry)
        self.shards = Gauge("wagw_shards", "Shards, of 256, that this process delivers.", registry=registry)
        self.used_bytes = Gauge(
            "wagw_store_used_bytes", "Bytes that the store takes, without what is free for reuse.", registry=registry
        )
        self.tenants_over_quota = Gauge(
            "wagw_tenants_over_quota", "Tenants that are refused because they hold too much of the store.",
            registry=registry,
        )  # fmt: skip
        self.pruned = Counter(
            "wagw_pruned", "Receipts, events and deliveries that retention took, and deliveries that expired.",
            ["what", "reason"], registry=registry,
        )  # fmt: skip

    def attempts_of(self, tenant: str, destination: str) -> AttemptMetrics:
        """Record an attempt at one destination: what came of each event in it, and the event's age."""

        def record(events: Sequence[tuple[State, float]], reason: str, took_s: float) -> None:
            self.attempt_seconds.observe(took_s, tenant, destination)
            for state, lag_s in events:
                self.attempts.add(tenant, destination, state.word, reason)
                if state is State.DELIVERED:
                    self.lag_seconds.observe(lag_s, tenant, destination)

        return record
