"""Signatures, against the specification's vector and the official library."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from gateway.signing import BadSecret, decode_secret, sign, verify

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
