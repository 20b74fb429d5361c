"""The settings: what may stand in the file, and the objects that the gateway runs on.

Every field has a description; docs/reference/configuration.md is generated from them.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
)
from pydantic.fields import FieldInfo

from gateway.config.errors import suggestion
from gateway.config.values import (
    Address,
    StoreUrl,
    check_webhook_secret,
    parse_address,
    parse_destination_url,
    parse_duration,
    parse_hold,
    parse_origin,
    parse_phone,
    parse_rate,
    parse_size,
    parse_store,
)
from normalized.event import TYPES
from providers.base import Adapter

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def _parsed(value: object, parse: Any) -> Any:
    """Text is parsed; what code passes is already of its type."""
    return parse(value) if isinstance(value, str) else value


def _duration(value: object) -> object:
    return _parsed(value, parse_duration)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, (str, SecretStr)) else value


_EVENT_PATTERNS = {*TYPES, *(f"{name.rpartition('.')[0]}.*" for name in TYPES)}


@lru_cache(maxsize=4096)
def _check_event_pattern(pattern: str) -> str:
    if not any(fnmatch.fnmatchcase(name, pattern) for name in TYPES):
        raise ValueError(f"matches no event type; {suggestion(pattern, _EVENT_PATTERNS)}")
    return pattern


Duration = Annotated[float, BeforeValidator(_duration)]
Patterns = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
EventPattern = Annotated[str, AfterValidator(_check_event_pattern)]
WebhookSecret = Annotated[SecretStr, AfterValidator(check_webhook_secret)]


class Section(BaseModel):
    """A block of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Named(Section):
    """A block whose name is its key in the file: the loader gives these two."""

    tenant: str = Field(description="The tenant that it belongs to.")
    name: str = Field(description="Its key in the file.")


@lru_cache(maxsize=256)
def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's settings, by their keys in the file."""
    given_by_loader = Named.model_fields if issubclass(model, Named) else {}
    return {info.alias or name: info for name, info in model.model_fields.items() if name not in given_by_loader}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation holds: `Retry`, `Retry | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_in, get_args(annotation))), None)


class Admin(Section):
    """The operator's listener: health, metrics, API and console."""

    listen: Annotated[Address, BeforeValidator(lambda value: _parsed(value, parse_address))] = Field(
        default=Address("127.0.0.1", 8081),
        description="Address of the operator's listener. Keep it away from the internet.",
    )
    token: SecretStr | None = Field(
        default=None,
        description="Bearer token that operators present. Required unless `listen` is a loopback address.",
    )

    @field_validator("token")
    @classmethod
    def _not_empty(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < 8:
            raise ValueError("must have 8 characters or more")
        return token


class Limits(Section):
    """Bounds that keep the gateway upright."""

    max_items: int = Field(
        default=5000, ge=1, le=1_000_000,
        description="Items of one request that become events. The rest is one `whatsapp.unknown`.",
    )  # fmt: skip
    inflight_bytes: Annotated[int, BeforeValidator(lambda value: _parsed(value, parse_size))] = Field(
        default=64 * 1024**2, ge=1024**2,
        description="Bodies held in memory at one time; one source holds at most half, or one body of its largest "
        "size. Above it requests are answered 503: providers retry.",
    )  # fmt: skip
    shutdown: Duration = Field(
        default=20.0, ge=0, le=HOUR,
        description="How long a stopping gateway waits for what is in flight. The rest stays in the store.",
    )  # fmt: skip


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


class Channel(Section):
    """The business's number, for providers whose webhooks do not name it."""

    id: str | None = Field(default=None, min_length=1, description="A name of your own for the number.")
    phone: Annotated[str, AfterValidator(parse_phone)] | None = Field(
        default=None, description="The number in E.164 form, such as +15550783881."
    )
    phone_number_id: str | None = Field(default=None, min_length=1, description="Meta's id of the number.")
    account_id: str | None = Field(default=None, min_length=1, description="WhatsApp Business account id.")


class SourceBlock(Section):
    """What every source has; the provider's own settings stand beside these, in the same block."""

    provider: str = Field(description="Which provider calls this source.")
    uid: str | None = Field(
        default=None, min_length=1, max_length=200,
        description="What event ids are derived from; TENANT/SOURCE by default. When you rename a source, "
        "set it to the old value, so that its events keep their ids. Unique over all sources.",
    )  # fmt: skip
    channel: Channel = Field(default=Channel(), description="The business's number, where webhooks do not name it.")
    rate_limit: Annotated[float, BeforeValidator(lambda value: _parsed(value, parse_rate))] | None = Field(
        default=None,
        description="Requests accepted, such as 200/s or 6000/m, a second's worth at once. Above it: 429.",
    )


class Destination(Named):
    """A URL of the tenant that events are delivered to, signed by the Standard Webhooks specification."""

    url: Annotated[str, AfterValidator(parse_destination_url)] = Field(
        description="Where events are delivered: http:// or https://."
    )
    secrets: Annotated[list[WebhookSecret], BeforeValidator(_as_list), Field(min_length=1, max_length=10)] = Field(
        alias="secret",
        description="Standard Webhooks secret that signs deliveries: whsec_ and the base64 of 24 to 64 "
        "random bytes. A list while it is being rotated: each signs.",
    )
    events: Annotated[list[EventPattern], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        default=["*"], description="Patterns of the event types wanted. `*` crosses dots."
    )
    sources: Patterns = Field(default=["*"], description="Patterns of the names of this tenant's sources.")
    raw: Literal["never", "unknown", "always"] = Field(
        default="unknown",
        description="Whether events carry the provider's own JSON: never, always, or only where the typed "
        "part does not tell it all.",
    )
    timeout: Duration = Field(
        default=15.0,
        ge=0.1,
        le=10 * MINUTE,
        description="How long an attempt may take, from connecting to the answer.",
    )
    concurrency: int = Field(default=16, ge=1, le=1000, description="Attempts in flight at one time.")
    lane_hold: Annotated[float | None, BeforeValidator(lambda value: _parsed(value, parse_hold))] = Field(
        default=15 * MINUTE,
        description="How long a failing event holds up those after it in its conversation, or `forever`.",
    )
    retry: Retry = Field(default=Retry(), description="When failed deliveries are tried again.")

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


class TenantBlock(Section):
    """A customer or team, whose events nobody else sees."""

    sources: dict[str, Any] = Field(default={}, description="By name: where webhooks come in.")
    destinations: dict[str, Any] = Field(default={}, description="By name: where events go to.")


class GatewayBlock(Section):
    """The top level of the main file."""

    origin: Annotated[str, AfterValidator(parse_origin)] = Field(
        default="",
        description="The gateway's public URL, scheme and host alone. It begins each event's `source`: "
        "staging and production never collide.",
    )
    listen: Annotated[Address, BeforeValidator(lambda value: _parsed(value, parse_address))] = Field(
        default=Address("127.0.0.1", 8080),
        description="Where webhooks are received: HOST:PORT, or :PORT for all interfaces. Port 0 is any.",
    )
    admin: Admin = Field(default=Admin(), description="The operator's listener.")
    store: Annotated[StoreUrl, BeforeValidator(lambda value: _parsed(value, parse_store))] = Field(
        default=StoreUrl("sqlite", Path("wa-gateway.db")),
        description="Where everything is kept: sqlite:PATH, relative to the configuration file.",
    )
    limits: Limits = Field(default=Limits(), description="Bounds that keep the gateway upright.")
    include: Patterns = Field(
        default=[],
        description="Further files with tenants: paths or patterns, relative to this file. Such a file has "
        "`tenants:`, as here, or the `sources:` and `destinations:` of one tenant, named as the file is.",
    )
    tenants: dict[str, Any] = Field(default={}, description="By name: customers or teams.")


@dataclass(frozen=True, slots=True)
class Source:
    """Where one provider's webhooks come in. `rate_limit` is requests a second."""

    tenant: str
    name: str
    provider: str
    adapter: Adapter
    uid: str
    channel: dict[str, str] = field(default_factory=dict)
    rate_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    name: str
    sources: dict[str, Source]
    destinations: dict[str, Destination]


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that was checked as a whole."""

    origin: str
    listen: Address
    admin: Admin
    store: StoreUrl
    limits: Limits
    tenants: dict[str, Tenant]
    path: Path
    warnings: list[str] = field(default_factory=list)


NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""Names of tenants, sources and destinations: they stand in URLs, metrics and event ids."""
NAME_RULE = "a name has up to 63 lower-case letters, digits, - and _, and begins with a letter or digit"
