"""For providers that sign nothing: a secret in the URL's path or in its user name and password is the proof."""

from __future__ import annotations

import base64
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from providers.base import Adapter, Proof, RawRequest, Secrets, SourceSettings, Unauthorized, matching_secret

SCHEME = "Basic "


class BasicAuth(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str = Field(min_length=1, pattern="^[^:]*$", description="Without a colon, as RFC 7617 asks.")
    password: Secrets = Field(min_length=1, description="Several are accepted at once during rotation.")


class UnsignedSettings(SourceSettings):
    """`path_token`, `basic_auth` or both."""

    basic_auth: BasicAuth | None = Field(
        None,
        description="User name and password of the webhook URL (https://USER:PASSWORD@host/…), "
        "which the provider sends as HTTP Basic authentication.",
    )

    @model_validator(mode="before")
    @classmethod
    def _no_client_cert(cls, values: Any) -> Any:
        if isinstance(values, dict) and "client_cert" in values:
            raise ValueError(
                "client certificates are not supported yet: remove client_cert, set path_token or basic_auth"
            )
        return values

    @model_validator(mode="after")
    def _something_proves(self) -> UnsignedSettings:
        if not self.path_token and not self.basic_auth:
            raise ValueError(
                "this provider signs nothing: set path_token, basic_auth or both, and put them into its webhook URL"
            )
        return self


class UnsignedAdapter(Adapter):
    settings: UnsignedSettings

    def prove(self, request: RawRequest) -> Proof | None:
        """Basic authentication where it is set; without it the path token is the proof."""
        pairs = self._pairs()
        if not pairs:
            return None
        header = request.headers.get("Authorization")
        if not header:
            raise Unauthorized("missing_basic_auth")
        given = _decoded(header)
        if given is None:
            raise Unauthorized("malformed_basic_auth", 403)
        index = matching_secret(given, pairs)
        if index is None:
            raise Unauthorized("wrong_basic_auth", 403)
        return Proof("basic_auth", index)

    def sign(self, body: bytes, url: str = "") -> dict[str, str]:
        pairs = self._pairs()
        if not pairs:
            return {}
        return {"Authorization": SCHEME + base64.b64encode(pairs[0].get_secret_value().encode()).decode()}

    def _pairs(self) -> list[SecretStr]:
        auth = self.settings.basic_auth
        if auth is None:
            return []
        return [SecretStr(f"{auth.username}:{password.get_secret_value()}") for password in auth.password]


def _decoded(header: str) -> bytes | None:
    """`user:password` of the header; None where it is something else."""
    if header[: len(SCHEME)].lower() != SCHEME.lower():
        return None
    try:
        return base64.b64decode(header[len(SCHEME) :].strip(), validate=True)
    except ValueError:
        return None
