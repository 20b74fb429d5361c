"""What happens to conversations, and calls."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from normalized.base import Channel, Conversation, ErrorInfo, MessageTarget, Model, Party, Timestamp, WithRaw
from normalized.device import DisappearingMode, LimitSharing
from normalized.media import Media
from normalized.message import MessageFacts


class Presence(Model):
    party: Party = Field(description="Who it is about.")
    state: str | None = Field(
        None, description="What they are doing.", examples=["online", "offline", "typing", "recording", "paused"]
    )
    last_seen_at: Timestamp | None = None


class ConversationChange(Model):
    kind: str = Field(
        description="opened | control_passed | control_taken | disappearing_messages | pinned | unpinned | kept | "
        "unkept | sharing_limited | archived | unarchived | presence | label_added | label_removed | …"
    )
    message_id: str | None = Field(None, description="Id of the message by which it was done.")
    target: MessageTarget | None = Field(None, description="The message that was pinned or kept.")
    expires_in_s: int | None = Field(None, description="New lifetime of messages in seconds; 0 is off.")
    previous_owner: str | None = Field(None, description="Role that held the conversation.", examples=["ai_agent"])
    new_owner: str | None = Field(None, description="Role that holds it now.", examples=["customer_service"])
    metadata: Any = Field(None, description="What the previous owner passed along.")
    context: Any = Field(None, description="Summary or history that was passed along, as the provider gives it.")
    changed_at: Timestamp | None = None
    disappearing: DisappearingMode | None = None
    limit_sharing: LimitSharing | None = None
    presences: list[Presence] | None = None
    label_id: str | None = Field(None, description="The label that was put on or taken off.")
    label_name: str | None = Field(None, description="What it is called.")
    label_color: str | None = Field(None, description="Its colour.", examples=["#00a0f2"])


class ConversationData(WithRaw):
    """`whatsapp.conversation.updated`."""

    channel: Channel
    conversation: Conversation
    actor: Party | None = Field(None, description="Who did it.")
    change: ConversationChange
    message: MessageFacts | None = Field(None, description="More of the message by which it was done.")


class CallSession(Model):
    """One side of the WebRTC negotiation."""

    sdp_type: str | None = Field(None, description="offer | answer")
    sdp: str | None = Field(None, description="Session description, RFC 8866.")


class CallFile(Model):
    kind: str | None = Field(None, description="What kind of file it is.", examples=["audio"])
    media: Media | None = Field(None, description="The file.")


class CallParticipant(Model):
    party: Party = Field(description="Who it was.")
    outcome: str | None = Field(None, description="The provider's own word, lower case.", examples=["connected"])


class Call(Model):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, serialize_by_alias=True)

    id: str | None = Field(
        None, description="The provider's id of the call.", examples=["wacid.HBgLMTY1MDM4Nzk0MzkVAgASGBQz"]
    )
    direction: str | None = Field(None, description="inbound | outbound, seen from the business.")
    state: str = Field(
        description="connecting | ringing | accepted | rejected | terminated | recorded | transcribed | unknown"
    )
    provider_state: str | None = Field(None, description="The provider's own word.", examples=["connect", "RINGING"])
    outcome: str | None = Field(
        None, description="completed | failed | missed | rejected | ongoing", examples=["completed"]
    )
    video: bool | None = Field(None, description="True for a video call, false for one by voice.")
    started_at: Timestamp | None = Field(None, description="When it was picked up.")
    ended_at: Timestamp | None = None
    duration_s: int | None = Field(None, description="Seconds.", examples=[63])
    from_: Party | None = Field(None, description="Who called.", alias="from")
    to: Party | None = Field(None, description="Who was called.")
    session: CallSession | None = Field(None, description="What one side offers or answers for the media.")
    webrtc_sdp: str | None = Field(None, description="The session description where an older version put it.")
    callback_data: str | None = Field(None, description="What the business attached when it called.")
    deeplink_payload: str | None = Field(None, description="What the business put on the link by which they called.")
    button_payload: str | None = Field(None, description="What the business put on the button by which they called.")
    recording: CallFile | None = Field(None, description="The sound of the call.")
    transcript: CallFile | None = Field(None, description="What was said, as text.")
    errors: list[ErrorInfo] | None = Field(None, description="Why it failed.")
    kind: str | None = Field(None, description="What kind of call.", examples=["regular", "voice_chat"])
    group: bool | None = Field(None, description="A group call.")
    offline: bool | None = Field(None, description="It came while the device was off.")
    latency_ms: int | None = Field(None, description="Milliseconds to the other side.")
    participants: list[CallParticipant] | None = None


class CallData(WithRaw):
    """`whatsapp.call.updated`."""

    channel: Channel
    conversation: Conversation | None = None
    call: Call
    message: MessageFacts | None = Field(None, description="More of the message that recorded it.")
