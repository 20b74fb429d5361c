"""Who delivers what: fair shares, take-over, fencing. Real databases; time on the holders' side is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from gateway.store.base import ALL_SHARDS, DestinationRow, Settlement, SourceRow, State, shard_of
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_leases import LEAVING, Plan, plan
from tests.listening import Listening, attended, numbers
from tests.postgres import open_store, postgres_server, postgres_template
from tests.support import NOW_MS, event, submission, until

__all__ = ["open_store", "postgres_server", "postgres_template"]

Open = Callable[..., Awaitable[PostgresStore]]
QUICK: dict[str, Any] = {"ttl_s": 1.0, "beat_s": 0.2}
A, B, C, GONE = (bytes([number]) * 16 for number in range(4))


def owners(**of: range) -> dict[int, bytes | None]:
    names = {"a": A, "b": B, "c": C, "gone": GONE}
    found: dict[int, bytes | None] = dict.fromkeys(range(256))
    for name, shards in of.items():
        found.update(dict.fromkeys(shards, names[name]))
    return found


class Watch:
    """A clock that can be set forward, as if its process had slept."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


# The plan


@pytest.mark.parametrize(
    ("me", "replicas", "held", "claimed", "surplus"),
    [
        pytest.param(A, {A: 1}, owners(), 256, 0, id="alone it takes all"),
        pytest.param(A, {A: 1, B: 1}, owners(), 128, 0, id="two take half each"),
        pytest.param(C, {A: 1, B: 1, C: 1}, owners(), 85, 0, id="what does not divide goes to the first"),
        pytest.param(A, {A: 1, B: 1, C: 1}, owners(), 86, 0, id="who is first"),
        pytest.param(A, {A: 1, B: 1}, owners(a=range(256)), 0, 128, id="half is given to the second"),
        pytest.param(B, {A: 1, B: 1}, owners(a=range(256)), 0, 0, id="what another has is not taken"),
        pytest.param(A, {A: 1}, owners(a=range(128), gone=range(128, 256)), 128, 0, id="a dead one's is taken"),
        pytest.param(A, {A: 1, B: 2}, owners(a=range(256)), 0, 256, id="an older generation gives all"),
        pytest.param(A, {A: 1, B: 2}, owners(), 0, 0, id="and takes nothing"),
        pytest.param(B, {A: 1, B: 2}, owners(), 256, 0, id="all is the newest generation's"),
        pytest.param(A, {A: LEAVING, B: 1}, owners(a=range(128)), 0, 128, id="one that leaves gives all"),
        pytest.param(B, {A: LEAVING, B: 1}, owners(a=range(9)), 247, 0, id="and another takes what is free"),
        pytest.param(A, {A: LEAVING, B: LEAVING}, owners(a=range(99)), 0, 0, id="where all leave nothing moves"),
    ],
)
def test_the_plan(
    me: bytes, replicas: dict[bytes, int], held: dict[int, bytes | None], claimed: int, surplus: int
) -> None:
    found = plan(me, replicas, held)
    assert (len(found.claim), found.surplus) == (claimed, surplus)
    assert all(held[shard] == owner and owner not in replicas for shard, owner in found.claim.items())


def test_those_who_look_at_once_look_in_different_places() -> None:
    replicas = {A: 1, B: 1, C: 1}
    claims = [set(plan(me, replicas, owners()).claim) for me in replicas]
    assert sum(len(claim) for claim in claims) == 256
    assert set().union(*claims) == ALL_SHARDS


def test_shares_settle_without_moving_more_than_needed() -> None:
    """Three at work, one goes: only its shards move."""
    held = owners(a=range(86), b=range(86, 171), c=range(171, 256))
    replicas = {A: 1, B: 1}
    for me in (A, B):
        taken = plan(me, replicas, held)
        assert taken.surplus == 0
        held |= dict.fromkeys(taken.claim, me)
    assert sorted(list(held.values()).count(me) for me in replicas) == [128, 128]
    assert plan(A, replicas, held) == plan(B, replicas, held) == Plan({}, 0)


# On a database


async def registered(store: PostgresStore, names: tuple[str, ...] = ("crm",)) -> tuple[int, list[int]]:
    [source] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    return source, await store.register_destinations([DestinationRow("acme", name) for name in names])


async def test_replicas_share_evenly_and_hand_over_in_order(open_store: Open) -> None:
    one, two, three = [await open_store("postgres", **QUICK) for _ in range(3)]
    first = await attended(one)
    assert first.shards == ALL_SHARDS
    assert first.count == 1
    second = await attended(two)
    await until(lambda: len(second.shards) == 128, "half of the shards")
    assert first.shards | second.shards == ALL_SHARDS
    assert not first.shards & second.shards
    assert [word for word, _ in first.told] == ["gained", "yielding"]
    third = await attended(three)
    await until(lambda: len(third.shards) in (85, 86), "a third of the shards")
    await until(lambda: first.count == second.count == third.count == 3)
    assert sorted(len(one.shards) for one in (first, second, third)) == [85, 85, 86]
    await three.close()
    await until(lambda: len(first.shards) == len(second.shards) == 128, "the shards of the one that left")
    assert first.shards | second.shards == ALL_SHARDS
    await two.close()
    await until(lambda: first.shards == ALL_SHARDS, "all shards again")
    assert "lost" not in [word for word, _ in first.told + second.told + third.told]


async def test_what_is_given_away_is_settled_before_another_gets_it(open_store: Open) -> None:
    one, two = [await open_store("postgres", **QUICK) for _ in range(2)]
    source, [destination] = await registered(one)
    first = await attended(one)
    lanes = range(64)
    await one.append(submission(source, [event(n, lane=n) for n in lanes], (destination,)))
    page = await one.queued(destination, 0, 100)
    used = {shard_of(destination, lane) for lane in lanes}
    first.busy = ALL_SHARDS - frozenset(sorted(ALL_SHARDS - used)[:3])
    first.yielded.clear()
    await registered(two)
    second = await attended(two)
    await until(lambda: first.told[-1][0] == "yielding", "the first to be asked")
    leaving = first.told[-1][1]
    assert leaving & first.busy
    await until(lambda: second.shards == leaving - first.busy, "the second to get those of which nothing is on its way")
    for delivery in page.deliveries:  # it still holds the others, and what was on its way is through
        assert one.holds(destination, delivery.lane)
        one.settle(Settlement(destination, delivery.event.seq, delivery.lane, State.DELIVERED, NOW_MS))
    assert not second.shards & first.busy
    first.yielded.set()
    await until(lambda: second.shards == leaving, "the second to get them")
    assert (await two.queued(destination, 0, 100)).deliveries == []
    assert all(one.holds(destination, lane) != two.holds(destination, lane) for lane in lanes)
    await one.flush()
    assert await two.counts() == []


async def test_a_process_that_slept_holds_nothing_and_joins_again(open_store: Open) -> None:
    watch = Watch()
    store = await open_store("postgres", clock=watch, **QUICK)
    _source, [destination] = await registered(store)
    listener = await attended(store)
    assert store.holds(destination, 1)
    watch.ahead_s += 60
    assert not store.holds(destination, 1)
    await until(lambda: len(listener.told) == 3, "everything to be gained again")
    assert [word for word, _ in listener.told] == ["gained", "lost", "gained"]
    assert store.holds(destination, 1)


async def test_a_killed_process_is_taken_over_and_its_settlements_count_for_nothing(
    open_store: Open, postgres_server: str
) -> None:
    """Its leases run out while it is stopped; when it wakes, what it knows of its attempts is void."""
    watch = Watch()
    one = await open_store("postgres", clock=watch, **QUICK)
    source, [destination] = await registered(one)
    first = await attended(one)
    await one.append(submission(source, [event(1), event(2)], (destination,)))
    page = await one.queued(destination, 0, 10)
    old = one._leases.id
    for task in list(one._leases._tasks):  # stopped: it renews nothing, and does not even see that
        task.cancel()
    two = await open_store("postgres", **QUICK)
    second = await attended(two)
    assert not second.shards
    began = time.monotonic()
    await until(lambda: second.shards == ALL_SHARDS, "the take-over")
    assert time.monotonic() - began < 3
    watch.ahead_s += 60
    assert not one.holds(destination, 1)
    for delivery in page.deliveries:
        one.settle(Settlement(destination, delivery.event.seq, delivery.lane, State.DEAD, NOW_MS))
    await one.flush()
    assert one.unsettled == 0
    assert {(count.state, count.deliveries) for count in await two.counts()} == {(State.QUEUED, 2)}
    taken = await two.queued(destination, 0, 10)
    assert numbers(taken.deliveries) == [1, 2]
    assert (await one.queued(destination, 0, 10)).deliveries == []
    await one._leases._round()
    assert one._leases.id != old
    assert first.told[-1] == ("lost", ALL_SHARDS)


async def test_two_that_wake_at_once_do_not_both_take_a_dead_ones_shards(open_store: Open) -> None:
    stores = [await open_store("postgres", **QUICK) for _ in range(4)]
    listeners = [await attended(store) for store in stores]
    await until(lambda: all(len(listener.shards) == 64 for listener in listeners), "quarters")
    for task in list(stores[0]._leases._tasks):
        task.cancel()
    rest = listeners[1:]
    await until(lambda: sum(len(listener.shards) for listener in rest) == 256, "thirds")
    assert set().union(*(listener.shards for listener in rest)) == ALL_SHARDS
    assert sorted(len(listener.shards) for listener in rest) == [85, 85, 86]


async def test_a_newer_configuration_takes_all_shards_and_an_older_one_gives_them(open_store: Open) -> None:
    """A rolling deploy: a destination that only the new one knows is delivered, one that only the old one knows is
    parked once the old one is gone, and nothing is dropped."""
    old, new = [await open_store("postgres", **QUICK) for _ in range(2)]
    source, [crm, legacy] = await registered(old, ("crm", "legacy"))
    first = await attended(old)
    await old.append(submission(source, [event(1)], (crm, legacy)))
    [same, fresh] = (await registered(new, ("crm", "fresh")))[1]
    assert same == crm
    second = await attended(new)
    await until(lambda: second.shards == ALL_SHARDS, "the newer one to have all")
    assert not first.shards
    assert {(a.destination, a.pending, a.parked) for a in await new.accounts()} == {("crm", 1, 0), ("legacy", 1, 0)}
    await old.append(submission(source, [event(2)], (crm, fresh)))  # it still accepts
    assert numbers((await new.queued(crm, 0, 10)).deliveries) == [1, 2]
    await old.close()
    await until(lambda: second.count == 1)
    assert {(a.destination, a.pending, a.parked) for a in await new.accounts()} == {
        ("crm", 2, 0), ("legacy", 0, 1), ("fresh", 1, 0),
    }  # fmt: skip
    again = await open_store("postgres", **QUICK)  # the old one crashed and starts again: still the older one
    await registered(again, ("crm", "legacy"))
    third = await attended(again)
    assert not third.shards
    await new.close()
    await until(lambda: third.shards == ALL_SHARDS, "the old one to go on alone")


async def test_a_rollback_makes_the_old_configuration_the_newest(open_store: Open) -> None:
    first = await open_store("postgres", **QUICK)
    await registered(first, ("crm", "legacy"))
    second = await open_store("postgres", **QUICK)
    source, [crm, fresh] = await registered(second, ("crm", "fresh"))
    await second.append(submission(source, [event(1)], (crm, fresh)))
    third = await open_store("postgres", **QUICK)
    await registered(third, ("crm", "legacy"))
    assert {(a.destination, a.pending, a.parked) for a in await third.accounts()} == {("crm", 1, 0), ("fresh", 0, 1)}


async def test_without_a_database_deliveries_stop_when_the_leases_run_out(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store("postgres", **QUICK)
    _source, [destination] = await registered(store)
    listener = await attended(store)

    async def unreachable(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(store._links, "connect", unreachable)
    store._lease_link.drop()
    await until(lambda: not store.holds(destination, 1), "the leases to run out", 5)
    await until(lambda: listener.told[-1] == ("lost", ALL_SHARDS), "the listener to hear of it", 5)
    [error] = listener.errors
    assert error == "OSError: no route to host"
    monkeypatch.undo()
    await until(lambda: store.holds(destination, 1) and listener.shards == ALL_SHARDS, "the leases to be back")
    await until(lambda: listener.errors == [error, None], "it to be told")


async def test_when_the_database_was_away_everybody_keeps_what_they_had(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what they could not write down meanwhile counts."""
    one, two = [await open_store("postgres", **QUICK) for _ in range(2)]
    source, [destination] = await registered(one)
    await registered(two)
    first, second = await attended(one), await attended(two)
    await until(lambda: len(first.shards) == len(second.shards) == 128, "halves")
    before = one._leases.id, two._leases.id, set(first.shards)
    await one.append(submission(source, [event(n, lane=13 * n) for n in range(20)], (destination,)))
    await until(lambda: second.hints, "the second to hear of its part")
    pages = [await store.queued(destination, 0, 100) for store in (one, two)]
    assert all(page.deliveries for page in pages)

    async def unreachable(*_: object) -> None:
        raise OSError("no route to host")

    for store, page in zip((one, two), pages, strict=True):
        monkeypatch.setattr(store._links, "connect", unreachable)
        store._lease_link.drop()
        store._settle_link.drop()
        for delivery in page.deliveries:
            store.settle(Settlement(destination, delivery.event.seq, delivery.lane, State.DELIVERED, NOW_MS))
    await until(lambda: first.told[-1][0] == second.told[-1][0] == "lost", "both to lose everything")
    await asyncio.sleep(0.5)  # rows expire in the database as well
    monkeypatch.undo()
    await until(lambda: len(first.shards) == len(second.shards) == 128, "halves again")
    assert (one._leases.id, two._leases.id, first.shards) == before
    for store in (one, two):
        await store.flush()
    assert await one.counts() == []


async def test_one_that_is_about_to_stop_gives_what_is_free_and_keeps_what_is_on_its_way(open_store: Open) -> None:
    one, two = [await open_store("postgres", **QUICK) for _ in range(2)]
    first = await attended(one)
    first.busy = frozenset(range(7))
    second = await attended(two)
    await until(lambda: len(first.shards) == len(second.shards) == 128, "halves")
    busy = first.shards & first.busy
    assert busy
    first.yielded.clear()
    one.retire()
    await until(lambda: second.shards == ALL_SHARDS - busy, "all that is free")
    await one._leases._round()
    assert first.shards == busy, "nothing is taken any more"
    first.yielded.set()
    await until(lambda: second.shards == ALL_SHARDS, "the rest")
    two.retire()
    await two._leases._round()
    assert second.shards == ALL_SHARDS, "nobody else is there"
    await one.close()
    assert "lost" not in [word for word, _ in first.told + second.told]


async def test_shards_that_were_given_away_may_come_back_while_others_are_on_their_way(open_store: Open) -> None:
    one, two = [await open_store("postgres", **QUICK) for _ in range(2)]
    first = await attended(one)
    first.busy = ALL_SHARDS - frozenset(range(127))
    first.yielded.clear()
    second = await attended(two)
    await until(lambda: second.shards == frozenset(range(127)), "all but one of a half, and none that is on its way")
    await two.close()
    await until(lambda: len(first.shards) == 256, "them to be back")
    first.yielded.set()
    await until(lambda: first.shards == ALL_SHARDS and not one._leases._busy, "the last one too")
    assert one._leases.held.bit_count() == 256


async def test_a_retired_process_does_not_change_what_counts_as_gone(open_store: Open) -> None:
    one, two = [await open_store("postgres", **QUICK) for _ in range(2)]
    source, [crm, legacy] = await registered(one, ("crm", "legacy"))
    await one.append(submission(source, [event(1)], (crm, legacy)))
    await registered(two, ("crm",))
    await attended(two)
    await attended(one)
    one.retire()
    await one._leases._round()
    assert {(a.destination, a.pending, a.parked) for a in await two.accounts()} == {("crm", 1, 0), ("legacy", 0, 1)}


async def test_closing_gives_leases_back_at_once(open_store: Open, postgres_server: str) -> None:
    one = await open_store("postgres", ttl_s=60.0, beat_s=20.0)
    await attended(one)
    await one.close()
    two = await open_store("postgres", ttl_s=60.0, beat_s=20.0)
    assert (await attended(two)).shards == ALL_SHARDS
    connection = await asyncpg.connect(two._url)
    assert await connection.fetchval("SELECT count(*) FROM replicas") == 1
    await connection.close()


async def test_one_that_stops_in_the_middle_of_gaining_loses_when_that_is_over(open_store: Open) -> None:
    watch = Watch()
    store = await open_store("postgres", clock=watch, **QUICK)
    await registered(store)

    class Slow(Listening):
        gate = asyncio.Event()

        async def gained(self, shards: frozenset[int]) -> None:
            await super().gained(shards)
            await self.gate.wait()

    listener = Slow(store)
    attending = asyncio.create_task(store.attend(listener))
    await until(lambda: listener.told, "the gaining")
    watch.ahead_s += 60
    await asyncio.sleep(0.5)
    assert [word for word, _ in listener.told] == ["gained"]
    listener.gate.set()
    await attending
    await until(lambda: len(listener.told) == 3, "it to lose and gain again")
    assert [word for word, _ in listener.told] == ["gained", "lost", "gained"]
