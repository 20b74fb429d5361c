"""Running `wa-gateway` as its users do: a process, its output, its signals, its exit code."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
LIMIT_S = 30.0


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Program:
    """A running command; `out` and `err` grow as it writes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = b""
        self.err = b""
        self._grown = asyncio.Event()
        self._readers = [asyncio.create_task(self._read("out")), asyncio.create_task(self._read("err"))]

    async def _read(self, name: str) -> None:
        stream = self.process.stdout if name == "out" else self.process.stderr
        assert stream is not None
        while piece := await stream.read(65536):
            setattr(self, name, getattr(self, name) + piece)
            self._grown.set()
        self._grown.set()

    async def expect(self, pattern: str) -> re.Match[str]:
        """Wait until its output has the pattern."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                text = (self.out + b"\n" + self.err).decode()
                if found := re.search(pattern, text):
                    return found
                assert not all(reader.done() for reader in self._readers), f"no {pattern!r} in:\n{text}"
                self._grown.clear()
                await self._grown.wait()

    async def end(self, number: int | None = None) -> Result:
        """Send a signal, if one is given, and wait for its end."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*self._readers)
            code = await self.process.wait()
        return Result(code, self.out.decode(), self.err.decode())


@asynccontextmanager
async def started(*arguments: object, stdin: bytes | None = None, folder: Path = ROOT) -> AsyncIterator[Program]:
    """The command, killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "gateway", *map(str, arguments), cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    program = Program(process)
    assert process.stdin is not None
    if stdin is not None:
        process.stdin.write(stdin)
    process.stdin.close()
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await program.end()


async def run(*arguments: object, stdin: bytes | None = None, folder: Path = ROOT) -> Result:
    """The command to its end."""
    async with started(*arguments, stdin=stdin, folder=folder) as program:
        return await program.end()
