"""A trial's outcome for people: a line per leaf, and one that sums up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.lossless.leaves import Leaf, Verdict, share_typed
from providers.wire import compact

_PATHS_SHOWN = 3


def table(leaves: Sequence[Leaf]) -> Iterator[str]:
    """Pointer, verdict and where it went, in columns."""
    width = max((len(leaf.pointer) for leaf in leaves), default=0)
    for leaf in leaves:
        yield f"{leaf.pointer:<{width}}  {leaf.verdict:<5}  {_told(leaf)}".rstrip()
    yield summary(Counter(leaf.verdict for leaf in leaves))


def described(leaf: Leaf) -> dict[str, Any]:
    """A leaf as a JSON object."""
    return compact(
        pointer=leaf.pointer, verdict=leaf.verdict, paths=list(leaf.paths), reason=leaf.reason,
        raw_by_default=leaf.partial if leaf.verdict is Verdict.RAW else None,
    )  # fmt: skip


def summary(verdicts: Counter[Verdict]) -> str:
    counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict)
    return f"{verdicts.total()} leaves: {counts}; {share_typed(verdicts):.1%} typed of what is not noise"


def _told(leaf: Leaf) -> str:
    if leaf.verdict is Verdict.RAW:
        return "in raw, which is sent by default" if leaf.partial else "in raw, which is sent only with `raw: always`"
    more = len(leaf.paths) - _PATHS_SHOWN
    return leaf.reason or ", ".join(leaf.paths[:_PATHS_SHOWN]) + (f", {more} more" if more > 0 else "")
