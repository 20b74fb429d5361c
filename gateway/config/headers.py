"""Headers that a destination asks for. No message repeats a value: it may be a secret."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

MAX_VALUE = 4096
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?", re.ASCII)
_OURS = frozenset({
    "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host",
    "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""They say what the body is, or how the connection is used."""


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be a header's name: letters, digits and -")
    if name.lower() in _OURS or name.lower().startswith("webhook-"):
        raise ValueError("cannot be set: the gateway sends its own, or none")
    return name


def _check_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not _VALUE.fullmatch(text) or len(text) > MAX_VALUE:
        raise ValueError(
            f"must be up to {MAX_VALUE} printable ASCII characters in one line, without a space at either end"
        )
    return value


HeaderName = Annotated[str, AfterValidator(_check_name)]
HeaderValue = Annotated[SecretStr, AfterValidator(_check_value)]


def check_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Each once, whatever its case."""
    seen: dict[str, str] = {}
    for name in headers:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            raise ValueError(f"{name} is the same header as {first}: case does not matter")
    return headers
