"""The load generator: sockets and epoll, requests rendered beforehand. Several times cheaper than what it measures."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

CONNECTIONS = 64
_LENGTH = b"\r\nContent-Length: "


class LoadError(Exception):
    """The server closed a connection, or did not answer in time."""


@dataclass
class Outcome:
    """Started and ended are on the monotonic clock. `latencies` are in seconds, from when a request was due."""

    started: float
    ended: float = 0.0
    answered: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.answered / (self.ended - self.started)


class _Connection:
    """Counts whole answers by their Content-Length."""

    __slots__ = ("_buffer", "_socket", "due")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._buffer = b""
        self.due = 0.0

    def send(self, request: bytes) -> None:
        if self._socket.send(request) != len(request):
            raise LoadError("the server does not read")

    def answer(self) -> bytes | None:
        """The answer, once it is there as a whole."""
        data = self._socket.recv(65536)
        if not data:
            raise LoadError("the server closed a connection")
        data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        start = data.find(_LENGTH, 0, end + 2)
        if end >= 0 and start >= 0:
            length = int(data[start + len(_LENGTH) : data.index(b"\r\n", start + 2)])
            if len(data) >= end + 4 + length:
                self._buffer = b""
                return data
        self._buffer = data
        return None


@contextmanager
def _connected(port: int, count: int) -> Iterator[tuple[select.epoll, dict[int, _Connection]]]:
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(count)]
    poll = select.epoll()
    try:
        for one in sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(one, select.EPOLLIN)
        yield poll, {one.fileno(): _Connection(one) for one in sockets}
    finally:
        poll.close()
        for one in sockets:
            one.close()


def closed_loop(
    port: int, requests: Sequence[bytes], *, connections: int = CONNECTIONS, limit_s: float = 30.0
) -> Outcome:
    """Each connection sends its next request as soon as the last is answered; until all are, or the limit."""
    left = iter(requests)
    with _connected(port, connections) as (poll, by_number):
        outcome = Outcome(time.monotonic())
        for connection in by_number.values():
            if (request := next(left, None)) is not None:
                connection.send(request)
        while outcome.answered + outcome.refused < len(requests):
            if time.monotonic() - outcome.started > limit_s:
                raise LoadError(f"{len(requests)} requests took more than {limit_s:.0f} s")
            for number, _ in poll.poll(1.0):
                connection = by_number[number]
                if (answer := connection.answer()) is None:
                    continue
                _count(outcome, answer)
                if (request := next(left, None)) is not None:
                    connection.send(request)
        outcome.ended = time.monotonic()
    return outcome


def open_loop(
    port: int, requests: Sequence[bytes], rate: float, *, connections: int = CONNECTIONS, limit_s: float = 30.0
) -> Outcome:
    """Requests fall due at a fixed rate, whether the server keeps up or not; waiting for a connection counts."""
    with _connected(port, connections) as (poll, by_number):
        idle = deque(by_number.values())
        outcome = Outcome(time.monotonic())
        sent = 0
        while outcome.answered + outcome.refused < len(requests):
            now = time.monotonic()
            if now - outcome.started > limit_s:
                raise LoadError(f"{len(requests)} requests took more than {limit_s:.0f} s")
            while idle and sent < len(requests) and (due := outcome.started + sent / rate) <= now:
                connection = idle.popleft()
                connection.due = due
                connection.send(requests[sent])
                sent += 1
            for number, _ in poll.poll(0):  # without waiting: epoll's clock is too coarse for this
                connection = by_number[number]
                if (answer := connection.answer()) is None:
                    continue
                _count(outcome, answer)
                outcome.latencies.append(time.monotonic() - connection.due)
                idle.append(connection)
        outcome.ended = time.monotonic()
    return outcome


def _count(outcome: Outcome, answer: bytes) -> None:
    if answer.startswith(b"HTTP/1.1 200 "):
        outcome.answered += 1
    else:
        outcome.refused += 1
