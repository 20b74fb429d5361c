"""Sockets to listen on, for one process or for several that share a port."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from gateway.config.values import Address

_NOT_ON_THIS_MACHINE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


class CannotListen(Exception):
    """An address is taken, or not ours; the message says which."""


def bind_each(address: Address, count: int) -> list[list[socket.socket]]:
    """Sockets for so many processes: the kernel spreads connections over those that listen. Raises CannotListen."""
    with ExitStack() as stack:
        bound: list[list[socket.socket]] = []
        for _ in range(count):
            bound.append(bind(address, shared=True))
            for one in bound[-1]:
                stack.enter_context(one)
            address = Address(address.host, one.getsockname()[1])
        stack.pop_all()
        return bound


def bind(address: Address, *, shared: bool = False) -> list[socket.socket]:
    """One for each address that the host has; where any port will do, they have the same. Raises CannotListen.

    They do not listen yet. A shared one lets others of this user bind the same address.
    """
    with ExitStack() as stack:
        bound: list[socket.socket] = []
        refused: OSError | None = None
        port = address.port
        try:
            for family, _, _, _, place in _places(address):
                try:
                    one = _bind(family, (place[0], port, *place[2:]), shared)
                except OSError as error:
                    if error.errno not in _NOT_ON_THIS_MACHINE:
                        raise
                    refused = error
                    continue
                stack.enter_context(one)
                bound.append(one)
                port = one.getsockname()[1]
            if refused is not None and not bound:
                raise refused
        except OSError as error:
            raise CannotListen(refusal(address, error)) from error
        stack.pop_all()
        return bound


def url_of(bound: Sequence[socket.socket]) -> str:
    """Where one on this machine reaches them."""
    host, port = bound[0].getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://{Address(host, port)}"


def _places(address: Address) -> list[tuple[int, int, int, str, tuple[str, ...]]]:
    found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(found))  # type: ignore[arg-type]


def _bind(family: int, place: tuple[str | int, ...], shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(place)
    except BaseException:
        one.close()
        raise
    return one


def refusal(address: Address, error: OSError) -> str:
    """What the operator is told."""
    reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    return f"cannot listen on {address}: {reason}"
