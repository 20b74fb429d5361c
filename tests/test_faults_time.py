"""An hour of failures, a clock that steps back, ten thousand tenants: what takes long or is large, in little time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from gateway.app import Gateway
from tests.processes import (
    PATH,
    SECRET,
    Mood,
    Process,
    Witness,
    accounts,
    gateways,
    signed,
    webhook,
    write_configuration,
)
from tests.support import APP_SECRET, FakeClock, running, until

HOUR_S = 3600


@dataclass
class SteppingClock(FakeClock):
    """Timers run on as they do on a machine whose wall clock is set."""

    offset_ms: int = 0

    def now_ms(self) -> int:
        return self.time_ms + self.offset_ms


async def post(session: aiohttp.ClientSession, url: str, person: str, number: int, path: str = PATH) -> None:
    body = webhook(person, number)
    async with session.post(url + path, data=body, headers=signed(body)) as response:
        assert response.status == 200


async def pass_time(gateway: Gateway, clock: FakeClock, seconds: int, step: int = 5) -> None:
    """Attempts that begin meanwhile end before the next step."""
    for _ in range(seconds // step):
        clock.advance(step)
        await gateway._store.flush()
        await until(lambda: gateway._engine.active == 0, "attempts to end")


PEOPLE = [f"1555010{number:04}" for number in range(10)]


async def test_500_for_an_hour_costs_few_attempts_and_no_event(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Witness(lambda body: Mood.FAIL).serve() as witness, aiohttp.ClientSession() as session:
        config = write_configuration(tmp_path, {"crm": {"url": witness.url, "retry": {}}})
        async with running(config, clock=clock) as gateway:
            for number in range(1, 11):
                for person in PEOPLE:
                    await post(session, gateway.url, person, number)
            await pass_time(gateway, clock, HOUR_S)
            attempts = witness.seen.total()
            assert 60 < attempts < 200, "a probe a minute once the breaker is open"
            assert all(number == 1 for _, number in witness.seen), "nothing overtakes what failed"
            witness.mood = lambda body: Mood.TAKE
            for _ in range(60):
                await pass_time(gateway, clock, 5)
            await until(lambda: len(witness.seen) == 100, "all to arrive")
    assert witness.disordered() == []
    (account,) = await accounts(config)
    assert account.balances
    assert account.delivered == account.matched == 100


async def test_a_clock_that_steps_back_an_hour_loses_and_reorders_nothing(tmp_path: Path) -> None:
    clock = SteppingClock()
    failing = PEOPLE[0]
    async with Witness().serve() as witness, aiohttp.ClientSession() as session:
        witness.mood = lambda body: Mood.FAIL if failing.encode() in body else Mood.TAKE
        config = write_configuration(tmp_path, {"crm": {"url": witness.url, "retry": {"schedule": ["10s"]}}})
        async with running(config, clock=clock) as gateway:
            for person in PEOPLE:
                await post(session, gateway.url, person, 1)
            await until(lambda: len(witness.seen) == 10, "first attempts")
            clock.offset_ms = -HOUR_S * 1000
            for person in PEOPLE:
                await post(session, gateway.url, person, 2)
            await until(lambda: len(witness.seen) == 19, "the others to go on at once")
            witness.mood = lambda body: Mood.TAKE
            await pass_time(gateway, clock, HOUR_S + 60, step=10)
            await until(lambda: len(witness.seen) == 20, "the one that failed to come in the end")
    assert witness.disordered() == []
    (account,) = await accounts(config)
    assert account.balances
    assert account.delivered == account.matched == 20


async def test_ten_thousand_tenants(tmp_path: Path) -> None:
    def tenant(number: int) -> dict[str, Any]:
        source = {"provider": "cloud_api", "app_secret": APP_SECRET, "verify_token": "test-token"}
        destinations = {
            name: {"url": f"{witness.url}/{number}/{name}", "secret": SECRET} for name in ("crm", "archive")
        }
        return {"sources": {"cloud": source}, "destinations": destinations}

    used = range(0, 10_000, 500)
    async with Witness().serve() as witness, aiohttp.ClientSession() as session:
        path = write_configuration(tmp_path, {})
        settings = orjson.loads(path.read_bytes())
        settings["tenants"] = {f"t{number}": tenant(number) for number in range(10_000)}
        path.write_bytes(orjson.dumps(settings))
        process = Process(path)
        started = time.monotonic()
        await process.start(60)
        assert time.monotonic() - started < 30
        async with gateways():
            for number in used:
                await post(session, process.url, f"1555010{number:04}", 1, f"/hooks/t{number}/cloud")
            wanted = {f"/hook/{number}/{name}": 1 for number in used for name in ("crm", "archive")}
            await until(lambda: witness.paths == wanted, "each tenant to have its own")
        assert await process.end() == 0
    ledger = await accounts(path)
    assert all(account.balances for account in ledger)
    assert sum(account.delivered for account in ledger) == 2 * len(used)
