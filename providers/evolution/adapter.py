"""The adapter: its three proofs, and what becomes of each event."""

from __future__ import annotations

import base64
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
    prove_api_key,
)
from providers.evolution.envelope import Envelope, unknown_item
from providers.evolution.events import EVENTS
from providers.shapes.baileys.noise import BULKY, NOISE, SECRETS
from providers.shapes.guard import guarded_items
from providers.shapes.redaction import Redactor
from providers.wire import Object, as_int, as_object, as_text, dump_json, load_json

MEMBER = "apikey"
_FAR = 4_102_444_800
"""2100-01-01: a token for tests does not expire."""
_CLAIMS = {"app": "evolution", "action": "webhook"}


_REPEATING = {
    "instance": "repeats the envelope's",
    "owner": "repeats the envelope's instance",
    "instanceId": "the instance once more, by Evolution's own key",
    "messageId": "the message once more, by Evolution's own key",
    "messageType": "the name of the content's member",
    "contextInfo": "repeats that of the content; where it does not, `raw` is sent",
    "chatId": "of a call: who calls, or the group",
}


class EvolutionSettings(SourceSettings):
    api_key: Secrets = Field(
        default=[],
        description="The instance's API key, which Evolution repeats in every webhook's body. The gateway takes it "
        "out before anything is stored. Several are accepted at once during rotation.",
    )
    jwt_key: Secrets = Field(
        default=[],
        description="What the header `jwt_key` of the instance's webhook is set to: Evolution signs a token with it, "
        "which is good for ten minutes and says nothing of the body.",
    )

    @model_validator(mode="after")
    def _something_proves(self) -> EvolutionSettings:
        if not (self.path_token or self.api_key or self.jwt_key):
            raise ValueError("Evolution signs no bodies: set api_key, jwt_key, path_token, or several of them")
        return self


class EvolutionAdapter(Adapter):
    name = "evolution"
    label = "Evolution API"
    summary = "Evolution API v2, an unofficial device gateway over Baileys"
    Settings = EvolutionSettings
    settings: EvolutionSettings
    max_body = 32 * 1024 * 1024
    withheld: ClassVar[frozenset[str]] = frozenset({"qrcode"})
    """It links another device to the number."""
    media_secrets: ClassVar[frozenset[str]] = SECRETS | withheld
    bulky: ClassVar[frozenset[str]] = BULKY
    noise_members: ClassVar[Mapping[str, str]] = {
        **NOISE,
        "/apikey": "the provider's credential: taken out before anything is stored",
        "/destination": "the webhook's own URL",
        "/server_url": "the provider's own URL",
        "/date_time": "when the webhook was sent, by a clock of uncertain zone; events have times of their own",
        **{f"{data}/{member}": reason for data in ("/data", "/data/*") for member, reason in _REPEATING.items()},
    }

    def __init__(self, settings: EvolutionSettings) -> None:
        super().__init__(settings)
        secrets = [*settings.api_key, *settings.path_token]  # the token stands in `destination`
        self._redactor = Redactor(MEMBER, (secret.get_secret_value() for secret in secrets))

    def prove(self, request: RawRequest) -> Proof | None:
        """Each proof that is set must hold; what is no envelope carries no key, and needs another proof."""
        proof = self._prove_token(request) if self.settings.jwt_key else None
        if not self.settings.api_key:
            return proof
        try:
            key = as_object(request.json()).get(MEMBER)
        except Malformed:
            key = None
        if key in (None, "") and (proof or self.settings.path_token) and not _is_envelope(request):
            return proof
        return prove_api_key(key, self.settings.api_key)

    def redact(self, body: bytes) -> bytes:
        return self._redactor.redact(body)

    def sign(self, body: bytes, url: str = "") -> dict[str, str]:
        if not self.settings.jwt_key:
            return {}
        claims = {**_CLAIMS, "iat": 0, "exp": _FAR}
        signed = b".".join(_encoded(dump_json(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        mac = keyed_digest(self.settings.jwt_key[0].get_secret_value().encode(), signed)
        return {"Authorization": f"Bearer {(signed + b'.' + _encoded(mac)).decode()}"}

    def fill(self, body: bytes) -> bytes:
        document = as_object(load_json(body))
        if not document or not self.settings.api_key:
            return body
        return dump_json({**document, MEMBER: self.settings.api_key[0].get_secret_value()})

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        envelope = _envelope(request, notes)
        build = EVENTS.get(envelope.event)
        if build is None:
            yield envelope.finished(unknown_item(envelope))
            return
        for element, pointer in envelope.elements():
            for item in guarded_items(build, _unmapped, element, pointer, envelope):
                yield envelope.finished(item)

    def _prove_token(self, request: RawRequest) -> Proof:
        """A JSON Web Token, RFC 7519, signed by HMAC-SHA256."""
        scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("missing_jwt")
        signed, _, mac = token.strip().encode("utf-8", "replace").rpartition(b".")
        header, claims = (_decoded(part) for part in [*signed.split(b"."), b"", b""][:2])
        if header.get("alg") != "HS256" or not claims:
            raise Unauthorized("malformed_jwt", 403)
        given = _bytes(mac)
        index = matching_digest(given, signed, self.settings.jwt_key)
        if index is None or _encoded(given) != mac:  # of several spellings of the same bytes only one is right
            raise Unauthorized("wrong_jwt", 403)
        expires = as_int(claims.get("exp"))
        if expires is None or expires <= request.received_at.timestamp():
            raise Unauthorized("expired_jwt", 403)
        if any(claims.get(name) != word for name, word in _CLAIMS.items()):
            raise Unauthorized("wrong_jwt", 403)
        return Proof("jwt_key", index)


def _unmapped(detail: str, element: Any, pointer: str, envelope: Envelope) -> Item:
    envelope.notes.drifted("message", detail)
    return unknown_item(envelope, pointer, detail)


def _envelope(request: RawRequest, notes: Notes) -> Envelope:
    """Raises Malformed."""
    document = as_object(request.json())
    event = as_text(document.get("event"))
    if not event or "data" not in document or not isinstance(document["event"], str):
        raise Malformed("not_an_envelope", "no object with a text `event` and `data`")
    return Envelope(document, event, notes)


def _is_envelope(request: RawRequest) -> bool:
    try:
        _envelope(request, Notes())
    except Malformed:
        return False
    return True


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _bytes(part: bytes) -> bytes:
    """A part of a token, decoded; empty where it is no base64."""
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        return b""


def _decoded(part: bytes) -> Object:
    """The object in a part of a token; an empty one where there is none."""
    try:
        return as_object(load_json(_bytes(part)))
    except Malformed:
        return {}
