"""Several real processes on one PostgreSQL: killed, put to sleep, replaced, cut off. Nothing is lost or reordered."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from gateway.store.postgres_leases import TTL_S
from tests.postgres import RestartableServer, postgres_server, postgres_template, postgres_url
from tests.processes import (
    Mood,
    People,
    Process,
    Witness,
    accounts,
    assert_all_is_well,
    gateways,
    run_to_its_end,
    write_configuration,
)
from tests.support import until

__all__ = ["postgres_server", "postgres_template", "postgres_url"]

TAKEN_OVER_S = 15.0


def replica(directory: Path, store: str, witness: Witness, **blocks: Witness) -> Process:
    """Named by its directory, and known to the witness by its path."""
    destinations = {"crm": {"url": f"{witness.url}/{directory.name}"}}
    destinations |= {name: {"url": one.url, "timeout": "20s"} for name, one in blocks.items()}
    return Process(write_configuration(directory, destinations, store=store))


async def seen_all(people: People, witness: Witness, accepted: dict[str, int]) -> None:
    """Wait until what was accepted then is seen."""
    keys = {(name, number) for name, last in accepted.items() for number in range(1, last + 1)}
    await until(lambda: keys <= witness.seen.keys(), "what was accepted before", 60)


async def both_deliver(witness: Witness) -> None:
    await until(lambda: min(witness.paths["/hook/a"], witness.paths["/hook/b"]) > 20, "both to deliver", 30)


async def test_a_process_that_is_killed_is_taken_over(tmp_path: Path, postgres_url: str) -> None:
    async with Witness().serve() as witness:
        a, b = (replica(tmp_path / name, postgres_url, witness) for name in "ab")
        people = People(lambda: [one.url for one in (a, b) if one.runs], 40, pause_s=0.05)
        async with gateways(a, b):
            async with people.writing():
                await both_deliver(witness)
                await a.end(signal.SIGKILL)
                killed = time.monotonic()
                await people.more(100)
                await seen_all(people, witness, dict(people.accepted))
                assert time.monotonic() - killed < TAKEN_OVER_S
            await people.arrived(witness, b)
    await assert_all_is_well(b.config, people, witness)


async def test_a_process_that_is_stopped_hands_its_shards_over_at_once(tmp_path: Path, postgres_url: str) -> None:
    async with Witness().serve() as witness:
        a, b = (replica(tmp_path / name, postgres_url, witness) for name in "ab")
        people = People(lambda: [one.url for one in (a, b) if one.runs], 40, pause_s=0.05)
        async with gateways(a, b):
            async with people.writing():
                await both_deliver(witness)
                assert await a.end(signal.SIGTERM) == 0
                ended = time.monotonic()
                await seen_all(people, witness, dict(people.accepted))
                assert time.monotonic() - ended < 5, "it need not wait for a lease to lapse"
            await people.arrived(witness, b)
    assert witness.repeated == 0
    await assert_all_is_well(b.config, people, witness)


async def test_one_that_hangs_keeps_nobody_else_waiting_when_shards_change_hands(
    tmp_path: Path, postgres_url: str
) -> None:
    """A third process comes and one goes, while every attempt at another destination hangs."""
    async with Witness().serve() as witness, Witness().serve() as hung:
        hung.mood = lambda body: Mood.HANG
        a, b, c = (replica(tmp_path / name, postgres_url, witness, hung=hung) for name in "abc")
        people = People(lambda: [b.url], 40, pause_s=0.05)
        async with gateways(a, b):
            async with people.writing():
                await both_deliver(witness)
                await until(lambda: len(hung.connections) >= 8, "attempts that hang")
                async with gateways(c):
                    await people.more(40)
                    await until(lambda: witness.paths["/hook/c"] > 20, "the third to deliver", 5)
                    asked = time.monotonic()
                    await seen_all(people, witness, dict(people.accepted))
                    assert time.monotonic() - asked < 5
                    a.send(signal.SIGTERM)
                    await people.more(40)
                    last = dict(people.accepted)
                    await until(lambda: sum(one in witness.seen for one in last.items()) > 30, "most to arrive", 5)
                    assert a.runs, "it keeps the shards of what is on its way, and no others"
                    assert await c.end(signal.SIGKILL) == -signal.SIGKILL
            assert await a.end(signal.SIGKILL) == -signal.SIGKILL
            hung.mood = lambda body: Mood.TAKE
            await people.arrived(witness, b)
    assert witness.disordered() == []


async def test_a_process_that_sleeps_is_taken_over_and_does_no_harm_when_it_wakes(
    tmp_path: Path, postgres_url: str
) -> None:
    async with Witness().serve() as witness:
        a, b = (replica(tmp_path / name, postgres_url, witness) for name in "ab")
        awake = [a, b]
        people = People(lambda: [one.url for one in awake], 40, pause_s=0.05)
        async with gateways(a, b):
            async with people.writing():
                await both_deliver(witness)
                awake.remove(a)
                a.send(signal.SIGSTOP)
                asleep = time.monotonic()
                await asyncio.sleep(0.2)  # what is on its way arrives
                sent = witness.paths["/hook/a"]
                await people.more(100)
                await seen_all(people, witness, dict(people.accepted))
                assert time.monotonic() - asleep < TAKEN_OVER_S
                repeated = witness.repeated
                a.send(signal.SIGCONT)
                awake.append(a)
                await until(lambda: witness.paths["/hook/a"] > sent + 20, "it to take part again", 30)
            await people.arrived(witness, b)
    assert witness.repeated - repeated <= 16, "no more than what was on its way"
    await assert_all_is_well(b.config, people, witness)


async def test_a_woken_process_cannot_settle_what_another_has_delivered(tmp_path: Path, postgres_url: str) -> None:
    async with Witness().serve() as slow, Witness().serve() as quick:
        slow.mood = lambda body: Mood.HANG
        a = replica(tmp_path / "a", postgres_url, slow)
        b = replica(tmp_path / "b", postgres_url, quick)
        people = People(lambda: [a.url], 20)
        async with gateways(a):
            async with people.writing():
                await people.more(60)
            await until(lambda: len(slow.seen) >= 10, "attempts that hang")
            a.send(signal.SIGSTOP)
            async with gateways(b):
                await people.arrived(quick, b, TAKEN_OVER_S)
                written = slow.seen.total()
                a.send(signal.SIGCONT)
                await until(lambda: not slow.connections, "its attempts to end")
                assert slow.seen.total() == written, "nothing more is written"
            ledger = await accounts(b.config)
    assert [(one.delivered, one.pending) for one in ledger] == [(people.total, 0)]
    assert quick.disordered() == []


async def test_a_rolling_deploy_with_two_configurations_loses_nothing(tmp_path: Path, postgres_url: str) -> None:
    async with Witness().serve() as crm, Witness().serve() as audit:
        old = [replica(tmp_path / name, postgres_url, crm) for name in "ab"]
        new = [replica(tmp_path / name, postgres_url, crm, audit=audit) for name in "cd"]
        everyone = [*old, *new]
        people = People(lambda: [one.url for one in everyone if one.runs and one.url], 20, pause_s=0.02)
        async with gateways(*old):
            async with people.writing():
                for before, after in zip(old, new, strict=True):
                    await people.more(100)
                    await after.start()
                    await people.more(100)
                    assert await before.end(signal.SIGTERM) == 0
                await people.more(100)
            async with gateways():
                await people.arrived(crm, new[0])
                ledger = {one.destination: one for one in await accounts(new[0].config)}
                await until(lambda: len(audit.seen) >= ledger["audit"].matched, "the new one to have all of its own")
            for one in new:
                assert await one.end() == 0
    await assert_all_is_well(new[0].config, people, crm)
    assert len(audit.seen) > 100
    assert audit.disordered() == []


async def test_all_is_refused_while_the_database_is_away_and_nothing_is_lost(tmp_path: Path) -> None:
    with RestartableServer() as server:
        store = await asyncio.to_thread(server.database)
        async with Witness().serve() as witness:
            a, b = (replica(tmp_path / name, store, witness) for name in "ab")
            people = People(lambda: [a.url, b.url], 20, pause_s=0.01)
            async with gateways(a, b):
                async with people.writing():
                    for go in (server.kill, lambda: server.stop("fast"), lambda: server.stop("immediate")):
                        await people.more(200)
                        people.answers.clear()
                        await asyncio.to_thread(go)
                        await until(lambda: people.answers[503] > 20, "requests to be refused")
                        await asyncio.to_thread(server.start)
                    await people.more(200)
                await people.arrived(witness, a)
            await assert_all_is_well(a.config, people, witness)


async def test_a_database_that_does_not_answer_is_survived(tmp_path: Path) -> None:
    with RestartableServer() as server:
        store = await asyncio.to_thread(server.database)
        async with Witness().serve() as witness:
            process = replica(tmp_path / "a", store, witness)
            people = People(lambda: [process.url], 20, pause_s=0.01)
            async with gateways(process):
                async with people.writing():
                    await people.more(200)
                    with server.suspended():
                        before = people.total
                        await asyncio.sleep(TTL_S + 2)  # so that leases lapse
                        assert people.total - before < 200
                    await people.more(200)
                await people.arrived(witness, process)
            await assert_all_is_well(process.config, people, witness)


async def test_a_stop_is_obeyed_while_the_database_is_away(tmp_path: Path) -> None:
    with RestartableServer() as server:
        store = await asyncio.to_thread(server.database)
        async with Witness().serve() as witness:
            a, b = (replica(tmp_path / name, store, witness) for name in "ab")
            people = People(lambda: [a.url], 20, pause_s=0.01)
            async with gateways(a, b):
                async with people.writing():
                    await people.more(200)
                    await asyncio.to_thread(server.kill)
                    assert await b.end(limit_s=10) == 0
                    with_sessions = server.suspended
                    await asyncio.to_thread(server.start)
                    await people.more(200)
                    with with_sessions():
                        ending = asyncio.create_task(a.end(limit_s=25))
                        assert await ending == 0
                    await a.start()
                await people.arrived(witness, a)
            await assert_all_is_well(a.config, people, witness)


# Workers


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_workers_share_a_port_and_one_that_dies_is_replaced(tmp_path: Path, postgres_url: str) -> None:
    async with Witness().serve() as witness:
        config = write_configuration(tmp_path, {"crm": {"url": witness.url}}, store=postgres_url)
        process = Process(config, "--workers", "2")
        people = People(lambda: [process.url], 20, pause_s=0.01)
        async with gateways(process):
            await until(lambda: len(process.told("started")) == 2, "both to start")
            async with people.writing():
                await until(lambda: len({line["worker"] for line in process.told("receipt")}) == 2, "both to accept")
                os.kill(children(process.pid)[0], signal.SIGKILL)
                await until(lambda: process.told("worker_died"), "it to be missed")
                await until(lambda: len(process.told("started")) == 3, "another to start")
                process.admin_url = process.told("started")[-1]["admin"]  # the one that was known may have died
                await people.more(100)
            await people.arrived(witness, process)
    assert {line.get("worker") for line in process.log} == {0, 1, None}, "each line is whole, and says whose it is"
    await assert_all_is_well(config, people, witness)


async def test_workers_stop_when_their_supervisor_is_killed(tmp_path: Path, postgres_url: str) -> None:
    config = write_configuration(tmp_path, {}, store=postgres_url)
    process = Process(config, "--workers", "2")
    await process.start()
    workers = children(process.pid)
    assert len(workers) == 2
    await until(lambda: len(process.told("started")) == 2, "both to start")
    process.send(signal.SIGKILL)
    async with asyncio.timeout(15):
        await process.end()  # its log ends when the last worker has
    assert [line["worker"] for line in process.told("stopped")] in ([0, 1], [1, 0])


async def test_one_file_takes_one_worker(tmp_path: Path) -> None:
    status, text = await run_to_its_end(write_configuration(tmp_path, {}), "--workers", "2")
    assert status == 78
    assert "has one writer: use `store: postgresql://…`" in text


@pytest.mark.parametrize("port", [65535])
async def test_workers_need_ports_for_their_admin_listeners(tmp_path: Path, port: int) -> None:
    config = write_configuration(
        tmp_path, {}, store="postgresql://nobody@127.0.0.1:1/none", admin={"listen": f"127.0.0.1:{port}"}
    )
    status, text = await run_to_its_end(config, "--workers", "2")
    assert status == 78
    assert "need ports 65535 to 65536" in text
