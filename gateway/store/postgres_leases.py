"""Who delivers what, where processes share a database: each leases a fair part of the shards.

A process is a replica: a row that expires, by the database's clock, unless it is renewed. A lease names its owner, and
lasts as long as the owner's row. Whoever finds an expired row deletes it; its leases are then free. The owner itself
goes by its own clock: a lease ends for it so long after it began to ask for the renewal, so that it always stops before
anybody else begins. A process that slept too long joins again under another id.

After the database was away all rows have expired, and all are renewed in a moment. So who could not renew its own row
does not delete others' until that much time has passed again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from math import inf
from typing import NamedTuple, Protocol

from gateway.store.base import StoreUnavailable
from gateway.store.postgres_link import Connection, Link, end
from gateway.store.postgres_queued import mask_of, shards_of

TTL_S = 9.0
BEAT_S = 2.5
"""A replica that is killed is missed after TTL_S, and its shards are taken within BEAT_S more."""
WATCH_S = 0.25
"""How often a replica looks whether its own leases have run out."""
LEAVING = -1
"""In place of the generation of a replica that is about to stop: its part is nothing, as an older one's."""

RENEW = """
UPDATE replicas SET generation = $2, expires = now() + make_interval(secs => $3) WHERE id = $1 RETURNING true
"""
JOIN = "INSERT INTO replicas (id, generation, expires) VALUES ($1, $2, now() + make_interval(secs => $3))"
BURY = """
DELETE FROM replicas WHERE id IN (SELECT id FROM replicas WHERE expires < now() FOR UPDATE SKIP LOCKED)
RETURNING id
"""
REPLICAS = "SELECT id, generation FROM replicas"
OWNERS = "SELECT shard, owner FROM leases ORDER BY shard"
CLAIM = """
UPDATE leases l SET owner = $1 FROM unnest($2::smallint[], $3::bytea[]) AS u(shard, owner)
WHERE l.shard = u.shard AND l.owner IS NOT DISTINCT FROM u.owner
RETURNING l.shard
"""
RELEASE = "UPDATE leases SET owner = NULL WHERE owner = $1 AND shard = ANY($2::smallint[])"
RELEASE_ALL = "UPDATE leases SET owner = NULL WHERE owner = $1"
LEAVE = "DELETE FROM replicas WHERE id = $1"


def own_clock() -> float:
    """Seconds that never jump, and pass while the machine sleeps, where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Plan(NamedTuple):
    """`claim` are free shards to take, with the owner that is gone; so many of the own ones are `surplus`."""

    claim: dict[int, bytes | None]
    surplus: int


def plan(me: bytes, replicas: Mapping[bytes, int], owners: Mapping[int, bytes | None]) -> Plan:
    """A replica's part: an even share of the shards among those of the newest generation; the others' is nothing.
    Where all are leaving, they keep what they have.

    Each looks for free shards from another one on, so that those who look at once seldom want the same.
    """
    newest = max(replicas.values())
    members = sorted(replica for replica, generation in replicas.items() if generation == newest)
    mine = sum(owner == me for owner in owners.values())
    if newest == LEAVING:
        return Plan({}, 0)
    if me not in members:
        return Plan({}, mine)
    even, left = divmod(len(owners), len(members))
    place = members.index(me)
    share = even + (place < left)
    first = place * even + min(place, left)
    free = [shard for shard, owner in owners.items() if owner is None or owner not in replicas]
    free.sort(key=lambda shard: (shard - first) % len(owners))
    return Plan({shard: owners[shard] for shard in free[: max(0, share - mine)]}, max(0, mine - share))


class Round(NamedTuple):
    """What a renewal found and took. `buried` says whether somebody's shards became free."""

    id: bytes
    buried: bool
    replicas: dict[bytes, int]
    mine: frozenset[int]
    surplus: int


class Replicas(Protocol):
    def __call__(self, count: int, *, current: bool) -> None: ...


class Holder:
    """Whom the leases tell, as gateway.store.listener.Listener. Calls for a shard never overlap."""

    def __init__(
        self,
        gained: Callable[[frozenset[int]], Awaitable[None]],
        on_its_way: Callable[[], frozenset[int]],
        yielding: Callable[[frozenset[int]], AsyncGenerator[frozenset[int], None]],
        lost: Callable[[frozenset[int]], None],
        replicas: Replicas,
    ) -> None:
        self.gained = gained
        self.on_its_way = on_its_way
        self.yielding = yielding
        self.lost = lost
        self.replicas = replicas


class Leases:
    """Those of this process. `tell` tells other replicas that shards are to be had, or wanted."""

    def __init__(
        self,
        link: Link,
        tell: Callable[[], None],
        *,
        clock: Callable[[], float] = own_clock,
        ttl_s: float = TTL_S,
        beat_s: float = BEAT_S,
    ) -> None:
        self._link = link
        self._tell = tell
        self._clock = clock
        self._ttl_s = ttl_s
        self._beat_s = beat_s
        self.id = os.urandom(16)
        self.generation = 0
        self._until = 0.0
        self._steady_since = -inf
        self._held = 0
        self._busy = 0
        self._owed = 0
        self._company = (0, True)
        self._holder: Holder | None = None
        self._poked = asyncio.Event()
        self._gaining = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> bool:
        return self._clock() < self._until

    def holds(self, shard: int) -> bool:
        return bool(self._held >> shard & 1) and self.alive

    @property
    def held(self) -> int:
        """A mask."""
        return self._held if self.alive else 0

    async def join(self, holder: Holder) -> None:
        """Returns when what is free was gained. Raises StoreUnavailable."""
        self._holder = holder
        await self._round()
        self._tell()
        changes = [task for task in self._tasks if not task.done()]
        self._spawn(self._beat())
        self._spawn(self._watch())
        await asyncio.gather(*changes)

    def retire(self) -> None:
        """Take nothing more, and give to others what they will have."""
        self.generation = LEAVING
        self.poke()

    async def close(self) -> None:
        """Give everything back. What cannot be given back now runs out."""
        await end(*self._tasks)
        self._held = 0
        self._until = 0.0
        if self._holder is not None:
            with contextlib.suppress(StoreUnavailable):
                await self._link.run(self._leave)

    def poke(self) -> None:
        """Look again now: another replica came or went."""
        self._poked.set()

    # Renewing

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat_s):
                    await self._poked.wait()
            self._poked.clear()
            with contextlib.suppress(
                Exception
            ):  # whatever it is: the next beat may do, and leases run out by themselves
                await self._round()

    async def _round(self) -> None:
        asked = self._clock()
        if self._until and asked > self._until - self._ttl_s / 2:  # more than a beat was missed
            self._steady_since = asked
        found = await self._link.run(self._renew, self._ttl_s / 2)
        self.check()  # a lease that ran out meanwhile was lost, even if it is ours again
        if found.id != self.id:
            self._lose(self._held)
            self.id = found.id
        self._until = asked + self._ttl_s
        if found.buried:
            self._tell()
        if self.alive:  # not one who slept before the answer came
            self._apply(found)

    async def _renew(self, connection: Connection) -> Round:
        async with connection.transaction():
            me = self.id
            if not await connection.fetchval(RENEW, me, self.generation, self._ttl_s):
                me = os.urandom(16) if self._until else me
                await connection.execute(JOIN, me, self.generation, self._ttl_s)
            buried = await connection.fetch(BURY) if self._clock() >= self._steady_since + self._ttl_s else []
            replicas: dict[bytes, int] = dict(await connection.fetch(REPLICAS))
            owners: dict[int, bytes | None] = dict(await connection.fetch(OWNERS))
            claim, surplus = plan(me, replicas, owners)
            mine = {shard for shard, owner in owners.items() if owner == me}
            if claim:
                mine |= {row[0] for row in await connection.fetch(CLAIM, me, list(claim), list(claim.values()))}
        return Round(me, bool(buried), replicas, frozenset(mine), surplus)

    async def _leave(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(LEAVE, self.id)
            await connection.execute(RELEASE_ALL, self.id)

    def _apply(self, found: Round) -> None:
        holder = self._holder
        assert holder is not None
        mine = mask_of(found.mine)
        self._lose(self._held & ~mine)
        if gained := mine & ~self._held & ~self._busy:
            self._held |= gained
            self._change(self._gain, gained)
        leaving = self._held & self._busy
        if surplus := max(0, found.surplus - leaving.bit_count()):
            kept = holder.on_its_way()
            shards = sorted(shards_of(self._held & ~self._busy), key=lambda shard: (shard in kept, -shard))
            self._change(self._yield, mask_of(shards[:surplus]))
        current = found.replicas[found.id] == max(found.replicas.values())
        if (company := (len(found.replicas), current)) != self._company:
            self._company = company
            holder.replicas(len(found.replicas), current=current)

    # Changes

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _change(self, work: Callable[[int], Awaitable[None]], mask: int) -> None:
        self._busy |= mask
        self._spawn(work(mask))

    def _changed(self, mask: int) -> None:
        """These are gained, or given away. What was lost meanwhile is told now."""
        self._busy &= ~mask
        owed, self._owed = self._owed & mask, self._owed & ~mask
        if owed and self._holder is not None:
            self._holder.lost(frozenset(shards_of(owed)))
            self.poke()

    async def _gain(self, mask: int) -> None:
        holder = self._holder
        assert holder is not None
        try:
            async with self._gaining:
                while shards := frozenset(shards_of(mask & self._held & ~self._owed)):
                    try:
                        await holder.gained(shards)
                        return
                    except Exception:  # shards that nobody delivers would be the worst outcome
                        await asyncio.sleep(WATCH_S)
        finally:
            self._changed(mask)

    async def _yield(self, mask: int) -> None:
        """Each goes as soon as it may: what is slow on its way to one downstream must not keep the others waiting."""
        holder = self._holder
        assert holder is not None
        left = mask
        try:
            with contextlib.suppress(Exception):  # they go either way
                async with contextlib.aclosing(holder.yielding(frozenset(shards_of(mask)))) as leaving:
                    async for shards in leaving:
                        free = mask_of(shards)
                        await self._release(free)
                        left &= ~free
                        self._changed(free)
            await self._release(left)
        finally:
            self._changed(left)

    async def _release(self, mask: int) -> None:
        """Returns when another replica may have them, or when they are lost anyway."""
        shards = shards_of(mask)
        while mask & self._held:
            try:
                await self._link.run(lambda connection: connection.execute(RELEASE, self.id, shards))
            except StoreUnavailable:
                await asyncio.sleep(WATCH_S)
                continue
            self._held &= ~mask
            self._tell()

    # Losing

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            self.check()

    def check(self) -> None:
        """What has run out by the own clock is lost."""
        if not self.alive:
            self._lose(self._held)

    def _lose(self, mask: int) -> None:
        """Those that are being gained or given away are lost when that is over."""
        self._held &= ~mask
        self._owed |= mask & self._busy
        if (now := mask & ~self._busy) and self._holder is not None:
            self._holder.lost(frozenset(shards_of(now)))
