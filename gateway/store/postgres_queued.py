"""What is known of the queued deliveries of each destination without asking the database. No I/O.

A shard is dirty when there may be queued deliveries in it that were not given out. Those that were are remembered until
their settlement is durable: until then the database shows them as queued. Nothing is given out of shards that were not
made readable.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from gateway.store.base import PAGE_BYTES, SHARDS, Delivery, Page

FRESH = 4096
FRESH_BYTES = 32 * 1024 * 1024
"""Deliveries of own commits that are kept, so that they need not be read again; the oldest go first."""
PROBED = 1024
"""Rows that a probe of all its shards brings at least; more are asked for where the limit is higher."""


def mask_of(shards: Iterable[int]) -> int:
    """A set of shards as one number: there is one for each destination."""
    mask = 0
    for shard in shards:
        mask |= 1 << shard
    return mask


def shards_of(mask: int) -> list[int]:
    return [shard for shard in range(SHARDS) if mask >> shard & 1]


class Ask:
    """Somebody wants a page. `shards`, a mask, are those that have been readable ever since: who asked takes no others,
    and what is given of one that was begun anew meanwhile would never be given again."""

    __slots__ = ("destination", "shards")

    def __init__(self, destination: int, shards: int) -> None:
        self.destination = destination
        self.shards = shards


class Probe(NamedTuple):
    """Read `each` queued rows of each of these shards, beside those given out: `limits` are for both."""

    ask: Ask
    wanted: int
    shards: Sequence[int]
    each: int
    limits: Sequence[int]

    @property
    def destination(self) -> int:
        return self.ask.destination


class Row(NamedTuple):
    """A queued delivery as a probe finds it, without its event."""

    destination: int
    event: int
    shard: int
    lane: int
    attempts: int
    tried_since_ms: int


class _Destination:
    def __init__(self) -> None:
        self.dirty = 0
        self.given: dict[int, int] = {}
        self.given_of_shard: Counter[int] = Counter()

    def give(self, event: int, shard: int) -> None:
        if event not in self.given:
            self.given[event] = shard
            self.given_of_shard[shard] += 1

    def forget(self, event: int) -> None:
        shard = self.given.pop(event, None)
        if shard is not None:
            self.given_of_shard[shard] -= 1

    def begin_anew(self, mask: int) -> None:
        for event, shard in list(self.given.items()):
            if mask >> shard & 1:
                self.forget(event)


class Queued:
    """All destinations."""

    def __init__(self) -> None:
        self.readable = 0
        self._destinations: dict[int, _Destination] = {}
        self._asks: set[Ask] = set()
        self._fresh: OrderedDict[tuple[int, int], Delivery] = OrderedDict()
        self._fresh_bytes = 0

    def _of(self, destination: int) -> _Destination:
        return self._destinations.setdefault(destination, _Destination())

    # What may be there

    def hint(self, destination: int, mask: int) -> bool:
        """There may be more in these shards. Whether any of them is readable."""
        self._of(destination).dirty |= mask
        return bool(mask & self.readable)

    def all_dirty(self) -> set[int]:
        """Destinations of which every readable shard is dirty: nothing can be learnt of them."""
        return {number for number, one in self._destinations.items() if one.dirty & self.readable == self.readable}

    def begin_anew(self, mask: int, found: dict[int, int], destination: int | None = None) -> None:
        """These shards were looked through, for one destination or for all: `found` has those with queued rows. From
        now on they are readable; what was given of them may be given again."""
        for number, one in self._destinations.items():
            if destination in (None, number):
                one.begin_anew(mask)
        for ask in self._asks:
            if destination in (None, ask.destination):
                ask.shards &= ~mask
        for number, dirty in found.items():
            self._of(number).dirty |= dirty
        if destination is None:
            self.readable |= mask

    def lose(self, mask: int) -> None:
        self.readable &= ~mask
        for one in self._destinations.values():
            one.begin_anew(mask)
        for ask in self._asks:
            ask.shards &= ~mask

    # Giving out

    @contextmanager
    def asking(self, destination: int) -> Iterator[Ask]:
        """While a page is asked for."""
        ask = Ask(destination, self.readable)
        self._asks.add(ask)
        try:
            yield ask
        finally:
            self._asks.discard(ask)

    def more(self, destination: int) -> bool:
        """Whether it is worth asking."""
        one = self._destinations.get(destination)
        return one is not None and bool(one.dirty & self.readable)

    def probe(self, ask: Ask, wanted: int) -> Probe | None:
        """What to read for a page of so many; None where there is nothing. Its shards count as clean meanwhile."""
        one = self._destinations.get(ask.destination)
        mask = one.dirty & ask.shards if one else 0
        if one is None or not mask:
            return None
        one.dirty &= ~mask
        shards = shards_of(mask)
        each = max(1, min(wanted, max(PROBED, 2 * wanted) // len(shards)))
        return Probe(ask, wanted, shards, each, [each + one.given_of_shard[shard] for shard in shards])

    def given(self, destination: int) -> Iterable[int]:
        """Events that are not to be read again."""
        one = self._destinations.get(destination)
        return one.given if one else ()

    def failed(self, probe: Probe) -> None:
        self.hint(probe.destination, mask_of(probe.shards))

    def answer(self, probe: Probe, rows: Sequence[Row], deliveries: Iterator[Delivery]) -> Page:
        """Make a page of what the probe found. `deliveries` are those rows loaded, in order, as far as they were."""
        one = self._of(probe.destination)
        found = Counter(row.shard for row in rows)
        one.dirty |= mask_of(shard for shard, count in found.items() if count >= probe.each)
        page: list[Delivery] = []
        size = 0
        for row in rows:
            loaded = next(deliveries, None) if len(page) < probe.wanted and size <= PAGE_BYTES else None
            if loaded is None:
                one.dirty |= mask_of(row.shard for row in rows[len(page) :])
                break
            size += loaded.event.size
            page.append(loaded)
        taken = []
        for delivery, row in zip(page, rows, strict=False):
            self.take_fresh(probe.destination, row.event)
            if not probe.ask.shards >> row.shard & 1:
                one.dirty |= 1 << row.shard
            elif row.event not in one.given:  # it may have been settled since
                one.give(row.event, row.shard)
                taken.append(delivery)
        return Page(taken, self.more(probe.destination))

    def give(self, destination: int, event: int, shard: int) -> None:
        """It is being settled: not to be given out until that is durable."""
        self._of(destination).give(event, shard)

    def settled(self, destination: int, event: int) -> None:
        one = self._destinations.get(destination)
        if one is not None:
            one.forget(event)

    # Fresh ones

    def keep_fresh(self, delivery: Delivery) -> None:
        self._fresh[delivery.destination, delivery.event.seq] = delivery
        self._fresh_bytes += delivery.event.size
        while len(self._fresh) > FRESH or self._fresh_bytes > FRESH_BYTES:
            _, oldest = self._fresh.popitem(last=False)
            self._fresh_bytes -= oldest.event.size

    def fresh(self, destination: int, event: int) -> Delivery | None:
        return self._fresh.get((destination, event))

    def fresh_events(self) -> list[int]:
        return [event for _, event in self._fresh]

    def take_fresh(self, destination: int, event: int) -> None:
        delivery = self._fresh.pop((destination, event), None)
        if delivery is not None:
            self._fresh_bytes -= delivery.event.size
