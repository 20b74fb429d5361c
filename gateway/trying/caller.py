"""The provider's side of a source: what it would send to the gateway."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

import aiohttp

from gateway.config import Source

TIMEOUT_S = 30.0


class Webhook(NamedTuple):
    """A request to POST: path below the gateway's URL, headers, body."""

    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """The gateway's answer."""

    status: int
    body: bytes


def webhook(source: Source, body: bytes, origin: str) -> Webhook:
    """The body as the source's provider would send it: with its credentials, signed, to the source's route.

    `origin` is the public URL that a provider may sign.
    """
    adapter = source.adapter
    tokens = adapter.settings.path_token
    token = f"/{quote(tokens[0].get_secret_value(), safe='')}" if tokens else ""
    path = f"/hooks/{source.tenant}/{source.name}{token}"
    body = adapter.fill(body)
    headers = {"Content-Type": "application/json", **adapter.sign(body, origin + path)}
    return Webhook(path, headers, body)


async def call(session: aiohttp.ClientSession, url: str, request: Webhook) -> Reply:
    """POST it to the gateway at `url`. Raises aiohttp.ClientError and TimeoutError."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with session.post(url + request.path, data=request.body, headers=request.headers, timeout=timeout) as answer:
        return Reply(answer.status, await answer.read())
