"""Identity and envelope: an adapter's items become events.

The id is derived from what happened, never drawn, so that the same thing has the same id when it is delivered
twice, accepted by two replicas, or parsed again after an upgrade (docs/explanation/identity.md).
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from normalized.event import TYPES
from providers.base import Identity, Item, Parsed
from providers.wire import dump_json, rfc3339

STATUS = "whatsapp.message.status"
NO_IDENTITY = "R"
"""Class of what has no identity of its own: its receipt, and its place there."""
STATUS_IDENTITY = "S"
"""Class of statuses; its key is message id, status, participant of a group, surface, error code."""

SCHEMA_NAMES = {name: schema for name, (schema, _) in TYPES.items()}


@dataclass(frozen=True)
class SourceStamp:
    """What the envelope says of a source. `uid` goes into ids: keep it when a source is renamed.

    `ranked` says that somebody wants statuses in rising order only.
    """

    tenant: str
    source: str
    provider: str
    uid: str = ""
    origin: str = ""
    channel: dict[str, Any] = field(default_factory=dict, hash=False)
    ranked: bool = False

    @property
    def uri(self) -> str:
        return f"{self.origin}/tenants/{self.tenant}/sources/{self.source}"

    @cached_property
    def identity(self) -> str:
        return self.uid or f"{self.tenant}/{self.source}"

    @cached_property
    def shared(self) -> _Shared:
        return _Shared(self)


@dataclass(slots=True)
class Event:
    """An event as it is stored: the envelope's head and the data, both encoded JSON objects.

    `lane` is a signed 64-bit hash of what must stay in order with the event; `party` a keyed hash of the person.
    `rank` is how far a status is on its way, 0 where that is not known or there is none; statuses with the same
    `rank_key` are those of one message, one recipient and one surface.
    """

    id: bytes
    type: str
    time_ms: int
    lane: int
    party: bytes | None
    head: bytes
    data: bytes
    pointer: str
    partial: bool
    rank: int = 0
    rank_key: int = 0


_random = random.Random(os.urandom(32))  # noqa: S311 - unique, not secret; a system call for each would cost the lock


def new_receipt_id(now_ms: int) -> bytes:
    """16 bytes that sort by time: 48 bits of milliseconds, 80 random ones."""
    return now_ms.to_bytes(6, "big") + _random.getrandbits(80).to_bytes(10, "big")


def event_id(source_uid: str, identity: Identity, time_ms: int | None) -> bytes:
    """4 bytes of the provider's time in seconds (zero where it gives none), 12 of a hash over source, class and key."""
    digest = hashlib.sha256(orjson.dumps((source_uid, identity.kind, *identity.key))).digest()
    return ((time_ms or 0) // 1000).to_bytes(4, "big") + digest[:12]


def lane_hash(source_uid: str, lane: Iterable[str]) -> int:
    """Signed 64-bit hash, as SQL integers are."""
    digest = hashlib.blake2b(orjson.dumps((source_uid, *lane)), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def party_hash(key: bytes, party: str) -> bytes:
    """Finds a person's events without storing in clear who they are."""
    return hashlib.blake2b(party.encode("utf-8", "replace"), digest_size=16, key=key).digest()


def stamp(
    source: SourceStamp,
    parsed: Parsed,
    *,
    receipt_id: bytes,
    received_ms: int,
    party_key: bytes = b"",
    traceparent: str | None = None,
) -> list[Event]:
    """Events of one receipt, in the order of its items."""
    items = parsed.items
    if parsed.overflow:
        items = [*items, _overflow(len(items))]
    envelope = _Envelope(source, received_ms, traceparent)
    uid = source.identity
    places: dict[str, int] = {}
    events = []
    for item in items:
        if item.identity is None:
            identity = Identity(NO_IDENTITY, (receipt_id.hex(), _place(item.pointer, places)))
            item_id = event_id(uid, identity, received_ms)
        else:
            item_id = event_id(uid, item.identity, item.time_ms)
        rank, rank_key = _rank(uid, item) if source.ranked and item.type == STATUS else (0, 0)
        events.append(
            Event(
                item_id,
                item.type,
                item.time_ms or received_ms,
                lane_hash(uid, item.lane),
                party_hash(party_key, item.party) if item.party else None,
                envelope.head(item_id.hex(), item),
                dump_json(item.data if item.data.get("channel", True) else _with_channel(item.data, source)),
                item.pointer,
                item.partial,
                rank,
                rank_key,
            )
        )
    return events


def _rank(uid: str, item: Item) -> tuple[int, int]:
    """How far a status is, and of what: of a message, for one recipient where there are several, on one surface."""
    if item.identity is None or item.identity.kind != STATUS_IDENTITY:
        return 0, 0
    message_id, _, participant, surface, *_ = item.identity.key
    return item.data["status"]["rank"], lane_hash(uid, ("rank", message_id, participant, surface))


def _place(pointer: str, places: dict[str, int]) -> str:
    """The pointer; with a number behind it where several items without identity stand at the same place."""
    count = places[pointer] = places.get(pointer, 0) + 1
    return pointer if count == 1 else f"{pointer}#{count}"


def _with_channel(data: dict[str, Any], source: SourceStamp) -> dict[str, Any]:
    """The provider's body names no business number: the source's configuration does."""
    return {**data, "channel": source.channel or {"id": source.source}}


def _overflow(count: int) -> Item:
    return Item(
        type="whatsapp.unknown",
        data={
            "kind": "overflow",
            "name": "max_items",
            "detail": f"the request held more than {count} items; the gateway keeps the rest in the receipt",
        },
        identity=None,
        time_ms=None,
        lane=("overflow",),
        pointer="",
    )


class _Shared(dict[str, tuple[str, str, str]]):
    """What heads of a source's events share, by their type: three runs of members, encoded once, without braces."""

    def __init__(self, source: SourceStamp) -> None:
        super().__init__()
        self._source = source

    def __missing__(self, event_type: str) -> tuple[str, str, str]:
        source = self._source
        schema = {"datacontenttype": "application/json"}
        if source.origin:
            schema["dataschema"] = f"{source.origin}/schemas/v1/{SCHEMA_NAMES.get(event_type, 'event')}"
        runs = (
            {"source": source.uri, "type": event_type},
            schema,
            {"tenant": source.tenant, "provider": source.provider},
        )
        origin, schema_run, owner = (orjson.dumps(run)[1:-1].decode() for run in runs)
        self[event_type] = origin, schema_run, owner
        return self[event_type]


class _Envelope:
    """Builds the heads of one receipt's events."""

    def __init__(self, source: SourceStamp, received_ms: int, traceparent: str | None) -> None:
        self._shared = source.shared
        self._received = rfc3339(received_ms)
        self._traceparent = f',"traceparent":"{traceparent}"' if traceparent else ""

    def head(self, event_id_hex: str, item: Item) -> bytes:
        origin, schema, owner = self._shared[item.type]
        subject = "" if item.subject is None else f',"subject":{dump_json(item.subject).decode()}'
        time, clock = (self._received, "gateway") if item.time_ms is None else (rfc3339(item.time_ms), "provider")
        return (
            f'{{"specversion":"1.0","id":"{event_id_hex}",{origin}{subject},"time":"{time}",{schema},'
            f'"receivedtime":"{self._received}","timesource":"{clock}",{owner}{self._traceparent}}}'
        ).encode()


def compose(head: bytes, data: bytes, extensions: bytes = b"", raw: bytes | None = None) -> bytes:
    """The bytes that leave: head, members known only at sending, data with raw. Spliced, never decoded again.

    `extensions` are members of the envelope without braces, each with a comma before it.
    """
    if raw is not None:
        separator = b"," if len(data) > 2 else b""
        data = data[:-1] + separator + b'"raw":' + raw + b"}"
    return head[:-1] + extensions + b',"data":' + data + b"}"
