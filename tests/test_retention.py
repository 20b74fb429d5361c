"""Retention: what goes when, at whose cost, and who is refused where nothing can go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.config import Retention as Rules
from gateway.control import Mode
from gateway.retention import HIGH, LOOK_S, LOW, ROUND_S, STEP, Judgement, Retention, by_age, by_size, judge, step_for
from gateway.store.base import ALL_SHARDS, DestinationRow, Settlement, SourceRow, State, StoreUnavailable
from gateway.store.ledger import Cutoffs, Volume
from gateway.store.sqlite import SqliteStore
from gateway.telemetry import Metrics
from tests.support import NOW_MS, FakeClock, event, submission, until

HOUR, DAY = 3600.0, 86400.0
BODY = b"x" * 20_000


def rules(**given: Any) -> Rules:
    """Unchecked: sizes below the least that a configuration may have fill up sooner."""
    return Rules.model_construct(**{"receipts": 30 * DAY, "size": None, "tenant_share": 0.5, "ids": 8 * DAY, **given})


# The plan


def test_age_gives_cutoffs_and_ids_are_kept_in_their_own_time() -> None:
    assert by_age(rules(), NOW_MS) == Cutoffs(NOW_MS - 30 * 86_400_000, NOW_MS - 8 * 86_400_000)
    assert by_age(rules(receipts=60.0), NOW_MS) == Cutoffs(NOW_MS - 60_000, NOW_MS - 8 * 86_400_000)
    assert by_size(rules(), NOW_MS) == Cutoffs(NOW_MS + 1, NOW_MS - 8 * 86_400_000)


@pytest.mark.parametrize(
    ("used", "tenants", "expected"),
    [
        pytest.param(0, {}, Judgement(), id="empty"),
        pytest.param(84, {"a": 40, "b": 44}, Judgement(), id="roomy"),
        pytest.param(86, {"a": 40, "b": 46}, Judgement(1), id="between"),
        pytest.param(90, {"a": 45, "b": 45}, Judgement(5, tight=True), id="tight"),
        pytest.param(92, {"a": 10, "b": 30}, Judgement(7, tight=True, over=frozenset("b")), id="indexes-count"),
        pytest.param(100, {"a": 1, "b": 1}, Judgement(15, tight=True, exhausted=True), id="exhausted"),
    ],
)
def test_what_follows_from_a_volume(used: int, tenants: dict[str, int], expected: Judgement) -> None:
    percent = 1024**2
    expected = expected._replace(excess=expected.excess * percent, room=(100 - used) * percent)
    assert judge(rules(size=100 * percent), Volume(used * percent, tenants)) == expected


def test_without_a_size_nothing_is_tight() -> None:
    assert judge(rules(), Volume(10**15, {"a": 10**15})) == Judgement()


def test_there_is_room_for_the_largest_that_came_twice() -> None:
    mib = 1024**2
    given = rules(size=100 * mib)
    assert judge(given, Volume(79 * mib, {}), 10 * mib) == Judgement(4 * mib, room=21 * mib)
    assert judge(given, Volume(80 * mib, {}), 10 * mib).tight
    assert not judge(given, Volume(49 * mib, {}), 10**9).tight, "but half of it is used in any case"


def test_steps_are_as_large_as_the_last_ones_receipts_suggest() -> None:
    assert step_for(1000, 200, 20) == 100
    assert step_for(10**9, 1000, 20) == STEP
    assert step_for(10, 10**6, 20) == 1
    assert step_for(1000, 0, 20) == STEP


# The task


class World:
    """A store with two tenants, and retention whose pauses are told."""

    def __init__(self, store: SqliteStore, rules_: Rules) -> None:
        self.store = store
        self.clock = FakeClock()
        self.lines: list[dict[str, Any]] = []
        self.metrics = Metrics()
        self.pauses: list[float] = []
        self.park_for: dict[int, float] = {}
        log = structlog.wrap_logger(None, processors=[self._keep])
        self.retention = Retention(rules_, self.park_for, store, self.clock, log, self.metrics, pause=self._pause)
        self._numbers = iter(range(1, 1_000_000))

    def _keep(self, logger: Any, method: str, fields: Any) -> Any:
        self.lines.append(dict(fields))
        raise structlog.DropEvent

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def begin(self) -> None:
        self.acme, self.other = await self.store.register_sources(
            [SourceRow("acme", "cloud", "acme/cloud", "cloud_api"), SourceRow("other", "cloud", "o/cloud", "cloud_api")]
        )
        self.crm, self.bot = await self.store.register_destinations(
            [DestinationRow("acme", "crm"), DestinationRow("other", "bot")]
        )

    async def receive(self, count: int, *, acme: bool = True, done: bool = True) -> None:
        source, destination = (self.acme, self.crm) if acme else (self.other, self.bot)
        for _ in range(count):
            number = next(self._numbers)
            appended = await self.store.append(
                submission(source, [event(number)], (destination,), BODY, received_ms=self.clock.now_ms())
            )
            if done:
                [one] = appended.deliveries
                self.store.settle(
                    Settlement(destination, one.event.seq, one.lane, State.DELIVERED, self.clock.now_ms())
                )
        await self.store.flush()

    async def receipts(self) -> int:
        count: int = await self.store._call(
            lambda: self.store._database.execute("SELECT count(*) FROM receipts").fetchone()[0]
        )
        return count

    async def used(self) -> float:
        size = self.retention._rules.size
        assert size is not None
        return (await self.store.volume()).used_bytes / size

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    worlds: list[World] = []

    async def made(**given: Any) -> World:
        size = given.get("size")
        store = SqliteStore(tmp_path / "store.db", synchronous="OFF", size=size)
        await store.open()
        world = World(store, rules(**given))
        worlds.append(world)
        await world.begin()
        return world

    yield made
    for world in worlds:
        await world.retention.stop()
        await world.store.close()


async def test_what_is_old_goes_and_is_told_in_one_line(make: Make) -> None:
    world = await make(receipts=DAY, ids=DAY)
    await world.receive(250)
    await world.receive(3, done=False)
    world.clock.advance(HOUR)
    await world.receive(20)
    world.clock.advance(DAY - HOUR / 2)
    await world.retention.keep_times()
    assert await world.receipts() == 23
    assert world.lines == [
        {"event": "pruned", "reason": "age", "receipts": 250, "events": 250, "deliveries": 250, "expired": 0}
    ]
    assert world.metric("wagw_pruned_total", what="receipts", reason="age") == 250
    assert len(world.pauses) >= 2, "it takes its time between steps"
    await world.retention.keep_times()
    assert len(world.lines) == 1, "a round that took nothing is silent"
    assert all(one.balances for one in await world.store.accounts())


async def test_parked_deliveries_expire_where_that_was_asked_for(make: Make) -> None:
    world = await make()
    world.park_for[world.crm] = HOUR
    await world.receive(210, done=False)
    await world.receive(5, acme=False, done=False)
    world.clock.advance(HOUR / 2)
    await world.receive(1, done=False)
    world.clock.advance(HOUR / 2 + 1)
    await world.retention.keep_times()
    assert world.lines == [], "what is not parked does not expire"
    for number in (world.crm, world.bot):
        await world.store.change(number, lambda one: one.with_mode(Mode.PAUSED, "", world.clock.now_ms()))
    await world.retention.keep_times()
    assert [line["expired"] for line in world.lines] == [210]
    crm, bot = await world.store.accounts()
    assert (crm.expired, crm.parked, bot.expired, bot.parked) == (210, 1, 0, 5)


async def test_the_oldest_goes_when_room_is_needed(make: Make) -> None:
    world = await make(size=8 * 1024**2)
    while await world.used() < HIGH:
        await world.receive(5)
    held = await world.receipts()
    assert await world.retention.look()
    assert await world.retention.make_room()
    assert await world.used() < LOW + 0.01
    assert 0 < await world.receipts() < held
    oldest = await world.store._call(
        lambda: world.store._database.execute("SELECT min(seq) FROM receipts").fetchone()[0]
    )
    assert oldest > held * 0.04
    [line] = world.lines
    assert (line["event"], line["reason"]) == ("pruned", "size")
    assert not await world.retention.look()
    assert not world.retention.full("acme", 0)
    repeated = submission(world.acme, [event(1)], (world.crm,))
    assert (await world.store.append(repeated)).stored == [False], "ids are remembered all the same"


async def test_whose_events_cannot_go_is_refused_and_others_are_not(make: Make) -> None:
    world = await make(size=8 * 1024**2)
    await world.receive(60, acme=False)
    while await world.used() < HIGH:
        await world.receive(5, done=False)
    assert not world.retention.full("acme", 0)
    assert await world.retention.look()
    assert await world.retention.make_room(), "what the other had delivered could go"
    assert not world.retention.full("acme", 0)
    for _ in range(10):
        while await world.used() < HIGH:
            await world.receive(5, done=False)
        if not await world.retention.make_room():
            break
    assert not world.retention.full("acme", 0), "another process may be making room"
    world.clock.advance(LOOK_S)
    assert not await world.retention.make_room()
    assert (world.retention.full("acme", 0), world.retention.full("other", 0)) == ("tenant_over_quota", None)
    assert world.metric("wagw_tenants_over_quota") == 1
    assert world.lines[-1]["tenants"] == ["acme"]
    for delivery in (await world.store.queued(world.crm, 0, 200)).deliveries:
        world.store.settle(
            Settlement(world.crm, delivery.event.seq, delivery.lane, State.DELIVERED, world.clock.now_ms())
        )
    await world.store.flush()
    assert await world.retention.make_room()
    await world.retention.look()
    assert not world.retention.full("acme", 0)
    assert world.metric("wagw_tenants_over_quota") == 0


@pytest.mark.parametrize("sinking", [True, False])
async def test_nobody_is_refused_while_another_process_makes_room(make: Make, sinking: bool) -> None:
    world = await make(size=1024**2)
    used = 1_000_000

    async def told() -> Volume:
        return Volume(used, {"acme": 1})

    world.store.volume = told
    for _ in range(3):
        assert not await world.retention.make_room()
        world.clock.advance(LOOK_S)
        used -= 1000 if sinking else 0
    assert bool(world.retention.full("acme", 0)) is not sinking


async def test_a_full_store_refuses_all_until_there_is_room(make: Make) -> None:
    world = await make()
    volume = Volume(100, {"acme": 1, "other": 1})
    world.retention._rules = rules(size=100)

    async def told() -> Volume:
        return volume

    world.store.volume = told
    await world.retention.look()
    assert world.retention.full("acme", 0) == world.retention.full("nobody", 0) == "store_full"
    volume = Volume(99, {"acme": 1, "other": 1})
    await world.retention.look()
    assert not world.retention.full("acme", 0)


async def test_the_task_runs_rounds_and_outlives_a_store_that_is_away(make: Make) -> None:
    world = await make(receipts=DAY, ids=DAY)
    await world.receive(3)
    world.clock.advance(2 * DAY)
    refusals = 2
    volume = world.store.volume

    async def refusing() -> Volume:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise StoreUnavailable("away") if refusals else RuntimeError("a fault of ours")
        found: Volume = await volume()
        return found

    world.store.volume = refusing
    looks, rounds = 0, asyncio.Semaphore(0)

    async def pause(seconds: float) -> None:
        nonlocal looks
        looks += seconds == LOOK_S
        await (rounds.acquire() if seconds == ROUND_S else asyncio.sleep(0))

    world.retention._pause = pause
    world.retention.start()
    await until(lambda: looks > 3 and len(world.lines) == 2, "a round, and looks")
    await world.receive(4)
    world.clock.advance(2 * DAY)
    rounds.release()
    await until(lambda: len(world.lines) == 3, "another round")
    assert sorted(line["event"] for line in world.lines[:2]) == ["pruned", "retention_error"]
    assert [line["receipts"] for line in world.lines if line["event"] == "pruned"] == [3, 4]
    assert world.metric("wagw_store_used_bytes") == (await volume()).used_bytes
    await world.retention.stop()


async def test_what_comes_in_fast_is_not_refused_while_the_oldest_can_go(make: Make) -> None:
    """No time passes at all: nothing but what comes in can tell that a look is due."""
    size = 4 * 1024**2
    world = await make(size=size)
    never = asyncio.Event()

    async def pause(seconds: float) -> None:
        await (never.wait() if seconds in (LOOK_S, ROUND_S) else asyncio.sleep(0))

    world.retention._pause = pause
    world.retention.start()
    received = 0
    while received < 5 * size:
        assert world.retention.full("acme", len(BODY)) is None
        await world.receive(1)  # raises where it is refused
        received += len(BODY)
        await asyncio.sleep(0)
        while world.retention._soon.is_set():  # it takes its turn within a moment
            await asyncio.sleep(0.001)
    assert {line["event"] for line in world.lines} == {"pruned"}


async def test_what_was_pending_goes_as_soon_as_it_is_delivered(make: Make) -> None:
    world = await make(size=4 * 1024**2)
    while await world.used() < HIGH:
        await world.receive(5, done=False)
    await world.retention.keep_size()
    assert await world.used() >= HIGH
    for delivery in (await world.store.queued(world.crm, 0, 1000)).deliveries:
        world.store.settle(
            Settlement(world.crm, delivery.event.seq, delivery.lane, State.DELIVERED, world.clock.now_ms())
        )
    await world.store.flush()
    await world.retention.keep_size()
    assert await world.used() < HIGH


async def test_what_did_not_fit_finds_room_when_it_comes_again(make: Make) -> None:
    world = await make(size=4 * 1024**2)
    while await world.used() < HIGH - 0.05:
        await world.receive(5)
    large = submission(world.acme, [event(10**6)], (world.crm,), b"x" * 900_000, received_ms=world.clock.now_ms())
    assert not await world.retention.look()
    assert world.retention.full("acme", large.size) is None
    with pytest.raises(StoreUnavailable, match=r"has reached retention\.size \(4 MiB\)"):
        await world.store.append(large)
    assert world.retention._soon.is_set()
    await world.retention.keep_size()
    assert (await world.store.append(large)).stored == [True]


async def test_a_round_of_age_does_not_keep_room_waiting(make: Make) -> None:
    world = await make(size=4 * 1024**2, receipts=DAY)
    prune, rounds = world.store.prune, asyncio.Event()

    async def slow(cutoffs: Cutoffs, after: int, limit: int) -> Any:
        if cutoffs.receipts_before_ms <= world.clock.now_ms():
            await rounds.wait()
        return await prune(cutoffs, after, limit)

    world.store.prune = slow
    while await world.used() < HIGH:
        await world.receive(5)
    world.retention.start()
    await until(lambda: bool(world.lines), "room")
    assert (world.lines[0]["event"], world.lines[0]["reason"]) == ("pruned", "size")


async def test_where_nothing_can_be_removed_it_is_not_tried_at_every_request(make: Make) -> None:
    world = await make(size=4 * 1024**2, receipts=DAY)
    while await world.used() < HIGH:
        await world.receive(5)
    tried = 0

    async def refuse(cutoffs: Cutoffs, after: int, limit: int) -> Any:
        nonlocal tried
        tried += cutoffs.receipts_before_ms > world.clock.now_ms()
        world.retention.full("acme", 1 << 20)
        raise StoreUnavailable("the disk is full")

    world.store.prune = refuse
    world.retention.start()
    await until(lambda: tried > 3, "some tries")
    assert world.pauses.count(LOOK_S) >= 2 * (tried - 1), "one of them does not end when something comes in"


async def test_disk_use_levels_off_under_a_steady_load(make: Make, tmp_path: Path) -> None:
    """Ten times what the file may hold comes in, of all sizes; a part of it stays pending for a while."""
    size = 6 * 1024**2
    world = await make(size=size)
    dice = random.Random(7)
    received = 0
    while received < 10 * size:
        count = dice.randrange(1, 12)
        await world.receive(count, acme=dice.random() < 0.5, done=dice.random() < 0.8)
        received += count * len(BODY)
        world.clock.advance(60)
        if dice.random() < 0.3:
            for number in (world.crm, world.bot):
                for delivery in (await world.store.queued(number, 0, 100)).deliveries:
                    world.store.settle(
                        Settlement(number, delivery.event.seq, delivery.lane, State.DELIVERED, world.clock.now_ms())
                    )
            await world.store.flush()
        if await world.retention.look():
            assert await world.retention.make_room()
    assert (tmp_path / "store.db").stat().st_size <= size
    assert all(one.balances for one in await world.store.accounts())
    assert await world.store.backlog(ALL_SHARDS) is not None
