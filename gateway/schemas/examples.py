"""Real events, one for each event type and each type of content, for the documents to show.

`examples.json` is chosen from the fixtures of the tests: `python -m tests.examples` writes it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

Object = dict[str, Any]


class Examples(NamedTuple):
    events: dict[str, Object]
    """Event type -> an event."""
    contents: dict[str, Object]
    """Type of content -> what stands in `data.message.content`."""


@cache
def examples() -> Examples:
    return Examples(**json.loads(files(__package__).joinpath("examples.json").read_bytes()))
