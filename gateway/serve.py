"""A process that serves: signals, limits of the system, memory; alone, or as one of a supervisor's workers."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import sys
from contextlib import suppress

from gateway.app import Gateway
from gateway.config import Config
from gateway.seat import Seat
from gateway.telemetry import Log

SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may keep the interpreter lock from the store's thread: a tenth of Python's default, since
each statement of a commit has to win it back. Measured in bench/."""


async def serve(config: Config, log: Log, seat: Seat | None = None) -> None:
    """Run until SIGTERM or SIGINT, or until the supervisor is gone; then drain. Raises StoreError or CannotListen."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _raise_descriptor_limit()
    gateway = Gateway(config, log, sockets=seat.sockets if seat else ())
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if seat:
        seat.watch(stopped.set)
    await gateway.start()
    if seat:
        seat.tell()
    gc.collect()
    gc.freeze()  # what is there now stays: collections need not walk it again and again
    gc.set_threshold(20_000, 20, 50)  # requests make many short-lived objects, and hardly a cycle
    await stopped.wait()
    await gateway.stop()


def _raise_descriptor_limit() -> None:
    """As many connections as the system allows: the soft limit is often 1024, for the sake of select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems cannot go as far as they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
