"""Reading by table: what is told, what is left to `raw`, what says nothing, and values in all their prints."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from providers.base import Notes
from providers.shapes.baileys.noise import NOISE
from providers.shapes.baileys.reading import KEPT, Reading, Table, Within
from providers.shapes.baileys.values import (
    as_count,
    as_date_ms,
    as_digest,
    as_given,
    as_milli,
    as_moment,
    as_texts,
    word,
)
from providers.wire import as_bool, as_text

COLOUR = word("NONE", "RED", "BLUE", silent="NONE")
TABLE: Table = {
    "known": None,
    "name": ("title", as_text),
    "label": ("title", as_text),
    "colour": ("colour", COLOUR),
    "inner": ("inside", {"size": ("size", as_count)}),
    "list": ("elements", [{"size": ("size", as_count)}]),
    "width": Within("box", "width", as_count),
    "height": Within("box", "height", as_count),
    "digest": Within("box", "", as_digest),
    "flat": {"size": ("size", as_count)},
    "rare": KEPT,
}


@pytest.fixture
def reading() -> Reading:
    return Reading(Notes())


@pytest.mark.parametrize(
    ("node", "found", "partial", "drift"),
    [
        ({}, {}, False, []),
        ({"known": 5, "name": "A"}, {"title": "A"}, False, []),
        ({"name": None, "label": "", "inner": {}, "list": [], "colour": False}, {}, False, []),
        ({"name": [5]}, {}, True, []),
        ({"name": "A", "label": "A"}, {"title": "A"}, False, []),
        ({"name": "A", "label": "B"}, {"title": "A"}, True, ["thing.label"]),
        ({"colour": "RED"}, {"colour": "red"}, False, []),
        ({"colour": 2}, {"colour": "blue"}, False, []),
        ({"colour": 0}, {}, False, []),
        ({"colour": "NONE"}, {}, False, []),
        ({"colour": "GREEN"}, {"colour": "green"}, True, ["colour=green"]),
        ({"colour": 7}, {"colour": "7"}, True, ["colour=7"]),
        ({"inner": {"size": 5}}, {"inside": {"size": 5}}, False, []),
        ({"inner": {"size": 0}}, {"inside": {"size": 0}}, False, []),
        ({"inner": "torn"}, {}, True, []),
        ({"inner": {"depth": 5}}, {}, True, ["thing.inner.depth"]),
        ({"list": [{"size": 1}, {}, {"size": 2}]}, {"elements": [{"size": 1}, {"size": 2}]}, False, []),
        ({"list": [{"size": 1}, "torn"]}, {"elements": [{"size": 1}]}, True, []),
        ({"list": {"size": 1}}, {}, True, []),
        ({"width": 3, "height": 4}, {"box": {"width": 3, "height": 4}}, False, []),
        ({"width": "wide"}, {}, True, []),
        ({"flat": {"size": 5}}, {"size": 5}, False, []),
        ({"flat": 5}, {}, True, []),
        ({"hologram": 5}, {}, True, ["thing.hologram"]),
        ({"hologram": None, "absent": False, "empty": []}, {}, False, []),
        (dict.fromkeys(NOISE, "x"), {}, False, []),
    ],
)
def test_tables(node: Any, found: Any, partial: bool, drift: list[str], reading: Reading) -> None:
    assert reading.read(node, TABLE, "thing") == found
    assert reading.partial is partial
    assert [name for _, name in reading.notes.drift] == drift


def test_rare_members_are_kept_under_their_own_names(reading: Reading) -> None:
    assert reading.read({"rare": {"mediaKey": "k", "a": [{"base64": "x", "b": 1}]}}, TABLE, "thing") == {}
    assert reading.details == {"thing.rare": {"a": [{"b": 1}]}}
    assert not reading.partial


def test_false_is_an_answer_only_where_it_is_asked_for(reading: Reading) -> None:
    assert reading.one({"a": False}, "a", as_bool) is False
    assert reading.one({"a": False}, "a", as_text) is None
    assert not reading.partial


BYTES = bytes(range(256))
DIGEST = {"sha256": hashlib.sha256(BYTES).hexdigest(), "size": 256}


@pytest.mark.parametrize(
    "value",
    [
        base64.b64encode(BYTES).decode(),
        base64.b64encode(BYTES).decode().rstrip("="),
        base64.urlsafe_b64encode(BYTES).decode(),
        base64.encodebytes(BYTES).decode(),
        "data:image/jpeg;base64," + base64.b64encode(BYTES).decode(),
        list(BYTES),
        {"type": "Buffer", "data": list(BYTES)},
        {"type": "Buffer", "data": base64.b64encode(BYTES).decode()},
        {str(index): byte for index, byte in enumerate(BYTES)},
    ],
)
def test_bytes_that_come_along_have_one_digest_in_every_print(value: Any) -> None:
    assert as_digest(value) == DIGEST


@pytest.mark.parametrize("value", [None, 5, [], {}, [256], [-1], ["a"], {"data": None}, {"1": 5}, "", "=", "?"])
def test_what_holds_no_bytes_has_none(value: Any) -> None:
    assert as_digest(value) is None


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1780952383, "2026-06-08T20:59:43Z"),
        ("1780952383123", "2026-06-08T20:59:43.123Z"),
        ({"low": 1780952383, "high": 0, "unsigned": True}, "2026-06-08T20:59:43Z"),
        (0, ""),
        ("0", ""),
        ({"low": 0, "high": 0}, ""),
        ("soon", None),
        (-5, None),
    ],
)
def test_moments(value: Any, moment: str | None) -> None:
    assert as_moment(value) == moment


@pytest.mark.parametrize(
    ("value", "time_ms"),
    [
        ("2026-06-08T20:59:43.000Z", 1780952383000),
        ("2026-06-08T22:59:43+02:00", 1780952383000),
        (1780952383, 1780952383000),
        ("1780952383", 1780952383000),
        ("2026-06-08T20:59:43", None),
        ("yesterday", None),
        ({}, None),
    ],
)
def test_dates(value: Any, time_ms: int | None) -> None:
    assert as_date_ms(value) == time_ms


@pytest.mark.parametrize(
    ("value", "amount"), [(19990, 19.99), ("19990", 19.99), (5000, 5), ({"low": 1}, 0.001), (-5, None), ("x", None)]
)
def test_amounts(value: Any, amount: Any) -> None:
    assert as_milli(value) == amount


@pytest.mark.parametrize(("value", "texts"), [(["a", 5], ["a", "5"]), ([], []), (["a", {}], None), ("a", None)])
def test_lists_of_texts(value: Any, texts: Any) -> None:
    assert as_texts(value) == texts


def test_what_is_kept_as_given_holds_no_key() -> None:
    assert as_given({"a": [{"mediaKey": "k", "b": 1}], "jpegThumbnail": "x"}) == {"a": [{"b": 1}]}
