"""Real processes: killed in the middle of a load, drained by SIGTERM, refused at start. No 200 is lost."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import aiohttp
import orjson
import pytest
import structlog

from gateway.app import Gateway
from gateway.config import load_config
from gateway.store.base import Appended, Submission
from providers import load_adapters
from tests.support import APP_SECRET, Downstream, running, until, write_config
from tests.test_ingress import envelope, message

ROOT = Path(__file__).parent.parent
PEOPLE = 7


class Process:
    """`wa-gateway run`, on a port that stays the same over restarts."""

    def __init__(self, config: Path, *prefix: str) -> None:
        self.config = config
        self._prefix = prefix
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._prefix, sys.executable, "-m", "gateway", "run", "--config", str(self.config), "--log-format", "json",
            stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stderr is not None
        async with asyncio.timeout(30):
            while b'"event":"started"' not in (line := await self._process.stderr.readline()):
                assert line, "it ended before it started"
        self.url = orjson.loads(line)["listen"]
        self._reader = asyncio.create_task(self._read_on(self._process.stderr))
        text = self.config.read_text().replace("listen: 127.0.0.1:0\nadmin", f"listen: {self.url[7:]}\nadmin")
        self.config.write_text(text)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def _read_on(self, stream: asyncio.StreamReader) -> None:
        self.lines = [line async for line in stream]

    async def end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        status = await self._process.wait()
        await self._reader
        return status


async def test_every_200_arrives_though_the_process_is_killed_again_and_again(tmp_path: Path) -> None:
    dice = random.Random(20261120)
    accepted: list[int] = []
    sent_after: dict[int, int] = {}
    async with Downstream().serve() as downstream, aiohttp.ClientSession() as session:
        downstream_url = downstream.url
        process = Process(write_config(tmp_path, {"crm": {"url": downstream_url, "retry": {"schedule": ["50ms"]}}}))
        await process.start()
        number = 0
        stop = False

        async def load(person: int) -> None:
            """One person's messages, one after another; what is not answered 200 is sent again, as providers do."""
            nonlocal number
            while not stop:
                number += 1
                mine = number
                body = orjson.dumps(envelope([message(mine, **{"from": f"1555010{person:04}"})]))
                signature = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
                for _ in range(2000):
                    try:
                        async with session.post(
                            process.url + "/hooks/acme/cloud", data=body, headers={"X-Hub-Signature-256": signature}
                        ) as response:
                            if response.status == 200:
                                accepted.append(mine)
                                break
                    except (aiohttp.ClientError, OSError):
                        pass
                    await asyncio.sleep(0.01)
                sent_after[mine] = person

        tasks = [asyncio.create_task(load(person)) for person in range(PEOPLE)]
        for round_number in range(3):
            target = len(accepted) + 150 + dice.randrange(100)
            await until(lambda target=target: len(accepted) >= target, f"load in round {round_number}", 60)
            assert await process.end(signal.SIGKILL) == -signal.SIGKILL
            await process.start()
        target = len(accepted) + 50
        await until(lambda: len(accepted) >= target, "load at the end", 60)
        stop = True
        await asyncio.gather(*tasks)
        await until(
            lambda: {f"wamid.{n}" for n in accepted} <= {e["data"]["message"]["id"] for e in downstream.events},
            "every accepted message downstream", 60,
        )  # fmt: skip
        assert await process.end(signal.SIGTERM) == 0
    ids: dict[str, set[str]] = defaultdict(set)
    first_sight: dict[str, list[int]] = defaultdict(list)
    for event in downstream.events:
        name = event["data"]["message"]["id"]
        if not ids[name]:
            first_sight[event["subject"]].append(int(name[6:]))
        ids[name].add(event["id"])
    assert len(accepted) > 450
    assert all(len(one) == 1 for one in ids.values()), "the same message never has two ids"
    for person, numbers in first_sight.items():
        assert numbers == sorted(numbers), f"out of order for {person}"
    repeated = sum(count - 1 for count in Counter(e["id"] for e in downstream.events).values())
    assert repeated < len(accepted), "only what was in flight is repeated"


async def test_sigterm_finishes_what_is_in_flight(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def answer(got: object) -> aiohttp.web.Response:
        await release.wait()
        return aiohttp.web.Response()

    async with Downstream().serve() as downstream, aiohttp.ClientSession() as session:
        downstream.answer = answer
        process = Process(write_config(tmp_path, {"crm": {"url": downstream.url}}))
        await process.start()
        body = orjson.dumps(envelope([message(n, **{"from": f"1555010000{n}"}) for n in range(3)]))
        signature = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        async with session.post(
            process.url + "/hooks/acme/cloud", data=body, headers={"X-Hub-Signature-256": signature}
        ) as response:
            assert response.status == 200
        await until(lambda: len(downstream.got) == 3)
        ending = asyncio.create_task(process.end(signal.SIGTERM))
        while True:  # it has stopped to accept
            try:
                async with session.get(process.url):
                    pass
            except aiohttp.ClientConnectionError:
                break
        assert not ending.done()
        release.set()
        assert await ending == 0
    database = sqlite3.connect(tmp_path / "store.db")
    assert database.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall() == [(4, 3)]
    database.close()
    assert [orjson.loads(line)["event"] for line in process.lines[-1:]] == ["stopped"]


async def test_sigterm_is_obeyed_while_nobody_reads_the_log(tmp_path: Path) -> None:
    config = write_config(tmp_path, {})
    reader, descriptor = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", "--config", str(config), "--log-format", "json"],
        stderr=descriptor, cwd=ROOT,
    ) as process:  # fmt: skip
        os.close(descriptor)
        with os.fdopen(reader, "rb", buffering=0) as log:
            try:
                while b'"event":"started"' not in (line := await asyncio.to_thread(log.readline)):
                    assert line, "it ended before it started"
                url = orjson.loads(line)["listen"]
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
                    for _ in range(1000):  # each is a line, and they are more than a pipe holds
                        async with session.get(url) as response:
                            assert response.status == 404
                process.terminate()
                assert await asyncio.to_thread(process.wait, 10) == 0
            finally:
                process.kill()


async def test_it_takes_as_many_descriptors_as_the_system_gives(tmp_path: Path) -> None:
    process = Process(write_config(tmp_path, {}), "sh", "-c", 'ulimit -Sn 100; exec "$0" "$@"')
    await process.start()
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard > 100
    assert await process.end(signal.SIGTERM) == 0


async def upload_half(url: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A webhook whose second half is still to come."""
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    head = f"POST /hooks/acme/cloud HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256={signature}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
    await writer.drain()
    return reader, writer


async def test_what_is_accepted_while_stopping_is_committed_and_left_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    body = orjson.dumps(envelope([message(1)]))
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    async with Downstream().serve() as downstream, aiohttp.ClientSession() as session:
        config = write_config(tmp_path, {"crm": {"url": downstream.url}})
        gateway = Gateway(load_config(config, {}, load_adapters()), structlog.get_logger())
        await gateway.start()
        append = gateway._store.append

        async def append_late(submission: Submission) -> Appended:
            begun.set()
            await release.wait()
            return await append(submission)

        monkeypatch.setattr(gateway._store, "append", append_late)
        path, headers = "/hooks/acme/cloud", {"X-Hub-Signature-256": signature}
        posting = asyncio.create_task(session.post(gateway.url + path, data=body, headers=headers))
        await begun.wait()
        stopping = asyncio.create_task(gateway.stop())
        await until(lambda: gateway._ingress.draining)
        release.set()
        async with await posting as response:
            assert response.status == 200
        await stopping
        assert downstream.got == []
        async with running(config):
            await until(lambda: len(downstream.got) == 1)


async def test_requests_and_attempts_share_the_time_of_stopping(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def answer(got: object) -> aiohttp.web.Response:
        await release.wait()
        return aiohttp.web.Response()

    body = orjson.dumps(envelope([message(1)]))
    signature = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    async with Downstream().serve() as downstream, aiohttp.ClientSession() as session:
        downstream.answer = answer
        process = Process(write_config(tmp_path, {"crm": {"url": downstream.url}}, limits={"shutdown": "2s"}))
        await process.start()
        headers = {"X-Hub-Signature-256": signature}
        async with session.post(process.url + "/hooks/acme/cloud", data=body, headers=headers) as response:
            assert response.status == 200
        await until(lambda: len(downstream.got) == 1)
        _, writer = await upload_half(process.url, body)
        started = time.monotonic()
        assert await process.end(signal.SIGTERM) == 0
        assert time.monotonic() - started < 3.7, "not the limit for the one, and again for the other"
        release.set()
        writer.close()


async def run_to_its_end(config: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run", "--config", str(config), stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    async with asyncio.timeout(30):
        _, text = await process.communicate()
    assert process.returncode is not None
    return process.returncode, text.decode()


async def test_a_store_that_is_damaged_is_named_and_left_alone(tmp_path: Path) -> None:
    config = write_config(tmp_path, {})
    rubbish = os.urandom(10_000)
    (tmp_path / "store.db").write_bytes(rubbish)
    status, text = await run_to_its_end(config)
    assert status == 1
    assert "damaged" in text
    assert "Traceback" not in text
    assert (tmp_path / "store.db").read_bytes() == rubbish


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    async with Downstream().serve() as downstream:
        address = downstream.url.removeprefix("http://").removesuffix("/hook")
        config = write_config(tmp_path, {})
        config.write_text(config.read_text().replace("listen: 127.0.0.1:0\nadmin", f"listen: {address}\nadmin"))
        status, text = await run_to_its_end(config)
    assert status == 1
    assert f"cannot listen on {address}" in text
    assert "Traceback" not in text


async def test_a_bad_configuration_ends_with_78(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("listen: nowhere\ntenant: {}\n")
    status, text = await run_to_its_end(config)
    assert status == 78
    assert f"{config}:1:9" in text
    assert "did you mean" in text


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_both_signals_end_it_in_order(tmp_path: Path, how: signal.Signals) -> None:
    process = Process(write_config(tmp_path, {}))
    await process.start()
    assert await process.end(how) == 0
