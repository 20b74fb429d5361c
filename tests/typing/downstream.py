"""Code of an application, for a type checker: tests/test_schema.py has mypy read it, strictly and without plugins.

Every ignore below is an error that must be reported: mypy complains of one that is not.
"""

from __future__ import annotations

from typing import Any, assert_type

from normalized import (
    Event,
    ImageContent,
    Media,
    MessageData,
    Party,
    StatusData,
    TextContent,
    UnknownContent,
    parse_event,
)


def unsafe(value: object) -> None:
    """What is handed here was not narrowed before."""


def text_of(body: bytes) -> str | None:
    event = parse_event(body)
    assert_type(event, Event)
    assert_type(event.id, str)
    if not isinstance(event.data, MessageData):
        return None
    assert_type(event.data.sender, Party)
    assert_type(event.data.sender.phone, str | None)
    content = event.data.message.content
    unsafe(content.text)  # type: ignore[union-attr]
    if isinstance(content, UnknownContent):
        assert_type(content.type, str)
        return None
    if isinstance(content, ImageContent):
        assert_type(content.media, Media)
        return content.caption
    return content.text if isinstance(content, TextContent) else None


def rank_of(event: Event) -> int:
    unsafe(event.data.status)  # type: ignore[union-attr]
    if isinstance(event.data, dict):
        assert_type(event.data, dict[str, Any])
    match event.data:
        case StatusData(status=status):
            return assert_type(status.rank, int)
    return 0
