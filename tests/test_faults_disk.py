"""What befalls the disk: full, read-only, damaged. What cannot be kept is refused with 503; nothing is ever deleted."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.store.base import DestinationRow, Settlement, SourceRow, State
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_file import DISK_RESERVE, FILE_PAGE_BYTES
from tests.processes import (
    ROOT,
    People,
    Process,
    Witness,
    accounts,
    assert_all_is_well,
    gateways,
    run_to_its_end,
    write_configuration,
)
from tests.support import NOW_MS, event, submission, until

NAMESPACE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
"""Begins a command that has mounts of its own: they go with the process."""


@pytest.fixture(scope="module")
def mountable() -> bool:
    """Whether this machine lets us mount: not in every container."""
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, check=False).returncode == 0


def in_tmpfs(directory: Path, size: str, then: str) -> tuple[str, ...]:
    """Begins a command that has a file system of its own at the directory."""
    script = f'mount -t tmpfs -o size={size} none "{directory}" && {then} && exec "$0" "$@"'
    return *NAMESPACE, "sh", "-c", script


async def readiness(process: Process, status: int) -> None:
    """Wait until it is this. (A disk that is nearly full has room for small things now and then.)"""
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.get(process.admin_url + "/-/ready") as response:
                if response.status == status:
                    return


@asynccontextmanager
async def filled_and_freed(process: Process, free: Callable[[], None]) -> AsyncIterator[tuple[People, Witness]]:
    """Under load: 503 once the disk is full, and everything as before once there is room. Then still running."""
    async with Witness().serve() as witness:
        settings = process.config.read_text().replace("http://witness/", witness.url)
        process.config.write_text(settings)
        people = People(lambda: [process.url], 7)
        async with gateways(process):
            async with people.writing():
                await until(lambda: people.answers[503] > 20, "the disk to be full", 60)
                await readiness(process, 503)
                accepted = people.total
                assert accepted > 0
                free()
                await people.more(100)
                await readiness(process, 200)
            await people.arrived(witness, process)
            yield people, witness


async def test_a_file_that_may_not_grow_is_503_until_it_may(tmp_path: Path) -> None:
    config = write_configuration(tmp_path, {"crm": {"url": "http://witness/"}})
    process = Process(config, prefix=("sh", "-c", 'ulimit -Sf 1000; exec "$0" "$@"'))

    def free() -> None:
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    async with filled_and_freed(process, free) as (people, witness):
        pass
    await assert_all_is_well(config, people, witness)


async def test_a_disk_that_is_full_is_503_until_there_is_room(tmp_path: Path, mountable: bool) -> None:
    if not mountable:
        pytest.skip("no mounts here; the test of a file that may not grow fills a quota instead")
    disk = tmp_path / "disk"
    disk.mkdir()
    config = write_configuration(tmp_path, {"crm": {"url": "http://witness/"}}, store=f"sqlite:{disk}/store.db")
    taken = 2**26 - DISK_RESERVE - 2**21
    process = Process(config, prefix=in_tmpfs(disk, "64m", f'head -c {taken} /dev/zero > "{disk}/ballast"'))

    def inside() -> Path:
        return Path(f"/proc/{process.pid}/root") / disk.relative_to("/")

    async with filled_and_freed(process, lambda: (inside() / "ballast").unlink()) as (people, witness):
        copy = write_configuration(tmp_path / "copy", {})
        while True:  # until the last settlement is written
            for name in ("store.db", "store.db-wal"):
                shutil.copy(inside() / name, copy.with_name(name))
            (account,) = await accounts(copy)
            if account.delivered == account.matched:
                break
        await assert_all_is_well(copy, people, witness)


@pytest.mark.parametrize(
    ("left", "words", "status", "said"),
    [
        (4096, ("prune", "--older-than", "0s", "--yes"), 0, "1000 webhooks, 1000 events and 1000 deliveries deleted"),
        (4096, ("destinations", "pause", "crm"), 0, "acme/crm: active -> paused"),
        (0, ("prune", "--older-than", "0s", "--yes"), 1, "is the disk full? Even deleting needs some MiB there first"),
        (0, ("destinations", "pause", "crm"), 1, "is the disk full? Even deleting needs some MiB there first"),
    ],
)
async def test_operators_need_little_of_a_disk_that_is_full(
    tmp_path: Path, mountable: bool, left: int, words: tuple[str, ...], status: int, said: str
) -> None:
    """`left` is KiB. It is far less than what comes in leaves to them, for there others may fill the disk."""
    if not mountable:
        pytest.skip("no mounts here")
    await filled(tmp_path / "store.db")
    size = (tmp_path / "store.db").stat().st_size // 1024
    disk = tmp_path / "disk"
    disk.mkdir()
    config = write_configuration(tmp_path, {}, store=f"sqlite:{disk}/store.db")
    prefix = in_tmpfs(disk, f"{size + left}k", f'cp "{tmp_path}/store.db" "{disk}"')
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-m", "gateway", *words, "--config", str(config),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
    )  # fmt: skip
    text = (await process.communicate())[0].decode()
    assert (process.returncode, said in text) == (status, True), text
    assert status == 0 or f"cannot write {disk}/store.db" in text


async def filled(path: Path) -> None:
    """A store of some ten MiB that are all done with."""
    store = SqliteStore(path, synchronous="OFF")
    await store.open()
    [source] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    [crm] = await store.register_destinations([DestinationRow("acme", "crm")])
    received = [submission(source, [event(number)], (crm,), b"x" * 10_000) for number in range(1000)]
    for appended in await asyncio.gather(*map(store.append, received)):
        [one] = appended.deliveries
        store.settle(Settlement(crm, one.event.seq, one.lane, State.DELIVERED, NOW_MS))
    await store.close()


async def test_a_file_system_that_is_read_only_is_named(tmp_path: Path, mountable: bool) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    config = write_configuration(tmp_path, {}, store=f"sqlite:{disk}/store.db")
    if mountable:
        status, text = await run_to_its_end(config, prefix=in_tmpfs(disk, "2m", f'mount -o remount,ro "{disk}"'))
    else:
        disk.chmod(0o555)
        status, text = await run_to_its_end(config)
    assert status == 1
    assert f"cannot write {disk}/store.db" in text
    assert "Traceback" not in text


async def test_a_store_that_became_read_only_is_named_and_left_alone(tmp_path: Path, mountable: bool) -> None:
    if not mountable:
        pytest.skip("no mounts here; the test before this one shows what is said")
    config = write_configuration(tmp_path, {})
    await accounts(config)
    disk = tmp_path / "disk"
    disk.mkdir()
    config = write_configuration(tmp_path, {}, store=f"sqlite:{disk}/store.db")
    then = f'cp "{tmp_path}"/store.db* "{disk}" && mount -o remount,ro "{disk}"'
    status, text = await run_to_its_end(config, prefix=in_tmpfs(disk, "2m", then))
    assert status == 1
    assert f"cannot write {disk}/store.db" in text
    assert "Traceback" not in text


def rubbish(store: Path) -> None:
    store.write_bytes(os.urandom(10_000))


def rubbish_behind_the_header(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:100] + os.urandom(10_000))


def damaged_schema(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[100:4096] = os.urandom(3996)
    store.write_bytes(content)


def damaged_within(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[2 * FILE_PAGE_BYTES :] = b"\xff" * (len(content) - 2 * FILE_PAGE_BYTES)
    store.write_bytes(content)


def cut_short(store: Path) -> None:
    store.write_bytes(store.read_bytes()[: store.stat().st_size // 2])


def another_program(store: Path) -> None:
    store.unlink()
    database = sqlite3.connect(store)
    database.execute("CREATE TABLE receipts (id INTEGER)")
    database.close()


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (rubbish, "damaged"),
        (rubbish_behind_the_header, "damaged"),
        (damaged_schema, "damaged"),
        (damaged_within, "damaged"),
        (cut_short, "damaged"),
        (another_program, "another program"),
    ],
)
async def test_a_store_that_is_damaged_is_named_and_left_alone(
    tmp_path: Path, damage: Callable[[Path], None], word: str
) -> None:
    config = write_configuration(tmp_path, {})
    await accounts(config)
    store = tmp_path / "store.db"
    damage(store)
    before = store.read_bytes()
    status, text = await run_to_its_end(config)
    assert status == 1
    assert word in text
    assert str(store) in text
    assert "Traceback" not in text
    assert store.read_bytes() == before
