"""A downstream to try things with: verifies what the gateway delivers, and hands the events on.

What an application's own endpoint should do beyond this: store the event before it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web

from gateway.accepting.intake import Budget, Refused, Share, Uploads, read_body
from gateway.clock import Clock, SystemClock
from gateway.sending.signing import Key, verify
from providers.wire import Malformed, as_list, as_object, load_json

TOLERANCE_S = 300
"""How far a delivery's timestamp may be off (Standard Webhooks, "Verifying webhook authenticity")."""
BATCH = "application/cloudevents-batch+json"
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
MAX_BODY = 64 * 1024 * 1024
MAX_DIGITS = 20


class Received(NamedTuple):
    """An event as delivered; `again` where its id, and revision, came before."""

    event: dict[str, Any]
    again: bool


class Untrusted(Exception):
    """The delivery does not prove that it is the gateway's; the message says why."""


def check_delivery(keys: Sequence[Key], headers: Mapping[str, str], body: bytes, now_s: float) -> None:
    """Raises Untrusted."""
    missing = [name for name in HEADERS if not headers.get(name)]
    if missing:
        raise Untrusted(f"no header {', '.join(missing)}: it is not signed")
    webhook_id, timestamp, signatures = (headers[name] for name in HEADERS)
    plausible = webhook_id.isascii() and len(timestamp) <= MAX_DIGITS
    if not plausible or not verify(keys, webhook_id, timestamp, signatures, body):
        raise Untrusted("the signature is by another secret, or the body was changed on the way")
    age_s = now_s - int(timestamp)
    if abs(age_s) > TOLERANCE_S:
        off = f"{abs(age_s):.0f} s {'old' if age_s > 0 else 'ahead'}"
        raise Untrusted(f"the timestamp is {off}: sent again by somebody else, or a clock is wrong")


class Receiver:
    """An HTTP server that takes deliveries on every path, and answers them with `status`."""

    def __init__(
        self,
        keys: Sequence[Key],
        on_event: Callable[[Received], None],
        on_refused: Callable[[str], None],
        *,
        status: int = 200,
        clock: Clock | None = None,
    ) -> None:
        self._keys = keys
        self._on_event = on_event
        self._on_refused = on_refused
        self._status = status
        self._clock = clock or SystemClock()
        self._uploads = Uploads()
        self._seen: set[tuple[Any, Any]] = set()
        self.events = 0
        self.refused = 0
        self.url = ""

    @property
    def distinct(self) -> int:
        """Events without their repetitions."""
        return len(self._seen)

    async def start(self, host: str, port: int) -> None:
        """Port 0 is any free one. Raises OSError."""
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        bound = self._runner.addresses[0]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound[1]}/"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405, text="events are delivered by POST\n", headers={"Allow": "POST"})
        try:
            with Share(Budget(MAX_BODY)) as share:
                body = await read_body(request, MAX_BODY, share, self._uploads)
            check_delivery(self._keys, request.headers, body, self._clock.now_ms() / 1000)
            events = _events(request.content_type, body)
        except Refused as refused:
            return self._refuse(refused.status, f"the body cannot be read: {refused.word}")
        except Untrusted as error:
            return self._refuse(401, str(error))
        except Malformed as error:
            return self._refuse(400, f"the body is no event: {error}")
        for event in events:
            self._take(event)
        return web.Response(status=self._status)

    def _refuse(self, status: int, reason: str) -> web.Response:
        self.refused += 1
        self._on_refused(reason)
        return web.json_response({"error": reason}, status=status)

    def _take(self, event: dict[str, Any]) -> None:
        key = (event.get("id"), event.get("revision"))
        again = key in self._seen
        self._seen.add(key)
        self.events += 1
        self._on_event(Received(event, again))


def _events(content_type: str, body: bytes) -> list[dict[str, Any]]:
    """One event, or those of a batch. Raises Malformed."""
    document = load_json(body)
    events = [as_object(event) for event in (as_list(document) if content_type == BATCH else [document])]
    if not all(isinstance(event.get("id"), str) for event in events):
        raise Malformed("no_event", "no JSON object with an id")
    return events
