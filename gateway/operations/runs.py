"""Runs: replays and remaps under way, and the deliveries that they make.

A run has a row of its own in destinations for each destination that it delivers to, so that its deliveries stand
beside the first ones. It is `filling` while they are made, `running` when all are, `done` when none is pending;
`paused` nothing is made and nothing sent; `cancelled` what was pending is expired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from gateway.operations.selection import Criteria, Key, NotUnderstood
from gateway.store.base import PENDING, State, shard_of
from gateway.store.ledger import DAY_MS
from gateway.store.runs import FINISH_RUNS
from gateway.store.session import Session

CHUNK = 500
"""Rows of one transaction: a gateway waits for it as long as for one of its own."""

_PENDING_GROUPS = ("state = 0", "state IN (1, 3)", "state = 2")
"""As the indexes have them."""


class NotPossible(Exception):
    """Not in the state in which things are; the message says why."""


class Run(NamedTuple):
    """`last` is the last sequence number that it looks at; those up to `cursor` are done."""

    id: int
    kind: str
    state: str
    created_ms: int
    criteria: Criteria
    last: int
    planned: int
    made: int
    cursor: int


class RunStanding(NamedTuple):
    """A run and what became of its deliveries so far."""

    run: Run
    delivered: int
    pending: int
    dead: int
    expired: int


class NewDelivery(NamedTuple):
    """An event for a destination's number."""

    event: int
    destination: int
    lane: int
    received_ms: int
    state: State = State.QUEUED


async def create(
    session: Session, kind: str, criteria: Criteria, *, first: int, last: int, planned: int, now_ms: int
) -> int:
    """Its number."""
    async with session.transaction():
        rows = await session.fetch(
            "INSERT INTO runs (kind, state, created_ms, criteria, planned, cursor) "
            "VALUES (:kind, 'filling', :now_ms, :criteria, :planned, :cursor) RETURNING id",
            kind=kind, now_ms=now_ms, planned=planned, cursor=first - 1,
            criteria=orjson.dumps({"last": last, **criteria.told()}).decode(),
        )  # fmt: skip
    return int(rows[0][0])


async def find(session: Session, number: int, kind: str | None = None) -> Run:
    """A run, to be gone on with where its kind matters. Raises NotUnderstood."""
    found = await _runs(session, number)
    if not found:
        raise NotUnderstood(f"there is no {kind or 'run'} {number}: --list shows them")
    [run] = found
    if kind not in (None, run.kind):
        raise NotUnderstood(f"{number} is a {run.kind}: go on with it by `wa-gateway {run.kind} --resume {number}`")
    return run


async def standings(session: Session) -> list[RunStanding]:
    """All runs that the store still knows, the latest first."""
    counts: dict[int, Counter[State]] = {}
    for run, state, number in await session.fetch(
        "SELECT n.run, d.state, count(*) FROM destinations n JOIN deliveries d ON d.destination = n.id "
        "WHERE n.run > 0 GROUP BY n.run, d.state"
    ):
        counts.setdefault(run, Counter())[State(state)] += number
    return [
        RunStanding(
            run,
            of_run[State.DELIVERED],
            sum(of_run[state] for state in PENDING),
            of_run[State.DEAD],
            of_run[State.EXPIRED],
        )
        for run in await _runs(session)
        for of_run in [counts.get(run.id, Counter())]
    ]


async def resume(session: Session, run: Run) -> None:
    """Go on filling. Raises NotPossible where that is over."""
    async with session.transaction():
        if not await _move(session, run.id, ("paused", "filling"), "filling"):
            raise NotPossible(f"{run.kind} {run.id} is {run.state}: there is nothing to resume")


async def pause(session: Session, run: int) -> None:
    async with session.transaction():
        await _move(session, run, ("filling",), "paused")


async def filled(session: Session, run: int) -> None:
    """All its deliveries are made."""
    async with session.transaction():
        await _move(session, run, ("filling",), "running")
        await session.execute(FINISH_RUNS)


async def finish(session: Session) -> None:
    """Mark those as done of which nothing is pending any more."""
    async with session.transaction():
        await session.execute(FINISH_RUNS)


async def cancel(session: Session, run: Run, now_ms: int) -> int:
    """Expire what is pending, also what an earlier call that was interrupted has left. Returns how many.

    Those on their way are among them, since only their process knows which they are: it records what is answered 2xx
    as delivered. Raises NotPossible.
    """
    async with session.transaction():
        changed = await _move(session, run.id, ("filling", "paused", "running"), "cancelled")
    numbers = await session.fetch("SELECT id FROM destinations WHERE run = :run", run=run.id)
    expired = sum([await expire(session, row[0], now_ms) for row in numbers])
    if not changed and not expired:
        raise NotPossible(f"{run.kind} {run.id} is {run.state}: there is nothing to cancel")
    return expired


async def expire(session: Session, destination: int, now_ms: int) -> int:
    """All that is pending at a destination's number, chunk by chunk. What was settled meanwhile stays as it is."""
    expired = 0
    for group in _PENDING_GROUPS:
        changed = CHUNK
        while changed == CHUNK:
            async with session.transaction():
                changed = await session.execute(
                    f"UPDATE deliveries SET state = {State.EXPIRED:d}, settled_ms = :now_ms "  # noqa: S608
                    f"WHERE destination = :destination AND state <= {State.BESIDE:d} AND event IN ("
                    f"SELECT event FROM deliveries WHERE destination = :destination AND {group} "
                    f"ORDER BY event LIMIT {CHUNK})",
                    destination=destination, now_ms=now_ms,
                )  # fmt: skip
            expired += changed
    return expired


async def advance(session: Session, run: int, *, after: int, cursor: int, made: int) -> bool:
    """Within a transaction: claim what lies between. False where the run was paused, cancelled, or another process
    fills it."""
    changed = await session.execute(
        "UPDATE runs SET cursor = :cursor, made = made + :made "
        "WHERE id = :run AND cursor = :after AND state = 'filling'",
        run=run, after=after, cursor=cursor, made=made,
    )  # fmt: skip
    return changed == 1


async def destinations(session: Session, run: int, keys: Iterable[Key]) -> dict[Key, int]:
    """Within a transaction: the numbers of the run's own destinations."""
    wanted = set(keys)
    await session.execute_many(
        "INSERT INTO destinations (tenant, name, run) VALUES (:tenant, :name, :run) "
        "ON CONFLICT (tenant, name, run) DO NOTHING",
        [{"tenant": tenant, "name": name, "run": run} for tenant, name in sorted(wanted)],
    )
    rows = await session.fetch("SELECT tenant, name, id FROM destinations WHERE run = :run", run=run)
    return {(tenant, name): number for tenant, name, number in rows if (tenant, name) in wanted}


async def make(session: Session, deliveries: Sequence[NewDelivery]) -> None:
    """Within a transaction: the rows, and what the ledger says of them."""
    shard = ("shard, ", ":shard, ") if session.sharded else ("", "")
    await session.execute_many(
        f"INSERT INTO deliveries (event, destination, {shard[0]}lane, state, settled_ms) "  # noqa: S608
        f"VALUES (:event, :destination, {shard[1]}:lane, :state, 0)",
        [_row(delivery, sharded=session.sharded) for delivery in deliveries],
    )
    matched = Counter((one.destination, one.received_ms // DAY_MS) for one in deliveries)
    await session.execute_many(
        "INSERT INTO tallies (destination, day, shard, matched) VALUES (:destination, :day, 0, :matched) "
        "ON CONFLICT (destination, day, shard) DO UPDATE SET matched = tallies.matched + excluded.matched",
        [{"destination": key[0], "day": key[1], "matched": count} for key, count in sorted(matched.items())],
    )


def _row(delivery: NewDelivery, *, sharded: bool) -> dict[str, int]:
    row = {
        "event": delivery.event,
        "destination": delivery.destination,
        "lane": delivery.lane,
        "state": int(delivery.state),
    }
    return row | ({"shard": shard_of(delivery.destination, delivery.lane)} if sharded else {})


async def _move(session: Session, run: int, before: Sequence[str], after: str) -> bool:
    states = ", ".join(f"'{state}'" for state in before)
    return await session.execute(f"UPDATE runs SET state = :after WHERE id = :run AND state IN ({states})",  # noqa: S608
                                 run=run, after=after) == 1  # fmt: skip


async def _runs(session: Session, number: int | None = None) -> list[Run]:
    condition, parameters = ("WHERE id = :id", {"id": number}) if number is not None else ("", {})
    rows = await session.fetch(
        f"SELECT id, kind, state, created_ms, criteria, planned, made, cursor FROM runs {condition} ORDER BY id DESC",  # noqa: S608
        **parameters,
    )
    return [_run(*row) for row in rows]


def _run(
    number: int, kind: str, state: str, created_ms: int, criteria: str, planned: int, made: int, cursor: int
) -> Run:
    given = orjson.loads(criteria)
    last = given.pop("last")
    return Run(number, kind, state, created_ms, Criteria.of(given), last, planned, made, cursor)
