"""Several processes behind one port: binds a socket for each, starts them, starts those again that die.

The sockets stay open here: connections that wait for a worker that dies are taken by its successor.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

from gateway.config.values import Address
from gateway.seat import Seat
from gateway.sockets import bind_each, url_of
from gateway.telemetry import Log

QUICK_S = 10.0
"""A worker that ends sooner than this after its start may do so again: the next start waits."""
FIRST_WAIT_S, LAST_WAIT_S = 0.5, 4.0
"""Its share of the connections waits as well."""
TRIES = 5
"""So many quick ends in a row, while no other worker serves, and the supervisor gives up."""
KILL_AFTER_S = 10.0
"""Beyond the workers' own limit. They end by themselves; this is for one that cannot."""


class Supervisor:
    """Keeps `count` workers running. `command` is what starts one, without its seat.

    `limit_s` is how long a worker may take to stop.
    """

    def __init__(self, command: Sequence[str], count: int, log: Log, limit_s: float) -> None:
        self._command = command
        self._count = count
        self._log = log
        self._limit_s = limit_s
        self._stopping = asyncio.Event()
        self._status = 0
        self._sockets: list[list[socket.socket]] = []
        self._processes: dict[int, Process] = {}
        self._serving: set[int] = set()

    async def run(self, address: Address) -> int:
        """Until SIGTERM or SIGINT, or until it is hopeless. Returns the exit status; raises CannotListen."""
        loop = asyncio.get_running_loop()
        self._sockets = bind_each(address, self._count)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        self._log.info("supervising", workers=self._count, listen=url_of(self._sockets[0]))
        seats = [loop.create_task(self._keep(number)) for number in range(self._count)]
        await self._stopping.wait()
        self._log.info("stopping")
        for one in chain(*self._sockets):  # or connections would be made that nobody accepts any more
            one.close()
        self._signal(signal.SIGTERM)
        _, late = await asyncio.wait(seats, timeout=self._limit_s + KILL_AFTER_S)
        if late:
            self._signal(signal.SIGKILL)
        await asyncio.gather(*seats)
        self._log.info("stopped", status=self._status)
        return self._status

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    async def _keep(self, number: int) -> None:
        """One seat, and all who sit in it one after another."""
        now_s = asyncio.get_running_loop().time
        ever_served, quick = False, 0
        while not self._stopping.is_set():
            started_s = now_s()
            status, served = await self._live(number)
            if self._stopping.is_set():
                self._judge_stop(number, status, served)
                return
            ever_served = ever_served or served
            quick = quick + 1 if now_s() - started_s < QUICK_S else 0
            if self._hopeless(status, ever_served, quick):
                self._log.error("gave_up", worker=number, status=status, tries=quick)
                self._fail(status)
                return
            wait_s = min(LAST_WAIT_S, FIRST_WAIT_S * 2 ** (quick - 1)) if quick else 0.0
            self._log.error("worker_died", worker=number, status=status, next_start_s=wait_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()

    async def _live(self, number: int) -> tuple[int, bool]:
        """One life: its status, negative for a signal, and whether it served."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                seat = Seat(number, theirs, self._sockets[number])
                self._processes[number] = process = await asyncio.create_subprocess_exec(
                    *self._command, "--seat", seat.words, pass_fds=seat.descriptors
                )
            if self._stopping.is_set():  # it was no process yet when all were told
                process.terminate()
            ours.setblocking(False)
            served = await _first_byte(ours) == Seat.SERVES
            if served:
                self._serving.add(number)
            status = await process.wait()
        self._serving.discard(number)
        del self._processes[number]
        return status, served

    def _hopeless(self, status: int, ever_served: bool, quick: int) -> bool:
        """It says itself that it cannot start, or it dies again and again. While others serve they go on, and so does
        the trying: what it lacks, such as a database, may come back."""
        return not self._serving and ((status > 0 and not ever_served) or quick >= TRIES)

    def _judge_stop(self, number: int, status: int, served: bool) -> None:
        before_it_heard_signals = not served and status in (-signal.SIGTERM, -signal.SIGINT)
        if status and not before_it_heard_signals:
            self._log.error("worker_died", worker=number, status=status)
            self._fail(1)

    def _fail(self, status: int) -> None:
        """Everything is stopped, and this is how it ends."""
        self._status = self._status or max(status, 1)
        self._stopping.set()


async def _first_byte(leash: socket.socket) -> bytes:
    with suppress(ConnectionError):
        return await asyncio.get_running_loop().sock_recv(leash, 1)
    return b""
