"""360dialog: nothing is signed, so a secret in the URL is required; its bodies are Meta's own."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from providers import Malformed, Proof, RawRequest, Unauthorized
from providers.cloud_api import CloudApi
from providers.dialog360 import Dialog360
from tests.golden import RECEIVED, adapter_for, payloads

BASIC = {"username": "gateway", "password": ["new", "old"]}


def adapter(**settings: Any) -> Dialog360:
    return Dialog360(Dialog360.Settings.model_validate(settings))


def request(body: bytes = b"{}", **more: Any) -> RawRequest:
    return RawRequest(**{"headers": {}, "received_at": RECEIVED, "body": body, **more})


def test_some_secret_is_required() -> None:
    with pytest.raises(ValidationError, match="signs nothing"):
        adapter()


def test_path_token_proves() -> None:
    assert adapter(path_token=["new", "old"]).verify(request(path_token="old")) == Proof("path_token", 1)
    with pytest.raises(Unauthorized) as refused:
        adapter(path_token="new").verify(request(path_token="guess"))
    assert refused.value.status == 403


def test_basic_authentication_proves() -> None:
    source = adapter(basic_auth=BASIC)
    assert source.verify(request(headers=source.sign(b""))) == Proof("basic_auth", 0)
    old = base64.b64encode(b"gateway:old").decode()
    assert source.verify(request(headers={"Authorization": f"basic {old}"})) == Proof("basic_auth", 1)
    with pytest.raises(Unauthorized) as refused:
        source.verify(request())
    assert (refused.value.code, refused.value.status) == ("missing_basic_auth", 401)


@pytest.mark.parametrize("path", payloads("cloud_api"), ids=lambda path: path.stem)
def test_the_items_are_those_of_the_cloud_api(path: Any) -> None:
    cloud = adapter_for("cloud_api")
    assert isinstance(cloud, CloudApi)
    given = request(json.dumps(json.loads(path.read_bytes())).encode())
    assert adapter(path_token="token").parse(given).items == cloud.parse(given).items


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"messages":[]}', b"nonsense"])
def test_what_is_no_body_of_meta_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        adapter(path_token="token").parse(request(body))
