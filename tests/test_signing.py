"""Signatures, against the specification's vector and the official library."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook

from gateway.sending.signing import BadSecret, decode_secret, decode_signing_secret, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_vector_of_the_specification() -> None:
    signature = sign([decode_secret(SECRET)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_official_library_accepts_each_secret_of_a_rotation() -> None:
    old, new = ("whsec_" + base64.b64encode(os.urandom(size)).decode() for size in (24, 64))
    timestamp = int(datetime.now(UTC).timestamp())
    body = '{"text":"ünïcode 👍"}'.encode()
    header = sign([decode_secret(new), decode_secret(old)], "6a272d3f", timestamp, body)
    headers = {"webhook-id": "6a272d3f", "webhook-timestamp": str(timestamp), "webhook-signature": header}
    for secret in (old, new):
        assert Webhook(secret).verify(body.decode(), headers) == {"text": "ünïcode 👍"}


@pytest.mark.parametrize(
    ("webhook_id", "timestamp", "body"),
    [("other", "1614265330", b"{}"), ("id", "1614265331", b"{}"), ("id", "1614265330", b"{} "), ("id", "x", b"{}")],
)
def test_verify_refuses_what_was_changed(webhook_id: str, timestamp: str, body: bytes) -> None:
    key = decode_secret(SECRET)
    signature = sign([key], "id", 1614265330, b"{}")
    assert verify([key], "id", "1614265330", signature, b"{}")
    assert verify([key], "id", "1614265330", "v1a,else v1,AAAA " + signature, b"{}")
    assert not verify([key], webhook_id, timestamp, signature, body)
    assert not verify([key], "id", "1614265330", "", b"{}")
    assert not verify([key], "id", "1614265330", "v1,\udcff", b"{}")


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!", "whsec_" + "A" * 28, "whsec_" + "A" * 100],
)
def test_bad_secrets_are_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(BadSecret) as refusal:
        decode_secret(secret)
    assert not secret or secret == "whsec_" or secret not in str(refusal.value)


# ed25519


SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""RFC 8032, section 7.1, TEST 1."""


def private(*parts: bytes) -> str:
    return "whsk_" + base64.b64encode(b"".join(parts)).decode()


@pytest.mark.parametrize("secret", [private(SEED), private(SEED, PUBLIC)])
def test_a_private_key_signs_so_that_its_public_key_verifies(secret: str) -> None:
    body = '{"text":"ünïcode 👍"}'.encode()
    header = sign([decode_signing_secret(secret)], "6a272d3f", 1614265330, body)
    version, _, encoded = header.partition(",")
    assert version == "v1a"
    public = Ed25519PublicKey.from_public_bytes(PUBLIC)
    public.verify(base64.b64decode(encoded, validate=True), b"6a272d3f.1614265330." + body)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(encoded), b"6a272d3f.1614265331." + body)


def test_both_kinds_sign_beside_each_other() -> None:
    keys = [decode_signing_secret(secret) for secret in (SECRET, private(SEED))]
    timestamp = int(datetime.now(UTC).timestamp())
    header = sign(keys, "id", timestamp, b"{}")
    assert [signature.partition(",")[0] for signature in header.split(" ")] == ["v1", "v1a"]
    headers = {"webhook-id": "id", "webhook-timestamp": str(timestamp), "webhook-signature": header}
    assert Webhook(SECRET).verify("{}", headers) == {}, "readers of v1 skip what they do not know"
    for key in keys:
        assert verify([key], "id", str(timestamp), header, b"{}")
        assert not verify([key], "id", str(timestamp), header, b"{} ")


def test_any_32_bytes_are_a_private_key() -> None:
    assert isinstance(decode_signing_secret(private(os.urandom(32))), Ed25519PrivateKey)


@pytest.mark.parametrize(
    "secret",
    ["whsk_", "whsk_!!!", private(SEED[1:]), private(SEED, b"x"), private(SEED, SEED), "whpk_" + private(SEED)[5:]],
)
def test_bad_private_keys_are_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(BadSecret) as refusal:
        decode_signing_secret(secret)
    assert secret == "whsk_" or secret not in str(refusal.value)
