"""Real processes: how they stop, and what is told of a start that fails."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import orjson
import pytest
import structlog

from gateway.app import Gateway
from gateway.config import load_config
from gateway.store.base import Appended, Submission
from providers import load_adapters
from tests.processes import (
    PATH,
    ROOT,
    Mood,
    People,
    Process,
    Witness,
    accounts,
    assert_all_is_well,
    gateways,
    run_to_its_end,
    signed,
    webhook,
    write_configuration,
)
from tests.support import Downstream, running, until

PERSON = "15550100000"


async def refuses_connections(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    except OSError:
        return True
    writer.close()
    return False


async def no_more_connections(url: str) -> None:
    async with asyncio.timeout(10):
        while not await refuses_connections(url):
            await asyncio.sleep(0.001)


async def upload(url: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A webhook that the gateway has begun to read; its second half is still to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    ((name, value),) = signed(body).items()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Expect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body[: len(body) // 2])
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_both_signals_end_it_in_order(tmp_path: Path, how: signal.Signals) -> None:
    process = Process(write_configuration(tmp_path, {}))
    async with gateways(process):
        assert await process.end(how) == 0
    assert orjson.loads(process.lines[-1])["event"] == "stopped"


async def test_a_stop_finishes_what_is_in_flight(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def answer(got: object) -> aiohttp.web.Response:
        await release.wait()
        return aiohttp.web.Response()

    async with Downstream().serve() as downstream:
        downstream.answer = answer
        process = Process(write_configuration(tmp_path, {"crm": {"url": downstream.url, "timeout": "30s"}}))
        people = People(lambda: [process.url], 3, pause_s=3600)
        async with gateways(process):
            async with people.writing():
                await until(lambda: len(downstream.got) == 3, "an attempt for each person")
                ending = asyncio.create_task(process.end())
                await no_more_connections(process.url)
                async with aiohttp.ClientSession() as session:
                    async with session.get(process.admin_url + "/-/ready") as response:
                        assert response.status == 503
                        assert await response.json() == {"ready": False, "reasons": ["stopping"]}
                assert not ending.done()
                release.set()
                assert await ending == 0
    (account,) = await accounts(process.config)
    assert account.delivered == account.matched == 3


async def test_a_stop_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with Witness().serve() as witness:
        process = Process(write_configuration(tmp_path, {"crm": {"url": witness.url}}))
        people = People(lambda: [process.url], 7)
        async with gateways(process):
            async with people.writing():
                for _ in range(2):
                    await people.more(100)
                    assert await process.end() == 0
                    await process.start()
                await people.more(50)
            await people.arrived(witness, process)
    assert witness.repeated == 0
    await assert_all_is_well(process.config, people, witness)


async def test_a_stop_while_a_downstream_never_answers_keeps_what_it_did_not_take(tmp_path: Path) -> None:
    async with Witness(lambda body: Mood.HANG).serve() as witness:
        block = {"url": witness.url, "timeout": "60s"}
        process = Process(write_configuration(tmp_path, {"crm": block}, limits={"shutdown": "500ms"}))
        people = People(lambda: [process.url], 5)
        async with gateways(process):
            async with people.writing():
                await people.more(20)
            await until(lambda: len(witness.seen) >= 5, "an attempt for each person")
            assert await process.pending() == people.total
            assert await process.end() == 0
            (account,) = await accounts(process.config)
            assert account.balances
            assert account.matched == account.pending == people.total
            witness.mood = lambda body: Mood.TAKE
            await process.start()
            await people.arrived(witness, process)
    await assert_all_is_well(process.config, people, witness)


async def test_an_upload_under_way_is_finished_while_stopping(tmp_path: Path) -> None:
    process = Process(write_configuration(tmp_path, {}))
    body = webhook(PERSON, 1)
    async with gateways(process):
        reader, writer = await upload(process.url, body)
        ending = asyncio.create_task(process.end())
        await no_more_connections(process.url)
        writer.write(body[len(body) // 2 :])
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        assert await ending == 0
        writer.close()


async def test_an_upload_that_has_stalled_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    process = Process(write_configuration(tmp_path, {}, limits={"shutdown": "30s"}))
    async with gateways(process):
        reader, writer = await upload(process.url, webhook(PERSON, 1))
        started = time.monotonic()
        assert await process.end() == 0
        assert time.monotonic() - started < 6
        assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        writer.close()


async def test_requests_and_attempts_share_the_time_of_stopping(tmp_path: Path) -> None:
    async with Witness(lambda body: Mood.HANG).serve() as witness:
        block = {"url": witness.url, "timeout": "60s"}
        process = Process(write_configuration(tmp_path, {"crm": block}, limits={"shutdown": "1s"}))
        people = People(lambda: [process.url], 1, pause_s=3600)
        async with gateways(process):
            async with people.writing():
                await until(lambda: witness.seen, "an attempt")
                _, writer = await upload(process.url, webhook(PERSON, 2))
                started = time.monotonic()
                assert await process.end() == 0
                assert time.monotonic() - started < 2.9, "not the limit for the one, and again for the other"
                writer.close()


async def test_what_is_accepted_while_stopping_is_committed_and_left_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    body = webhook(PERSON, 1)
    async with Witness().serve() as witness, aiohttp.ClientSession() as session:
        config = write_configuration(tmp_path, {"crm": {"url": witness.url}})
        gateway = Gateway(load_config(config, {}, load_adapters()), structlog.get_logger())
        await gateway.start()
        append = gateway._store.append

        async def append_late(submission: Submission) -> Appended:
            begun.set()
            await release.wait()
            return await append(submission)

        monkeypatch.setattr(gateway._store, "append", append_late)
        posting = asyncio.create_task(session.post(gateway.url + PATH, data=body, headers=signed(body)))
        await begun.wait()
        stopping = asyncio.create_task(gateway.stop())
        await until(lambda: gateway._ingress.draining)
        release.set()
        async with await posting as response:
            assert response.status == 200
        await stopping
        assert not witness.seen
        async with running(config):
            await until(lambda: len(witness.seen) == 1, "the next start to deliver it")


async def test_a_stop_is_obeyed_while_nobody_reads_the_log(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, {})
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
    process = Process(write_configuration(tmp_path, {}), prefix=("sh", "-c", 'ulimit -Sn 100; exec "$0" "$@"'))
    async with gateways(process):
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard > 100


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    async with Witness().serve() as witness:
        address = witness.url.removeprefix("http://").removesuffix("/hook")
        status, text = await run_to_its_end(write_configuration(tmp_path, {}, listen=address))
    assert status == 1
    assert f"cannot listen on {address}: Address already in use" in text
    assert "Traceback" not in text


async def test_a_bad_configuration_ends_with_78(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("listen: nowhere\ntenant: {}\n")
    status, text = await run_to_its_end(config)
    assert status == 78
    assert f"{config}:1:9" in text
    assert "did you mean" in text
