"""The adapter: proof by HMAC-SHA512 of the body, and what becomes of each event.

WAHA documentation, Events (waha.devlike.pro/docs/how-to/events).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from providers.base import (
    Adapter,
    Item,
    Malformed,
    Notes,
    Proof,
    RawRequest,
    Secrets,
    SourceSettings,
    Unauthorized,
    keyed_digest,
    matching_digest,
)
from providers.shapes.baileys.noise import BULKY, SECRETS
from providers.shapes.guard import guarded
from providers.waha.envelope import Build, Envelope, unknown_item
from providers.waha.events import EVENTS as AROUND_EVENTS
from providers.waha.messages import EVENTS as MESSAGE_EVENTS
from providers.wire import as_object

EVENTS: dict[str, Build] = {**MESSAGE_EVENTS, **AROUND_EVENTS}
SIGNATURE, ALGORITHM = "X-Webhook-Hmac", "X-Webhook-Hmac-Algorithm"
_WITH_IDS = (
    "/payload", "/payload/after", "/payload/before", "/payload/vote", "/payload/poll", "/payload/eventCreationKey",
)  # fmt: skip
_DIGITS = frozenset("0123456789abcdefABCDEF")


class WahaSettings(SourceSettings):
    hmac_key: Secrets = Field(
        default=[],
        description="The session's `hmac.key`, or WHATSAPP_HOOK_HMAC_KEY, with which WAHA signs webhooks. "
        "Several are accepted at once during rotation.",
    )

    @model_validator(mode="after")
    def _something_proves(self) -> WahaSettings:
        if not (self.path_token or self.hmac_key):
            raise ValueError("set hmac_key (the better one), path_token, or both")
        return self


class WahaAdapter(Adapter):
    name = "waha"
    label = "WAHA"
    summary = "WAHA (WhatsApp HTTP API), an unofficial device gateway"
    Settings = WahaSettings
    settings: WahaSettings
    max_body = 32 * 1024 * 1024
    media_secrets: ClassVar[frozenset[str]] = SECRETS
    bulky: ClassVar[frozenset[str]] = BULKY
    noise_members: ClassVar[Mapping[str, str]] = {
        "_data": "the engine's own object, another one for each engine; `raw` has it",
        "/id": "of the webhook",
        "/timestamp": "when the webhook was sent; events have times of their own",
        "/engine": "how WAHA itself runs",
        "/me/lid": "our own address once more",
        "/me/jid": "our own address once more",
        "/environment": "how WAHA itself runs",
        "/payload/hasMedia": "whether `media` should be there",
        "/payload/replyTo/hasMedia": "whether `media` should be there",
        "/payload/ackName": "the name of the number in `ack`",
        "/payload/mediaUrl": "repeats `media`",
        "/payload/label/color": "repeats `colorHex`",
        "/payload/label/id": "repeats `labelId`",
        **dict.fromkeys(
            (f"{holder}/{name}" for holder in _WITH_IDS for name in ("from", "to", "participant", "author", "fromMe")),
            "repeats what stands in the id",
        ),
    }

    def prove(self, request: RawRequest) -> Proof | None:
        if not self.settings.hmac_key:
            return None
        given = request.headers.get(SIGNATURE)
        if not given:
            raise Unauthorized("missing_signature")
        if (request.headers.get(ALGORITHM) or "sha512").lower() != "sha512":
            raise Unauthorized("unknown_algorithm", 403)
        if len(given) != 128 or not _DIGITS.issuperset(given):
            raise Unauthorized("malformed_signature", 403)
        index = matching_digest(bytes.fromhex(given), request.body, self.settings.hmac_key, "sha512")
        if index is None:
            raise Unauthorized("wrong_signature", 403)
        return Proof("hmac_key", index)

    def sign(self, body: bytes, url: str = "") -> dict[str, str]:
        if not self.settings.hmac_key:
            return {}
        key = self.settings.hmac_key[0].get_secret_value().encode()
        return {SIGNATURE: keyed_digest(key, body, "sha512").hex(), ALGORITHM: "sha512"}

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        document = as_object(request.json())
        event = document.get("event")
        if type(event) is not str or not event or "payload" not in document:
            raise Malformed("not_an_envelope", "no object with a text `event` and a `payload`")
        envelope = Envelope(document, event, notes)
        build: Any = EVENTS.get(event, unknown_item)
        item = guarded(build, _unmapped, envelope)
        item.data["channel"] = envelope.channel
        yield item


def _unmapped(detail: str, envelope: Envelope) -> Item:
    envelope.notes.drifted("event", detail)
    return unknown_item(envelope, detail)
