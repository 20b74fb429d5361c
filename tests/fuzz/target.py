"""What libFuzzer calls: one body through one adapter, with a mutator that knows JSON.

Bytes changed at random are seldom JSON still. So half of the mutations change the document instead: a value is
replaced by one of another kind or from elsewhere in it, taken out, or doubled.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["providers"]):
    from gateway.stamp import SourceStamp, stamp
    from providers import Adapter, Item, Malformed, RawRequest
    from providers.shapes import guard
    from providers.wire import load_json
    from tests.golden import RECEIPT_ID, RECEIVED, adapter_for

STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 7, 2**53, 2**70, 1e300, 0.5, "", "0", "text", "1780952383", "a@g.us", "\ud800", "\x00", [], {},
)  # fmt: skip


def check(adapter: Adapter, body: bytes) -> None:
    """The promises of an adapter: it gives items or raises Malformed, and what it gives can be stamped and found."""
    body = adapter.redact(body)
    assert adapter.redact(body) == body, "what is redacted stays so"
    try:
        parsed = adapter.parse(RawRequest(headers={}, body=body, received_at=RECEIVED))
    except Malformed:
        return
    document = load_json(body)
    for item in parsed.items:
        assert points_at_something(document, item.pointer), item.pointer
    stamp(SourceStamp("acme", "fuzz", adapter.name), parsed, receipt_id=RECEIPT_ID, received_ms=1)


def points_at_something(document: Any, pointer: str) -> bool:
    for part in pointer.split("/")[1:]:
        try:
            document = document[int(part) if isinstance(document, list) else part.replace("~1", "/").replace("~0", "~")]
        except (LookupError, TypeError, ValueError):
            return False
    return True


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every value below the root."""
    for key, child in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
        yield node, key
        if isinstance(child, (dict, list)):
            yield from places(child)


def changed(document: Any, chance: random.Random) -> Any:
    """The document with one to three values changed."""
    for _ in range(chance.randint(1, 3)):
        found = list(places(document))
        if not found:
            return copy.deepcopy(chance.choice(STRANGE))
        holder, key = chance.choice(found)
        other, at = chance.choice(found)
        how = chance.randrange(4)
        if how == 0:
            holder[key] = copy.deepcopy(chance.choice(STRANGE))
        elif how == 1:
            holder[key] = copy.deepcopy(other[at])
        elif how == 2:
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[chance.choice(["type", "id", "from", "unheard_of"])] = copy.deepcopy(holder[key])
    return document


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    chance = random.Random(seed)
    if chance.random() < 0.5:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, (dict, list)):
            return json.dumps(changed(document, chance)).encode()[:max_size]
    return bytes(atheris.Mutate(data, max_size))


def unguarded(build: Callable[..., Item], fallback: Callable[..., Item], *args: Any, **kwargs: Any) -> Item:
    """Instead of the adapters' last safety net: here a mistake must show."""
    return build(*args, **kwargs)


def main() -> None:
    provider, *options = sys.argv[1:]
    setattr(guard, "guarded", unguarded)  # noqa: B010 - before the adapters, which take it by name, are imported
    with atheris.instrument_imports(include=["providers"]):
        adapter = adapter_for(provider)
    atheris.Setup([sys.argv[0], *options], lambda data: check(adapter, data), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
