"""A destination: where a tenant's events go to, and how."""

from __future__ import annotations

import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr

from gateway.config.errors import suggestion
from gateway.config.headers import HeaderName, HeaderValue, check_headers
from gateway.config.section import (
    DAY,
    HOUR,
    MINUTE,
    ONE_OR_MORE,
    Duration,
    Hold,
    Named,
    Patterns,
    Rate,
    Section,
    parsed_by,
)
from gateway.config.values import check_proxy, check_webhook_secret, parse_destination_url, parse_hold
from normalized.event import TYPES

_EVENT_PATTERNS = {*TYPES, *(f"{name.rpartition('.')[0]}.*" for name in TYPES)}


@lru_cache(maxsize=4096)
def _check_event_pattern(pattern: str) -> str:
    if not any(fnmatch.fnmatchcase(name, pattern) for name in TYPES):
        raise ValueError(f"matches no event type; {suggestion(pattern, _EVENT_PATTERNS)}")
    return pattern


EventPattern = Annotated[str, AfterValidator(_check_event_pattern)]
WebhookSecret = Annotated[SecretStr, AfterValidator(check_webhook_secret)]


class Retry(Section):
    """When a failed delivery is tried again."""

    schedule: Annotated[tuple[Annotated[Duration, Field(gt=0)], ...], Field(min_length=1, max_length=50)] = Field(
        default=(5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR),
        description="Waits between attempts, give or take a fifth. The last repeats to `give_up_after`.",
    )
    give_up_after: Duration = Field(
        default=3 * DAY, gt=0,
        description="Time of trying after which a delivery is dead: kept, and ready to be replayed.",
    )  # fmt: skip


class Batch(Section):
    """Several events in one request, as application/cloudevents-batch+json."""

    max_events: int = Field(default=100, ge=1, le=1000, description="Events in one request.")
    max_wait: Duration = Field(
        default=1.0, ge=0, le=MINUTE,
        description="How long an event may wait for others before a batch that is not full is sent.",
    )  # fmt: skip


class Destination(Named):
    """A URL of the tenant that events are delivered to, signed by the Standard Webhooks specification."""

    url: Annotated[str, AfterValidator(parse_destination_url)] = Field(
        description="Where events are delivered: http:// or https://."
    )
    secrets: Annotated[list[WebhookSecret], ONE_OR_MORE, Field(min_length=1, max_length=10)] = Field(
        alias="secret",
        description="Standard Webhooks secret that signs deliveries: whsec_ and the base64 of 24 to 64 random bytes "
        "(HMAC-SHA256), or whsk_ and the base64 of an ed25519 private key. A list while it is being rotated, or to "
        "sign in both ways: each signs.",
    )
    events: Annotated[list[EventPattern], ONE_OR_MORE, Field(min_length=1)] = Field(
        default=["*"], description="Patterns of the event types wanted. `*` crosses dots."
    )
    sources: Patterns = Field(default=["*"], description="Patterns of the names of this tenant's sources.")
    statuses: Literal["all", "monotonic"] = Field(
        default="all",
        description="`monotonic`: a message's status that comes after a higher one, such as delivered after read, is "
        "kept back and counted as suppressed. A failure is always delivered.",
    )
    ordering: Literal["conversation", "none"] = Field(
        default="conversation",
        description="`conversation`: the events of a conversation arrive in order, one at a time. `none`: each on its "
        "own, as fast as `concurrency` allows.",
    )
    raw: Literal["never", "unknown", "always"] = Field(
        default="unknown",
        description="Whether events carry the provider's own JSON: never, always, or only where the typed "
        "part does not tell it all.",
    )
    media: Literal["plain", "keys"] = Field(
        default="plain",
        description="`keys`: the provider's own JSON keeps the keys that decrypt media. They are taken out otherwise.",
    )
    batch: Batch | None = Field(
        default=None, description="Several events in one request. Without this block each has a request of its own."
    )
    rate_limit: Rate | None = Field(
        default=None,
        description="Requests sent at most, such as 100/s or 600/m. What is more waits in the store.",
    )
    timeout: Duration = Field(
        default=15.0,
        ge=0.1,
        le=10 * MINUTE,
        description="How long an attempt may take, from connecting to the answer.",
    )
    concurrency: int = Field(
        default=16, ge=1, le=1000, description="Attempts in flight at one time, each on a connection of its own."
    )
    headers: Annotated[
        dict[HeaderName, HeaderValue], AfterValidator(check_headers), Field(max_length=50)
    ] = Field(
        default={},
        description="Headers sent with each request, by name: `Authorization: Bearer ${CRM_TOKEN}`, or "
        "`Authorization_file` and a path. Values are never shown. Headers of the gateway itself cannot be set, save "
        "User-Agent and Accept.",
    )  # fmt: skip
    proxy: Annotated[SecretStr, AfterValidator(check_proxy)] | None = Field(
        default=None,
        description="Proxy to go through, http:// or https://, with user name and password where it asks for them: "
        "http://USER:PASSWORD@proxy.example.com:3128.",
    )
    ca: Path | None = Field(
        default=None,
        description="File of certificates (PEM) to trust instead of the system's. Relative to the configuration file.",
    )
    client_cert: Path | None = Field(
        default=None,
        description="File of the certificate (PEM) that the gateway shows to the destination, with those up to its "
        "root. Relative to the configuration file.",
    )
    client_key: Path | None = Field(
        default=None,
        description="File of the certificate's private key (PEM, without a passphrase), where it is not in the file "
        "of `client_cert`.",
    )
    lane_hold: Hold = Field(
        default=15 * MINUTE,
        description="How long a failing event holds up those after it in its conversation, or `forever`.",
    )
    retry: Retry = Field(default=Retry(), description="When failed deliveries are tried again.")
    park_for: Annotated[Annotated[float, Field(gt=0)] | None, parsed_by(parse_hold)] = Field(
        default=None,
        description="How long events are kept while the destination is paused or disabled, counted from their receipt; "
        "then they are expired. `forever` by default.",
    )

    _wanted: dict[tuple[str, str], bool] = PrivateAttr(default_factory=dict)

    def wants(self, event_type: str, source_name: str) -> bool:
        """Whether it takes events of this type from this source of its tenant."""
        key = (event_type, source_name)
        answer = self._wanted.get(key)
        if answer is None:
            answer = _matches(event_type, self.events) and _matches(source_name, self.sources)
            self._wanted[key] = answer
        return answer


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
