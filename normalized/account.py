"""The business at the provider: accounts, numbers, security, device connections; errors, and what cannot be mapped."""

from __future__ import annotations

from pydantic import Field

from normalized.base import Channel, ErrorInfo, Model, Party, Timestamp, WithRaw


class Restriction(Model):
    type: str | None = Field(
        None, description="What the account may not do.", examples=["RESTRICTED_BIZ_INITIATED_MESSAGING"]
    )
    expires_at: Timestamp | None = None
    remediation: str | None = Field(None, description="What the provider advises.")


class Alert(Model):
    """A notice that the provider shows to the business."""

    type: str | None = Field(
        None, description="What the notice is about.", examples=["OBA_APPROVED", "PROFILE_PICTURE_LOST"]
    )
    severity: str | None = Field(
        None, description="How urgent it is.", examples=["CRITICAL", "INFORMATIONAL", "WARNING"]
    )
    status: str | None = Field(None, description="Whether it still stands.", examples=["ACTIVE", "NONE"])
    description: str | None = Field(None, description="For people.")
    entity_type: str | None = Field(None, description="What it is about.", examples=["BUSINESS", "PHONE_NUMBER"])
    entity_id: str | None = Field(None, description="Id of what it is about.", examples=["506914307656634"])


class AccountInfo(Model):
    """The WhatsApp Business account concerned, and who has to do with it."""

    id: str | None = Field(None, description="WhatsApp Business account id.", examples=["495709166956424"])
    owner_business_id: str | None = Field(None, description="Business portfolio that owns the account.")
    ad_account_id: str | None = Field(None, description="Ad account that was linked to it.")
    partner_app_id: str | None = Field(None, description="App of the partner.")
    solution_id: str | None = Field(None, description="Multi-partner solution.")
    solution_partner_business_ids: list[str] | None = Field(None, description="Business portfolios of its partners.")


class RateException(Model):
    country: str | None = Field(None, description="ISO 3166-1 alpha-2.", examples=["ID"])
    starts_at: Timestamp | None = None


class InternationalRates(Model):
    """From when the rate for authentication messages across borders applies."""

    starts_at: Timestamp | None = None
    exceptions: list[RateException] | None = Field(None, description="Countries with a start of their own.")


class VolumeTier(Model):
    """A price tier that was reached by volume."""

    category: str | None = Field(None, description="Pricing category.", examples=["UTILITY"])
    tier: str | None = Field(None, description="First and last message of the tier.", examples=["25000001:50000000"])
    region: str | None = Field(None, description="Country or region of the people written to.", examples=["India"])
    effective_month: str | None = Field(None, description="Year and month.", examples=["2025-11"])
    changed_at: Timestamp | None = None


class Certification(Model):
    """How the certification of a partner's client ended."""

    client_business_id: str | None = Field(None, description="The client's business portfolio.")
    status: str | None = Field(None, description="How far it has come.", examples=["APPROVED", "FAILED"])
    rejection_reasons: list[str] | None = Field(None, description="Why it failed.")


class Disconnection(Model):
    reason: str | None = Field(None, description="Why the number was disconnected.", examples=["PRIMARY_INACTIVITY"])
    initiated_by: str | None = Field(None, description="SYSTEM | USER", examples=["SYSTEM"])


class Limits(Model):
    """What the business may do, under the provider's names; -1 is no limit."""

    max_daily_conversation_per_phone: int | str | None = Field(
        None, description="People that one number may write to first in a day.", examples=[1000]
    )
    max_daily_conversations_per_business: int | str | None = Field(
        None,
        description="People that all numbers of the business may write to first in a day: a tier or a number.",
        examples=["TIER_2K", 2000],
    )
    max_phone_numbers_per_business: int | str | None = Field(
        None, description="Numbers of the whole business portfolio.", examples=[2]
    )
    max_phone_numbers_per_waba: int | str | None = Field(
        None, description="Numbers of one WhatsApp Business account.", examples=[25]
    )


class Campaign(Model):
    """A marketing campaign whose status changed."""

    id: str | None = Field(None, description="The provider's id of the campaign.")
    name: str | None = None
    previous_status: str | None = Field(None, description="Status before.", examples=["ACTIVE"])
    status: str | None = Field(None, description="Status now.", examples=["PAUSED"])
    paused_reasons: list[str] | None = Field(None, description="Why it was paused.", examples=[["USER_PAUSED"]])
    complete_reason: str | None = Field(None, description="Why it came to its end.")


class PaymentConfiguration(Model):
    """The link between the account and a payment provider."""

    name: str | None = Field(None, examples=["razorpay-prod"])
    provider: str | None = Field(None, description="The payment provider.", examples=["razorpay"])
    merchant_id: str | None = Field(None, description="The business's id at the payment provider.")
    status: str | None = Field(
        None, description="Whether it can be used.", examples=["Active", "Needs Connecting", "Needs Testing"]
    )
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class AccountChange(Model):
    kind: str = Field(
        description="What changed: review | capability | alert | business_status | campaign | payment_configuration, "
        "or the provider's word in lower case, such as disabled_update or partner_added.",
        examples=["review", "account_restriction"],
    )
    provider_event: str | None = Field(None, description="The provider's own word.", examples=["ACCOUNT_RESTRICTION"])
    decision: str | None = Field(None, description="approved | rejected | pending | deferred")
    business_id: str | None = Field(None, description="The business portfolio concerned.")
    phone: str | None = Field(None, description="The number concerned, E.164.", examples=["+15550783881"])
    provider_phone: str | None = Field(None, description="The number as given, where it is not E.164.")
    country: str | None = Field(None, description="ISO 3166-1 alpha-2.", examples=["BR"])
    ban_state: str | None = Field(
        None, description="What happens to the account.", examples=["DISABLE", "REINSTATE", "SCHEDULE_FOR_DISABLE"]
    )
    ban_date: str | None = Field(None, description="As the provider wrote it.", examples=["April 17, 2025"])
    violation_type: str | None = Field(None, description="The policy that was violated.", examples=["SCAM"])
    remediation: str | None = Field(None, description="What the provider advises.")
    restrictions: list[Restriction] | None = Field(None, description="What the account may not do for a while.")
    limits: Limits | None = Field(None, description="What the account may do now.")
    alert: Alert | None = Field(None, description="A notice for the business.")
    account: AccountInfo | None = Field(None, description="The account concerned, and its partners.")
    international_rates: InternationalRates | None = Field(
        None, description="When rates for messages across borders begin."
    )
    volume_tier: VolumeTier | None = Field(None, description="The price tier reached.")
    certification: Certification | None = Field(None, description="How a client's certification goes.")
    disconnection: Disconnection | None = Field(None, description="Why a number was disconnected.")
    campaign: Campaign | None = Field(None, description="The campaign concerned.")
    payment_configuration: PaymentConfiguration | None = Field(None, description="The link to a payment provider.")


class AccountData(WithRaw):
    """`whatsapp.account.updated`."""

    account_id: str | None = Field(None, description="Id that the webhook came for: of the account, or of a partner.")
    change: AccountChange = Field(description="What changed.")


class PhoneNumber(Model):
    id: str | None = Field(None, description="The provider's id of the number.", examples=["106540352242922"])
    phone: str | None = Field(None, description="E.164.", examples=["+15550783881"])
    display: str | None = Field(None, description="The number as given, where it is not E.164.")


class OpeningHours(Model):
    """A span in which calls are taken, in the number's own timezone."""

    day: str | None = Field(None, description="Day of the week.", examples=["MONDAY"])
    date: str | None = Field(None, description="A holiday, year-month-day.", examples=["2026-01-01"])
    opens: str | None = Field(None, description="Hour and minute.", examples=["0400"])
    closes: str | None = Field(None, description="Hour and minute.", examples=["1020"])


class SipServer(Model):
    hostname: str | None = None
    port: int | None = Field(None, description="TCP port.")
    request_uri_user_params: dict[str, str] | None = Field(
        None, description="Parameters of the SIP request URI, under the business's own names."
    )


class CallingSettings(Model):
    """How the number takes calls."""

    status: str | None = Field(None, description="Whether the number takes calls.", examples=["ENABLED"])
    icon_visibility: str | None = Field(None, description="Where people see the call button.", examples=["DEFAULT"])
    icon_countries: list[str] | None = Field(None, description="Countries whose people see it, ISO 3166-1 alpha-2.")
    callback_permission: str | None = Field(
        None, description="Whether people who call are asked for leave to be called back.", examples=["ENABLED"]
    )
    hours_status: str | None = Field(
        None, description="Whether calls are taken in certain hours only.", examples=["ENABLED"]
    )
    timezone: str | None = Field(None, examples=["America/Manaus"])
    hours: list[OpeningHours] | None = Field(None, description="When calls are taken, by day of the week.")
    holidays: list[OpeningHours] | None = Field(None, description="Days with hours of their own.")
    sip_status: str | None = Field(
        None, description="Whether calls go to the business's SIP servers.", examples=["DISABLED"]
    )
    sip_servers: list[SipServer] | None = Field(None, description="The business's SIP servers.")
    srtp_key_exchange: str | None = Field(
        None, description="How keys for the media are agreed on.", examples=["DTLS", "SDES"]
    )
    additional_codecs: list[str] | None = Field(
        None, description="Audio codecs beside the usual one.", examples=[["PCMA", "PCMU"]]
    )


class PhoneNumberChange(Model):
    kind: str = Field(
        description="name_decision | quality | username | settings | standby (another application holds a "
        "conversation of this number, and what happened in it was not told)",
        examples=["name_decision", "quality"],
    )
    provider_event: str | None = Field(None, description="The provider's own word.", examples=["THROUGHPUT_UPGRADE"])
    decision: str | None = Field(None, description="approved | rejected | pending | deferred")
    requested_name: str | None = Field(None, description="Display name that was asked for.")
    reason: str | None = Field(None, description="Why a name was rejected.", examples=["NAME_NOT_CONSISTENT"])
    previous_limit: str | None = Field(None, description="Messaging limit before.", examples=["TIER_250"])
    limit: str | None = Field(None, description="Messaging limit now.", examples=["TIER_2K"])
    business_limit: str | None = Field(None, description="Daily conversations of the whole business.")
    username: str | None = Field(None, description="The business's username, without a leading @.")
    username_status: str | None = Field(None, description="approved | reserved | deleted")
    calling: CallingSettings | None = Field(None, description="How the number takes calls now.")


class PhoneNumberData(WithRaw):
    """`whatsapp.phone_number.updated`."""

    account_id: str | None = Field(None, description="WhatsApp Business account id.")
    phone_number: PhoneNumber = Field(description="The number concerned.")
    change: PhoneNumberChange = Field(description="What changed.")


class SecurityChange(Model):
    kind: str = Field(
        description="pin_changed | pin_reset_request | pin_request_success: of two-step verification.",
        examples=["pin_changed", "pin_reset_request", "pin_request_success"],
    )
    provider_event: str | None = Field(None, description="The provider's own word.", examples=["PIN_CHANGED"])
    requester: str | None = Field(None, description="Provider's id of the user who asked for it.")


class SecurityData(WithRaw):
    """`whatsapp.security.updated`."""

    account_id: str | None = Field(None, description="WhatsApp Business account id.")
    phone_number: PhoneNumber | None = Field(None, description="The number concerned.")
    change: SecurityChange = Field(description="What changed.")


class ConnectionStep(Model):
    provider_state: str = Field(description="The provider's own word for the state.")
    at: Timestamp | None = Field(None, description="When it began.")


class Connection(Model):
    state: str = Field(description="connected | disconnected | connecting | awaiting_scan | pairing | unknown")
    provider_state: str | None = Field(None, description="The provider's own word for the state.")
    reason: str | None = Field(None, description="Why, in the provider's word or number.")
    text: str | None = None
    reconnecting: bool | None = Field(None, description="Whether the device tries to come back by itself.")
    session: str | None = Field(None, description="The provider's name of the device.")
    account: Party | None = Field(None, description="Whose phone it is.")
    picture_url: str | None = Field(None, description="Profile picture of that phone.")
    qr_code: bool | None = Field(None, description="A code waits to be scanned. It stays in the gateway's receipt.")
    history: list[ConnectionStep] | None = Field(None, description="Its last states, oldest first.")


class ConnectionData(WithRaw):
    """`whatsapp.connection.updated`: the link between a device gateway and its phone."""

    channel: Channel
    connection: Connection


class ErrorData(WithRaw):
    """`whatsapp.error`: an error that belongs to no single message."""

    channel: Channel = Field(description="The business's side.")
    errors: list[ErrorInfo] = Field(description="What went wrong.")
    contact: Party | None = Field(
        None, description="Who stands beside it, where the webhook names one person, and no message of theirs."
    )
    call_id: str | None = Field(None, description="The call that it stands beside, where there is just one.")


class UnknownData(WithRaw):
    """`whatsapp.unknown`: what this version of the gateway cannot map; `raw` is the provider's fragment."""

    kind: str = Field(
        description="What could not be mapped: field | type | message | status | error | contact | member | "
        "metadata | change | entry | envelope | overflow | body, or the kind of thing that it is to the provider.",
    )
    name: str | None = Field(None, description="The provider's name for it.", examples=["consumer_profile"])
    detail: str | None = Field(None, description="Why it could not be mapped.")
    channel: Channel | None = Field(None, description="The business's side, where the provider's body names it.")
