"""What people do beside writing: taps on ads and links, payments; and how far a history has come."""

from __future__ import annotations

from pydantic import Field

from normalized.base import Channel, Conversation, ErrorInfo, Model, Party, Timestamp, WithRaw


class Interaction(Model):
    kind: str = Field(description="link_click | conversion | …", examples=["link_click"])
    provider_event: str | None = Field(
        None, description="The provider's own word.", examples=["LeadSubmitted", "Purchase"]
    )
    message_id: str | None = Field(None, description="The message in which a conversion was detected.")
    ctwa_clid: str | None = Field(None, description="Click id of the click-to-WhatsApp ad that led here.")
    value: float | None = Field(None, description="Worth of a conversion, in the currency's main unit.")
    currency: str | None = Field(None, description="ISO 4217.", examples=["USD"])
    component: str | None = Field(None, description="cta | body: what was tapped.")
    product_id: str | None = Field(None, description="The product that the link was for.")
    click_id: str | None = Field(None, description="The provider's id of the tap.")
    tracking_token: str | None = Field(None, description="Opaque token by which the tap is followed.")
    user_agent: str | None = Field(None, description="User agent of the person's app.")


class InteractionData(WithRaw):
    """`whatsapp.interaction.recorded`: somebody tapped a link, or a chat became a lead or a sale."""

    channel: Channel
    conversation: Conversation | None = None
    contact: Party | None = Field(None, description="Who did it, where the provider says so.")
    interaction: Interaction = Field(description="What was done.")


class Amount(Model):
    """Money without rounding: `value` divided by `offset` is the amount in the currency's main unit."""

    value: int | None = Field(None, description="In the smallest unit.", examples=[21000])
    offset: int | None = Field(
        None, description="How many of the smallest unit make one of the main unit.", examples=[100]
    )


class TransactionError(Model):
    code: str | None = Field(None, description="The payment provider's code.")
    reason: str | None = Field(None, description="The payment provider's explanation.")


class Transaction(Model):
    """One try to pay."""

    id: str | None = Field(None, description="The provider's id of the try.")
    provider_id: str | None = Field(None, description="Id at the payment provider.")
    type: str | None = Field(None, description="The payment provider or kind of payment.", examples=["razorpay"])
    status: str | None = Field(None, description="How it ended.", examples=["success", "failed"])
    method: str | None = Field(None, description="How it was paid.", examples=["upi", "card", "netbanking", "wallet"])
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    error: TransactionError | None = Field(None, description="Why it failed.")


class Payment(Model):
    status: str | None = Field(None, description="As the provider says it.", examples=["captured", "pending"])
    message_id: str | None = Field(None, description="The message that asked for the payment.")
    reference_id: str | None = Field(None, description="The business's own id of the order.")
    amount: Amount | None = Field(None, description="How much is to be paid.")
    currency: str | None = Field(None, description="ISO 4217.", examples=["INR"])
    transaction: Transaction | None = Field(None, description="The latest try to pay.")
    receipt: str | None = Field(None, description="What the business wrote on the receipt.")
    notes: dict[str, str] | None = Field(None, description="What the business attached, under its own names.")
    udf: dict[str, str] | None = Field(
        None, description="User-defined fields of the payment provider.", examples=[{"udf1": "table 7"}]
    )
    additional_info: dict[str, str] | None = Field(
        None, description="Further fields of the payment provider.", examples=[{"additional_info1": "lunch"}]
    )
    callback_data: str | None = Field(None, description="What the business attached when it sent the message.")
    errors: list[ErrorInfo] | None = Field(None, description="What went wrong with the message.")


class PaymentData(WithRaw):
    """`whatsapp.payment.updated`: how far the payment of an order has come."""

    channel: Channel
    conversation: Conversation | None = None
    payer: Party | None = Field(None, description="Who is to pay.")
    payment: Payment = Field(description="How far it has come.")


class HistoryProgress(Model):
    phase: int | None = Field(None, description="0: last day. 1: last 90 days. 2: the 90 days before.")
    chunk_order: int | None = Field(None, description="Place of this part among the parts of the phase.")
    percent: int | None = Field(None, description="How much of the history was synchronized.", examples=[55])
    errors: list[ErrorInfo] | None = Field(None, description="Why there is no history, or no more of it.")


class HistoryData(WithRaw):
    """`whatsapp.history.progress`: a part of the phone's history came. Its messages are events of their own."""

    channel: Channel
    progress: HistoryProgress = Field(description="How far the synchronization has come.")
