"""The ceiling of accepting: an aiohttp application that reads the body and answers 200. Keeps nothing, checks nothing.

`python -m bench.peers.bare PORT`
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web


async def answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=b'{"ok":true}', content_type="application/json")


async def main(port: int) -> None:
    application = web.Application()
    application.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
