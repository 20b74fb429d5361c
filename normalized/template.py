"""Message templates, flows, and solutions with partners: what a business prepares at the provider."""

from __future__ import annotations

from pydantic import Field

from normalized.base import Model, Timestamp, WithRaw


class Template(Model):
    id: str | None = Field(None, description="The provider's id of the template.", examples=["1627019861106475"])
    name: str | None = Field(None, examples=["order_confirmation"])
    language: str | None = Field(None, examples=["en_US"])
    category: str | None = Field(None, description="Its category now.", examples=["UTILITY"])


class TemplateButton(Model):
    type: str | None = Field(None, description="What it does.", examples=["URL", "PHONE_NUMBER", "QUICK_REPLY"])
    text: str | None = None
    url: str | None = None
    phone: str | None = Field(None, description="As it stands on the button.")


class TemplateComponents(Model):
    """What the template says now."""

    header: str | None = None
    text: str | None = Field(None, description="The body, with its placeholders.")
    footer: str | None = None
    buttons: list[TemplateButton] | None = Field(None, description="Its buttons, from the top.")


class TemplateChange(Model):
    kind: str = Field(
        description="status | quality | components | category (it has changed) | category_announced (it will change) "
        "| category_detected (the provider holds another category to be right)",
        examples=["status"],
    )
    status: str | None = Field(
        None, description="Status now, in lower case.", examples=["approved", "rejected", "paused"]
    )
    provider_event: str | None = Field(None, description="The provider's own word.", examples=["APPROVED"])
    reason: str | None = Field(None, description="Why.", examples=["INVALID_FORMAT"])
    title: str | None = Field(None, description="What a pause or lock is called.", examples=["FIRST_PAUSE"])
    description: str | None = Field(None, description="For people.")
    recommendation: str | None = Field(None, description="What the provider advises.")
    disabled_on: str | None = Field(None, description="Date, as the provider wrote it.")
    quality: str | None = Field(None, description="green | yellow | red | unknown")
    previous_quality: str | None = Field(None, description="green | yellow | red | unknown")
    previous_category: str | None = Field(None, description="Category before.", examples=["UTILITY"])
    correct_category: str | None = Field(None, description="What the provider holds to be right.")
    effective_at: Timestamp | None = Field(None, description="When an announced change happens.")
    components: TemplateComponents | None = Field(None, description="What it says now.")


class TemplateData(WithRaw):
    """`whatsapp.template.updated`."""

    account_id: str | None = Field(None, description="WhatsApp Business account id.")
    template: Template
    change: TemplateChange


class Flow(Model):
    id: str = Field(description="The provider's id of the flow.", examples=["6627390910605886"])


class FlowError(Model):
    type: str | None = Field(None, description="What went wrong.", examples=["TIMEOUT"])
    rate: float | None = Field(None, description="Percent of the errors.", examples=[66.66])
    count: int | None = Field(None, description="How often.")


class FlowChange(Model):
    kind: str = Field(
        description="status | client_error_rate | endpoint_error_rate | endpoint_latency | endpoint_availability | "
        "version_expiry_warning | …",
    )
    provider_event: str | None = Field(None, description="The provider's own word.", examples=["FLOW_STATUS_CHANGE"])
    text: str | None = Field(None, description="The provider's own sentence.")
    status: str | None = Field(None, description="draft | published | deprecated | blocked | throttled")
    previous_status: str | None = Field(None, description="Absent for a flow that was just created.")
    alert_state: str | None = Field(None, description="activated | deactivated")
    error_rate: float | None = Field(None, description="Percent of the requests.", examples=[14.28])
    availability: float | None = Field(None, description="Percent of the time.", examples=[75])
    latency_p50_ms: float | None = Field(None, description="Median, milliseconds.")
    latency_p90_ms: float | None = Field(None, description="Nine of ten requests were faster; milliseconds.")
    requests: int | None = Field(None, description="How many were measured.")
    threshold: float | None = Field(None, description="Where the alert begins: percent, or milliseconds of latency.")
    errors: list[FlowError] | None = Field(None, description="What went wrong most.")


class FlowData(WithRaw):
    """`whatsapp.flow.updated`."""

    account_id: str | None = Field(None, description="WhatsApp Business account id.")
    flow: Flow
    change: FlowChange


class Solution(Model):
    id: str = Field(description="The provider's id of the solution.", examples=["774485461512159"])
    status: str | None = Field(None, description="How far it has come.", examples=["INITIATED", "ACTIVE"])


class PartnerChange(Model):
    kind: str = Field(description="solution_created | solution_updated | …")
    provider_event: str | None = Field(None, description="The provider's own word.", examples=["SOLUTION_CREATED"])


class PartnerData(WithRaw):
    """`whatsapp.partner.updated`: a solution that several partners offer together."""

    account_id: str | None = Field(None, description="Id that the webhook came for: a business portfolio.")
    solution: Solution
    change: PartnerChange
