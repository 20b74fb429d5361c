"""Everything that is not a message: people, groups, accounts, templates, numbers, connections, errors, unknowns."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from normalized.base import Channel, Conversation, ErrorInfo, Model, Party, Timestamp, WithRaw


class ContactChange(Model):
    kind: str = Field(description="phone_changed | user_id_changed | identity_changed", examples=["phone_changed"])
    previous: Party | None = None
    text: str | None = Field(None, description="The provider's own sentence.")
    identity_hash: str | None = None
    identity_acknowledged: bool | None = Field(None, description="Whether the business accepted the new key.")
    identity_created_at: Timestamp | None = None


class ContactData(WithRaw):
    """`whatsapp.contact.updated`: a person changed. `contact` is who they are now."""

    channel: Channel
    conversation: Conversation | None = None
    contact: Party
    change: ContactChange
    message_id: str | None = Field(None, description="The system message that said so.")


class GroupChange(Model):
    kind: str = Field(
        description="created | ended | joined | left | promoted | demoted | subject_changed | description_changed | "
        "icon_changed | icon_deleted | invite_link_revoked | settings_changed | …",
    )
    participants: list[Party] | None = None
    actor: Party | None = Field(None, description="Who did it.")
    text: str | None = None
    settings: dict[str, Any] | None = Field(None, description="Settings with their new values.")


class GroupData(WithRaw):
    """`whatsapp.group.updated`."""

    channel: Channel
    conversation: Conversation
    change: GroupChange
    message_id: str | None = Field(None, description="The system message that said so.")


class Restriction(Model):
    type: str | None = None
    expires_at: Timestamp | None = None
    remediation: str | None = Field(None, description="What the provider advises.")


class AccountChange(Model):
    kind: str = Field(
        description="What changed.", examples=["review", "capability", "account_restriction", "disabled_update"]
    )
    provider_event: str | None = Field(None, description="The provider's own word.")
    decision: str | None = Field(None, description="approved | rejected | pending | deferred")
    phone: str | None = None
    country: str | None = None
    ban_state: str | None = None
    ban_date: str | None = None
    violation_type: str | None = None
    remediation: str | None = Field(None, description="What the provider advises.")
    restrictions: list[Restriction] | None = None
    limits: dict[str, Any] | None = Field(None, description="Messaging and number limits, under the provider's names.")
    details: dict[str, Any] | None = Field(
        None, description="Further objects of the event, under the provider's names."
    )


class AccountData(WithRaw):
    """`whatsapp.account.updated`."""

    account_id: str | None = None
    change: AccountChange


class Template(Model):
    id: str | None = None
    name: str | None = None
    language: str | None = None
    category: str | None = None


class TemplateChange(Model):
    kind: str = Field(examples=["status"])
    status: str | None = Field(None, examples=["approved", "rejected", "paused"])
    provider_event: str | None = None
    reason: str | None = None
    title: str | None = None
    description: str | None = None
    recommendation: str | None = None
    disabled_on: str | None = Field(None, description="Date, as the provider wrote it.")


class TemplateData(WithRaw):
    """`whatsapp.template.updated`."""

    account_id: str | None = None
    template: Template
    change: TemplateChange


class PhoneNumber(Model):
    id: str | None = None
    phone: str | None = Field(None, description="E.164.")


class PhoneNumberChange(Model):
    kind: str = Field(examples=["name_decision", "quality"])
    provider_event: str | None = None
    decision: str | None = None
    requested_name: str | None = None
    reason: str | None = None
    previous_limit: str | None = None
    limit: str | None = None
    business_limit: str | None = Field(None, description="Daily conversations of the whole business.")


class PhoneNumberData(WithRaw):
    """`whatsapp.phone_number.updated`."""

    account_id: str | None = None
    phone_number: PhoneNumber
    change: PhoneNumberChange


class SecurityChange(Model):
    kind: str = Field(examples=["pin_changed", "pin_reset_request", "pin_request_success"])
    provider_event: str | None = None
    requester: str | None = None


class SecurityData(WithRaw):
    """`whatsapp.security.updated`."""

    account_id: str | None = None
    phone_number: PhoneNumber | None = None
    change: SecurityChange


class Connection(Model):
    state: str = Field(description="connected | disconnected | awaiting_scan | pairing | unknown")
    provider_state: str | None = None
    reason: str | None = None
    text: str | None = None
    reconnecting: bool | None = Field(None, description="Whether the device tries to come back by itself.")


class ConnectionData(WithRaw):
    """`whatsapp.connection.updated`: the link between a device gateway and its phone."""

    channel: Channel
    connection: Connection


class ErrorData(WithRaw):
    """`whatsapp.error`: an error that belongs to no single message."""

    channel: Channel
    errors: list[ErrorInfo]


class UnknownData(WithRaw):
    """`whatsapp.unknown`: what this version of the gateway cannot map; `raw` is the provider's fragment."""

    kind: str = Field(
        description="What could not be mapped: field | type | message | status | error | contact | member | "
        "metadata | change | entry | envelope | overflow | body.",
    )
    name: str | None = Field(None, description="The provider's name for it.", examples=["consumer_profile"])
    detail: str | None = Field(None, description="Why it could not be mapped.")
    channel: Channel | None = Field(None, description="The business's side, where the provider's body names it.")
