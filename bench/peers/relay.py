"""The ceiling of delivering: verifies the signature, answers 200, and forwards from memory. What it holds dies with it.

`python -m bench.peers.relay PORT SINK_URL SECRET`
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import sys

import aiohttp
from aiohttp import web

WORKERS = 16


class Relay:
    def __init__(self, session: aiohttp.ClientSession, sink: str, secret: bytes) -> None:
        self._session = session
        self._sink = sink
        self._secret = secret
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._numbers = itertools.count(1)

    async def accept(self, request: web.Request) -> web.Response:
        body = await request.read()
        expected = "sha256=" + hmac.new(self._secret, body, "sha256").hexdigest()
        if not hmac.compare_digest(request.headers.get("X-Hub-Signature-256", ""), expected):
            return web.Response(status=401)
        self._queue.put_nowait(body)
        return web.Response(body=b'{"ok":true}', content_type="application/json")

    async def work(self) -> None:
        while True:
            body = await self._queue.get()
            headers = {"Content-Type": "application/json", "webhook-id": str(next(self._numbers))}
            async with self._session.post(self._sink, data=body, headers=headers) as response:
                await response.read()


async def main(port: int, sink: str, secret: bytes) -> None:
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        relay = Relay(session, sink, secret)
        for _ in range(WORKERS):
            group.create_task(relay.work())
        application = web.Application()
        application.router.add_post("/{tail:.*}", relay.accept)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()))
