"""The settings: what may stand in the file, and the objects that the gateway runs on.

Every field has a description; docs/reference/configuration.md is generated from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, field_validator

from gateway.config.destination import Destination
from gateway.config.section import DAY, HOUR, Duration, Patterns, Rate, Section, Size, parsed_by
from gateway.config.values import (
    Address,
    Percent,
    StoreUrl,
    parse_address,
    parse_origin,
    parse_percent,
    parse_phone,
    parse_size_limit,
    parse_store,
)
from providers.base import Adapter


class Admin(Section):
    """The operator's listener: health, metrics, API and console."""

    listen: Annotated[Address, parsed_by(parse_address)] = Field(
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
    inflight_bytes: Size = Field(
        default=64 * 1024**2, ge=1024**2,
        description="Bodies held in memory at one time; one source holds at most half, or one body of its largest "
        "size. Above it requests are answered 503: providers retry.",
    )  # fmt: skip
    shutdown: Duration = Field(
        default=20.0, ge=0, le=HOUR,
        description="How long a stopping gateway waits for what is in flight. The rest stays in the store.",
    )  # fmt: skip


LEAST_SIZE = 16 * 1024**2
"""Empty tables and indexes take half a MiB, and the part that retention keeps free has to hold a second's webhooks."""


class Retention(Section):
    """How long things are kept. Nothing goes before all its deliveries are delivered, dead, suppressed or expired."""

    receipts: Duration = Field(
        default=30 * DAY, ge=0,
        description="How long requests, their events and deliveries are kept once they are done with. It is looked at "
        "once a minute. `replay`, `remap` and `events` find what is kept, and no more.",
    )  # fmt: skip
    size: Annotated[int | None, parsed_by(parse_size_limit)] = Field(
        default=10 * 1024**3,
        description="Most that the store may hold, 16MiB or more, or `none`. The oldest that is done with goes first, "
        "whatever its age; where all is still to be delivered, requests are answered 503: providers retry.",
    )
    tenant_share: Annotated[float, parsed_by(parse_percent), Field(gt=0, le=1)] = Field(
        default=Percent(0.5),
        description="Most of `size` that one tenant may hold: above it its requests are answered 503, and the others' "
        "are not.",
    )
    ids: Duration = Field(
        default=8 * DAY, ge=0,
        description="How long events are remembered by their ids, so that what a provider sends again is recognized. "
        "Meta sends again for 7 days.",
    )  # fmt: skip

    @field_validator("size")
    @classmethod
    def _large_enough(cls, size: int | None) -> int | None:
        if size is not None and size < LEAST_SIZE:
            raise ValueError("must be 16MiB or more, or none: below that, what comes in within a second may fill it")
        return size


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
    rate_limit: Rate | None = Field(
        default=None,
        description="Requests accepted, such as 200/s or 6000/m, a second's worth at once. Above it: 429.",
    )


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
    listen: Annotated[Address, parsed_by(parse_address)] = Field(
        default=Address("127.0.0.1", 8080),
        description="Where webhooks are received: HOST:PORT, or :PORT for all interfaces. Port 0 is any.",
    )
    admin: Admin = Field(default=Admin(), description="The operator's listener.")
    store: Annotated[StoreUrl, parsed_by(parse_store)] = Field(
        default=StoreUrl("sqlite", Path("wa-gateway.db")),
        description="Where everything is kept: sqlite:PATH, relative to the configuration file, for one process; "
        "postgresql://USER:PASSWORD@HOST/DATABASE for any number of them on any number of machines.",
    )
    retention: Retention = Field(default=Retention(), description="How long things are kept, and how much of them.")
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
    retention: Retention
    tenants: dict[str, Tenant]
    path: Path
    warnings: list[str] = field(default_factory=list)


NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""Names of tenants, sources and destinations: they stand in URLs, metrics and event ids."""
NAME_RULE = "a name has up to 63 lower-case letters, digits, - and _, and begins with a letter or digit"
