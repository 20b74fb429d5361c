"""Retention: what is done with goes in time, and earlier where room is needed. What is not done with never goes.

Three things happen, in small steps with pauses between, so that accepting and delivering hardly notice:

- By age: receipts older than `receipts` go, once all their deliveries are final.
- By size: from nine tenths of `size` on the oldest that is done with goes, whatever its age, until there is room again.
  Where that does not help, everything left is still to be delivered: then tenants above their share are refused.
- What is parked expires after the destination's `park_for`, where it has one.
"""

from __future__ import annotations

import asyncio
import contextlib
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
ROUND_S = 60.0
"""How often what has become too old is looked for, and again what can go where a round made no room."""
STEP = 200
"""Receipts that a step looks at: some milliseconds of the store's time."""
IDLE_SHARE = 4.0
URGENT_SHARE = 1.0
"""Pauses between steps, in times of a step: a fifth of the store's time at most, or half of it where room is needed."""
FIRST_STEP = 20
"""Receipts of a first step that makes room: none knows yet how large they are."""


class Judgement(NamedTuple):
    """What follows from a volume. `excess` is how many bytes have to go, once it is `tight`; `over` are tenants that
    hold more than their share."""

    excess: int = 0
    tight: bool = False
    exhausted: bool = False
    over: frozenset[str] = frozenset()


def by_age(rules: Rules, now_ms: int) -> Cutoffs:
    return Cutoffs(now_ms - int(rules.receipts * 1000), now_ms - int(rules.ids * 1000))


def by_size(rules: Rules, now_ms: int) -> Cutoffs:
    """Receipts of any age; ids are remembered as long as ever."""
    return by_age(rules, now_ms)._replace(receipts_before_ms=now_ms + 1)


def judge(rules: Rules, volume: Volume) -> Judgement:
    """A tenant's part of the file is taken to be as its part of what is stored: indexes and gaps belong to all."""
    if rules.size is None:
        return Judgement()
    stored = sum(volume.tenants.values())
    part = volume.used_bytes / stored if stored else 0.0
    over = (tenant for tenant, size in volume.tenants.items() if size * part > rules.tenant_share * rules.size)
    used = volume.used_bytes
    excess = max(0, used - int(LOW * rules.size))
    return Judgement(excess, used >= HIGH * rules.size, used >= rules.size, frozenset(over))


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
        self._task: asyncio.Task[None] | None = None
        self._refused: frozenset[str] = frozenset()
        self._refuses_all = False

    def full(self, tenant: str) -> bool:
        """Whether the tenant holds all of the store that it may, and none of it can go."""
        return self._refuses_all or tenant in self._refused

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        next_round_s = next_squeeze_s = 0.0
        while True:
            now_s = self._clock.steady_ms() / 1000
            try:
                if now_s >= next_round_s:
                    await self.keep_times()
                    next_round_s = now_s + ROUND_S
                if await self.look() and now_s >= next_squeeze_s:
                    made_room = await self.make_room()
                    next_squeeze_s = now_s + (0 if made_room else ROUND_S)
            except StoreUnavailable:
                pass  # who stores something is told; here there is time
            except Exception as error:
                self._log.error("retention_error", error=type(error).__name__, text=str(error))
            await self._pause(LOOK_S)

    async def keep_times(self) -> None:
        """One round: what is parked for too long expires, and what is old goes."""
        done = _Round(expired=await self._expire())
        cutoffs = by_age(self._rules, self._clock.now_ms())
        after, more = 0, True
        while more:
            step, after = await self._step(cutoffs, after, STEP, IDLE_SHARE)
            done, more = done.plus(step), step.more
        self._tell(done, "age")

    async def look(self) -> bool:
        """Whether room has to be made."""
        judgement = await self._look()
        self._refuses_all = judgement.exhausted
        if not judgement.tight:
            self._refuse(self._refused & judgement.over if judgement.excess else frozenset())
        return judgement.tight

    async def make_room(self) -> bool:
        """The oldest goes. Whether that helped; otherwise those who hold too much are refused from now on."""
        done = _Round()
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
        if judgement.tight and not any(done) and await self._others_make_room(judgement):
            return False
        self._refuses_all = judgement.exhausted
        self._refuse(judgement.over if judgement.tight else frozenset())
        return not judgement.tight

    async def _others_make_room(self, judgement: Judgement) -> bool:
        """One process at a time prunes: whoever could not may have come second."""
        await self._pause(LOOK_S)
        return (await self._look()).excess < judgement.excess

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
        volume = await self._store.volume()
        self._metrics.used_bytes.set(volume.used_bytes)
        return judge(self._rules, volume)

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
