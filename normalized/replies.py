"""What people answer with: taps, forms, reactions, votes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from normalized.base import MessageTarget, Model, Timestamp


class Ciphertext(Model):
    """What the provider could not decrypt. The key is the secret of the message that it answers. Base64."""

    payload: str | None = Field(None, description="What is encrypted.")
    iv: str | None = Field(None, description="Initialization vector, for AES-GCM.")


class ButtonReplyContent(Model):
    type: Literal["button_reply"]
    id: str | None = Field(None, description="Id or payload that the business gave the button.")
    title: str | None = None
    kind: str | None = Field(None, description="interactive | template: where the button stood.")
    index: int | None = Field(None, description="Which button it was; 0 is the first.")
    card_index: int | None = Field(None, description="On which card of a carousel it stood.")
    provider_kind: str | None = Field(None, description="The provider's word for the kind of answer.")


class ListReplyContent(Model):
    type: Literal["list_reply"]
    id: str | None = Field(None, description="Id that the business gave the row.")
    title: str | None = None
    description: str | None = None
    kind: str | None = Field(None, description="The provider's word for the kind of list.", examples=["single_select"])


class FlowReplyContent(Model):
    type: Literal["flow_reply"]
    name: str | None = Field(None, examples=["flow", "address_message"])
    text: str | None = None
    response: dict[str, Any] | None = Field(None, description="What the person filled in, where it is a JSON object.")
    response_text: str | None = Field(None, description="The same as it came, where it is not a JSON object.")
    format: str | None = Field(None, description="The provider's word for the kind of answer.")
    version: int | None = Field(None, description="Version of the form.")


class CallPermissionReplyContent(Model):
    type: Literal["call_permission_reply"]
    response: str | None = Field(None, description="accept | reject")
    permanent: bool | None = Field(None, description="Until it is taken back.")
    expires_at: Timestamp | None = None
    source: str | None = Field(None, description="user_action | automatic")


class PaymentReplyContent(Model):
    """What the person chose to pay with, or word that they have paid."""

    type: Literal["payment_reply"]
    kind: str | None = Field(None, description="method | notification")
    method: str | None = Field(None, description="How it is or was paid.", examples=["offsite_card_pay"])
    reference_id: str | None = Field(None, description="The business's own id of the order.")
    paid_at: Timestamp | None = None
    last_four_digits: str | None = Field(None, description="Of the card.")
    credential_id: str | None = Field(None, description="The provider's id of the card.")
    transaction_id: str | None = Field(None, description="The payment provider's id of the payment.")
    status: str | None = Field(None, description="As the provider says it.", examples=["captured"])
    payer_name: str | None = Field(None, description="Who paid, by the account that the money came from.")


class ReactionContent(Model):
    type: Literal["reaction"]
    message_id: str | None = Field(None, description="The message reacted to.")
    target: MessageTarget | None = Field(None, description="More of that message, where the provider tells it.")
    emoji: str | None = Field(None, description="Absent when the reaction was removed.")
    action: Literal["added", "removed"]
    reacted_at: Timestamp | None = Field(None, description="By the clock of who reacted.")
    grouping_key: str | None = Field(None, description="What apps count it under, where it is not the emoji.")


class PollOption(Model):
    name: str
    votes: int | None = Field(None, description="Where results are known.")
    hash: str | None = Field(None, description="By which encrypted votes name it.")


class PollContent(Model):
    type: Literal["poll"]
    question: str | None = None
    options: list[PollOption] | None = None
    selectable_count: int | None = Field(None, description="How many options one may choose; 0 is any number.")
    kind: str | None = Field(None, description="poll | quiz | results")
    option_kind: str | None = Field(None, description="text | image")
    correct_option: PollOption | None = Field(None, description="Of a quiz.")
    ends_at: Timestamp | None = Field(None, description="When voting ends.")
    hidden_voters: bool | None = Field(None, description="Nobody sees who chose what.")
    open_options: bool | None = Field(None, description="Those who vote may add options.")


class PollVoteContent(Model):
    type: Literal["poll_vote"]
    message_id: str | None = Field(None, description="The poll.")
    target: MessageTarget | None = Field(None, description="More of that message, where the provider tells it.")
    options: list[str] | None = Field(
        None, description="What was chosen; absent where it is encrypted, or where the vote was withdrawn."
    )
    option_hashes: list[str] | None = Field(None, description="SHA-256 of what was chosen, where only that is told.")
    encrypted: bool | None = Field(None, description="There was a vote; what was chosen cannot be read.")
    ciphertext: Ciphertext | None = None
    voted_at: Timestamp | None = None
    received_at: Timestamp | None = Field(None, description="By the server's clock.")


class EventResponseContent(Model):
    type: Literal["event_response"]
    message_id: str | None = Field(None, description="The appointment.")
    target: MessageTarget | None = Field(None, description="More of that message, where the provider tells it.")
    response: str | None = Field(None, description="going | not_going | maybe; absent where it is encrypted.")
    extra_guests: int | None = Field(None, description="How many people they bring along.")
    responded_at: Timestamp | None = None
    encrypted: bool | None = Field(None, description="There was a response; what it was cannot be read.")
    ciphertext: Ciphertext | None = None
