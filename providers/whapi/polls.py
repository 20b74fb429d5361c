"""`poll_update`: votes on a poll, as Baileys has them once they are decrypted: hashes of what was chosen.

docs.whapi.id names the type without an example, so what looks otherwise is left to `raw`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.base import Item, Notes
from providers.shapes.baileys.actions import Draft
from providers.shapes.baileys.keys import read_key
from providers.shapes.baileys.messages import head, message_identity, said
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.targets import as_target, pointing
from providers.shapes.baileys.values import as_base64s, as_moment
from providers.shapes.guard import guarded
from providers.wire import Object, as_list, as_object, timestamp_ms

_UPDATE: Table = {
    "pollUpdateMessageKey": None,
    "vote": {"selectedOptions": ("option_hashes", as_base64s)},
    "senderTimestampMs": ("voted_at", as_moment),
    "serverTimestampMs": ("received_at", as_moment),
    "unread": None,
}
_AROUND: Table = {"apiKey": None, "key": None, "pollUpdates": None, "update": {"pollUpdates": None}}


def votes_of(results: Object) -> tuple[list[Any], str]:
    """The votes and the pointer to them; none where it is another shape."""
    for holder, pointer in ((results, "/results"), (as_object(results.get("update")), "/results/update")):
        votes = as_list(holder.get("pollUpdates"))
        if any(type(as_object(vote).get("pollUpdateMessageKey")) is dict for vote in votes):
            return votes, f"{pointer}/pollUpdates"
    return [], ""


def vote_items(results: Object, notes: Notes) -> Iterator[Item]:
    votes, pointer = votes_of(results)
    around = Reading(notes)
    around.read(results, _AROUND, "poll_update")
    poll = as_object(results.get("key"))
    for index, vote in enumerate(votes):
        place = "/results" if around.partial else f"{pointer}/{index}"
        item = guarded(_item, _unmapped, vote, poll, place, notes)
        item.partial = item.partial or around.partial
        yield item


def _item(vote: Object, poll: Object, pointer: str, notes: Notes) -> Item:
    if type(as_object(vote).get("pollUpdateMessageKey")) is not dict:
        return _unmapped("no vote", vote, poll, pointer, notes)
    reading = Reading(notes)
    key = read_key(vote["pollUpdateMessageKey"], reading)
    found = reading.read(vote, _UPDATE, "pollUpdates")
    content = {"type": "poll_vote", **pointing(as_target(poll, reading, "key")), **found}
    told = said(Draft(key, reading, head(key)), content)
    return Item(
        type=told.type,
        data={"channel": {}, "conversation": key.conversation, **told.data},
        identity=message_identity("", key),
        time_ms=timestamp_ms(vote.get("senderTimestampMs")),
        lane=("chat", "", key.chat),
        pointer=pointer,
        subject=key.subject,
        party=key.person,
        partial=reading.partial or bool(reading.details),
    )


def _unmapped(detail: str, vote: Object, poll: Object, pointer: str, notes: Notes) -> Item:
    notes.drifted("message", detail)
    return Item(
        type="whatsapp.unknown",
        data={"kind": "type", "name": "poll_update", "detail": detail},
        identity=None,
        time_ms=None,
        lane=("other",),
        pointer=pointer,
        partial=True,
    )
