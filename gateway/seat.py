"""A worker's place under its supervisor, as both of them see it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's place: its number, its sockets, and the leash that its supervisor holds.

    A byte on the leash tells the supervisor that this worker serves; its end tells the worker that nobody looks after
    it any more.
    """

    number: int
    leash: socket.socket
    sockets: Sequence[socket.socket]

    SERVES = b"+"

    @classmethod
    def parse(cls, text: str) -> Seat:
        """What `words` wrote, in the process that inherits the descriptors."""
        number, leash, *shared = map(int, text.split(","))
        return cls(number, socket.socket(fileno=leash), [socket.socket(fileno=one) for one in shared])

    @property
    def descriptors(self) -> tuple[int, ...]:
        return self.leash.fileno(), *(one.fileno() for one in self.sockets)

    @property
    def words(self) -> str:
        return ",".join(map(str, (self.number, *self.descriptors)))

    def watch(self, alone: Callable[[], None]) -> None:
        """Call when the supervisor is gone."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(self.leash)
            alone()

        self.leash.setblocking(False)
        loop.add_reader(self.leash, ended)  # it is never written to: all that can be read is its end

    def tell(self) -> None:
        with suppress(OSError):  # the supervisor is gone, which `watch` sees
            self.leash.send(self.SERVES)
