"""Log lines: what becomes of them when nobody reads them, when threads write them, when libraries repeat them."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from gateway.delivering.engine import _Reporter
from gateway.delivering.policy import Outcome
from gateway.store.base import Delivery, Run, State, StoredEvent
from gateway.telemetry import Metrics, _Bridge, _LineWriter
from tests.support import NOW_MS, FakeClock, until


class Pipe:
    """A pipe whose reader reads when it is told to."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.text = b""

    def read(self) -> bytes:
        """Everything so far."""
        try:
            while piece := os.read(self.reader, 65536):
                self.text += piece
        except BlockingIOError:
            pass
        return self.text

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


async def test_a_reader_that_stalls_costs_lines_and_says_how_many(pipe: Pipe) -> None:
    writer = _LineWriter(pipe.writer)
    writer.LIMIT = 200_000
    writer.on_dropped = lambda lines: writer.msg(b"dropped %d" % lines)
    for number in range(10_000):
        writer.msg(b"%099d" % number)
        if number % 10 == 0:
            await asyncio.sleep(0)  # the loop turns: a write that blocks would end the test here
    await until(lambda: b"dropped" in pipe.read(), "the lines that were dropped")
    *kept, last = pipe.read().splitlines()
    assert kept == [b"%099d" % number for number in range(len(kept))], "whole lines, in order, without a hole"
    assert 2_000 < len(kept) < 5_000
    assert last == b"dropped %d" % (10_000 - len(kept))
    writer.msg(b"on it goes")
    await until(lambda: pipe.read().endswith(b"on it goes\n"))


async def test_a_reader_that_is_slow_gets_every_line(pipe: Pipe) -> None:
    writer = _LineWriter(pipe.writer)
    lines = [b"%099d" % number for number in range(5_000)]
    for line in lines:
        writer.msg(line)
    await until(lambda: pipe.read().count(b"\n") == len(lines))
    assert pipe.text.splitlines() == lines


async def test_a_reader_that_is_gone_is_no_obstacle() -> None:
    reader, descriptor = os.pipe()
    writer = _LineWriter(descriptor)
    os.close(reader)
    writer.msg(b"x")
    await asyncio.sleep(0)
    assert not writer._text
    os.close(descriptor)


async def test_a_file_gets_the_lines_of_one_turn(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = _LineWriter(file.fileno())
        for number in range(10_000):
            writer.msg(b"%099d" % number)
        await asyncio.sleep(0)
    assert (tmp_path / "log").read_bytes().splitlines() == [b"%099d" % number for number in range(10_000)]


async def test_threads_write_whole_lines(pipe: Pipe) -> None:
    writer = _LineWriter(pipe.writer)

    def write(name: bytes) -> None:
        for number in range(500):
            writer.msg(name * 50 + b" %d" % number)

    with ThreadPoolExecutor(8) as threads:
        loop = asyncio.get_running_loop()
        writing = [loop.run_in_executor(threads, write, bytes([97 + n])) for n in range(8)]
        write(b"z")
        await asyncio.gather(*writing)
        writer.msg(b"end")
        await until(lambda: pipe.read().count(b"\n") == 9 * 500 + 1)
    for name in b"abcdefghz":
        mine = [line for line in pipe.text.splitlines() if line[0] == name and line != b"end"]
        assert mine == [bytes([name]) * 50 + b" %d" % number for number in range(500)]


def test_the_end_waits_for_a_slow_reader(pipe: Pipe) -> None:
    writer = _LineWriter(pipe.writer)
    for number in range(5_000):
        writer.msg(b"%099d" % number)
    assert writer._text, "there is more than a pipe holds"
    writing = threading.Thread(target=writer.close)
    writing.start()
    while writing.is_alive():
        pipe.read()
    assert len(pipe.read()) == 500_000


def test_the_end_does_not_wait_for_ever(pipe: Pipe) -> None:
    writer = _LineWriter(pipe.writer)
    writer.LAST_S = 0.01
    for _ in range(5_000):
        writer.msg(b"x" * 99)
    writer.close()
    assert writer._text


class Lines:
    """A log that is a list."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})

    debug = info = error = warning


def test_what_a_library_repeats_is_written_once_in_a_second() -> None:
    log, now = Lines(), [0.0]
    logger = logging.Logger("asyncio")
    logger.addHandler(_Bridge(log, lambda: now[0]))
    for number in range(10_000):
        logger.error(f"socket.accept() out of system resource\nsocket: <fd={number}>")
    logger.error("another")
    logging.Logger("other").error("unheard")
    now[0] = 1.0
    for _ in range(10):
        logger.error("socket.accept() out of system resource\nsocket: <>")
    now[0] = 2.5
    logger.error("another")
    accept = {"event": "library", "library": "asyncio", "text": "socket.accept() out of system resource", "error": None}
    another = {**accept, "text": "another"}
    assert log.lines == [accept, another, {**accept, "suppressed": 9_999}, another]


def test_texts_that_differ_each_time_do_not_pile_up() -> None:
    bridge = _Bridge(Lines())
    logger = logging.Logger("library")
    logger.addHandler(bridge)
    for number in range(5_000):
        logger.error(f"object {number}")
    assert len(bridge._written) <= bridge.PATTERNS


def stored(number: int) -> StoredEvent:
    return StoredEvent(number, number.to_bytes(16, "big"), 1, "t", NOW_MS, False, "", b"{}", b"{}", 1)


def test_attempts_are_told_once_a_request_in_lines_that_are_not_torn() -> None:
    lines: list[dict[str, Any]] = []
    log: Any = SimpleNamespace(info=lambda name, **fields: lines.append({"event": name, **fields}))
    crm: Any = SimpleNamespace(tenant="acme", name="crm")
    metrics, clock = Metrics(), FakeClock()
    report = _Reporter(crm, Run(9, 1, 4, "replay"), clock, log, metrics)
    some = [Delivery(stored(number), 1, number) for number in range(123)]
    report([(one, State.DELIVERED) for one in some[:120]] + [(some[120], State.DEAD)], Outcome(200, took_s=0.25))
    assert [(line["outcome"], line.get("events", 1)) for line in lines] == [
        ("delivered", 50), ("delivered", 50), ("delivered", 20), ("dead", 1),
    ]  # fmt: skip
    assert [id_ for line in lines[:3] for id_ in line["event_ids"]] == [one.event.id.hex() for one in some[:120]]
    assert lines[3]["event_id"] == some[120].event.id.hex()
    assert all(line["replay"] == 4 for line in lines)
    assert max(len(orjson.dumps(line)) for line in lines) < select.PIPE_BUF - 500
    seen = {sample.name: sample.value for family in metrics.registry.collect() for sample in family.samples}
    assert seen["wagw_attempt_duration_seconds_count"] == 1
    assert seen["wagw_delivery_lag_seconds_count"] == 120
