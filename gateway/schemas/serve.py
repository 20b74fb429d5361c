"""The documents at the addresses that events name in `dataschema`: GET /schemas/v1/NAME."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import NamedTuple

import orjson
from aiohttp import web

from normalized.schema import BASE, documents, index

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
CACHE_CONTROL = "public, max-age=3600"
"""A document changes with a new version of the gateway only; after an upgrade readers may lag by an hour."""


class Page(NamedTuple):
    body: bytes
    content_type: str

    @property
    def etag(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:32]


class Schemas:
    """Answers below /schemas/. The documents are made when the first of them is asked for."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def before(self, others: Handler) -> Handler:
        """A handler that leaves every other path to `others`."""

        def handle(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            return self.handle(request) if request.raw_path.startswith("/schemas/") else others(request)

        return handle

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        page = self._pages.get(request.path)
        if page is None:
            return _refuse(404, "not_found")
        if request.method not in ("GET", "HEAD"):
            return _refuse(405, "method", {"Allow": "GET, HEAD"})
        known = {tag.value for tag in request.if_none_match or ()}
        answer = (
            web.Response(status=304)
            if known & {page.etag, "*"}
            else web.Response(body=page.body, content_type=page.content_type)
        )
        answer.etag = page.etag
        answer.headers["Cache-Control"] = CACHE_CONTROL
        answer.headers["Access-Control-Allow-Origin"] = "*"  # tools in browsers read them too
        answer.headers["Server"] = "wa-gateway"
        return answer

    @cached_property
    def _pages(self) -> dict[str, Page]:
        pages = {
            BASE + name: Page(orjson.dumps(document), "application/schema+json")
            for name, document in documents(self._origin).items()
        }
        return {BASE: Page(orjson.dumps(index(self._origin)), "application/json"), **pages}


def _refuse(status: int, word: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": word}, status=status, headers={"Server": "wa-gateway", **(headers or {})})
