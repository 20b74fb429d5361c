"""An event in a few words for people: what `listen`, `send` and `demo` print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from providers.wire import as_list, as_object, as_text

PREFIX = "whatsapp."
WIDTH = 60
_JOINER = "\u200d"
"""Joins emojis into one. It counts as unprintable, and does no harm."""

_SAID = ("text", "question", "caption", "title", "response_text")
_NAMED = ("emoji", "name", "filename", "address", "response", "method", "kind", "action")
"""Members of a message's content, the most telling first: what a person wrote, and other words."""


def short_type(event_type: str) -> str:
    return event_type.removeprefix(PREFIX)


def clean(text: str, width: int = WIDTH) -> str:
    """Text from outside, safe to print on a terminal: one line, no control characters, not too long."""
    cut = text if len(text) <= width else text[: width - 1] + "…"
    return "".join(char if char.isprintable() or char == _JOINER else "·" for char in cut)


def summarize(data: Mapping[str, Any]) -> str:
    """What an event's data says, such as `text "Hi"` or `delivered`; empty where it has nothing that tells."""
    words = next((describe(data) for member, describe in _BY_MEMBER.items() if data.get(member)), ())
    return clean(" ".join(word for word in words if word))


def _message(data: Mapping[str, Any]) -> Iterable[str]:
    message = as_object(data.get("message"))
    if "content" in message:
        return _edited(message)
    return *_edited(data), _joined(as_object(data.get("target")), "message_id")


def _edited(holder: Mapping[str, Any]) -> Iterable[str]:
    content = as_object(holder.get("content"))
    return _joined(content, "type"), _content(content)


def _content(content: Mapping[str, Any]) -> str:
    told = {**as_object(content.get("media")), **content}
    if said := _first(told, _SAID):
        return f'"{said}"'
    if cards := _list(content, "contacts"):
        return ", ".join(_joined(as_object(as_object(card).get("name")), "formatted_name") for card in cards)
    if items := _list(content, "items"):
        return f"of {len(items)} item{'s' * (len(items) > 1)}"
    if options := _list(content, "options"):
        return ", ".join(filter(None, map(as_text, options)))
    return _first(told, _NAMED) or _joined(told, "latitude", "longitude") or _joined(told, "mime_type")


def _status(data: Mapping[str, Any]) -> Iterable[str]:
    status = as_object(data.get("status"))
    return _joined(status, "status"), _errors(status), _joined(status, "surface")


def _change(data: Mapping[str, Any]) -> Iterable[str]:
    change = as_object(data.get("change"))
    words = [_joined(change, name).lower() for name in ("kind", "status", "decision", "provider_event")]
    concerned = (as_object(data.get(name)) for name in ("contact", "template", "phone_number"))
    names = (_first(thing, ("name", "id", "phone")) for thing in concerned)
    return *dict.fromkeys(words), next(filter(None, names), "")


def _members_of(subject: str, *names: str) -> Callable[[Mapping[str, Any]], Iterable[str]]:
    """Tells some members of the subject, and its errors."""

    def tell(data: Mapping[str, Any]) -> Iterable[str]:
        holder = as_object(data.get(subject))
        return _joined(holder, *names), _errors(holder)

    return tell


def _error(data: Mapping[str, Any]) -> Iterable[str]:
    return [_errors(data)]


def _unknown(data: Mapping[str, Any]) -> Iterable[str]:
    return [_joined(data, "kind", "name")]


_BY_MEMBER: dict[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    "change": _change,
    "call": _members_of("call", "direction", "state", "outcome"),
    "message": _message,
    "content": _edited,
    "status": _status,
    "payment": _members_of("payment", "status", "reference_id"),
    "interaction": _members_of("interaction", "kind", "provider_event"),
    "progress": _members_of("progress", "phase", "percent"),
    "connection": _members_of("connection", "state", "reason"),
    "target": _members_of("target", "message_id"),
    "errors": _error,
    "kind": _unknown,
}
"""Member of the data -> how to tell it; the first that is there tells what the event is about."""


def _errors(holder: Mapping[str, Any]) -> str:
    return ", ".join(_joined(as_object(error), "code", "title") for error in _list(holder, "errors"))


def _joined(holder: Mapping[str, Any], *names: str) -> str:
    return " ".join(text for text in (as_text(holder.get(name)) for name in names) if text)


def _first(holder: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of the members that is a text."""
    return next((text for text in (holder.get(name) for name in names) if isinstance(text, str) and text), "")


def _list(holder: Mapping[str, Any], name: str) -> list[Any]:
    return as_list(holder.get(name))
