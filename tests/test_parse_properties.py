"""What holds of every adapter for every body: `parse` gives items or raises Malformed, and rot does not spread."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from normalized import parse_event
from providers import Item, Malformed, RawRequest, load_adapters
from tests.golden import RECEIVED, adapter_for, normalize, payloads

PROVIDERS = [name for name in load_adapters() if payloads(name)]
BOUNDED = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["", "0", "1780952383", "16505551234", "text", "messages", "\x00", "\ud800", "a@g.us", "-1"])
)
JSON = st.recursive(
    SCALARS,
    lambda child: st.lists(child, max_size=4) | st.dictionaries(st.text(max_size=8), child, max_size=4),
    max_leaves=12,
)


@cache
def fixtures(provider: str) -> list[Any]:
    return [json.loads(path.read_text()) for path in payloads(provider)]


def encode(document: Any) -> bytes:
    """As loosely as a provider might: NaN and lone surrogates pass."""
    return json.dumps(document).encode()


def parse(provider: str, document: Any) -> list[Item] | None:
    """The items, or None for what is not this provider's envelope; nothing else may come."""
    try:
        return adapter_for(provider).parse(RawRequest(headers={}, body=encode(document), received_at=RECEIVED)).items
    except Malformed:
        return None


def check(provider: str, document: Any) -> None:
    """Whatever comes out can be stamped, encoded and read again as the schema says."""
    if parse(provider, document) is not None:
        for event in normalize(adapter_for(provider), encode(document)):
            parse_event(event)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every value below the root."""
    for key, child in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
        yield node, key
        if isinstance(child, (dict, list)):
            yield from places(child)


def mutate(data: st.DataObject, document: Any) -> Any:
    """The document with one value replaced, deleted, doubled or joined by garbage."""
    found = list(places(document)) if isinstance(document, (dict, list)) else []
    if not found:
        return data.draw(JSON)
    holder, key = data.draw(st.sampled_from(found))
    how = data.draw(st.sampled_from(["replace", "delete", "double", "insert"]))
    if how == "replace":
        holder[key] = data.draw(JSON)
    elif how == "delete":
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]) if how == "double" else data.draw(JSON))
    else:
        name = data.draw(st.text(max_size=8))
        holder[name] = copy.deepcopy(holder[key]) if how == "double" else data.draw(JSON)
    return document


@pytest.mark.parametrize("provider", PROVIDERS)
@given(document=JSON)
@BOUNDED
def test_any_json_gives_items_or_malformed(provider: str, document: Any) -> None:
    check(provider, document)


@pytest.mark.parametrize("provider", PROVIDERS)
@given(body=st.binary(max_size=200))
@BOUNDED
def test_any_bytes_give_items_or_malformed(provider: str, body: bytes) -> None:
    adapter = adapter_for(provider)
    with suppress(Malformed):
        adapter.parse(RawRequest(headers={}, body=adapter.redact(body), received_at=RECEIVED))


@pytest.mark.parametrize("provider", PROVIDERS)
@given(data=st.data())
@BOUNDED
def test_a_spoilt_payload_gives_items_or_malformed(provider: str, data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(fixtures(provider))))
    for _ in range(data.draw(st.integers(1, 4))):
        document = mutate(data, document)
    check(provider, document)


def arrays_of_items(document: Any, items: list[Item]) -> list[list[Any]]:
    """Every array that stands on the way from the body to one of its items."""
    found: dict[int, list[Any]] = {}
    for item in items:
        node = document
        for part in item.pointer.split("/")[1:]:
            if isinstance(node, list):
                found[id(node)] = node
            node = node[int(part)] if isinstance(node, list) else node[part.replace("~1", "/").replace("~0", "~")]
    return list(found.values())


def identities(items: list[Item]) -> Counter[tuple[str, Any, int | None]]:
    return Counter((item.type, item.identity, item.time_ms) for item in items)


ROTTEN = st.sampled_from([None, 0, 7, True, "", "rotten", [], [[]], {}, {"rotten": "element"}, {"id": None}])


@pytest.mark.parametrize("provider", PROVIDERS)
@given(data=st.data())
@BOUNDED
def test_a_rotten_element_takes_no_neighbour_with_it(provider: str, data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(fixtures(provider))))
    before = parse(provider, document) or []
    arrays = arrays_of_items(document, before)
    if not arrays:
        return
    array = data.draw(st.sampled_from(arrays))
    array.insert(data.draw(st.integers(0, len(array))), data.draw(ROTTEN))
    after = parse(provider, document)
    assert after is not None
    assert identities(before) <= identities(after)
