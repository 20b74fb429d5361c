"""Turn.io: its signature; what its bodies say, the fixtures tell."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError

from providers import Malformed, Proof, RawRequest, Unauthorized
from providers.turn import Turn
from tests.golden import RECEIVED

BODY = b'{"statuses":[{"id":"gBGG","status":"sent","timestamp":"1780952383"}]}'


def adapter(**more: Any) -> Turn:
    return Turn(Turn.Settings.model_validate({"hmac_secret": ["new-secret", "old-secret"], **more}))


def request(body: bytes = BODY, **more: Any) -> RawRequest:
    return RawRequest(**{"headers": {}, "received_at": RECEIVED, "body": body, **more})


def signature(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize(("secret", "index"), [("new-secret", 0), ("old-secret", 1)])
def test_signature_is_of_the_bytes_as_they_came(secret: str, index: int) -> None:
    headers = {"X-Turn-Hook-Signature": signature(BODY, secret)}
    assert adapter().verify(request(headers=headers)) == Proof("hmac_secret", index)
    with pytest.raises(Unauthorized) as refused:
        adapter().verify(request(BODY + b" ", headers=headers))
    assert (refused.value.code, refused.value.status) == ("wrong_signature", 403)


@pytest.mark.parametrize(
    ("header", "code", "status"),
    [
        (None, "missing_signature", 401),
        ("", "missing_signature", 401),
        ("not base64!", "malformed_signature", 403),
        ("ümlaut", "malformed_signature", 403),
        (hmac.new(b"new-secret", BODY, "sha256").hexdigest(), "wrong_signature", 403),
        (signature(BODY, "another-secret"), "wrong_signature", 403),
    ],
)
def test_what_is_no_signature_of_ours_is_refused(header: str | None, code: str, status: int) -> None:
    headers = {} if header is None else {"X-Turn-Hook-Signature": header}
    with pytest.raises(Unauthorized) as refused:
        adapter().verify(request(headers=headers))
    assert (refused.value.code, refused.value.status) == (code, status)


def test_path_token_is_wanted_beside_the_signature() -> None:
    guarded = adapter(path_token="token")
    headers = guarded.sign(BODY)
    assert guarded.verify(request(headers=headers, path_token="token")) == Proof("hmac_secret", 0)
    with pytest.raises(Unauthorized) as refused:
        guarded.verify(request(headers=headers))
    assert refused.value.code == "missing_path_token"


def test_a_secret_is_required() -> None:
    with pytest.raises(ValidationError):
        Turn.Settings.model_validate({"path_token": "token"})


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"entry":[]}', b"nonsense"])
def test_what_is_no_body_of_turn_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        adapter().parse(request(body))
