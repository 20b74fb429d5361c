"""System notices in place of a message: what happened in a group, and what could not be decrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from providers.shapes.baileys.jids import party, party_of
from providers.shapes.baileys.reading import Reading
from providers.shapes.baileys.values import as_count, as_json_object, enum_name
from providers.wire import Object, as_list, as_text

NAMES = """
    UNKNOWN REVOKE CIPHERTEXT FUTUREPROOF NON_VERIFIED_TRANSITION UNVERIFIED_TRANSITION VERIFIED_TRANSITION
    VERIFIED_LOW_UNKNOWN VERIFIED_HIGH VERIFIED_INITIAL_UNKNOWN VERIFIED_INITIAL_LOW VERIFIED_INITIAL_HIGH
    VERIFIED_TRANSITION_ANY_TO_NONE VERIFIED_TRANSITION_ANY_TO_HIGH VERIFIED_TRANSITION_HIGH_TO_LOW
    VERIFIED_TRANSITION_HIGH_TO_UNKNOWN VERIFIED_TRANSITION_UNKNOWN_TO_LOW VERIFIED_TRANSITION_LOW_TO_UNKNOWN
    VERIFIED_TRANSITION_NONE_TO_LOW VERIFIED_TRANSITION_NONE_TO_UNKNOWN GROUP_CREATE GROUP_CHANGE_SUBJECT
    GROUP_CHANGE_ICON GROUP_CHANGE_INVITE_LINK GROUP_CHANGE_DESCRIPTION GROUP_CHANGE_RESTRICT
    GROUP_CHANGE_ANNOUNCE GROUP_PARTICIPANT_ADD GROUP_PARTICIPANT_REMOVE GROUP_PARTICIPANT_PROMOTE
    GROUP_PARTICIPANT_DEMOTE GROUP_PARTICIPANT_INVITE GROUP_PARTICIPANT_LEAVE GROUP_PARTICIPANT_CHANGE_NUMBER
    BROADCAST_CREATE BROADCAST_ADD BROADCAST_REMOVE GENERIC_NOTIFICATION E2E_IDENTITY_CHANGED E2E_ENCRYPTED
    CALL_MISSED_VOICE CALL_MISSED_VIDEO INDIVIDUAL_CHANGE_NUMBER GROUP_DELETE GROUP_ANNOUNCE_MODE_MESSAGE_BOUNCE
    CALL_MISSED_GROUP_VOICE CALL_MISSED_GROUP_VIDEO PAYMENT_CIPHERTEXT PAYMENT_FUTUREPROOF
    PAYMENT_TRANSACTION_STATUS_UPDATE_FAILED PAYMENT_TRANSACTION_STATUS_UPDATE_REFUNDED
    PAYMENT_TRANSACTION_STATUS_UPDATE_REFUND_FAILED PAYMENT_TRANSACTION_STATUS_RECEIVER_PENDING_SETUP
    PAYMENT_TRANSACTION_STATUS_RECEIVER_SUCCESS_AFTER_HICCUP PAYMENT_ACTION_ACCOUNT_SETUP_REMINDER
    PAYMENT_ACTION_SEND_PAYMENT_REMINDER PAYMENT_ACTION_SEND_PAYMENT_INVITATION PAYMENT_ACTION_REQUEST_DECLINED
    PAYMENT_ACTION_REQUEST_EXPIRED PAYMENT_ACTION_REQUEST_CANCELLED BIZ_VERIFIED_TRANSITION_TOP_TO_BOTTOM
    BIZ_VERIFIED_TRANSITION_BOTTOM_TO_TOP BIZ_INTRO_TOP BIZ_INTRO_BOTTOM BIZ_NAME_CHANGE
    BIZ_MOVE_TO_CONSUMER_APP BIZ_TWO_TIER_MIGRATION_TOP BIZ_TWO_TIER_MIGRATION_BOTTOM OVERSIZED
    GROUP_CHANGE_NO_FREQUENTLY_FORWARDED GROUP_V4_ADD_INVITE_SENT GROUP_PARTICIPANT_ADD_REQUEST_JOIN
    CHANGE_EPHEMERAL_SETTING E2E_DEVICE_CHANGED VIEWED_ONCE E2E_ENCRYPTED_NOW BLUE_MSG_BSP_FB_TO_BSP_PREMISE
    BLUE_MSG_BSP_FB_TO_SELF_FB BLUE_MSG_BSP_FB_TO_SELF_PREMISE BLUE_MSG_BSP_FB_UNVERIFIED
    BLUE_MSG_BSP_FB_UNVERIFIED_TO_SELF_PREMISE_VERIFIED BLUE_MSG_BSP_FB_VERIFIED
    BLUE_MSG_BSP_FB_VERIFIED_TO_SELF_PREMISE_UNVERIFIED BLUE_MSG_BSP_PREMISE_TO_SELF_PREMISE
    BLUE_MSG_BSP_PREMISE_UNVERIFIED BLUE_MSG_BSP_PREMISE_UNVERIFIED_TO_SELF_PREMISE_VERIFIED
    BLUE_MSG_BSP_PREMISE_VERIFIED BLUE_MSG_BSP_PREMISE_VERIFIED_TO_SELF_PREMISE_UNVERIFIED
    BLUE_MSG_CONSUMER_TO_BSP_FB_UNVERIFIED BLUE_MSG_CONSUMER_TO_BSP_PREMISE_UNVERIFIED
    BLUE_MSG_CONSUMER_TO_SELF_FB_UNVERIFIED BLUE_MSG_CONSUMER_TO_SELF_PREMISE_UNVERIFIED
    BLUE_MSG_SELF_FB_TO_BSP_PREMISE BLUE_MSG_SELF_FB_TO_SELF_PREMISE BLUE_MSG_SELF_FB_UNVERIFIED
    BLUE_MSG_SELF_FB_UNVERIFIED_TO_SELF_PREMISE_VERIFIED BLUE_MSG_SELF_FB_VERIFIED
    BLUE_MSG_SELF_FB_VERIFIED_TO_SELF_PREMISE_UNVERIFIED BLUE_MSG_SELF_PREMISE_TO_BSP_PREMISE
    BLUE_MSG_SELF_PREMISE_UNVERIFIED BLUE_MSG_SELF_PREMISE_VERIFIED BLUE_MSG_TO_BSP_FB BLUE_MSG_TO_CONSUMER
    BLUE_MSG_TO_SELF_FB BLUE_MSG_UNVERIFIED_TO_BSP_FB_VERIFIED BLUE_MSG_UNVERIFIED_TO_BSP_PREMISE_VERIFIED
    BLUE_MSG_UNVERIFIED_TO_SELF_FB_VERIFIED BLUE_MSG_UNVERIFIED_TO_VERIFIED
    BLUE_MSG_VERIFIED_TO_BSP_FB_UNVERIFIED BLUE_MSG_VERIFIED_TO_BSP_PREMISE_UNVERIFIED
    BLUE_MSG_VERIFIED_TO_SELF_FB_UNVERIFIED BLUE_MSG_VERIFIED_TO_UNVERIFIED
    BLUE_MSG_BSP_FB_UNVERIFIED_TO_BSP_PREMISE_VERIFIED BLUE_MSG_BSP_FB_UNVERIFIED_TO_SELF_FB_VERIFIED
    BLUE_MSG_BSP_FB_VERIFIED_TO_BSP_PREMISE_UNVERIFIED BLUE_MSG_BSP_FB_VERIFIED_TO_SELF_FB_UNVERIFIED
    BLUE_MSG_SELF_FB_UNVERIFIED_TO_BSP_PREMISE_VERIFIED BLUE_MSG_SELF_FB_VERIFIED_TO_BSP_PREMISE_UNVERIFIED
    E2E_IDENTITY_UNAVAILABLE GROUP_CREATING GROUP_CREATE_FAILED GROUP_BOUNCED BLOCK_CONTACT
    EPHEMERAL_SETTING_NOT_APPLIED SYNC_FAILED SYNCING BIZ_PRIVACY_MODE_INIT_FB BIZ_PRIVACY_MODE_INIT_BSP
    BIZ_PRIVACY_MODE_TO_FB BIZ_PRIVACY_MODE_TO_BSP DISAPPEARING_MODE E2E_DEVICE_FETCH_FAILED ADMIN_REVOKE
    GROUP_INVITE_LINK_GROWTH_LOCKED COMMUNITY_LINK_PARENT_GROUP COMMUNITY_LINK_SIBLING_GROUP
    COMMUNITY_LINK_SUB_GROUP COMMUNITY_UNLINK_PARENT_GROUP COMMUNITY_UNLINK_SIBLING_GROUP
    COMMUNITY_UNLINK_SUB_GROUP GROUP_PARTICIPANT_ACCEPT GROUP_PARTICIPANT_LINKED_GROUP_JOIN COMMUNITY_CREATE
    EPHEMERAL_KEEP_IN_CHAT GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST GROUP_MEMBERSHIP_JOIN_APPROVAL_MODE
    INTEGRITY_UNLINK_PARENT_GROUP COMMUNITY_PARTICIPANT_PROMOTE COMMUNITY_PARTICIPANT_DEMOTE
    COMMUNITY_PARENT_GROUP_DELETED COMMUNITY_LINK_PARENT_GROUP_MEMBERSHIP_APPROVAL
    GROUP_PARTICIPANT_JOINED_GROUP_AND_PARENT_GROUP MASKED_THREAD_CREATED MASKED_THREAD_UNMASKED
    BIZ_CHAT_ASSIGNMENT CHAT_PSA CHAT_POLL_CREATION_MESSAGE CAG_MASKED_THREAD_CREATED
    COMMUNITY_PARENT_GROUP_SUBJECT_CHANGED CAG_INVITE_AUTO_ADD BIZ_CHAT_ASSIGNMENT_UNASSIGN
    CAG_INVITE_AUTO_JOINED SCHEDULED_CALL_START_MESSAGE COMMUNITY_INVITE_RICH COMMUNITY_INVITE_AUTO_ADD_RICH
    SUB_GROUP_INVITE_RICH SUB_GROUP_PARTICIPANT_ADD_RICH COMMUNITY_LINK_PARENT_GROUP_RICH
    COMMUNITY_PARTICIPANT_ADD_RICH SILENCED_UNKNOWN_CALLER_AUDIO SILENCED_UNKNOWN_CALLER_VIDEO
    GROUP_MEMBER_ADD_MODE GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST_NON_ADMIN_ADD COMMUNITY_CHANGE_DESCRIPTION
    SENDER_INVITE RECEIVER_INVITE COMMUNITY_ALLOW_MEMBER_ADDED_GROUPS PINNED_MESSAGE_IN_CHAT
    PAYMENT_INVITE_SETUP_INVITER PAYMENT_INVITE_SETUP_INVITEE_RECEIVE_ONLY
    PAYMENT_INVITE_SETUP_INVITEE_SEND_AND_RECEIVE LINKED_GROUP_CALL_START REPORT_TO_ADMIN_ENABLED_STATUS
    EMPTY_SUBGROUP_CREATE SCHEDULED_CALL_CANCEL SUBGROUP_ADMIN_TRIGGERED_AUTO_ADD_RICH
    GROUP_CHANGE_RECENT_HISTORY_SHARING PAID_MESSAGE_SERVER_CAMPAIGN_ID GENERAL_CHAT_CREATE GENERAL_CHAT_ADD
    GENERAL_CHAT_AUTO_ADD_DISABLED SUGGESTED_SUBGROUP_ANNOUNCE BIZ_BOT_1P_MESSAGING_ENABLED CHANGE_USERNAME
    BIZ_COEX_PRIVACY_INIT_SELF BIZ_COEX_PRIVACY_TRANSITION_SELF SUPPORT_AI_EDUCATION
    BIZ_BOT_3P_MESSAGING_ENABLED REMINDER_SETUP_MESSAGE REMINDER_SENT_MESSAGE REMINDER_CANCEL_MESSAGE
    BIZ_COEX_PRIVACY_INIT BIZ_COEX_PRIVACY_TRANSITION GROUP_DEACTIVATED COMMUNITY_DEACTIVATE_SIBLING_GROUP
    EVENT_UPDATED EVENT_CANCELED COMMUNITY_OWNER_UPDATED COMMUNITY_SUB_GROUP_VISIBILITY_HIDDEN
    CAPI_GROUP_NE2EE_SYSTEM_MESSAGE STATUS_MENTION USER_CONTROLS_SYSTEM_MESSAGE SUPPORT_SYSTEM_MESSAGE
    CHANGE_LID BIZ_CUSTOMER_3PD_DATA_SHARING_OPT_IN_MESSAGE BIZ_CUSTOMER_3PD_DATA_SHARING_OPT_OUT_MESSAGE
    CHANGE_LIMIT_SHARING GROUP_MEMBER_LINK_MODE BIZ_AUTOMATICALLY_LABELED_CHAT_SYSTEM_MESSAGE
    PHONE_NUMBER_HIDING_CHAT_DEPRECATED_MESSAGE QUARANTINED_MESSAGE GROUP_MEMBER_SHARE_GROUP_HISTORY_MODE
""".split()  # noqa: SIM905
"""Names of the stub types, in the order of their numbers (WAProto, WebMessageInfo.StubType)."""
_NUMBERED = dict(enumerate(NAMES))

CIPHERTEXT, REVOKE, ADMIN_REVOKE = "CIPHERTEXT", "REVOKE", "ADMIN_REVOKE"
DELETIONS = frozenset({REVOKE, ADMIN_REVOKE})
EPHEMERAL = frozenset({"CHANGE_EPHEMERAL_SETTING"})
MISSED_CALLS = {
    "CALL_MISSED_VOICE": False,
    "CALL_MISSED_VIDEO": True,
    "CALL_MISSED_GROUP_VOICE": False,
    "CALL_MISSED_GROUP_VIDEO": True,
    "SILENCED_UNKNOWN_CALLER_AUDIO": False,
    "SILENCED_UNKNOWN_CALLER_VIDEO": True,
}
"""Notice of a missed call -> whether it was a video call."""

Parameters = list[str]
Build = Callable[[Parameters, Reading], Object]


class Change(NamedTuple):
    """What happened to the group, and what the notice's parameters say of it."""

    kind: str
    build: Build


def stub_name(info: Object) -> str:
    """Name of the notice; empty where there is none."""
    name = enum_name(info.get("messageStubType"), _NUMBERED)
    return "" if name in (None, "UNKNOWN") else str(name)


def parameters_of(info: Object, reading: Reading) -> Parameters:
    """The notice's parameters. Some versions leave objects in the list."""
    values = info.get("messageStubParameters")
    texts = [text for text in map(as_text, as_list(values)) if text]
    if values and (type(values) is not list or len(texts) < len(values)):
        reading.partial = True
    return texts


def group_change(name: str, parameters: Parameters, reading: Reading) -> Object | None:
    """The event's `change`; None where the notice is none of a group's."""
    change = _CHANGES.get(name)
    return {"kind": change.kind, **change.build(parameters, reading)} if change else None


def participant(value: str) -> Object:
    """A person from a JID, or from the JSON object that newer versions write."""
    node = as_json_object(value) if value.startswith("{") else None
    return person_of(node) if node else party_of(value)


_ADDRESSES = ("phoneNumber", "pn", "jid", "id", "lid")


def person_of(node: Object) -> Object:
    """A member of a group as Baileys describes one."""
    jids = [jid for jid in (as_text(node.get(name)) for name in _ADDRESSES) if jid]
    found = party([jid if "@" in jid else f"{jid}@s.whatsapp.net" for jid in jids], jids[0] if jids else "unknown")
    for member, target in (("name", "name"), ("notify", "name"), ("username", "username")):
        text = as_text(node.get(member))
        if text:
            found.setdefault(target, text.removeprefix("@"))
    role = as_text(node.get("admin"))
    if role:
        found["role"] = role
    return found


def _first(target: str) -> Build:
    def build(parameters: Parameters, reading: Reading) -> Object:
        if len(parameters) > 1:
            reading.partial = True
        return {target: parameters[0]} if parameters else {}

    return build


def _people(parameters: Parameters, reading: Reading) -> Object:
    return {"participants": [participant(value) for value in parameters]} if parameters else {}


def _setting(name: str) -> Build:
    def build(parameters: Parameters, reading: Reading) -> Object:
        value = parameters[0] if len(parameters) == 1 else None
        if value is None:
            reading.partial = True
            return {}
        return {"settings": {name: {"on": True, "true": True, "off": False, "false": False}.get(value, value)}}

    return build


def _request(parameters: Parameters, reading: Reading) -> Object:
    """Somebody asks to join: who, created | revoked | rejected, and by what way."""
    found: Object = {"participants": [participant(parameters[0])]} if parameters else {}
    state = parameters[1] if len(parameters) > 1 else "created"
    if state in _REQUESTS:
        found["kind"] = _REQUESTS[state]
    else:
        reading.unmapped("value", f"join_request={state}")
    if len(parameters) > 2:
        found["reason"] = parameters[2]
    return found


_REQUESTS = {
    "created": "join_requested",
    "revoked": "join_request_revoked",
    "rejected": "join_request_rejected",
}


def _icon(parameters: Parameters, reading: Reading) -> Object:
    return {"icon": {"id": parameters[0]}} if parameters else {"kind": "icon_deleted"}


_CHANGES = {
    "GROUP_CREATE": Change("created", _first("subject")),
    "GROUP_DELETE": Change("ended", _people),
    "GROUP_CHANGE_SUBJECT": Change("subject_changed", _first("subject")),
    "GROUP_CHANGE_DESCRIPTION": Change("description_changed", _first("description")),
    "GROUP_CHANGE_ICON": Change("icon_changed", _icon),
    "GROUP_CHANGE_INVITE_LINK": Change("invite_link_changed", _first("invite_code")),
    "GROUP_CHANGE_RESTRICT": Change("settings_changed", _setting("restrict")),
    "GROUP_CHANGE_ANNOUNCE": Change("settings_changed", _setting("announce")),
    "GROUP_CHANGE_NO_FREQUENTLY_FORWARDED": Change("settings_changed", _setting("no_frequently_forwarded")),
    "GROUP_CHANGE_RECENT_HISTORY_SHARING": Change("settings_changed", _setting("recent_history_sharing")),
    "GROUP_MEMBER_ADD_MODE": Change("settings_changed", _setting("member_add_mode")),
    "GROUP_MEMBER_LINK_MODE": Change("settings_changed", _setting("member_link_mode")),
    "GROUP_MEMBER_SHARE_GROUP_HISTORY_MODE": Change("settings_changed", _setting("member_share_history_mode")),
    "GROUP_MEMBERSHIP_JOIN_APPROVAL_MODE": Change("settings_changed", _setting("join_approval_mode")),
    "GROUP_PARTICIPANT_ADD": Change("joined", _people),
    "GROUP_PARTICIPANT_INVITE": Change("joined", _people),
    "GROUP_PARTICIPANT_ACCEPT": Change("joined", _people),
    "GROUP_PARTICIPANT_ADD_REQUEST_JOIN": Change("joined", _people),
    "GROUP_PARTICIPANT_LINKED_GROUP_JOIN": Change("joined", _people),
    "GROUP_PARTICIPANT_REMOVE": Change("removed", _people),
    "GROUP_PARTICIPANT_LEAVE": Change("left", _people),
    "GROUP_PARTICIPANT_PROMOTE": Change("promoted", _people),
    "GROUP_PARTICIPANT_DEMOTE": Change("demoted", _people),
    "GROUP_PARTICIPANT_CHANGE_NUMBER": Change("number_changed", _people),
    "GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST": Change("join_requested", _request),
    "GROUP_MEMBERSHIP_JOIN_APPROVAL_REQUEST_NON_ADMIN_ADD": Change("join_requested", _request),
}


def seconds(parameters: Parameters) -> int | None:
    return as_count(parameters[0]) if parameters else None
