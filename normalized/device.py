"""What device gateways tell of a message beyond what every provider does. They pass on a phone's own record."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from normalized.base import MessageTarget, Model, Party, Timestamp


class Receipt(Model):
    """What one recipient of a message did with it."""

    party: Party = Field(description="Which recipient.")
    delivered_at: Timestamp | None = None
    read_at: Timestamp | None = None
    played_at: Timestamp | None = None
    pending_devices: list[str] | None = Field(None, description="Devices that have not got it.")
    delivered_devices: list[str] | None = Field(None, description="Devices that have got it.")


class KeptReaction(Model):
    emoji: str | None = Field(None, description="Absent when the reaction was removed.")
    target: MessageTarget | None = Field(None, description="The reaction's own message.")
    reacted_at: Timestamp | None = None
    grouping_key: str | None = Field(None, description="What apps count it under.")
    unread: bool | None = Field(None, description="The business has not seen it.")


class KeptVote(Model):
    target: MessageTarget | None = Field(None, description="The vote's own message.")
    option_hashes: list[str] | None = Field(None, description="SHA-256 of what was chosen, base64.")
    voted_at: Timestamp | None = None
    received_at: Timestamp | None = Field(None, description="By the server's clock.")
    unread: bool | None = Field(None, description="The business has not seen it.")


class KeptResponse(Model):
    target: MessageTarget | None = Field(None, description="The response's own message.")
    response: str | None = Field(None, description="going | not_going | maybe")
    extra_guests: int | None = Field(None, description="How many people they bring along.")
    responded_at: Timestamp | None = None
    received_at: Timestamp | None = Field(None, description="By the server's clock.")
    unread: bool | None = Field(None, description="The business has not seen it.")


class Stub(Model):
    """A system notice that stands in place of, or beside, a message."""

    kind: str | None = Field(None, description="WhatsApp's own name for it, lower case.", examples=["ciphertext"])
    parameters: list[str] | None = Field(None, description="What it is about: people, or new values.")


class DisappearingMode(Model):
    """Who turned on that messages disappear, and how."""

    initiator: str | None = Field(None, description="What began it.", examples=["changed_in_chat", "initiated_by_me"])
    trigger: str | None = Field(None, description="Which setting did it.")
    initiator_device: str | None = Field(None, description="Address of the device on which it was done.")
    by_business: bool | None = Field(None, description="The business itself did it.")


class ForwardedFrom(Model):
    origin: str | None = Field(
        None, description="Where it comes from.", examples=["chat", "status", "channels", "meta_ai"]
    )
    channel_id: str | None = Field(None, description="The channel that it was posted in.")
    channel_name: str | None = Field(None, description="What that channel is called.")
    channel_message_id: int | None = Field(None, description="Its number in the channel.")
    content_kind: str | None = Field(None, description="What kind of post it was.", examples=["update", "link_card"])
    alt_text: str | None = Field(None, description="The post, described for those who cannot see it.")
    business: str | None = Field(None, description="Id of the business whose message it was.")
    bot_id: str | None = Field(None, description="The bot that wrote it.")
    bot_name: str | None = Field(None, description="What the bot is called.")
    bot_creator: str | None = Field(None, description="Who made the bot.")


class EntryPoint(Model):
    """How the person came into the chat."""

    source: str | None = Field(
        None, description="Where in WhatsApp, or from where.", examples=["global_search_new_chat", "ctwa_ad"]
    )
    app: str | None = Field(None, description="The app that they came from.", examples=["facebook", "instagram"])
    delay_s: int | None = Field(None, description="Seconds between coming and writing.")
    external_source: str | None = Field(None, description="What led them there outside of Meta's apps.")
    external_medium: str | None = Field(None, description="By what means it did.")
    conversion_source: str | None = Field(None, description="The older word for the source.")
    conversion_data: str | None = Field(None, description="Base64.")
    conversion_delay_s: int | None = Field(None, description="The older word for the delay, in seconds.")
    ctwa_signals: str | None = Field(None, description="What a click-to-WhatsApp ad measured.")
    ctwa_payload: str | None = Field(None, description="Base64.")
    utm_source: str | None = Field(None, description="Of the link that they followed.")
    utm_campaign: str | None = Field(None, description="Of the link that they followed.")
    client_campaign_id: str | None = Field(None, description="The app's id of the campaign.")
    server_campaign_id: str | None = Field(None, description="WhatsApp's id of the campaign.")


class GroupMention(Model):
    conversation_id: str | None = Field(None, description="The group that is mentioned.")
    subject: str | None = None


class MessageContext(Model):
    """Circumstances of a message that few readers need."""

    group_mentions: list[GroupMention] | None = None
    mention_kind: int | None = Field(None, description="1: everybody in the group was mentioned.")
    question: bool | None = Field(None, description="It asks a question, as stories and channels do.")
    group_status: bool | None = Field(None, description="It is a story of a group.")
    group_subject: str | None = Field(None, description="Name of the group that the person wrote from.")
    parent_group_id: str | None = Field(None, description="The community of that group.")
    member_label: str | None = Field(None, description="What the sender is called in the group.")
    member_label_at: Timestamp | None = None
    status_source: str | None = Field(None, description="What kind of story it answers.")
    status_attribution: str | None = Field(None, description="How the story came to be shared.")
    status_audience: str | None = Field(None, description="Who may see the story.")
    paired_media: str | None = Field(None, description="Which of two qualities of one file it is.")
    link_url: str | None = Field(None, description="A link shown under the message.")
    link_title: str | None = Field(None, description="What that link's button says.")
    trust_banner: str | None = Field(None, description="Kind of notice on how far to trust the sender.")
    trust_banner_action: int | None = Field(None, description="What that notice offers.")
    ad_attribution: bool | None = Field(None, description="It is marked as coming from an ad.")
    disappearing_set_at: Timestamp | None = Field(None, description="When the chat's setting was made.")


class Association(Model):
    """The message that this one belongs to: an album, a poll, an appointment."""

    kind: str | None = Field(None, description="In which way.", examples=["media_album", "event_cover_image"])
    index: int | None = Field(None, description="Place among the messages that belong there; 0 is the first.")
    parent: MessageTarget | None = Field(None, description="The message that it belongs to.")


class LimitSharing(Model):
    """Whether what the chat says may be passed on."""

    limited: bool | None = Field(None, description="It must not be passed on.")
    trigger: str | None = Field(None, description="Which setting did it.")
    set_at: Timestamp | None = None
    by_business: bool | None = Field(None, description="The business itself did it.")


class DeviceRecord(Model):
    """The phone's record of the message."""

    sent_at: Timestamp | None = Field(None, description="When the sender's device gave it to the server.")
    stub: Stub | None = None
    starred: bool | None = Field(None, description="The business marked it with a star.")
    ignored: bool | None = Field(None, description="The phone does not show it.")
    multicast: bool | None = Field(None, description="It went to several people at once.")
    duration_s: int | None = Field(None, description="Seconds that it is kept, in the record's own word.")
    labels: list[str] | None = Field(None, description="Labels that the business gave it.")
    receipts: list[Receipt] | None = None
    reactions: list[KeptReaction] | None = None
    votes: list[KeptVote] | None = None
    responses: list[KeptResponse] | None = None
    disappears_from: Timestamp | None = Field(None, description="When its time began to run.")
    disappearing_turned_on: bool | None = Field(None, description="Messages began to disappear with it.")
    disappearing_out_of_sync: bool | None = Field(None, description="The devices disagree on when it disappears.")
    privacy: str | None = Field(None, description="Who can read it.", examples=["e2ee", "bsp", "fb"])
    agent_id: str | None = Field(None, description="Who of the business wrote it.")
    story_seen: bool | None = Field(None, description="The business has seen the story.")
    mentioned_in_story: bool | None = Field(None, description="The story mentions the business.")
    story_mentions: list[str] | None = Field(None, description="Addresses of those whom the story mentions.")
    story_mention_sources: list[str] | None = Field(None, description="Where they are mentioned.")
    original_author: str | None = Field(None, description="Address under which the business wrote it first.")
    revoked_at: Timestamp | None = None
    channel_message_id: str | None = Field(None, description="Its number in the channel.")
    campaign_id: str | None = Field(None, description="The paid campaign that it belongs to.")
    business_bot: bool | None = Field(None, description="A bot of WhatsApp answered for the business.")
    group_history: bool | None = Field(None, description="It was shared with somebody who came later.")
    bot_invoker: str | None = Field(None, description="Address of who called the bot.")
    bot_target: str | None = Field(None, description="Id of what the bot answers.")
    support_ai: bool | None = Field(None, description="WhatsApp's own support wrote it by machine.")
    request_id: str | None = Field(None, description="The request by which the device got it from the phone again.")


class AdDisplay(Model):
    """How an ad behind a message was made and shown, where a device gateway tells it."""

    source_app: str | None = Field(None, description="The app that showed the ad.", examples=["facebook", "instagram"])
    ad_type: str | None = Field(None, description="ctwa | cawc")
    original_image_url: str | None = Field(None, description="The ad's picture in full size.")
    preview_url: str | None = Field(None, description="Shows the ad.")
    website_url: str | None = Field(None, description="The site that the ad leads to besides.")
    cta_payload: str | None = Field(None, description="What the business put on the ad's button.")
    auto_reply: bool | None = Field(None, description="The ad's greeting answers by itself.")
    call: bool | None = Field(None, description="The ad led to a call.")
    welcome_shown: bool | None = Field(None, description="The person saw the ad's greeting.")
    welcome_cta_type: str | None = Field(None, description="Kind of button under the greeting.")
    large_thumbnail: bool | None = Field(None, description="The ad was shown with a large picture.")
    attribution_shown: bool | None = Field(None, description="It was marked as an ad.")
    preview_dismissed: bool | None = Field(None, description="The person closed the ad's preview.")
    nudge_disabled: bool | None = Field(None, description="The person is not reminded of the ad.")
    website_format: bool | None = Field(None, description="The ad leads to a site and to the chat.")


class DeviceMessage(Model):
    """Fields of every message that only device gateways fill."""

    broadcast: bool | None = Field(None, description="It was sent to a broadcast list.")
    provider_status: str | None = Field(
        None, description="State of the message in the provider's copy, as it came. No delivery report."
    )
    forwarding_score: int | None = Field(None, description="How many times it was forwarded.")
    forwarded_from: ForwardedFrom | None = Field(None, description="Where it was forwarded from.")
    entry_point: EntryPoint | None = Field(None, description="How the person came into the chat.")
    disappearing: DisappearingMode | None = None
    context: MessageContext | None = None
    association: Association | None = None
    limit_sharing: LimitSharing | None = None
    add_on_expires_in_s: int | None = Field(None, description="Seconds after which a pin or the like is undone.")
    wrappers: list[str] | None = Field(
        None, description="What the provider had put the message into.", examples=[["groupStatusMessageV2"]]
    )
    sent_from: str | None = Field(None, description="Kind of device or program that wrote it.", examples=["android"])
    device: DeviceRecord | None = None
    details: dict[str, Any] | None = Field(None, description="Further objects, under the provider's names.")
