"""Trying a destination: one signed event that says that it is a test, and what came back."""

from __future__ import annotations

import time
from typing import NamedTuple

from gateway.clock import SystemClock
from gateway.config import Destination
from gateway.sending.envelope import EVENT_TYPE, composed, webhook_id
from gateway.sending.forwarder import Forwarder, error_word, target_of
from gateway.stamp import SourceStamp, new_receipt_id, stamp
from gateway.store.base import StoredEvent
from providers.base import Item, Notes, Parsed

TYPE = "whatsapp.unknown"
"""Readers pass over what they do not know: a test must not be answered as a customer would be."""


class Result(NamedTuple):
    """`word` and `reason` say why there is no status; `start` is the beginning of the answer's body."""

    event_id: str
    took_ms: float
    status: int | None = None
    start: bytes = b""
    word: str = ""
    reason: str = ""

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


async def probe(destination: Destination, origin: str) -> Result:
    """As a delivery is sent, save that nothing is written down and it is not tried again."""
    clock = SystemClock()
    event = _event(destination, origin, clock.now_ms())
    async with Forwarder(_NoBodies(), clock, frozenset()) as forwarder:
        started = time.perf_counter()
        try:
            answer = await forwarder.post(target_of(destination), webhook_id(event), EVENT_TYPE, composed(event))
        except OSError as error:
            return Result(event.id.hex(), _ms_since(started), word=error_word(error), reason=str(error))
        return Result(event.id.hex(), _ms_since(started), answer.status, answer.start)


def _event(destination: Destination, origin: str, now_ms: int) -> StoredEvent:
    item = Item(
        type=TYPE,
        data={"kind": "test", "name": "destinations test", "detail": "sent by an operator to try this destination"},
        identity=None, time_ms=None, lane=("test",), pointer="",
    )  # fmt: skip
    origin_stamp = SourceStamp(destination.tenant, "test", "wa-gateway", origin=origin)
    [event] = stamp(origin_stamp, Parsed([item], Notes()), receipt_id=new_receipt_id(now_ms), received_ms=now_ms)
    return StoredEvent(0, event.id, 1, event.type, now_ms, event.partial, event.pointer, event.head, event.data, 0)


class _NoBodies:
    async def body(self, receipt: int) -> bytes:
        raise LookupError("a test has no receipt")


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
