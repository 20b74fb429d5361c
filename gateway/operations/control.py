"""Destinations: how they stand, and what operators tell them to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.control import Control, Mode, Order
from gateway.operations.runs import NotPossible
from gateway.operations.selection import INDEXED, Key, in_states
from gateway.store.base import PENDING
from gateway.store.session import Row, Session

_CONTROL = "id, mode, reason, mode_since_ms, open_since_ms, idle_ms, idle_since_ms"

_COUNT = """
SELECT n.tenant, n.name, sum(c.deliveries), min(r.received_ms)
FROM (SELECT d.destination, count(*) AS deliveries, min(d.event) AS oldest FROM deliveries d
      WHERE {states} GROUP BY d.destination) c
JOIN events e ON e.seq = c.oldest JOIN receipts r ON r.seq = e.receipt
JOIN destinations n ON n.id = c.destination GROUP BY n.tenant, n.name
"""


class Standing(NamedTuple):
    """A destination: what it was told (`control`), who has it, and what waits for it.

    `configured` is whether the configuration at hand has it, `served` whether the processes that run have it, or else
    those that ran last. During a deploy they differ. Runs' deliveries are counted with it. `oldest_ms` is when the
    oldest pending one was received.
    """

    tenant: str
    name: str
    configured: bool
    served: bool
    control: Control
    pending: int
    dead: int
    oldest_ms: int | None

    @property
    def parked(self) -> int:
        return self.pending if self.control.parks or not self.served else 0


async def standings(session: Session, configured: Iterable[Key]) -> list[Standing]:
    """Every destination that the store or the configuration knows, by name."""
    in_config = set(configured)
    counts = await _counts(session)
    rows = await session.fetch(f"SELECT tenant, name, {_CONTROL} FROM destinations WHERE run = 0")  # noqa: S608
    controls = {(row[0], row[1]): _control(row[2:]) for row in rows}
    serving = await served(session)
    found = []
    for key in sorted(in_config | controls.keys()):
        of_key = counts.get(key, {})
        pending, oldest_ms = of_key.get(True, (0, None))
        dead, _ = of_key.get(False, (0, None))
        found.append(
            Standing(
                tenant=key[0], name=key[1], configured=key in in_config, served=key in serving,
                control=controls.get(key, Control(0)), pending=pending, dead=dead, oldest_ms=oldest_ms,
            )
        )  # fmt: skip
    return found


async def served(session: Session) -> set[Key]:
    """Those that the processes have which run, or else those that ran last."""
    rows = await session.fetch(f"SELECT b.tenant, b.name FROM destinations b WHERE b.run = 0 AND NOT {session.gone}")  # noqa: S608
    return {(row[0], row[1]) for row in rows}


async def known(session: Session) -> list[Key]:
    return [(row[0], row[1]) for row in await session.fetch("SELECT tenant, name FROM destinations WHERE run = 0")]


async def tell(session: Session, key: Key, order: Order, reason: str, now_ms: int) -> tuple[Control, Control]:
    """Before and after; it takes effect at once in gateways that run. A destination that no gateway has served yet
    becomes known to the store. Raises NotPossible."""
    tenant, name = key
    async with session.transaction():
        await session.execute(
            "INSERT INTO destinations (tenant, name) VALUES (:tenant, :name) "
            "ON CONFLICT (tenant, name, run) DO NOTHING",
            tenant=tenant, name=name,
        )  # fmt: skip
        rows = await session.fetch(  # the update takes the row's lock, so that nobody changes it in between
            "UPDATE destinations SET mode = mode WHERE tenant = :tenant AND name = :name AND run = 0 "  # noqa: S608
            f"RETURNING {_CONTROL}",
            tenant=tenant, name=name,
        )  # fmt: skip
        before = _control(rows[0])
        if order is Order.RESUME and before.mode is Mode.DISABLED:
            raise NotPossible(
                f"{tenant}/{name} is disabled, not paused ({before.reason}): "
                f"go on with `wa-gateway destinations enable {tenant}/{name}`"
            )
        after = before.told(order, reason, now_ms)
        await session.execute(
            "UPDATE destinations SET mode = :mode, reason = :reason, mode_since_ms = :mode_since_ms, "
            "open_since_ms = :open_since_ms, idle_ms = :idle_ms, idle_since_ms = :idle_since_ms WHERE id = :id",
            id=after.destination, mode=after.mode.value, reason=after.reason, mode_since_ms=after.mode_since_ms,
            open_since_ms=after.open_since_ms, idle_ms=after.idle_ms, idle_since_ms=after.idle_since_ms,
        )  # fmt: skip
    return before, after


async def _counts(session: Session) -> dict[Key, dict[bool, tuple[int, int]]]:
    """By destination, for those pending (True) and dead: how many, and the number of the oldest event."""
    counts: dict[Key, dict[bool, tuple[int, int]]] = {}
    for group in INDEXED:
        rows = await session.fetch(_COUNT.format(states=in_states(group)))
        pending = group[0] in PENDING
        for tenant, name, number, oldest_ms in rows:
            of_key = counts.setdefault((tenant, name), {})
            before, before_ms = of_key.get(pending, (0, oldest_ms))
            of_key[pending] = before + int(number), min(before_ms, oldest_ms)
    return counts


def _control(row: Row) -> Control:
    number, mode, *times = row
    return Control(number, Mode(mode), *times)
