"""Messages, reactions, edits, deletions, votes and statuses."""

from __future__ import annotations

from providers.base import Identity, Item
from providers.shapes.acks import ack_item, ack_number
from providers.shapes.baileys.actions import Draft, Told, deleted, edited
from providers.shapes.baileys.content import map_content, unknown_content
from providers.shapes.baileys.jids import normal_jid, party_of
from providers.shapes.baileys.keys import MessageKey
from providers.shapes.baileys.messages import change_identity, head, message_identity, said
from providers.shapes.baileys.reading import KEPT, Reading, Table, Within
from providers.shapes.baileys.records import RESPONSE
from providers.shapes.baileys.targets import pointing
from providers.shapes.baileys.unwrap import unwrap
from providers.shapes.baileys.values import as_digest, as_moment, as_some, as_texts, as_true, says_nothing
from providers.shapes.vcards import card_of
from providers.waha.envelope import Build, Envelope, check_ends, key_of, object_of, split_id, target_of, unknown_item
from providers.wire import Object, as_list, as_number, as_object, as_text, timestamp_ms

SCALE = {-1: "failed", 0: "pending", 1: "sent", 2: "delivered", 3: "read", 4: "played"}
"""As WhatsApp Web counts, WAHA and its engines with it: one below Baileys."""
_NAMES = {-1: "ERROR", 0: "PENDING", 1: "SERVER", 2: "DEVICE", 3: "READ", 4: "PLAYED"}

_MESSAGE: Table = {
    **dict.fromkeys((
        "id", "timestamp", "from", "fromMe", "to", "participant", "body", "hasMedia", "media", "mediaUrl", "ack",
        "ackName", "vCards", "replyTo", "location", "_data", "reaction", "editedMessageId", "eventCreationKey",
        "eventResponse", "author",
    )),
    "source": ("sent_from", as_text),
}  # fmt: skip
_MEDIA: Table = {
    "url": ("url", as_text),
    "mimetype": ("mime_type", as_text),
    "filename": ("filename", as_text),
    "error": ("error", as_text),
    "s3": {"Bucket": KEPT, "Key": ("path", as_text)},
}
_FAMILIES = frozenset({"image", "video", "audio"})
_PLACE: Table = {
    "latitude": ("latitude", as_number),
    "longitude": ("longitude", as_number),
    "description": ("comment", as_text),
    "name": ("name", as_text),
    "address": ("address", as_text),
    "url": ("url", as_text),
    "thumbnail": Within("thumbnail", "", as_digest),
    "live": ("live", as_true),
}


def message_item(envelope: Envelope) -> Item:
    """`message` and `message.any`: the same message twice, with the same id."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    key = key_of(payload, envelope, reading)
    facts = _facts(payload, key, reading)
    told = said(Draft(key, reading, facts), _content(payload, reading))
    return _item(told, envelope, key, reading, message_identity(envelope.session, key), payload)


def _item(
    told: Told, envelope: Envelope, key: MessageKey, reading: Reading, identity: Identity | None, holder: Object
) -> Item:
    if reading.details:
        told.data["message"]["details"] = reading.details
    return Item(
        type=told.type,
        data={"channel": {}, "conversation": key.conversation, **told.data},
        identity=identity,
        time_ms=timestamp_ms(holder.get("timestamp")),
        lane=("chat", envelope.session, key.chat),
        pointer="/payload",
        subject=key.subject,
        party=key.person,
        partial=reading.partial,
    )


def _facts(payload: Object, key: MessageKey, reading: Reading) -> Object:
    """What is said of the message beside its content."""
    facts = {**head(key), **reading.read(payload, _MESSAGE, "payload")}
    state = reading.one(payload, "ack", as_text)
    if state:
        facts["provider_status"] = state
    _check_ack(payload, reading)
    reply = reading.nested(payload, "replyTo")
    if reply:
        facts["reply_to"] = _reply(reply, key, reading)
    return facts


def _check_ack(payload: Object, reading: Reading) -> None:
    """Whether name and number say the same."""
    name = _NAMES.get(payload["ack"]) if type(payload.get("ack")) is int else None
    if name and not says_nothing(payload.get("ackName")) and payload["ackName"] != name:
        reading.unmapped("conflict", "payload.ackName")


_REPLY: Table = dict.fromkeys(("id", "participant", "body", "hasMedia", "media", "_data"))


def _reply(node: Object, key: MessageKey, reading: Reading) -> Object:
    reading.read(node, _REPLY, "replyTo")
    target = target_of(reading.one(node, "id", as_text) or "", key.chat)
    reply: Object = {name: target[name] for name in ("message_id", "sender", "conversation_id") if name in target}
    participant = reading.one(node, "participant", as_text)
    if participant:
        reply["sender"] = party_of(participant)
    if node.get("body") or node.get("media"):
        reply["content"] = _content(node, reading)
    return reply


def _content(payload: Object, reading: Reading) -> Object:
    """From what all engines give; what they do not, from the engine's own object where that is Baileys'."""
    body = reading.one(payload, "body", as_text)
    media = reading.nested(payload, "media")
    if media or payload.get("hasMedia") is True:
        return _medium(media, body, reading)
    place = reading.nested(payload, "location")
    if place:
        return {"type": "location", **reading.read(place, _PLACE, "location")}
    cards = [text for text in map(as_text, as_list(payload.get("vCards"))) if text]
    if cards:
        return {"type": "contacts", "contacts": [{**card_of(vcard), "vcard": vcard} for vcard in cards]}
    if body:
        return {"type": "text", "text": body}
    engines_own = as_object(as_object(payload.get("_data")).get("message"))
    found = unwrap(engines_own, reading)
    return map_content(found, reading) if found.name else unknown_content("empty", reading)


def _medium(node: Object, caption: str | None, reading: Reading) -> Object:
    media = reading.read(node, _MEDIA, "media")
    family = media.get("mime_type", "").partition("/")[0]
    content: Object = {"type": family if family in _FAMILIES else "document", "media": media}
    if not media:
        reading.partial = True
        media["status"] = "undownloaded"
    if caption:
        content["caption"] = caption
    return content


def reaction_item(envelope: Envelope) -> Item:
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    key = key_of(payload, envelope, reading)
    node = reading.nested(payload, "reaction")
    reading.read(node, {"text": None, "messageId": None}, "reaction")
    emoji = reading.one(node, "text", as_text)
    target = target_of(reading.one(node, "messageId", as_text) or "", key.chat)
    content: Object = {"type": "reaction", **pointing(target), **({"emoji": emoji} if emoji else {})}
    content["action"] = "removed" if node.get("text") in (None, "") else "added"
    told = said(Draft(key, reading, _facts(payload, key, reading)), content)
    return _item(told, envelope, key, reading, message_identity(envelope.session, key), payload)


def edited_item(envelope: Envelope) -> Item:
    """The edit's own id may be that of the message, so it says nothing; the webhook's tells two edits apart."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    key = key_of(payload, envelope, reading)
    target = reading.one(payload, "editedMessageId", as_text) or key.id
    facts = _facts(payload, key, reading)
    told = edited(
        Draft(key, reading, facts),
        {"message_id": split_id(target).id} if target else {},
        _content(payload, reading),
    )
    when = envelope.webhook_id or str(timestamp_ms(payload.get("timestamp")) or "")
    identity = change_identity(envelope.session, key.chat, split_id(target).id, "edited", when)
    return _item(told, envelope, key, reading, identity if when else None, payload)


def revoked_item(envelope: Envelope) -> Item:
    """`before`, where it is there, is the message as it was."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    reading.read(payload, dict.fromkeys(("after", "before", "revokedMessageId", "_data")), "payload")
    after, before = reading.nested(payload, "after"), reading.nested(payload, "before")
    if before:
        reading.partial = True
    doer = after or before
    key = key_of(doer, envelope, reading)
    given = reading.one(payload, "revokedMessageId", as_text) or as_text(before.get("id")) or key.id
    target = split_id(given or "").id
    if not target:
        return unknown_item(envelope, "no id")
    told = deleted(Draft(key, reading, _facts(doer, key, reading)), {"message_id": target})
    return _item(told, envelope, key, reading, change_identity(envelope.session, key.chat, target, "deleted"), doer)


def waiting_item(envelope: Envelope) -> Item:
    """The device could not decrypt it; it may come again, readable."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    key = key_of(payload, envelope, reading)
    facts = {**_facts(payload, key, reading), "undecryptable": True}
    told = said(Draft(key, reading, facts), unknown_content("undecryptable", reading))
    return _item(told, envelope, key, reading, Identity("U", (key.id,)) if key.id else None, payload)


_ACK: Table = dict.fromkeys(("id", "from", "to", "participant", "fromMe", "ack", "ackName", "timestamp", "_data"))


def ack(envelope: Envelope) -> Item:
    """`message.ack` and `message.ack.group`."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    reading.read(payload, _ACK, "payload")
    key = key_of(payload, envelope, reading)
    _check_ack(payload, reading)
    number = payload.get("ack")
    number = number if type(number) is int else ack_number(number)[0]
    status = SCALE.get(-2 if number is None else number, "unknown")
    if status == "unknown":
        reading.unmapped("ack", payload.get("ack"))
    participant = normal_jid(reading.one(payload, "participant", as_text) or split_id(key.id).participant)
    data: Object = {"conversation": key.conversation} if key.chat else {}
    if participant:
        data["recipient"] = party_of(participant)
    elif key.recipient:
        data["recipient"] = key.recipient
    if not key.from_me:
        data["recipient"] = {"id": "self"}  # what others wrote, and we read
    return ack_item(
        message_id=key.id,
        status=status,
        raw=None if number is None else str(number),
        scale="waha",
        participant=participant,
        data=data,
        pointer="/payload",
        time_ms=timestamp_ms(payload.get("timestamp")),
        party=key.recipient["id"] if key.recipient else None,
        partial=reading.partial,
    )


_VOTE: Table = {
    **dict.fromkeys(("id", "from", "to", "fromMe", "participant", "timestamp")),
    "selectedOptions": ("options", as_texts),
}
_POLL: Table = dict.fromkeys(("id", "from", "to", "fromMe", "participant"))


def vote_item(envelope: Envelope) -> Item:
    """`poll.vote`, and `poll.vote.failed` for one that could not be decrypted."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    reading.read(payload, dict.fromkeys(("vote", "poll", "_data")), "payload")
    vote, poll = reading.nested(payload, "vote"), reading.nested(payload, "poll")
    key = key_of(vote, envelope, reading)
    reading.read(poll, _POLL, "poll")
    target = target_of(reading.one(poll, "id", as_text) or "", key.chat)
    check_ends(poll, split_id(as_text(poll.get("id")) or ""), envelope.addresses, reading)
    content: Object = {"type": "poll_vote", **pointing(target), **reading.read(vote, _VOTE, "vote")}
    if envelope.event == "poll.vote.failed":
        content["encrypted"] = True
    told = said(Draft(key, reading, head(key)), content)
    return _item(told, envelope, key, reading, message_identity(envelope.session, key), vote)


_RESPONSE: Table = {
    "response": ("response", RESPONSE),
    "timestampMs": ("responded_at", as_moment),
    "extraGuestCount": ("extra_guests", as_some),
}


def response_item(envelope: Envelope) -> Item:
    """`event.response`, and `event.response.failed` for one that could not be decrypted."""
    reading = envelope.reading()
    payload = object_of(envelope.payload, reading)
    key = key_of(payload, envelope, reading)
    node = reading.nested(payload, "eventCreationKey")
    reading.read(node, _POLL, "eventCreationKey")
    target = target_of(reading.one(node, "id", as_text) or "", key.chat)
    check_ends(node, split_id(as_text(node.get("id")) or ""), envelope.addresses, reading)
    answer = reading.nested(payload, "eventResponse")
    content: Object = {"type": "event_response", **pointing(target), **reading.read(answer, _RESPONSE, "eventResponse")}
    if says_nothing(answer):
        content["encrypted"] = True
    told = said(Draft(key, reading, _facts(payload, key, reading)), content)
    return _item(told, envelope, key, reading, message_identity(envelope.session, key), payload)


EVENTS: dict[str, Build] = {
    "message": message_item,
    "message.any": message_item,
    "message.reaction": reaction_item,
    "message.edited": edited_item,
    "message.revoked": revoked_item,
    "message.waiting": waiting_item,
    "message.ack": ack,
    "message.ack.group": ack,
    "poll.vote": vote_item,
    "poll.vote.failed": vote_item,
    "event.response": response_item,
    "event.response.failed": response_item,
}
