"""Standard Webhooks signatures over the exact bytes sent (specification, "Signature scheme")."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from providers.base import keyed_digest

PREFIX = "whsec_"


class BadSecret(ValueError):
    """Not a Standard Webhooks secret; the message says what one looks like."""


def decode_secret(secret: str) -> bytes:
    """The key of `whsec_<base64 of 24 to 64 bytes>`. Raises BadSecret; the message never holds the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise BadSecret("must be whsec_ followed by the base64 of 24 to 64 random bytes")
    return key


def sign(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature for each key, separated by spaces. `timestamp` is in seconds."""
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(["v1," + binascii.b2a_base64(keyed_digest(key, content), newline=False).decode() for key in keys])


def verify(keys: Sequence[bytes], webhook_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Whether one of the signatures is right by one of the keys. The caller checks the timestamp's age."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12 or not webhook_id.isascii():
        return False
    right = sign(keys, webhook_id, int(timestamp), body).split(" ")
    return any(
        hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
        for given in signatures.split(" ")
        for expected in right
    )
