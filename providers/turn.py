"""Turn.io: the body of an On-Premises client, signed. An answer of 4xx ends Turn's retries.

Turn.io documentation, webhooks.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from providers.base import (
    Adapter,
    Item,
    Notes,
    Proof,
    RawRequest,
    Secrets,
    SourceSettings,
    Unauthorized,
    keyed_digest,
    matching_digest,
)
from providers.shapes.meta import BARE_NOISE, bare_items

SIGNATURE = "X-Turn-Hook-Signature"


class TurnSettings(SourceSettings):
    hmac_secret: Secrets = Field(
        min_length=1,
        description="The webhook's secret, as Turn shows it. It proves that a webhook comes from Turn. "
        "Several are accepted at once during rotation.",
    )


class Turn(Adapter):
    name: ClassVar[str] = "turn"
    label: ClassVar[str] = "Turn.io"
    summary: ClassVar[str] = "Messages and statuses of a number that Turn.io hosts."
    Settings: ClassVar[type[SourceSettings]] = TurnSettings
    noise_members: ClassVar[Mapping[str, str]] = BARE_NOISE
    settings: TurnSettings

    def prove(self, request: RawRequest) -> Proof:
        """Base64 of the HMAC-SHA256 of the bytes as received."""
        header = request.headers.get(SIGNATURE)
        if not header:
            raise Unauthorized("missing_signature")
        try:
            given = base64.b64decode(header, validate=True)
        except ValueError:
            raise Unauthorized("malformed_signature", 403) from None
        index = matching_digest(given, request.body, self.settings.hmac_secret)
        if index is None:
            raise Unauthorized("wrong_signature", 403)
        return Proof("hmac_secret", index)

    def sign(self, body: bytes, url: str = "") -> dict[str, str]:
        digest = keyed_digest(self.settings.hmac_secret[0].get_secret_value().encode(), body)
        return {SIGNATURE: base64.b64encode(digest).decode()}

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        return bare_items(request.json(), notes)
