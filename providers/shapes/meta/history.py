"""The history of a number that came from the business's phone: parts of it, their threads, and files that follow.

Cloud API webhooks reference, history; onboarding WhatsApp Business app users.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.base import Item
from providers.shapes.guard import guarded
from providers.shapes.meta.arrivals import message_item
from providers.shapes.meta.messages import ECHOED, ERROR, RECEIVED, Past, Way, unmapped_message
from providers.shapes.meta.parties import People, e164
from providers.shapes.meta.reading import Draft, Table
from providers.shapes.meta.scope import Scope
from providers.wire import Object, as_int, as_list, as_object, as_text

LATE = Past({"late_media": True}, "")
"""A file that a placeholder had announced; its webhook does not tell the phase any more."""

PART = Table(
    {
        "metadata": (
            "metadata",
            {"phase": ("phase", as_int), "chunk_order": ("chunk_order", as_int), "progress": ("progress", as_int)},
        ),
        "errors": ("errors", [ERROR]),
        "threads": None,
    }
)
THREAD = Table({"id": ("id", as_text), "context": None, "messages": None})


def history_items(scope: Scope, part: Any, pointer: str) -> Iterator[Item]:
    """One element of `history`: the messages of its threads, then how far it has come."""
    draft = Draft(scope.notes)
    found = draft.read(part, PART, "history")
    metadata = found.get("metadata", {})
    for position, thread in enumerate(as_list(as_object(part).get("threads"))):
        yield from _thread_items(scope, thread, f"{pointer}/threads/{position}", metadata)
    if not found:
        if not as_object(part).get("threads"):
            yield unmapped_part("neither threads nor progress nor errors", scope, part, pointer)
        return
    progress = {name: metadata[name] for name in ("phase", "chunk_order") if name in metadata}
    if "progress" in metadata:
        progress["percent"] = metadata["progress"]
    if "errors" in found:
        progress["errors"] = found["errors"]
    yield Item(
        type="whatsapp.history.progress",
        data={"channel": scope.channel, "progress": progress},
        identity=None,
        time_ms=None,
        lane=scope.account_lane,
        pointer=pointer,
        subject=scope.account_id,
        route=scope.route,
        partial=draft.partial,
    )


def unmapped_part(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return scope.unknown("history", pointer, detail=detail)


def late_item(scope: Scope, raw: Any, pointer: str) -> Item:
    return message_item(scope, raw, pointer, _way(scope, raw, None), LATE)


def unmapped_late(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return unmapped_message(detail, scope, raw, pointer, _way(scope, raw, None), LATE)


def late_echo(scope: Scope, raw: Any, pointer: str) -> Item:
    return message_item(scope, raw, pointer, ECHOED, LATE)


def unmapped_late_echo(detail: str, scope: Scope, raw: Any, pointer: str) -> Item:
    return unmapped_message(detail, scope, raw, pointer, ECHOED, LATE)


def _thread_items(scope: Scope, thread: Any, pointer: str, metadata: Object) -> Iterator[Item]:
    """The messages of one chat with one person, whom the thread's context describes."""
    draft = Draft(scope.notes)
    thread_id = draft.read(thread, THREAD, "history.threads").get("id")
    context = as_object(thread).get("context")
    people = People([context] if context else [], {}, scope.notes)
    within = Scope(scope.notes, pointer, scope.number, people)
    past = Past(metadata, str(metadata.get("phase", "")), thread_id)
    messages = as_object(thread).get("messages")
    for position, raw in enumerate(as_list(messages)):
        way = _way(scope, raw, thread_id)
        message = _addressed(raw, way, thread_id)
        yield guarded(message_item, unmapped_message, within, message, f"{pointer}/messages/{position}", way, past)
    if type(messages) is not list or draft.partial:
        yield unmapped_part("not told wholly by its messages", scope, thread, pointer)
    for _, detail in people.untold():
        yield scope.unknown("contact", f"{pointer}/context", detail=detail)


def _way(scope: Scope, raw: Any, thread_id: str | None) -> Way:
    """Who wrote it: the business, whose number the webhook names, or else the one that the thread is with."""
    message = as_object(raw)
    sender = e164(message.get("from"))
    if sender and sender == scope.own:
        return ECHOED
    if sender and sender == e164(thread_id):
        return RECEIVED
    return ECHOED if message.get("to") or message.get("to_user_id") else RECEIVED


def _addressed(raw: Any, way: Way, thread_id: str | None) -> Any:
    """The business's messages mostly do not name the person; the thread does."""
    member = "to" if way is ECHOED else "from"
    if type(raw) is not dict or not thread_id or any(raw.get(name) for name in (member, f"{member}_user_id")):
        return raw
    return {**raw, member: thread_id}
