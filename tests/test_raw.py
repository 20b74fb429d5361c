"""What of the provider's own fragment leaves: not its media keys, and not whole files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.sending.raw import BULKY_FROM, cut_raw

FILE = "A" * BULKY_FROM


def cut(document: Any, pointer: str = "/results") -> Any:
    return json.loads(cut_raw(document, pointer, frozenset({"mediaKey"}), frozenset({"base64_file", "jpegThumbnail"})))


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"body": "Hi", "base64_file": FILE}, {"body": "Hi", "base64_file": {"omitted_bytes": BULKY_FROM}}),
        ({"base64_file": FILE[1:]}, {"base64_file": FILE[1:]}),
        ({"message": [{"jpegThumbnail": FILE}]}, {"message": [{"jpegThumbnail": {"omitted_bytes": BULKY_FROM}}]}),
        (
            {"jpegThumbnail": {"type": "Buffer", "data": [7] * 1000}},
            {"jpegThumbnail": {"omitted_bytes": 2026}},
        ),
        ({"jpegThumbnail": {"type": "Buffer", "data": [7]}}, {"jpegThumbnail": {"type": "Buffer", "data": [7]}}),
        ({"mediaKey": "k", "text": FILE}, {"text": FILE}),
    ],
)
def test_files_give_way_to_their_size(given: Any, left: Any) -> None:
    assert cut({"results": given}) == left


def test_nothing_is_taken_out_where_nothing_is_named() -> None:
    assert json.loads(cut_raw({"a": {"base64_file": FILE, "mediaKey": "k"}}, "/a")) == {
        "base64_file": FILE,
        "mediaKey": "k",
    }
