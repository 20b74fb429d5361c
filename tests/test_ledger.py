"""The ledger balances, whatever happens in whatever order: random histories, and a model that counts along."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.control import Mode
from gateway.store.base import PENDING, Delivery, DestinationRow, Route, Settlement, SourceRow, State
from gateway.store.ledger import Account, Cutoffs
from tests.postgres import ENGINES, open_store, postgres_server, postgres_template
from tests.support import NOW_MS, event, submission
from tests.test_store import Taking, add_to_run, make_run, session_of

__all__ = ["open_store", "postgres_server", "postgres_template"]

NAMES = ("crm", "bot", "archive")
STEPS = 120
HOUR_MS = 3_600_000


class History:
    """Does something at random, again and again, and knows what must come of it."""

    def __init__(self, store: Any, dice: random.Random) -> None:
        self.store = store
        self.dice = dice
        self.now_ms = NOW_MS
        self.states: dict[tuple[int, int], State] = {}
        self.deliveries: dict[tuple[int, int], Delivery] = {}
        self.received: dict[int, int] = {}
        self.matched: Counter[str] = Counter()
        self.over: Counter[tuple[str, State]] = Counter()
        self.parked: set[str] = set()
        self.known: set[int] = set()
        self.seen: set[State] = set()
        self.ranks: dict[int, int] = {}

    async def begin(self) -> None:
        [self.source] = await self.store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
        numbers = await self.store.register_destinations([DestinationRow("acme", name) for name in NAMES])
        self.names = dict(zip(numbers, NAMES, strict=True))
        self.live = list(numbers)

    async def step(self) -> None:
        self.now_ms += self.dice.randrange(HOUR_MS)
        act = self.dice.choices(
            (self.append, self.settle, self.pause, self.prune, self.expire, self.replay), (8, 9, 3, 2, 3, 1)
        )[0]
        await act()

    async def append(self) -> None:
        routes = [
            Route(number, self.dice.random() < 0.5, number == self.live[0])
            for number in self.dice.sample(self.live, self.dice.randrange(4))
        ]
        events = []
        for _ in range(self.dice.randrange(6)):
            number = self.dice.randrange(400)
            made = event(number, lane=self.dice.randrange(5))
            events.append(replace(made, rank=self.dice.randrange(4), rank_key=number % 7))
        appended = await self.store.append(submission(self.source, events, tuple(routes), received_ms=self.now_ms))
        monotonic = any(route.monotonic for route in routes)
        expected = []
        for one, stored in zip(events, appended.stored, strict=True):
            number = int.from_bytes(one.id[4:], "big")
            assert stored == (number not in self.known)
            self.known.add(number)
            if stored:
                late = monotonic and one.rank > 0 and one.rank < self.ranks.get(one.rank_key, 0)
                if monotonic and one.rank:
                    self.ranks[one.rank_key] = max(one.rank, self.ranks.get(one.rank_key, 0))
                for route in routes:
                    self.matched[self.names[route.destination]] += 1
                    if late and route.monotonic:
                        self.over[self.names[route.destination], State.SUPPRESSED] += 1
                    else:
                        expected.append(route.destination)
        assert [one.destination for one in appended.deliveries] == expected
        for delivery in appended.deliveries:
            self.note(delivery)

    def note(self, delivery: Delivery) -> None:
        key = (delivery.event.seq, delivery.destination)
        self.states[key] = State.QUEUED
        self.deliveries[key] = delivery
        self.received[delivery.event.seq] = delivery.event.received_ms

    async def settle(self) -> None:
        pending = [key for key, state in self.states.items() if state in PENDING]
        for key in self.dice.sample(pending, min(len(pending), 8)):
            delivery = self.deliveries[key]
            state = self.dice.choice((*PENDING[1:], State.DELIVERED, State.DELIVERED, State.DELIVERED, State.DEAD))
            if state is State.WAITING:
                self.store.wait(delivery.destination, delivery.event.seq, delivery.lane)
                self.states[key] = State.WAITING if self.states[key] is State.QUEUED else self.states[key]
                continue
            self.store.settle(
                Settlement(
                    delivery.destination, delivery.event.seq, delivery.lane, state, self.now_ms,
                    self.dice.random() < 0.7 or state in (State.DELIVERED, State.DEAD), self.now_ms, 500,
                )
            )  # fmt: skip
            self.states[key] = state

    async def pause(self) -> None:
        number = self.dice.choice(self.live)
        parks = self.dice.random() < 0.6
        mode = self.dice.choice((Mode.PAUSED, Mode.DISABLED)) if parks else Mode.ACTIVE
        await self.store.change(number, lambda control: control.with_mode(mode, "", self.now_ms))
        (self.parked.add if parks else self.parked.discard)(self.names[number])

    async def prune(self) -> None:
        cutoff_ms = self.now_ms - self.dice.randrange(40 * HOUR_MS)
        await self.store.flush()
        after, more = 0, True
        while more:
            pruned, after = await self.store.prune(Cutoffs(cutoff_ms, NOW_MS - 1), after, 5)
            more = pruned.more

    async def expire(self) -> None:
        parked_ones = [number for number in self.live if self.names[number] in self.parked]
        number = self.dice.choice([*self.live, *parked_ones * 3])
        before_ms = self.now_ms - self.dice.randrange(10 * HOUR_MS)
        due = [
            key
            for key, state in self.states.items()
            if key[1] == number and state in PENDING and self.received[key[0]] < before_ms
        ]
        parked = self.names[number] in self.parked
        assert await self.store.expire(number, before_ms, self.now_ms, 1000) == (len(due) if parked else 0)
        if parked:
            self.states |= dict.fromkeys(due, State.EXPIRED)

    async def replay(self) -> None:
        """As the operator's command does it, of what is retained for certain: what is pending elsewhere."""
        pending = [key for key, state in self.states.items() if state in PENDING and key[1] in self.live]
        chosen = self.dice.sample(pending, min(3, len(pending)))
        name = self.dice.choice(NAMES)
        await self.store.flush()
        async with session_of(self.store) as session, session.transaction():
            _, number = await make_run(session, "running", name=name)
            events = list({key[0]: self.deliveries[key] for key in chosen}.values())
            if events:
                await add_to_run(session, number, events)
        self.names[number] = name
        self.matched[name] += len(events)
        for one in events:
            self.note(Delivery(one.event, number, one.lane))

    async def check(self) -> None:
        await self.store.flush()
        self.seen.update(self.states.values())
        totals = self.over.copy()
        for (_, number), state in self.states.items():
            totals[self.names[number], State.QUEUED if state in PENDING else state] += 1
        expected = []
        for name in sorted(NAMES):
            pending = totals[name, State.QUEUED]
            parked = name in self.parked
            expected.append(
                Account(
                    "acme", name, self.matched[name], totals[name, State.DELIVERED],
                    0 if parked else pending, pending if parked else 0, totals[name, State.DEAD],
                    totals[name, State.SUPPRESSED], totals[name, State.EXPIRED],
                )
            )  # fmt: skip
        accounts = await self.store.accounts()
        assert all(one.balances for one in accounts)
        assert accounts == [one for one in expected if one.matched]
        assert await self.store.accounts(recount=False) == accounts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(4))
async def test_the_ledger_balances_after_any_history(
    engine: str, seed: int, open_store: Callable[..., Awaitable[Any]]
) -> None:
    store = await open_store(engine)
    await store.attend(Taking(store))
    history = History(store, random.Random(seed))
    await history.begin()
    for step in range(STEPS):
        await history.step()
        if step % 5 == 0:
            await history.check()
    await history.check()
    assert history.seen >= {State.QUEUED, State.HELD, State.WAITING, State.BESIDE, State.DELIVERED, State.DEAD}
    # all is delivered and pruned in the end, and the ledger still knows of it
    for name in sorted(history.parked):
        [number] = [one for one in history.live if history.names[one] == name]
        await store.change(number, lambda control: control.with_mode(Mode.ACTIVE, "", history.now_ms))
    history.parked.clear()
    for key, state in history.states.items():
        if state in PENDING:
            one = history.deliveries[key]
            history.states[key] = State.DELIVERED
            store.settle(Settlement(one.destination, one.event.seq, one.lane, State.DELIVERED, history.now_ms))
    await store.flush()
    history.now_ms += 1000 * HOUR_MS
    after, more = 0, True
    while more:
        pruned, after = await store.prune(Cutoffs(history.now_ms, history.now_ms), after, 50)
        more = pruned.more
    await history.check()
    async with session_of(store) as session:
        for table in ("receipts", "events", "deliveries", "attempts", "ranks", "runs"):
            assert await session.fetch(f"SELECT count(*) FROM {table}") == [(0,)], table
        assert await session.fetch("SELECT DISTINCT run FROM destinations") == [(0,)]
        [row] = await session.fetch("SELECT sum(bytes) FROM volumes")
    assert row[0] == 0
