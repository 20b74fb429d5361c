"""Retention: what is done with goes in time, and earlier where room is needed. What is not done with never goes.

Three things happen, in small steps with pauses between, so that accepting and delivering hardly notice:

- By age: receipts older than `receipts` go, once all their deliveries are final.
- By size: from nine tenths of `size` on the oldest that is done with goes, whatever its age, until there is room again.
  Where that does not help, everything left is still to be delivered: then tenants above their share are refused.
  What comes in meanwhile is reckoned with: the faster it comes, the sooner the next look.
- What is parked expires after the destination's `park_for`, where it has one.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from gateway.clock import Clock
from gateway.config import Retention as Rules
from gateway.store.base import Store, StoreUnavailable
from gateway.store.ledger import Cutoffs, Pruned, Volume
from gateway.telemetry import Log, Metrics

HIGH, LOW = 0.90, 0.85
"""Parts of `size`: above the first the oldest goes, until the second is reached."""
LOOK_S = 5.0
"""How often the size is looked at."""
SOON_S = 0.25
"""How often at most, where nothing can go and all that comes in says that a look is due."""
SHARE_OF_ROOM = 0.25
"""What comes in is so much of the room when the next look is due: a small event takes thrice its bytes of the file."""
ROUND_S = 60.0
"""How often what has become too old is looked for, and at least how often what can go, where there was nothing."""
STEP = 200
"""Receipts that a step looks at: some milliseconds of the store's time."""
IDLE_SHARE = 4.0
URGENT_SHARE = 1.0
"""Pauses between steps, in times of a step: a fifth of the store's time at most, or half of it where room is needed."""
FIRST_STEP = 20
"""Receipts of a first step that makes room: none knows yet how large they are."""


class Judgement(NamedTuple):
    """What follows from a volume. `excess` is how many bytes have to go, once it is `tight`; `over` are tenants that
    hold more than their share; `room` is how many bytes there are up to the size."""

    excess: int = 0
    tight: bool = False
    exhausted: bool = False
    over: frozenset[str] = frozenset()
    room: float = math.inf


def by_age(rules: Rules, now_ms: int) -> Cutoffs:
    return Cutoffs(now_ms - int(rules.receipts * 1000), now_ms - int(rules.ids * 1000))


def by_size(rules: Rules, now_ms: int) -> Cutoffs:
    """Receipts of any age; ids are remembered as long as ever."""
    return by_age(rules, now_ms)._replace(receipts_before_ms=now_ms + 1)


def judge(rules: Rules, volume: Volume, largest: int = 0) -> Judgement:
    """A tenant's part of the file is taken to be as its part of what is stored: indexes and gaps belong to all.

    There is to be room for the `largest` that came at once, twice over: of a small file that is more than a tenth.
    """
    if rules.size is None:
        return Judgement()
    stored = sum(volume.tenants.values())
    part = volume.used_bytes / stored if stored else 0.0
    over = (tenant for tenant, size in volume.tenants.items() if size * part > rules.tenant_share * rules.size)
    used = volume.used_bytes
    high = min(HIGH * rules.size, max(rules.size - 2 * largest, rules.size / 2))
    excess = max(0, used - int(high - (HIGH - LOW) * rules.size))
    return Judgement(excess, used >= high, used >= rules.size, frozenset(over), rules.size - used)


def step_for(excess: int, freed: int, receipts: int) -> int:
    """How many receipts to take next, going by how many bytes the last ones made free."""
    if freed <= 0:
        return STEP
    return max(1, min(STEP, excess * receipts // freed))


class _Round(NamedTuple):
    receipts: int = 0
    events: int = 0
    deliveries: int = 0
    expired: int = 0

    def plus(self, step: Pruned) -> _Round:
        return _Round(
            self.receipts + step.receipts, self.events + step.events, self.deliveries + step.deliveries, self.expired
        )


class Retention:
    """`park_for` has seconds by destination number, of those that have them. `start`, then `stop`."""

    def __init__(
        self,
        rules: Rules,
        park_for: Mapping[int, float],
        store: Store,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rules = rules
        self._park_for = park_for
        self._store = store
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._pause = pause
        self._tasks: list[asyncio.Task[None]] = []
        self._soon = asyncio.Event()
        self._incoming = self._largest = 0
        self._room = math.inf
        self._squeezed_s = -math.inf
        self._rest_s = 0.0
        self._stuck: tuple[float, int] | None = None
        self._refused: frozenset[str] = frozenset()
        self._refuses_all = False

    def full(self, tenant: str, incoming: int) -> str | None:
        """A word for why the tenant may store nothing more, while none of what is there can go; None where it may.

        So many bytes are reckoned with, whatever becomes of them.
        """
        self._incoming += incoming
        self._largest = max(self._largest, incoming)
        if self._incoming > SHARE_OF_ROOM * self._room:
            self._soon.set()
        if self._refuses_all:
            return "store_full"
        return "tenant_over_quota" if tenant in self._refused else None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep_times()), loop.create_task(self._keep_size())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_times(self) -> None:
        while True:
            await self._try(self.keep_times)
            await self._pause(ROUND_S)

    async def _keep_size(self) -> None:
        """A task of its own: a round of what is too old may take minutes."""
        while True:
            if not await self._try(self.keep_size):
                await self._pause(LOOK_S)  # whatever comes in: asking more often would not mend it
            await self._until_next_look()

    async def _try(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
        except StoreUnavailable:
            return False  # who stores something is told; here there is time
        except Exception as error:
            self._log.error("retention_error", error=type(error).__name__, text=str(error))
            return False
        return True

    async def _until_next_look(self) -> None:
        waits = {asyncio.ensure_future(self._pause(LOOK_S)), asyncio.ensure_future(self._soon.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def keep_times(self) -> None:
        """One round: what is parked for too long expires, and what is old goes."""
        self._largest //= 2  # it need not come again
        done = _Round(expired=await self._expire())
        cutoffs = by_age(self._rules, self._clock.now_ms())
        after, more = 0, True
        while more:
            step, after = await self._step(cutoffs, after, STEP, IDLE_SHARE)
            done, more = done.plus(step), step.more
        self._tell(done, "age")

    async def keep_size(self) -> None:
        """Look, and make room where it is needed; not again at once where nothing could go."""
        rested = self._clock.steady_ms() / 1000 >= self._squeezed_s + self._rest_s
        if await self.look() and not (rested and await self.make_room()):
            await self._pause(SOON_S)

    async def look(self) -> bool:
        """Whether room has to be made."""
        judgement = await self._look()
        if not judgement.tight:
            self._refuse(self._refused & judgement.over if judgement.excess else frozenset())
        return judgement.tight

    async def make_room(self) -> bool:
        """The oldest goes. Whether that helped; where nothing does, those who hold too much are refused from now on."""
        done, began_s = _Round(), self._clock.steady_ms() / 1000
        cutoffs = by_size(self._rules, self._clock.now_ms())
        after, more, limit = 0, True, FIRST_STEP
        judgement = await self._look()
        while more and judgement.excess:
            step, after = await self._step(cutoffs, after, limit, URGENT_SHARE)
            done, more = done.plus(step), step.more
            if step.receipts:
                before, judgement = judgement.excess, await self._look()
                limit = step_for(judgement.excess, before - judgement.excess, step.receipts)
        self._tell(done, "size")
        self._squeezed_s = self._clock.steady_ms() / 1000
        self._rest_s = min(ROUND_S, IDLE_SHARE * (self._squeezed_s - began_s)) if judgement.tight else 0.0
        if not judgement.tight or any(done):
            self._stuck = None
        elif self._others_make_room(judgement.excess):
            return False
        self._refuse(judgement.over if judgement.tight else frozenset())
        return not judgement.tight

    def _others_make_room(self, excess: int) -> bool:
        """One process at a time prunes: whoever could not may have come second. It has not, where that lasts."""
        if self._stuck is None or excess < self._stuck[1]:
            self._stuck = self._squeezed_s, excess
        return self._squeezed_s - self._stuck[0] < LOOK_S

    async def _expire(self) -> int:
        """Of destinations that are paused or disabled, as long as they are: the store sees to that."""
        expired = 0
        now_ms = self._clock.now_ms()
        for control in await self._store.controls():
            seconds = self._park_for.get(control.destination)
            while control.parks and seconds is not None:
                step = await self._store.expire(control.destination, now_ms - int(seconds * 1000), now_ms, STEP)
                expired += step
                if step < STEP:
                    break
        return expired

    async def _step(self, cutoffs: Cutoffs, after: int, limit: int, share: float) -> tuple[Pruned, int]:
        began_s = time.perf_counter()
        step = await self._store.prune(cutoffs, after, limit)
        await self._pause(share * (time.perf_counter() - began_s))
        return step

    async def _look(self) -> Judgement:
        self._incoming = 0
        self._soon.clear()
        volume = await self._store.volume()
        self._metrics.used_bytes.set(volume.used_bytes)
        judgement = judge(self._rules, volume, self._largest)
        self._room = judgement.room
        if judgement.exhausted != self._refuses_all:
            self._log.warning("store_full" if judgement.exhausted else "store_has_room", used_bytes=volume.used_bytes)
            self._refuses_all = judgement.exhausted
        return judgement

    def _refuse(self, tenants: frozenset[str]) -> None:
        if tenants != self._refused:
            self._log.warning("tenants_over_quota", tenants=sorted(tenants)[:10], count=len(tenants))
            self._refused = tenants
        self._metrics.tenants_over_quota.set(len(tenants))

    def _tell(self, done: _Round, reason: str) -> None:
        """One line for a round that took something."""
        for what, count in done._asdict().items():
            if count:
                self._metrics.pruned.add(what, reason, amount=count)
        if any(done):
            self._log.info("pruned", reason=reason, **done._asdict())
