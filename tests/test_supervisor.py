"""The supervisor, with small programs in place of gateways: what it starts, shares, starts again, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import supervisor as supervisor_module
from gateway.config.values import Address
from gateway.seat import Seat
from gateway.sockets import CannotListen, bind, url_of
from gateway.supervisor import Supervisor
from tests.support import until

WORKER = """
import os, signal, socket, sys, time
number, leash, shared = map(int, sys.argv[-1].split(","))
leash, shared = socket.socket(fileno=leash), socket.socket(fileno=shared)
shared.setblocking(True)
{before}
shared.listen()
leash.send(b"+")
{after}
while True:
    connection, _ = shared.accept()
    connection.sendall(b"%d %d" % (number, os.getpid()))
    connection.close()
"""
ORDERLY = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})

    debug = warning = error = info

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


def program(directory: Path, *, before: str = ORDERLY, after: str = "") -> tuple[str, str]:
    path = directory / "worker.py"
    path.write_text(WORKER.format(before=before, after=after))
    return sys.executable, str(path)


class Running:
    def __init__(self, command: tuple[str, ...], count: int, limit_s: float = 5.0) -> None:
        self.log = Lines()
        supervisor = Supervisor(command, count, self.log, limit_s)
        self.ending = asyncio.create_task(supervisor.run(Address("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.log.of("supervising")[0]["listen"].rpartition(":")[2])

    async def ask(self) -> tuple[int, int]:
        """Number and process of the worker that takes a connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        async with asyncio.timeout(10):
            number, pid = (await reader.read()).split()
        writer.close()
        return int(number), int(pid)

    async def all(self, count: int) -> dict[int, int]:
        """Wait until so many workers answer."""
        found: dict[int, int] = {}
        async with asyncio.timeout(10):
            while len(found) < count:
                with suppress(ConnectionRefusedError):  # nobody listens yet
                    number, pid = await self.ask()
                    found[number] = pid
        return found


@asynccontextmanager
async def running(command: tuple[str, ...], count: int, **options: Any) -> AsyncIterator[Running]:
    one = Running(command, count, **options)
    try:
        await until(lambda: one.log.of("supervising"), "the supervisor to listen")
        yield one
    finally:
        if not one.ending.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await one.ending


async def test_workers_share_one_port_and_end_in_order(tmp_path: Path) -> None:
    async with running(program(tmp_path), 3) as one:
        pids = await one.all(3)
        assert sorted(pids) == [0, 1, 2]
    assert one.ending.result() == 0
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_who_dies_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_WAIT_S", 0.01)
    async with running(program(tmp_path), 2) as one:
        before = await one.all(2)
        os.kill(before[1], signal.SIGKILL)
        await until(lambda: one.log.of("worker_died"), "the death to be seen")
        while (after := await one.all(2))[1] == before[1]:
            pass
        assert after[0] == before[0], "the other one is left alone"
    assert one.ending.result() == 0
    assert [(line["worker"], line["status"]) for line in one.log.of("worker_died")] == [(1, -signal.SIGKILL)]


async def test_a_start_that_fails_by_itself_ends_everything_with_its_status(tmp_path: Path) -> None:
    async with running(program(tmp_path, before="sys.exit(78)"), 2) as one:
        async with asyncio.timeout(20):
            assert await one.ending == 78
    assert one.log.of("gave_up")


async def test_who_dies_again_and_again_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_WAIT_S", 0.001)
    async with running(program(tmp_path, after="os.abort()"), 1) as one:
        async with asyncio.timeout(20):
            assert await one.ending == 1
    assert one.log.of("gave_up") == [{"event": "gave_up", "worker": 0, "status": -signal.SIGABRT, "tries": 5}]
    waits = [line["next_start_s"] for line in one.log.of("worker_died")]
    assert waits == [0.001, 0.002, 0.004, 0.008], "each wait is twice as long"


async def test_while_another_serves_nobody_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_WAIT_S", 0.0001)
    command = program(tmp_path, after="if number == 1: time.sleep(0.01); sys.exit(1)")
    async with running(command, 2) as one:
        await until(lambda: len(one.log.of("worker_died")) >= 8, "more deaths than tries")
        assert not one.ending.done()
    assert not one.log.of("gave_up")


async def test_who_does_not_obey_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "KILL_AFTER_S", 0.1)
    command = program(tmp_path, before="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    async with running(command, 1, limit_s=0.1) as one:
        await one.all(1)
    assert one.ending.result() == 1
    assert one.log.of("worker_died") == [{"event": "worker_died", "worker": 0, "status": -signal.SIGKILL}]


async def test_one_that_is_stopped_while_it_starts_has_ended_in_order(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = program(tmp_path, before=f"open({str(ready)!r}, 'w').close(); time.sleep(60)")
    async with running(command, 1) as one:
        await until(ready.exists, "the worker to start")
    assert one.ending.result() == 0


async def test_a_worker_learns_that_its_supervisor_is_gone() -> None:
    ours, theirs = socket.socketpair()
    gone = asyncio.Event()
    seat = Seat(3, theirs, [])
    seat.watch(gone.set)
    seat.tell()
    assert ours.recv(1) == Seat.SERVES
    await asyncio.sleep(0)
    assert not gone.is_set()
    ours.close()
    async with asyncio.timeout(5):
        await gone.wait()
    seat.tell()  # nobody listens: nothing happens
    theirs.close()


def test_a_seat_is_told_in_words() -> None:
    with socket.socket() as leash, socket.socket() as first, socket.socket() as second:
        seat = Seat(2, leash, [first, second])
        assert seat.words == f"2,{leash.fileno()},{first.fileno()},{second.fileno()}"


def test_all_interfaces_have_the_same_port() -> None:
    bound = bind(Address("", 0))
    try:
        assert len({one.getsockname()[1] for one in bound}) == 1
        assert len({one.family for one in bound}) == len(bound)
        for one in bound:
            one.listen()
        with socket.create_connection(("127.0.0.1", bound[0].getsockname()[1]), timeout=5):
            pass
    finally:
        for one in bound:
            one.close()


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on 203.0.113.1:0: Cannot assign requested address"):
        bind(Address("203.0.113.1", 0))
    with pytest.raises(CannotListen, match=r"cannot listen on nowhere\.invalid:0: "):
        bind(Address("nowhere.invalid", 0))


def test_the_url_says_how_this_machine_reaches_it() -> None:
    (bound,) = bind(Address("0.0.0.0", 0))
    with bound:
        assert url_of([bound]) == f"http://127.0.0.1:{bound.getsockname()[1]}"
