"""The adapter contract: a raw request in, items out. Pure: no I/O, no clock, no environment, no logging.

One adapter is one provider's way of speaking. The gateway makes one instance of it per source, from the
source's settings. An adapter knows no tenant, no event id and no envelope: the gateway stamps those.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from providers.wire import Json, Malformed, load_json

__all__ = [
    "Adapter",
    "Drift",
    "Identity",
    "Item",
    "Malformed",
    "Notes",
    "Parsed",
    "Proof",
    "RawRequest",
    "Reply",
    "Route",
    "Secrets",
    "SourceSettings",
    "Unauthorized",
    "keyed_digest",
    "matching_digest",
    "matching_secret",
    "prove_api_key",
]


class RawRequest:
    """All that an adapter may know of a request.

    `url` is the public URL that the provider called, `headers` is case-insensitive, `body` is exactly as received,
    `remote` is the client's address after trusted proxies.
    """

    __slots__ = (
        "_document",
        "body",
        "client_cert",
        "headers",
        "method",
        "path_tail",
        "path_token",
        "query",
        "received_at",
        "remote",
        "url",
    )

    def __init__(
        self,
        *,
        method: str = "POST",
        url: str = "",
        headers: Mapping[str, str],
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        path_token: str | None = None,
        path_tail: str = "",
        received_at: datetime,
        client_cert: Mapping[str, str] | None = None,
        remote: str | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.query = query or {}
        self.path_token = path_token
        self.path_tail = path_tail
        self.received_at = received_at
        self.client_cert = client_cert
        self.remote = remote
        self._document: Json | Malformed | None = None

    def json(self) -> Json:
        """The body as JSON, decoded once. Raises Malformed."""
        if self._document is None:
            try:
                self._document = load_json(self.body)
            except Malformed as error:
                self._document = error
        if isinstance(self._document, Malformed):
            raise self._document
        return self._document

    def with_body(self, body: bytes) -> RawRequest:
        """The same request with another body; itself if the body is the very same object."""
        if body is self.body:
            return self
        return RawRequest(
            method=self.method, url=self.url, headers=self.headers, body=body, query=self.query,
            path_token=self.path_token, path_tail=self.path_tail, received_at=self.received_at,
            client_cert=self.client_cert, remote=self.remote,
        )  # fmt: skip


class Reply(NamedTuple):
    """An answer that the provider's protocol asks for, such as the echo of a challenge."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(slots=True)
class Proof:
    """What proved the origin: the name of the setting, and which of its values (0 is the first)."""

    name: str
    index: int = 0


class Unauthorized(Exception):
    """The request does not prove its origin.

    `code` is one of a few words, for metrics and logs; the caller is never told more than the status.
    """

    def __init__(self, code: str, status: int = 401) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class Identity(NamedTuple):
    """What makes a thing the same thing when it is seen again: a class letter and a key within it.

    The classes and keys are fixed for ever; see docs/explanation/identity.md.
    """

    kind: str
    key: tuple[str, ...]


class Route(NamedTuple):
    """Whose number it was, for webhooks of many businesses that share one URL."""

    account_id: str | None = None
    phone_number_id: str | None = None


NO_ROUTE = Route()


@dataclass(slots=True)
class Item:
    """One thing that happened.

    data      the event's data, without envelope, as plain JSON values; validates against the model of `type`.
              An empty `channel` object is filled from the source's configuration.
    identity  None where the thing has none; then it is never deduplicated.
    time_ms   the provider's time, milliseconds since 1970 UTC; None where the provider gives none.
    lane      what must stay in order with this: parts of a key, within the source.
    pointer   RFC 6901 pointer to the provider's fragment in the body.
    partial   the typed part does not tell all that the fragment holds.
    party     the person concerned, as in Party.id, for search.
    """

    type: str
    data: dict[str, Any]
    identity: Identity | None
    time_ms: int | None
    lane: tuple[str, ...]
    pointer: str
    subject: str | None = None
    party: str | None = None
    route: Route = NO_ROUTE
    partial: bool = False


class Drift(NamedTuple):
    """Something that the provider sent and the adapter does not know: a field, a word, a type."""

    kind: str
    name: str


def _no_counts() -> defaultdict[str, int]:
    return defaultdict(int)


@dataclass(slots=True)
class Notes:
    """What an adapter counts while it maps: protocol noise it dropped, and drift."""

    noise: defaultdict[str, int] = field(default_factory=_no_counts)
    drift: list[Drift] = field(default_factory=list)

    def drifted(self, kind: str, name: object) -> None:
        """Count drift; names are cut, since they come from outside."""
        if len(self.drift) < 100:
            self.drift.append(Drift(kind, str(name)[:80]))


@dataclass(slots=True)
class Parsed:
    """Every item of one request, in the order of the body. `overflow` says that there were more."""

    items: list[Item]
    notes: Notes
    overflow: bool = False


def _as_list(value: object) -> object:
    return [value] if isinstance(value, (str, SecretStr)) else value


Secret = Annotated[SecretStr, Field(min_length=1)]
"""Never empty: an unset variable must not become a secret that everybody knows."""
Secrets = Annotated[list[Secret], BeforeValidator(_as_list), Field(max_length=10)]
"""One secret, or a list of them while they are being rotated."""


class SourceSettings(BaseModel):
    """Settings that every provider's source has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path_token: Secrets = Field(
        default=[],
        description="Secret last part of the webhook URL: /hooks/TENANT/SOURCE/TOKEN. Every request must carry it. "
        "Several are accepted at once during rotation.",
    )


def matching_secret(given: str | bytes, secrets: Sequence[SecretStr]) -> int | None:
    """Index of the secret that equals `given`. Looks at all of them, each in constant time."""
    found = None
    value = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given
    for index, secret in enumerate(secrets):
        if hmac.compare_digest(value, secret.get_secret_value().encode()) and found is None:
            found = index
    return found


def keyed_digest(key: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """HMAC of the message. Keyed once and copied for each use: half the cost, and short messages keep the
    interpreter lock, which is dear to win back under load."""
    mac = _keyed(key, algorithm).copy()
    mac.update(message)
    return mac.digest()


def matching_digest(
    given: bytes, message: bytes, secrets: Sequence[SecretStr], algorithm: str = "sha256"
) -> int | None:
    """Index of the secret whose HMAC of the message is `given`. Looks at all of them, each in constant time."""
    found = None
    for index, secret in enumerate(secrets):
        expected = keyed_digest(secret.get_secret_value().encode(), message, algorithm)
        if hmac.compare_digest(given, expected) and found is None:
            found = index
    return found


def prove_api_key(given: object, secrets: Sequence[SecretStr]) -> Proof:
    """For providers that repeat their API key in the body. Raises Unauthorized."""
    if given is None or given == "":
        raise Unauthorized("missing_api_key")
    index = matching_secret(given, secrets) if isinstance(given, str) else None
    if index is None:
        raise Unauthorized("wrong_api_key", 403)
    return Proof("api_key", index)


@lru_cache(maxsize=65536)
def _keyed(key: bytes, algorithm: str) -> hmac.HMAC:
    return hmac.new(key, digestmod=algorithm)


class Adapter:
    """Base class of all providers. A subclass gives `name`, `label`, `Settings`, `prove` and `items`."""

    name: ClassVar[str]
    """In configuration, routes, metrics and fixtures: lower case, digits, underscores."""
    label: ClassVar[str]
    """For people."""
    summary: ClassVar[str] = ""
    Settings: ClassVar[type[SourceSettings]] = SourceSettings
    max_body: ClassVar[int] = 4 * 1024 * 1024
    kept_headers: ClassVar[tuple[str, ...]] = ("content-type",)
    """Request headers that `items` needs: they are stored with the body so that it can be parsed again."""
    media_secrets: ClassVar[frozenset[str]] = frozenset()
    """Names of members that decrypt media: taken out of `raw` for destinations that do not ask for them."""
    withheld: ClassVar[frozenset[str]] = frozenset()
    """Those among them that no destination gets."""
    bulky: ClassVar[frozenset[str]] = frozenset()
    """Names of members that hold whole files: `raw` has {"omitted_bytes": N} in their place."""
    noise_members: ClassVar[Mapping[str, str]] = {}
    """What of a body is dropped on purpose, and why: by member name, or by pointer with * for one part of it and **
    for any number. Everything below is dropped with it."""

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings

    # What the gateway calls

    def handshake(self, request: RawRequest) -> Reply | None:
        """Answer a challenge (a GET); None for an ordinary delivery. Raises Unauthorized."""
        return None

    def check_path_token(self, request: RawRequest) -> Proof | None:
        """The token in the URL, where the source has one: it needs no body, so it is checked before one is read too.

        None without a setting. Raises Unauthorized.
        """
        tokens = self.settings.path_token
        if not tokens:
            return None
        if not request.path_token:
            raise Unauthorized("missing_path_token")
        index = matching_secret(request.path_token, tokens)
        if index is None:
            raise Unauthorized("wrong_path_token", 403)
        return Proof("path_token", index)

    def verify(self, request: RawRequest) -> Proof:
        """What proves the origin of this request. Raises Unauthorized."""
        token = self.check_path_token(request)
        return self.prove(request) or token or Proof("none")

    def redact(self, body: bytes) -> bytes:
        """The body without the provider's own credentials; works on bodies that do not parse.

        Returns the same object when there is nothing to take out.
        """
        return body

    def parse(self, request: RawRequest, max_items: int = 5000) -> Parsed:
        """Items of the body. Raises Malformed for what is no JSON or no envelope of this provider, and nothing else."""
        notes = Notes()
        found = self.items(request, notes)
        items = list(islice(found, max_items))
        return Parsed(items, notes, overflow=next(found, None) is not None)

    def sign(self, body: bytes, url: str = "") -> dict[str, str]:
        """The headers that this provider would send with the body: for `wa-gateway send` and tests."""
        return {}

    def fill(self, body: bytes) -> bytes:
        """A sample body with this source's own credentials put in, where the provider sends them in the body."""
        return body

    # What a provider gives

    def prove(self, request: RawRequest) -> Proof | None:
        """The provider's own proof of origin; None if it has none beyond the path token. Raises Unauthorized."""
        return None

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        """Yield the items one by one. Raises Malformed before the first, and nothing else."""
        raise NotImplementedError
