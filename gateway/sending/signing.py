"""Standard Webhooks signatures over the exact bytes sent (specification, "Signature scheme").

Symmetric (`v1`): HMAC-SHA256 by a secret `whsec_…` that both sides have. Asymmetric (`v1a`): ed25519 by a private key
`whsk_…`; the reader has the public key `whpk_…`, with which nobody can sign.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from providers.base import keyed_digest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Key: TypeAlias = "bytes | Ed25519PrivateKey"
"""What signs: a shared secret, or a private key."""

PREFIX = "whsec_"
PRIVATE_PREFIX = "whsk_"
SEED_BYTES = 32
PUBLIC_BYTES = 32


class BadSecret(ValueError):
    """Not a Standard Webhooks secret; the message says what one looks like."""


def decode_secret(secret: str) -> bytes:
    """The key of `whsec_<base64 of 24 to 64 bytes>`. Raises BadSecret; the message never holds the secret."""
    key = _decoded(secret, PREFIX)
    if not 24 <= len(key) <= 64:
        raise BadSecret("must be whsec_ followed by the base64 of 24 to 64 random bytes")
    return key


def decode_signing_secret(secret: str) -> Key:
    """The key of a secret of either kind: bytes for HMAC, or an ed25519 private key. Raises BadSecret.

    `whsk_` is followed by the base64 of the 32 bytes of the private key (its seed), or of these and the 32 bytes of the
    public one, as some libraries keep it.
    """
    if not secret.startswith(PRIVATE_PREFIX):
        return decode_secret(secret)
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - few need it

    key = _decoded(secret, PRIVATE_PREFIX)
    if len(key) not in (SEED_BYTES, SEED_BYTES + PUBLIC_BYTES):
        raise BadSecret("must be whsk_ followed by the base64 of an ed25519 private key of 32 bytes, or of 64")
    private = ed25519.Ed25519PrivateKey.from_private_bytes(key[:SEED_BYTES])
    if key[SEED_BYTES:] not in (b"", private.public_key().public_bytes_raw()):
        raise BadSecret("must be an ed25519 private key: the public key in it is another's")
    return private


def _decoded(secret: str, prefix: str) -> bytes:
    """What is behind the prefix; nothing where it is no base64."""
    try:
        return base64.b64decode(secret.removeprefix(prefix), validate=True) if secret.startswith(prefix) else b""
    except (binascii.Error, ValueError):
        return b""


def sign(keys: Sequence[Key], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature for each key, separated by spaces. `timestamp` is in seconds."""
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join([_signature(key, content) for key in keys])


def _signature(key: Key, content: bytes) -> str:
    version, signature = ("v1,", keyed_digest(key, content)) if isinstance(key, bytes) else ("v1a,", key.sign(content))
    return version + binascii.b2a_base64(signature, newline=False).decode()


def verify(keys: Sequence[Key], webhook_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Whether one of the signatures is right by one of the keys. The caller checks the timestamp's age.

    Both kinds are the same each time they are made (RFC 8032 for ed25519), so the right ones can be made and compared.
    """
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12 or not webhook_id.isascii():
        return False
    right = sign(keys, webhook_id, int(timestamp), body).split(" ")
    return any(
        hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
        for given in signatures.split(" ")
        for expected in right
    )
