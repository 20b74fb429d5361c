"""What today's adapters make of a stored receipt, beside what is stored of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from gateway.config import Config, Destination, Source
from gateway.sending.envelope import composed, wants_raw
from gateway.stamp import Event, SourceStamp, stamp
from gateway.store.base import StoredEvent
from providers import Malformed, RawRequest
from providers.wire import Json, load_json


class StoredReceipt(NamedTuple):
    """`source` is the store's number of the source."""

    seq: int
    id: bytes
    source: int
    tenant: str
    source_name: str
    received_ms: int
    outcome: str
    headers: bytes
    body: bytes


class Kept(NamedTuple):
    """An event as it is stored. `receivers` are the names of the destinations that it was for."""

    seq: int
    id: bytes
    revision: int
    type: str
    time_ms: int
    partial: bool
    lane: int
    party: bytes | None
    pointer: str
    head: bytes
    data: bytes
    receivers: Set[str] = frozenset()


class Reading(NamedTuple):
    """A receipt with its events as they are stored, and as today's adapter has them.

    `source` is None where the configuration has it no more; `unreadable` says why there are no events of today.
    """

    receipt: StoredReceipt
    source: Source | None
    kept: Sequence[Kept]
    events: Sequence[Event] = ()
    document: Json = None
    unreadable: str = ""


class Change(NamedTuple):
    """An event that is stored otherwise than it would be today. `revised` says that its bytes are others; then
    `receivers` are the destinations that get others."""

    kept: Kept
    event: Event
    revised: bool
    receivers: list[str]


@dataclass(slots=True)
class Remapped:
    """What a receipt gives today, where that is something else. `unreadable` says why it gives nothing at all."""

    receipt: StoredReceipt
    new: list[Event] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    unreadable: str = ""

    @property
    def outcome(self) -> str:
        return self.receipt.outcome if self.unreadable else "parsed"

    @property
    def nothing(self) -> bool:
        return not self.new and not self.changes and self.outcome == self.receipt.outcome


class Mapper:
    """Sources and destinations as the configuration has them today."""

    def __init__(self, config: Config, party_key: bytes) -> None:
        self._config = config
        self._party_key = party_key
        adapters = [source.adapter for tenant in config.tenants.values() for source in tenant.sources.values()]
        self._bulky = frozenset[str]().union(*(adapter.bulky for adapter in adapters))
        self._without = {
            "plain": frozenset[str]().union(*(adapter.media_secrets for adapter in adapters)),
            "keys": frozenset[str]().union(*(adapter.withheld for adapter in adapters)),
        }

    def destinations(self, tenant: str) -> Mapping[str, Destination]:
        found = self._config.tenants.get(tenant)
        return found.destinations if found else {}

    def read(self, receipt: StoredReceipt, kept: Sequence[Kept]) -> Reading:
        """Parse it again. `kept` are its events as they are stored."""
        tenant = self._config.tenants.get(receipt.tenant)
        source = tenant.sources.get(receipt.source_name) if tenant else None
        if source is None:
            return Reading(receipt, None, kept, unreadable="source_gone")
        try:
            document = load_json(receipt.body)
            return Reading(receipt, source, kept, self._events(source, receipt, _traceparent(kept)), document)
        except Malformed as malformed:
            return Reading(receipt, source, kept, unreadable=malformed.code)
        except Exception:  # an adapter with a fault: what is stored stays as it is
            return Reading(receipt, source, kept, unreadable="adapter_error")

    def compare(self, reading: Reading, known: Set[bytes]) -> Remapped:
        """`known` are ids that belong to other receipts: this one is a duplicate there."""
        result = Remapped(reading.receipt, unreadable=reading.unreadable)
        if reading.source is None:
            return result
        by_id = {event.id: event for event in reading.kept}
        seen = set(known)
        for event in reading.events:
            if event.id in by_id:
                change = self._change(reading.source, reading, by_id[event.id], event)
                result.changes += [change] if change else []
            elif event.id not in seen:
                seen.add(event.id)
                result.new.append(event)
        return result

    def _events(self, source: Source, receipt: StoredReceipt, traceparent: str | None) -> list[Event]:
        request = RawRequest(
            headers=orjson.loads(receipt.headers),
            body=receipt.body,
            received_at=datetime.fromtimestamp(receipt.received_ms / 1000, UTC),
        )
        origin = SourceStamp(
            tenant=source.tenant, source=source.name, provider=source.provider, uid=source.uid,
            origin=self._config.origin, channel=source.channel,
            ranked=any(one.statuses == "monotonic" for one in self.destinations(source.tenant).values()),
        )  # fmt: skip
        return stamp(
            origin, source.adapter.parse(request, self._config.limits.max_items), receipt_id=receipt.id,
            received_ms=receipt.received_ms, party_key=self._party_key, traceparent=traceparent,
        )  # fmt: skip

    def _change(self, source: Source, reading: Reading, kept: Kept, event: Event) -> Change | None:
        revised = (kept.type, kept.partial, kept.pointer, kept.head, kept.data) != (
            event.type, event.partial, event.pointer, event.head, event.data,
        )  # fmt: skip
        if not revised and (kept.time_ms, kept.lane, kept.party) == (event.time_ms, event.lane, event.party):
            return None
        receivers = [
            name
            for name, destination in self.destinations(source.tenant).items()
            if revised and self._concerns(source, destination, reading, kept, event)
        ]
        return Change(kept, event, revised, receivers)

    def _concerns(self, source: Source, destination: Destination, reading: Reading, kept: Kept, event: Event) -> bool:
        """Whether the destination gets other bytes today; a type that it wants now where it did not want the other
        is one. One that was added since is not concerned: it never had the event."""
        if not destination.wants(event.type, source.name):
            return False
        if destination.name not in kept.receivers:
            return not destination.wants(kept.type, source.name)
        before, after = (_as_stored(one, reading.receipt, kept.seq) for one in (kept, event))
        return self._bytes(destination, before, reading.document) != self._bytes(destination, after, reading.document)

    def _bytes(self, destination: Destination, event: StoredEvent, document: Json) -> bytes:
        return composed(
            event, document, with_raw=wants_raw(destination.raw, event),
            without=self._without[destination.media], bulky=self._bulky,
        )  # fmt: skip


def leaves(before: bytes, after: bytes) -> list[tuple[str, Any, Any]]:
    """Where two JSON objects differ: pointer, value before, value after; None where there is none."""
    old, new = dict(_flat(orjson.loads(before), "")), dict(_flat(orjson.loads(after), ""))
    differing = (pointer for pointer in dict.fromkeys([*old, *new]) if old.get(pointer) != new.get(pointer))
    return [(pointer, old.get(pointer), new.get(pointer)) for pointer in differing]


def _flat(value: Any, pointer: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _flat(child, f"{pointer}/{key}")
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            yield from _flat(child, f"{pointer}/{index}")
    else:
        yield pointer, value


def _as_stored(event: Kept | Event, receipt: StoredReceipt, seq: int) -> StoredEvent:
    """As a forwarder would load it; the revision does not matter here."""
    return StoredEvent(
        seq, event.id, 1, event.type, receipt.received_ms, event.partial, event.pointer, event.head, event.data,
        receipt.seq,
    )  # fmt: skip


def _traceparent(kept: Iterable[Kept]) -> str | None:
    """Of the request; receipts do not keep it, but its events do."""
    for event in kept:
        found = orjson.loads(event.head).get("traceparent")
        return found if isinstance(found, str) else None
    return None
