"""What happens to people and groups."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from normalized.base import Channel, Conversation, ErrorInfo, Model, Party, Timestamp, WithRaw
from normalized.message import MessageFacts


class AddressBookEntry(Model):
    """The person in the address book of the business's phone."""

    full_name: str | None = None
    first_name: str | None = None


class ContactChange(Model):
    kind: str = Field(
        description="phone_changed | user_id_changed | identity_changed | marketing_preference | "
        "address_book_added | address_book_removed",
        examples=["phone_changed"],
    )
    previous: Party | None = Field(None, description="Who they were.")
    text: str | None = Field(None, description="The provider's own sentence.")
    identity_hash: str | None = Field(None, description="Hash of the new identity key.")
    identity_acknowledged: bool | None = Field(None, description="Whether the business accepted the new key.")
    identity_created_at: Timestamp | None = None
    preference: str | None = Field(None, description="stop | resume | signup: what the person wants.")
    category: str | None = Field(None, description="What the preference is about.", examples=["marketing_messages"])
    signup_id: str | None = Field(None, description="The sign-up link by which the person came.")
    address_book: AddressBookEntry | None = None


class ContactData(WithRaw):
    """`whatsapp.contact.updated`: a person changed. `contact` is who they are now."""

    channel: Channel
    conversation: Conversation | None = None
    contact: Party = Field(description="Who they are now.")
    change: ContactChange
    message_id: str | None = Field(None, description="The system message that said so.")
    sender: Party | None = Field(None, description="Who that message came from, where it is nobody named above.")


class GroupFailure(Model):
    participant: GroupMember = Field(description="With whom it did not work.")
    errors: list[ErrorInfo] | None = Field(None, description="Why.")


class GroupMember(Party):
    role: str | None = Field(None, description="What they are in the group now.", examples=["admin", "superadmin"])
    picture_url: str | None = Field(None, description="Their profile picture.")
    input: str | None = Field(None, description="By what the API request named them, where it was something else.")


class GroupIcon(Model):
    id: str | None = Field(None, description="The provider's id of the picture.")
    mime_type: str | None = Field(None, examples=["image/jpeg"])
    sha256: str | None = Field(None, description="Hash of the picture, as the provider wrote it.")


class SettingOutcome(Model):
    """What became of one setting that was to be changed."""

    setting: str = Field(description="subject | description | icon | join_approval")
    successful: bool | None = Field(None, description="Whether it was changed.")
    errors: list[ErrorInfo] | None = Field(None, description="Why it was not.")
    refused: str | None = Field(None, description="What it was to become.", examples=["Order 12345, paid"])
    refused_icon: GroupIcon | None = Field(None, description="The picture that it was to become.")


class GroupChange(Model):
    kind: str = Field(
        description="created | ended | joined | left | removed | promoted | demoted | join_requested | "
        "join_request_revoked | join_request_rejected | subject_changed | description_changed | icon_changed | "
        "icon_deleted | "
        "invite_link_revoked | invite_link_changed | number_changed | member_label_changed | settings_changed | "
        "suspended | suspension_cleared | failed | …",
    )
    provider_event: str | None = Field(None, description="The provider's own word.", examples=["group_create"])
    outcome: str | None = Field(
        None, description="failed | partial: it was asked for, and not all of it happened. Absent where it all did."
    )
    participants: list[GroupMember] | None = Field(None, description="To whom it happened.")
    members: list[GroupMember] | None = Field(None, description="Who is in the group now.")
    actor: Party | None = Field(None, description="Who did it.")
    initiated_by: str | None = Field(None, description="business | participant")
    reason: str | None = Field(None, description="How people came in.", examples=["invite_link"])
    text: str | None = Field(None, description="The provider's own sentence.")
    request_id: str | None = Field(None, description="Id of the API request that this answers.")
    join_request_id: str | None = Field(None, description="The provider's id of somebody's request to join.")
    subject: str | None = Field(None, description="The group's name now.")
    description: str | None = Field(None, description="The group's description now.")
    icon: GroupIcon | None = Field(None, description="The group's picture now.")
    invite_link: str | None = Field(
        None, description="Link by which people join.", examples=["https://chat.whatsapp.com/LinkId1234567890abcdef"]
    )
    invite_code: str | None = Field(None, description="The last part of the link, where only that is told.")
    created_at: Timestamp | None = Field(None, description="When the group was made.")
    owner: Party | None = Field(None, description="Whose group it is.")
    parent_group_id: str | None = Field(None, description="The community that it belongs to.")
    size: int | None = Field(None, description="How many people it has.")
    join_approval: str | None = Field(
        None,
        description="Whether the business has to admit those who want to join.",
        examples=["approval_required", "auto_approve"],
    )
    label: str | None = Field(None, description="What a member is called in the group now.")
    changed_at: Timestamp | None = None
    outcomes: list[SettingOutcome] | None = Field(None, description="Settings one by one.")
    failures: list[GroupFailure] | None = Field(None, description="People with whom it did not work.")
    errors: list[ErrorInfo] | None = Field(None, description="What went wrong as a whole.")
    settings: dict[str, Any] | None = Field(None, description="Settings with their new values.")


class GroupData(WithRaw):
    """`whatsapp.group.updated`."""

    channel: Channel
    conversation: Conversation
    change: GroupChange
    message_id: str | None = Field(None, description="The system message that said so.")
    sender: Party | None = Field(None, description="Who that message came from, where it is nobody named above.")
    message: MessageFacts | None = Field(None, description="More of that message.")
