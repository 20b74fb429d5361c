"""Real gateways under load and what befalls them: processes, people who write, a downstream that remembers.

The long form, `python -m bench.chaos`, is made of the same parts.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from gateway.config import load_config
from gateway.store.engines import store_of
from gateway.store.ledger import Account
from providers import load_adapters
from tests.support import APP_SECRET, SECRET, until

ROOT = Path(__file__).parent.parent
PENDING = re.compile(r'^wagw_deliveries\{[^}]*state="(?:queued|held|waiting|beside)"[^}]*\} (\S+)$', re.MULTILINE)
RETRY = {"schedule": ["100ms"]}
PATH = "/hooks/acme/cloud"


def write_configuration(
    directory: Path, destinations: dict[str, dict[str, Any]], *, store: str = "sqlite:store.db", **top: Any
) -> Path:
    """One tenant with one source. `destinations` are blocks by name; the secret and quick retries are filled in."""
    directory.mkdir(exist_ok=True)
    path = directory / "config.yaml"
    settings = {
        "origin": "https://hooks.acme.example",
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "store": store,
        "tenants": {
            "acme": {
                "sources": {"cloud": {"provider": "cloud_api", "app_secret": APP_SECRET, "verify_token": "test-token"}},
                "destinations": {
                    name: {"secret": SECRET, "retry": RETRY, "timeout": "2s", **block}
                    for name, block in destinations.items()
                },
            }
        },
        **top,
    }
    path.write_bytes(orjson.dumps(settings))  # JSON is YAML
    return path


class Process:
    """`wa-gateway run`, on a port that stays the same over restarts."""

    def __init__(self, config: Path, *options: str, prefix: Sequence[str] = ()) -> None:
        self.config = config
        self.url = ""
        self.admin_url = ""
        self.lines: list[bytes] = []
        self._frequent: deque[bytes] = deque(maxlen=500)
        self._command = (
            *prefix, sys.executable, "-m", "gateway", "run", "--config", str(config), "--log-format", "json", *options,
        )  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self, limit_s: float = 30.0) -> None:
        """Returns when it listens. A start that fails is told by AssertionError with what the process said."""
        self.lines.clear()
        self._frequent.clear()
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command, stderr=asyncio.subprocess.PIPE, cwd=ROOT
        )
        assert process.stderr is not None
        async with asyncio.timeout(limit_s):
            while b'"event":"started"' not in (line := await process.stderr.readline()):
                self._keep(line)
                if not line:
                    await process.wait()
                    raise AssertionError(b"".join(self.lines).decode())
        self._keep(line)
        self._reader = asyncio.create_task(self._read_on(process.stderr))
        started = orjson.loads(line)
        self.url, self.admin_url = started["listen"], started["admin"]
        settings = orjson.loads(self.config.read_bytes())
        self.config.write_bytes(orjson.dumps(settings | {"listen": self.url.removeprefix("http://")}))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def end(self, how: signal.Signals = signal.SIGTERM, limit_s: float = 30.0) -> int:
        """Its exit status. One that does not end within the limit is killed, and what it said last is raised."""
        assert self._process is not None
        if self.runs:
            self._process.send_signal(how)
        try:
            async with asyncio.timeout(limit_s):
                status = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            told = b"".join([*self.lines, *self._frequent][-50:]).decode()
            raise AssertionError(f"it did not end within {limit_s:.0f} s:\n{told}") from None
        if self._reader is not None:
            await self._reader
        return status

    async def _read_on(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self._keep(line)

    def _keep(self, line: bytes) -> None:
        (self._frequent if b'"event":"receipt"' in line or b'"event":"attempt"' in line else self.lines).append(line)

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it said since it started; of receipts and attempts the latest."""
        return [orjson.loads(line) for line in (*self.lines, *self._frequent)]

    async def pending(self) -> int:
        """Deliveries that are not over yet, as its metrics say."""
        async with aiohttp.ClientSession() as session, session.get(self.admin_url + "/metrics") as response:
            found = PENDING.findall(await response.text())
        return sum(int(float(number)) for number in found)

    def told(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of a kind since it started; of receipts and attempts the latest."""
        marker = b'"event":"%s"' % event.encode()
        return [orjson.loads(line) for line in (*self.lines, *self._frequent) if marker in line]


async def run_to_its_end(config: Path, *options: str, prefix: Sequence[str] = ()) -> tuple[int, str]:
    """Of a start that must fail: status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-m", "gateway", "run", "--config", str(config), *options,
        stderr=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            _, text = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, text.decode()


@asynccontextmanager
async def gateways(*processes: Process) -> AsyncIterator[None]:
    """They are started; at the end they are stopped in order, and killed if something went wrong meanwhile."""
    try:
        for process in processes:
            await process.start()
        yield
        for process in processes:
            if process.runs:
                assert await process.end() == 0
    finally:
        for process in processes:
            if process.runs:
                with suppress(ProcessLookupError):
                    process.send(signal.SIGKILL)
                await process.end(signal.SIGKILL)


class Mood(Enum):
    """What a downstream does with a request."""

    TAKE = "200"
    FAIL = "500"
    HANG = "never answers"
    RESET = "resets the connection once it has read the request"
    CUT = "resets the connection in the middle of the request"
    CLOSE = "answers, and closes the connection that is to be kept"


@dataclass
class Witness:
    """A downstream on bare sockets. Remembers for each person what came first, and all that came again."""

    mood: Callable[[bytes], Mood] = field(default=lambda body: Mood.TAKE)
    first: dict[str, list[int]] = field(default_factory=dict)
    gaps: set[tuple[str, int]] = field(default_factory=set)
    ids: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    connections: set[asyncio.StreamWriter] = field(default_factory=set)
    url: str = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Witness]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        try:
            yield self
        finally:
            server.close()
            for one in self.connections:
                one.transport.abort()
            await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length // 2)
        mood = self.mood(body)
        if mood is Mood.CUT:
            _reset(writer)
            return False
        body += await reader.readexactly(length - len(body))
        self.paths[head.split(b" ", 2)[1].decode()] += 1
        self._remember(orjson.loads(body))
        if mood is Mood.HANG:
            await reader.read()  # until the other side has had enough
            return False
        if mood is Mood.RESET:
            _reset(writer)
            return False
        status = b"500 Internal Server Error" if mood is Mood.FAIL else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)
        return mood is not Mood.CLOSE

    def _remember(self, event: dict[str, Any]) -> None:
        _, person, number = event["data"]["message"]["id"].split(".")
        key = person, int(number)
        if key not in self.seen:
            self.first.setdefault(person, []).append(key[1])
            if event.get("gap"):
                self.gaps.add(key)
        self.seen[key] += 1
        self.ids.setdefault(key, set()).add(event["id"])

    @property
    def repeated(self) -> int:
        return sum(self.seen.values()) - len(self.seen)

    def disordered(self) -> list[tuple[str, int]]:
        """What was first seen after a later one of the same person, and did not say so."""
        found = []
        for person, numbers in self.first.items():
            highest = 0
            for number in numbers:
                if number < highest and (person, number) not in self.gaps:
                    found.append((person, number))
                highest = max(highest, number)
        return found


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


class People:
    """Load: each person sends one message after another, the next one when the last was answered 200.

    What is not answered so is sent again, as providers do. `urls` are tried in turns.
    """

    def __init__(self, urls: Callable[[], Sequence[str]], number: int, *, pause_s: float = 0.0) -> None:
        self._urls = urls
        self._names = [f"1555010{person:04}" for person in range(number)]
        self._pause_s = pause_s
        self.accepted: dict[str, int] = dict.fromkeys(self._names, 0)
        self.answers: Counter[int] = Counter()
        self._stopping = asyncio.Event()

    @property
    def total(self) -> int:
        return sum(self.accepted.values())

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[People]:
        """At the end each has what was sent last accepted: gateways must be there by then."""
        timeout = aiohttp.ClientTimeout(total=10)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            tasks = [asyncio.create_task(self._write(session, name)) for name in self._names]
            try:
                yield self
                self._stopping.set()
                async with asyncio.timeout(60):
                    await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, session: aiohttp.ClientSession, name: str) -> None:
        turns = count(int(name))
        while not self._stopping.is_set():
            body = webhook(name, self.accepted[name] + 1)
            while not await self._post(session, next(turns), body):
                await asyncio.sleep(0.02)
            self.accepted[name] += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._stopping.wait()

    async def _post(self, session: aiohttp.ClientSession, turn: int, body: bytes) -> bool:
        urls = self._urls()
        try:
            async with session.post(urls[turn % len(urls)] + PATH, data=body, headers=signed(body)) as response:
                self.answers[response.status] += 1
                return response.status == 200
        except (aiohttp.ClientError, OSError):  # a timeout is one, too
            self.answers[0] += 1
            return False

    async def more(self, number: int) -> None:
        """Wait until so many more are accepted."""
        target = self.total + number
        await until(lambda: self.total >= target, f"{number} more to be accepted", 60)

    async def arrived(self, witness: Witness, process: Process, limit_s: float = 60.0) -> None:
        """Wait until so many were seen as were accepted, and the process says that nothing is left to be done: what a
        process had delivered when it was killed, and could not write down, is delivered again."""
        await until(lambda: len(witness.seen) >= self.total, "all to arrive", limit_s)
        async with asyncio.timeout(limit_s):
            while await process.pending():
                await asyncio.sleep(0.05)

    def lost(self, witness: Witness) -> list[tuple[str, int]]:
        """What was accepted, and not seen."""
        return [
            (name, number)
            for name, last in self.accepted.items()
            for number in range(1, last + 1)
            if (name, number) not in witness.seen
        ]


def webhook(person: str, number: int) -> bytes:
    """A Cloud API webhook with one message of a person; their messages are counted from 1."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "messages": [
            {
                "from": person, "id": f"wamid.{person}.{number}", "timestamp": str(1_790_000_000 + number),
                "type": "text", "text": {"body": f"text {number}"},
            }
        ],
    }  # fmt: skip
    entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
    return orjson.dumps({"object": "whatsapp_business_account", "entry": [entry]})


def signed(body: bytes) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()}


async def accounts(config: Path) -> list[Account]:
    """The ledger of a store that no gateway uses at the moment, or of one that can be shared."""
    store = store_of(load_config(config, {}, load_adapters()).store)
    await store.open()
    try:
        return await store.accounts()
    finally:
        await store.close()


async def assert_all_is_well(config: Path, people: People, witness: Witness) -> None:
    """Once the gateways have ended: nothing lost, nothing out of order, one id for each, and the ledger balances."""
    assert people.total > 0
    assert people.lost(witness) == []
    assert witness.disordered() == []
    assert all(len(ids) == 1 for ids in witness.ids.values()), "the same message never has two ids"
    ledger = await accounts(config)
    assert [account for account in ledger if not account.balances] == []
    matched = sum(account.matched for account in ledger)
    assert matched == sum(account.delivered for account in ledger) >= people.total, ledger
