"""The bytes of events as they leave: envelope, data, and the provider's own fragment. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set

from gateway.sending.raw import cut_raw
from gateway.stamp import compose
from gateway.store.base import StoredEvent
from providers.wire import Json

EVENT_TYPE = "application/cloudevents+json; charset=utf-8"
BATCH_TYPE = "application/cloudevents-batch+json; charset=utf-8"


def wants_raw(raw: str, event: StoredEvent) -> bool:
    """Whether the provider's fragment goes with the event; `raw` is never, unknown or always."""
    return bool(event.pointer) and (raw == "always" or (raw == "unknown" and event.partial))


def composed(
    event: StoredEvent,
    document: Json = None,
    *,
    with_raw: bool = False,
    without: Set[str] = frozenset(),
    bulky: Set[str] = frozenset(),
    gap: bool = False,
    replay: int | None = None,
) -> bytes:
    """One event. `document` is the decoded body that its raw is cut from, less the members named in `without`."""
    raw = cut_raw(document, event.pointer, without, bulky) if with_raw else None
    return compose(event.head, event.data, _extensions(event, gap, replay), raw)


def _extensions(event: StoredEvent, gap: bool, replay: int | None) -> bytes:
    extensions = b',"sequence":"%018d"' % event.seq
    if event.revision > 1:
        extensions += b',"revision":%d' % event.revision
    if replay is not None:
        extensions += b',"replay":"%d"' % replay
    return extensions + b',"gap":true' if gap else extensions


def webhook_id(event: StoredEvent) -> str:
    """What a reader recognizes a repeated event by; another one where its bytes were corrected."""
    return event.id.hex() if event.revision == 1 else f"{event.id.hex()}_r{event.revision}"


def batch_id(events: Iterable[StoredEvent]) -> str:
    """The same for the same events in the same order."""
    return "b_" + hashlib.sha256(" ".join(map(webhook_id, events)).encode()).hexdigest()[:32]
