"""The store for many processes and machines: a PostgreSQL database that they share (docs/explanation/scaling.md).

Deliveries are never handed over in memory. Each comes out of the database, so that what another process committed
before it comes before it; what this process committed itself is only spared the reading of its event.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from gateway.control import Control
from gateway.store import postgres_control, postgres_ledger, postgres_prune, postgres_read
from gateway.store.base import (
    ALL_SHARDS,
    Appended,
    Backlog,
    Count,
    Delivery,
    DestinationRow,
    DriftSample,
    Page,
    Run,
    Settlement,
    SourceRow,
    StoreUnavailable,
    Submission,
    shard_of,
)
from gateway.store.ledger import Account, Cutoffs, Pruned, Volume
from gateway.store.listener import Listener
from gateway.store.postgres_append import Appender
from gateway.store.postgres_leases import BEAT_S, TTL_S, Holder, Leases, own_clock
from gateway.store.postgres_link import Connection, Link, Links, Pool, end
from gateway.store.postgres_notices import Notices
from gateway.store.postgres_pages import Pages
from gateway.store.postgres_queued import Queued, mask_of, shards_of
from gateway.store.postgres_schema import prepare
from gateway.store.postgres_settle import Settler, waits

T = TypeVar("T")

READERS = 3
COUNTERS = 2
"""So that metrics need not wait for the whole ledger."""
SWEEP_S = 5.0
POLL_S = 1.0
"""How often the database is searched for what notices should have told; the shorter time where they do not arrive."""
LONG_S = 600.0
"""What may take long: counting all rows."""
YIELD_RETRY_S = 0.25


class PostgresStore:
    """Implements gateway.store.base.Store. `url` is as libpq has it.

    Behind a pooler that gives out sessions by the transaction, the URL needs `statement_cache_size=0`.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = own_clock,
        ttl_s: float = TTL_S,
        beat_s: float = BEAT_S,
        notices: bool = True,
    ) -> None:
        self.party_key = b""
        self._url = url
        self._links = links = Links(url, self._reached)
        self._pool = Pool(links, READERS)
        self._settle_link = Link(links)
        self._lease_link = Link(links)
        self._counters = Pool(links, COUNTERS, {"statement_timeout": "'0'", "enable_seqscan": "'on'"})
        self._queued = Queued()
        self._appender = Appender(links, self._committed)
        self._settler = Settler(self._settle_link, lambda: self._leases.id, self._settled)
        self._pages = Pages(self._pool, self._queued)
        self._notices = Notices(links, self._pool, self._heard) if notices else None
        self._leases = Leases(self._lease_link, lambda: self._tell("leases"), clock=clock, ttl_s=ttl_s, beat_s=beat_s)
        self._listener: Listener | None = None
        self._poll: asyncio.Task[None] | None = None
        self._sweep = asyncio.Event()
        self._known: tuple[list[Control], list[Run]] | None = None
        self._open = False

    async def open(self) -> None:
        self.party_key = await prepare(self._url)
        self._open = True
        self._appender.start()
        self._settler.start()
        self._pages.start()

    async def attend(self, listener: Listener) -> None:
        self._listener = listener
        if self._notices is not None:
            self._notices.start()
        holder = Holder(listener.gained, lambda: listener.on_its_way, self._yielding, self._lost, listener.replicas)
        await self._leases.join(holder)
        self._poll = asyncio.create_task(self._watch(), name="poll")

    def retire(self) -> None:
        self._leases.retire()

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        await end(self._poll)
        await self._appender.close()
        await self._settler.close()
        await self._pages.close()
        await self._leases.close()
        if self._notices is not None:
            self._tell("leases")
            await self._notices.close()
        for link in (self._pool, self._settle_link, self._lease_link, self._counters):
            await link.close()

    # What comes in, and what becomes of it

    def append(self, submission: Submission) -> Awaitable[Appended]:
        return self._appender.append(submission)

    def settle(self, settlement: Settlement) -> None:
        shard = shard_of(settlement.destination, settlement.lane)
        self._queued.give(settlement.destination, settlement.event, shard)
        self._settler.settle(settlement)

    def wait(self, destination: int, event: int, lane: int) -> None:
        self.settle(waits(destination, event, lane))

    async def flush(self) -> None:
        self._check_open()
        await self._settler.flush()

    @property
    def unsettled(self) -> int:
        return self._settler.unsettled

    def holds(self, destination: int, lane: int) -> bool:
        return self._leases.holds(shard_of(destination, lane))

    # Names and controls

    async def register_sources(self, sources: Sequence[SourceRow]) -> list[int]:
        return await self._run(lambda connection: postgres_control.register_sources(connection, sources), LONG_S)

    async def register_destinations(self, destinations: Sequence[DestinationRow]) -> list[int]:
        numbers, generation = await self._run(
            lambda connection: postgres_control.register_destinations(connection, destinations), LONG_S
        )
        self._leases.generation = generation
        self._leases.poke()
        return numbers

    async def controls(self) -> list[Control]:
        return await self._run(postgres_control.controls)

    async def change(self, destination: int, change: Callable[[Control], Control]) -> Control:
        after, changed = await self._run(lambda connection: postgres_control.change(connection, destination, change))
        if changed:
            self._tell("changed")
        return after

    async def runs(self) -> list[Run]:
        return await self._run(postgres_control.runs)

    async def hurry(self, destination: int, now_ms: int) -> None:
        await self.flush()
        await self._run(lambda connection: postgres_control.hurry(connection, destination, now_ms))

    # What is to be delivered

    async def backlog(self, shards: frozenset[int], destination: int | None = None) -> dict[int, Backlog]:
        """Only shards that this process leases: it may ask for all."""
        await self.flush()
        mask = mask_of(shards) & self._leases.held
        if not mask:
            return {}
        held = frozenset(shards_of(mask))
        found = await self._run(lambda connection: postgres_read.backlog(connection, held, destination), LONG_S)
        queued = {number: mask_of(its_shards) for number, (_, its_shards) in found.items()}
        self._queued.begin_anew(mask & self._leases.held, queued, destination)
        return {number: backlog for number, (backlog, _) in found.items()}

    async def queued(self, destination: int, after: int, limit: int) -> Page:
        self._check_open()
        return await self._pages.queued(destination, limit)

    async def waiting(self, destination: int, lane: int, limit: int) -> Page:
        await self.flush()
        return await self._run(lambda connection: postgres_read.waiting(connection, destination, lane, limit))

    async def due(self, destination: int, now_ms: int, limit: int) -> tuple[Page, int | None]:
        await self.flush()
        shards = shards_of(self._leases.held & self._queued.readable)
        return await self._run(lambda connection: postgres_read.due(connection, destination, now_ms, shards, limit))

    async def body(self, receipt: int) -> bytes:
        return await self._run(lambda connection: postgres_read.body(connection, receipt))

    # The ledger and retention

    async def counts(self) -> list[Count]:
        return await self._take_long(postgres_ledger.counts)

    async def accounts(self, *, recount: bool = True) -> list[Account]:
        return await self._take_long(postgres_ledger.accounts if recount else postgres_ledger.quick_accounts)

    async def volume(self) -> Volume:
        return await self._take_long(postgres_ledger.volume)

    async def prune(self, cutoffs: Cutoffs, after: int, limit: int) -> tuple[Pruned, int]:
        return await self._run(lambda connection: postgres_prune.prune(connection, cutoffs, after, limit))

    async def expire(self, destination: int, before_ms: int, now_ms: int, limit: int) -> int:
        await self.flush()
        return await self._run(
            lambda connection: postgres_prune.expire(connection, destination, before_ms, now_ms, limit)
        )

    # Drift, health

    async def keep_drift(self, samples: Sequence[DriftSample]) -> None:
        await self._run(lambda connection: postgres_control.keep_drift(connection, samples))

    async def drift_samples(self) -> list[DriftSample]:
        return await self._run(postgres_control.drift_samples)

    async def refusal(self) -> str | None:
        try:
            await self._run(postgres_control.probe)
        except StoreUnavailable as error:
            return str(error)
        return None

    def _check_open(self) -> None:
        if not self._open:
            raise StoreUnavailable("the store is closed")

    async def _run(self, work: Callable[[Connection], Awaitable[T]], limit_s: float = 10.0) -> T:
        self._check_open()
        return await self._pool.run(work, limit_s)

    async def _take_long(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """On connections of their own: nobody waits for it but those who count as well."""
        self._check_open()
        await self.flush()
        return await self._counters.run(work, LONG_S)

    # News

    def _committed(self, deliveries: list[Delivery]) -> None:
        """New deliveries of this process: its own shards are read soon, those of others are told to them."""
        held = self._leases.held
        own: dict[int, int] = {}
        others: set[tuple[int, int]] = set()
        for delivery in deliveries:
            shard = shard_of(delivery.destination, delivery.lane)
            if held >> shard & 1:
                own[delivery.destination] = own.get(delivery.destination, 0) | 1 << shard
                self._queued.keep_fresh(delivery)
            else:
                others.add((delivery.destination, shard))
        if others and self._notices is not None:
            self._notices.tell_queued(others)
        self._hint(own)

    def _hint(self, masks: dict[int, int]) -> None:
        readable = [destination for destination, mask in masks.items() if self._queued.hint(destination, mask)]
        if readable and self._listener is not None:
            self._listener.hinted(readable)

    def _settled(self, settlements: Sequence[Settlement]) -> None:
        for one in settlements:
            self._queued.settled(one.destination, one.event)

    def _reached(self, error: str | None) -> None:
        if self._listener is not None:
            self._listener.reached(error)

    def _tell(self, word: str) -> None:
        if self._notices is not None:
            self._notices.tell(word)

    def _heard(self, word: str, pairs: Iterable[tuple[int, int]]) -> None:
        if word == "queued":
            masks: dict[int, int] = {}
            held = self._leases.held
            for destination, shard in pairs:
                if 0 <= shard < len(ALL_SHARDS) and held >> shard & 1:
                    masks[destination] = masks.get(destination, 0) | 1 << shard
            self._hint(masks)
            if not pairs:
                self._sweep.set()
        elif word == "changed" and self._listener is not None:
            self._listener.changed()
        elif word == "leases":
            self._leases.poke()

    async def _watch(self) -> None:
        """Look for what nobody told."""
        swept = time.monotonic()
        while True:
            arrive = self._notices is not None and self._notices.arrive
            wait_s = (SWEEP_S if arrive else POLL_S) - (time.monotonic() - swept)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(POLL_S, max(0.0, wait_s))):
                    await self._sweep.wait()
            if not self._sweep.is_set() and wait_s > POLL_S:
                continue
            self._sweep.clear()
            swept = time.monotonic()
            with contextlib.suppress(Exception):  # whatever it is: the next look may do
                await self._look()

    async def _look(self) -> None:
        if self._notices is not None:
            self._notices.ping()
        nothing_to_learn = self._queued.all_dirty()
        masks: dict[int, int] = {}
        for destination, shard in await self._run(
            lambda connection: postgres_read.queued_shards(connection, lambda number: number not in nothing_to_learn)
        ):
            masks[destination] = masks.get(destination, 0) | 1 << shard
        self._hint(masks)
        known = (await self.controls(), await self.runs())
        if known != self._known and self._listener is not None:  # at first nobody knows how old the listener's are
            self._listener.changed()
        self._known = known

    # Leases

    async def _yielding(self, shards: frozenset[int]) -> AsyncGenerator[frozenset[int], None]:
        """What is given away is settled."""
        assert self._listener is not None
        self._queued.lose(mask_of(shards))
        async with contextlib.aclosing(self._listener.yielding(shards)) as leaving:
            async for free in leaving:
                await self._settle_all()
                yield free

    async def _settle_all(self) -> None:
        while self._leases.alive:
            try:
                return await self._settler.flush()
            except StoreUnavailable:
                await asyncio.sleep(YIELD_RETRY_S)
        return None

    def _lost(self, shards: frozenset[int]) -> None:
        assert self._listener is not None
        self._queued.lose(mask_of(shards))
        self._listener.lost(shards)
