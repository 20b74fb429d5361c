"""WhatsApp Cloud API, the webhooks that Meta sends itself: handshake and signature.

Cloud API, create a webhook endpoint; Graph API webhooks, getting started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from providers.base import (
    Adapter,
    Item,
    Notes,
    Proof,
    RawRequest,
    Reply,
    Secrets,
    SourceSettings,
    Unauthorized,
    keyed_digest,
    matching_digest,
    matching_secret,
)
from providers.shapes.meta import ENVELOPE_NOISE, envelope_items

SIGNATURE = "X-Hub-Signature-256"
SCHEME = "sha256="


class CloudApiSettings(SourceSettings):
    app_secret: Secrets = Field(
        min_length=1,
        description="The Meta app's secret (App settings, Basic). It proves that a webhook comes from Meta. "
        "Several are accepted at once during rotation.",
    )
    verify_token: Secrets = Field(
        min_length=1,
        description="A word of your choice; it stands beside the callback URL in the app's dashboard.",
    )


class CloudApi(Adapter):
    name: ClassVar[str] = "cloud_api"
    label: ClassVar[str] = "WhatsApp Cloud API"
    summary: ClassVar[str] = "Meta's own webhooks: messages, statuses, changes of accounts, templates and numbers."
    Settings: ClassVar[type[SourceSettings]] = CloudApiSettings
    noise_members: ClassVar[Mapping[str, str]] = ENVELOPE_NOISE
    settings: CloudApiSettings

    def handshake(self, request: RawRequest) -> Reply | None:
        """Meta calls with GET when a callback URL or verify token is saved; the answer is the challenge."""
        if request.method != "GET":
            return None
        self.check_path_token(request)
        mode, token, challenge = (_hub(request, name) for name in ("mode", "verify_token", "challenge"))
        if mode != "subscribe" or not token or not challenge:
            raise Unauthorized("not_a_handshake", 403)
        if matching_secret(token, self.settings.verify_token) is None:
            raise Unauthorized("wrong_verify_token", 403)
        return Reply(200, challenge.encode("utf-8", "replace"))

    def prove(self, request: RawRequest) -> Proof:
        """HMAC-SHA256 of the bytes as received, keyed with the app secret."""
        header = request.headers.get(SIGNATURE)
        if not header:
            raise Unauthorized("missing_signature")
        given = _digest(header)
        if given is None:
            raise Unauthorized("malformed_signature", 403)
        index = matching_digest(given, request.body, self.settings.app_secret)
        if index is None:
            raise Unauthorized("wrong_signature", 403)
        return Proof("app_secret", index)

    def sign(self, body: bytes, url: str = "") -> dict[str, str]:
        return {SIGNATURE: SCHEME + keyed_digest(self.settings.app_secret[0].get_secret_value().encode(), body).hex()}

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        return envelope_items(request.json(), notes)


def _hub(request: RawRequest, name: str) -> str | None:
    """A parameter of the handshake; proxies written in PHP turn the dot of its name into an underscore."""
    return request.query.get(f"hub.{name}") or request.query.get(f"hub_{name}")


def _digest(header: str) -> bytes | None:
    """The 32 bytes that the header spells, in either case of letters."""
    scheme, digits = header[: len(SCHEME)], header[len(SCHEME) :]
    if scheme != SCHEME or len(digits) != 64:
        return None
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        return None
    return digest if len(digest) == 32 else None
