"""Faults at random under load, on real processes: `python -m bench.chaos`.

People write one message after another. Each round something is done to the gateway, its downstream or its database,
and then a gateway is killed. In the end all that was answered 200 must have arrived, in order on first sight, and the
ledger must balance. The seed decides what is done, and when.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from tests.postgres import RestartableServer
from tests.processes import Mood, People, Process, Witness, accounts, gateways, write_configuration

PEOPLE = 30
BAD = (Mood.FAIL, Mood.HANG, Mood.RESET, Mood.CUT, Mood.CLOSE)
ARRIVAL_LIMIT_S = 300.0


class Result(NamedTuple):
    rounds: int
    faults: Counter[str]
    accepted: int
    delivered: int
    lost: int
    repeated: int
    disordered: int
    balances: bool

    @property
    def good(self) -> bool:
        return self.balances and not self.lost and not self.disordered

    def table(self) -> str:
        rows = {
            "rounds": self.rounds,
            **{name: self.faults[name] for name in sorted(self.faults)},
            "accepted": self.accepted,
            "delivered": self.delivered,
            "lost": self.lost,
            "repeated": self.repeated,
            "out of order on first sight": self.disordered,
            "ledger balances": "yes" if self.balances else "NO",
        }
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


class Chaos:
    """A run on one engine. With PostgreSQL there are two gateways, and the database has its accidents, too."""

    def __init__(self, directory: Path, seed: int, witness: Witness, server: RestartableServer | None) -> None:
        self._directory = directory
        self._dice = random.Random(seed)
        self._whims = random.Random(seed)  # of the downstream, asked as often as it is called
        self._witness = witness
        self._server = server
        self._faults: Counter[str] = Counter()

    async def run(self, goes_on: Callable[[int], bool]) -> Result:
        store = "sqlite:store.db"
        if self._server is not None:
            store = await asyncio.to_thread(self._server.database)
        block = {"crm": {"url": self._witness.url, "timeout": "1s"}}
        names = ("a",) if self._server is None else ("a", "b")
        self._processes = [Process(write_configuration(self._directory / name, block, store=store)) for name in names]
        people = People(lambda: [one.url for one in self._processes], PEOPLE)
        rounds = 0
        async with gateways(*self._processes):
            async with people.writing():
                while goes_on(rounds):
                    rounds += 1
                    await self._round(rounds, people)
            await people.arrived(self._witness, self._processes[0], ARRIVAL_LIMIT_S)
        ledger = await accounts(self._processes[0].config)
        matched, delivered = (sum(getattr(one, name) for one in ledger) for name in ("matched", "delivered"))
        return Result(
            rounds, self._faults, people.total, len(self._witness.seen), len(people.lost(self._witness)),
            self._witness.repeated, len(self._witness.disordered()),
            all(one.balances for one in ledger) and matched == delivered,
        )  # fmt: skip

    async def _round(self, number: int, people: People) -> None:
        before, started = people.total, time.monotonic()
        name = self._dice.choice(sorted(self._accidents))
        await people.more(self._dice.randrange(20, 400))
        await self._accidents[name]()
        await people.more(self._dice.randrange(20, 400))
        await self._kill()
        self._faults[name] += 1
        took = time.monotonic() - started
        print(f"round {number}: {name}, kill; {people.total - before} accepted in {took:.1f} s", file=sys.stderr)

    @property
    def _accidents(self) -> dict[str, Callable[[], Coroutine[None, None, None]]]:
        """What may befall, by name."""
        found = {"stops": self._stop, "sleeps": self._sleep, "downstream outages": self._break_downstream}
        found["downstream troubles"] = self._trouble_downstream
        if self._server is not None:
            found |= {"database crashes": self._crash_database, "database restarts": self._restart_database}
        return found

    async def _kill(self) -> None:
        process = self._dice.choice(self._processes)
        await process.end(signal.SIGKILL)
        await self._pause(0.0, 0.5)
        await process.start()
        self._faults["kills"] += 1

    async def _stop(self) -> None:
        process = self._dice.choice(self._processes)
        status = await process.end(signal.SIGTERM)
        assert status == 0, f"a stop ended with {status}"
        await process.start()

    async def _sleep(self) -> None:
        """Long enough, at times, for its leases to be taken over."""
        process = self._dice.choice(self._processes)
        process.send(signal.SIGSTOP)
        await self._pause(0.5, 3.0 if self._server is None else 20.0)
        process.send(signal.SIGCONT)

    async def _break_downstream(self) -> None:
        mood = self._dice.choice(BAD)
        self._witness.mood = lambda body: mood
        await self._pause(0.2, 3.0)
        self._witness.mood = lambda body: Mood.TAKE

    async def _trouble_downstream(self) -> None:
        self._witness.mood = lambda body: self._whims.choice(BAD) if self._whims.random() < 0.1 else Mood.TAKE
        await self._pause(0.5, 3.0)
        self._witness.mood = lambda body: Mood.TAKE

    async def _crash_database(self) -> None:
        assert self._server is not None
        await asyncio.to_thread(self._server.kill)
        await self._pause(0.0, 3.0)
        await asyncio.to_thread(self._server.start)

    async def _restart_database(self) -> None:
        assert self._server is not None
        await asyncio.to_thread(self._server.stop, self._dice.choice(("fast", "immediate")))
        await self._pause(0.0, 3.0)
        await asyncio.to_thread(self._server.start)

    async def _pause(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self._dice.uniform(least_s, most_s))


async def _run(args: argparse.Namespace) -> Result:
    end = time.monotonic() + 60 * args.minutes

    def goes_on(rounds: int) -> bool:
        return time.monotonic() < end if args.minutes else rounds < int(args.rounds)

    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wa-gateway-chaos-")))
        server = None
        if args.engine == "postgresql":
            server = await asyncio.to_thread(RestartableServer().__enter__)
            stack.callback(server.__exit__, None, None, None)
        witness = await stack.enter_async_context(Witness().serve())
        return await Chaos(directory, args.seed, witness, server).run(goes_on)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for so long, whatever the rounds")
    args = parser.parse_args()
    print(f"engine {args.engine}, seed {args.seed}", file=sys.stderr)
    result = asyncio.run(_run(args))
    print(result.table())
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())
