"""Invitations: to groups and channels, to appointments."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from normalized.base import Model, Timestamp
from normalized.cards import LocationContent
from normalized.media import Thumbnail


class GroupInviteContent(Model):
    type: Literal["group_invite"]
    conversation_id: str | None = Field(None, description="The group or channel.")
    code: str | None = Field(None, description="By which one joins.")
    name: str | None = None
    caption: str | None = None
    expires_at: Timestamp | None = None
    kind: str | None = Field(None, description="group | community | channel | channel_admin")
    thumbnail: Thumbnail | None = None


class EventContent(Model):
    """An appointment that people are invited to."""

    type: Literal["event"]
    name: str | None = None
    description: str | None = None
    location: LocationContent | None = Field(None, description="Where it takes place.")
    join_link: str | None = Field(None, description="Where to join, if it is a call.")
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None
    canceled: bool | None = Field(None, description="It will not take place.")
    extra_guests_allowed: bool | None = Field(None, description="One may bring people along.")
    call: bool | None = Field(None, description="It is a call.")
    reminder: bool | None = Field(None, description="People are reminded of it.")
    reminder_before_s: int | None = Field(None, description="Seconds before the start.")
