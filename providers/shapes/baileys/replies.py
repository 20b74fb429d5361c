"""What people answer with: taps, forms, reactions, votes, comments."""

from __future__ import annotations

from collections.abc import Callable

from providers.shapes.baileys.reading import Reading, Table, Within
from providers.shapes.baileys.targets import as_target, pointing
from providers.shapes.baileys.values import (
    as_base64,
    as_count,
    as_json_object,
    as_moment,
    as_true,
    says_nothing,
    word,
)
from providers.wire import Object, as_list, as_text

Mapper = Callable[[Object, Reading], Object | None]

_BUTTON: Table = {
    "contextInfo": None,
    "selectedButtonId": ("id", as_text),
    "selectedDisplayText": ("title", as_text),
    "type": ("provider_kind", word("UNKNOWN", "DISPLAY_TEXT", silent="UNKNOWN")),
}
_TEMPLATE_BUTTON: Table = {
    "contextInfo": None,
    "selectedId": ("id", as_text),
    "selectedDisplayText": ("title", as_text),
    "selectedIndex": ("index", as_count),
    "selectedCarouselCardIndex": ("card_index", as_count),
}
_LIST: Table = {
    "contextInfo": None,
    "title": ("title", as_text),
    "description": ("description", as_text),
    "listType": ("kind", word("UNKNOWN", "SINGLE_SELECT", silent="UNKNOWN")),
    "singleSelectReply": {"selectedRowId": ("id", as_text)},
}


def button_reply(node: Object, reading: Reading) -> Object:
    return {"type": "button_reply", **reading.read(node, _BUTTON, "buttonsResponseMessage"), "kind": "interactive"}


def template_reply(node: Object, reading: Reading) -> Object:
    found = reading.read(node, _TEMPLATE_BUTTON, "templateButtonReplyMessage")
    return {"type": "button_reply", **found, "kind": "template"}


def list_reply(node: Object, reading: Reading) -> Object:
    return {"type": "list_reply", **reading.read(node, _LIST, "listResponseMessage")}


_FLOW: Table = {
    "contextInfo": None,
    "body": {
        "text": ("text", as_text),
        "format": ("format", word("DEFAULT", "EXTENSIONS_1", silent="DEFAULT")),
    },
    "nativeFlowResponseMessage": {
        "name": ("name", as_text),
        "paramsJson": ("response_text", as_text),
        "version": ("version", as_count),
    },
}


def flow_reply(node: Object, reading: Reading) -> Object | None:
    if type(node.get("nativeFlowResponseMessage")) is not dict:
        return None
    content: Object = {"type": "flow_reply", **reading.read(node, _FLOW, "interactiveResponseMessage")}
    response = as_json_object(content.get("response_text", ""))
    if response is not None:
        content["response"] = response
        del content["response_text"]
    return content


_REACTION: Table = {
    "contextInfo": None,
    "key": None,
    "text": ("emoji", as_text),
    "groupingKey": ("grouping_key", as_text),
    "senderTimestampMs": ("reacted_at", as_moment),
}


def reaction(node: Object, reading: Reading) -> Object:
    found = reading.read(node, _REACTION, "reactionMessage")
    if found.get("grouping_key") == found.get("emoji"):
        found.pop("grouping_key", None)
    target = as_target(reading.nested(node, "key"), reading, "reactionMessage.key")
    action = "removed" if node.get("text") in (None, "") else "added"
    return {"type": "reaction", **pointing(target), **found, "action": action}


CIPHERTEXT: Table = {
    "encPayload": Within("ciphertext", "payload", as_base64),
    "encIv": Within("ciphertext", "iv", as_base64),
}


def encrypted(node: Object, reading: Reading, table: Table, key: str, where: str) -> Object:
    """What is about another message, and cannot be read."""
    found = reading.read(node, {"contextInfo": None, key: None, **table}, where)
    return {**pointing(as_target(reading.nested(node, key), reading, f"{where}.{key}")), **found}


def encrypted_reaction(node: Object, reading: Reading) -> Object:
    found = encrypted(node, reading, CIPHERTEXT, "targetMessageKey", "encReactionMessage")
    return {"type": "unsupported", "kind": "encReactionMessage", **found}


def encrypted_comment(node: Object, reading: Reading) -> Object:
    return {"type": "comment", **encrypted(node, reading, CIPHERTEXT, "targetMessageKey", "encCommentMessage")}


def event_response(node: Object, reading: Reading) -> Object:
    found = encrypted(node, reading, CIPHERTEXT, "eventCreationMessageKey", "encEventResponseMessage")
    return {"type": "event_response", **found, "encrypted": True}


_VOTE: Table = {"vote": CIPHERTEXT, "metadata": None, "senderTimestampMs": ("voted_at", as_moment)}


def poll_vote(node: Object, reading: Reading) -> Object:
    found = encrypted(node, reading, _VOTE, "pollCreationMessageKey", "pollUpdateMessage")
    return {"type": "poll_vote", **found, "encrypted": True}


_OPTION: Table = {"optionName": ("name", as_text), "optionHash": ("hash", as_text)}
POLL_KIND = word("POLL", "QUIZ")
_POLL: Table = {
    "contextInfo": None,
    "encKey": None,
    "options": None,
    "name": ("question", as_text),
    "selectableOptionsCount": ("selectable_count", as_count),
    "pollContentType": ("option_kind", word("UNKNOWN", "TEXT", "IMAGE", silent="UNKNOWN")),
    "pollType": ("kind", POLL_KIND),
    "correctAnswer": ("correct_option", _OPTION),
    "endTime": ("ends_at", as_moment),
    "hideParticipantName": ("hidden_voters", as_true),
    "allowAddOption": ("open_options", as_true),
}
_RESULT: Table = {"optionName": ("name", as_text), "optionVoteCount": ("votes", as_count)}
_RESULTS: Table = {
    "contextInfo": None,
    "pollVotes": None,
    "name": ("question", as_text),
    "pollType": ("poll_kind", word("POLL", "QUIZ", silent="POLL")),
}


def poll(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "poll", "kind": "poll", **reading.read(node, _POLL, "pollCreationMessage")}
    if "name" not in content.get("correct_option", {"name": ""}):
        reading.partial = True
        del content["correct_option"]
    return content | _options(node, "options", _OPTION, reading)


def poll_results(node: Object, reading: Reading) -> Object:
    found = reading.read(node, _RESULTS, "pollResultSnapshotMessage")
    kind = "quiz_results" if found.pop("poll_kind", "") == "quiz" else "results"
    return {"type": "poll", "kind": kind, **found, **_options(node, "pollVotes", _RESULT, reading)}


def _options(node: Object, member: str, table: Table, reading: Reading) -> Object:
    """Every option has a name; one without is left to `raw`."""
    options = [option for option in reading.read_list(node.get(member), table, f"poll.{member}") if option.get("name")]
    if len(options) < sum(not says_nothing(option) for option in as_list(node.get(member))):
        reading.partial = True
    return {"options": options} if options else {}


def answer(where: str) -> Mapper:
    """A text that answers another message's question."""
    table: Table = {"contextInfo": None, "key": None, "text": ("text", as_text)}

    def read(node: Object, reading: Reading) -> Object:
        found = reading.read(node, table, where)
        content: Object = {"type": "comment", **pointing(as_target(reading.nested(node, "key"), reading, where))}
        if "text" in found:
            content["content"] = {"type": "text", "text": found["text"]}
        return content

    return read
