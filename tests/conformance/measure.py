"""One provider's payloads, measured."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.lossless import Leaf, Verdict, Vocabulary, explain, learn, share_typed
from providers import Adapter, Malformed, RawRequest
from tests.golden import RECEIVED

_INDEX_ROW = re.compile(r"^\| *([^|]+?\.json) *\|[^|]*\| *([a-z-]+) *\|", re.MULTILINE)
LEFT_OUT = frozenset({"composed", "composed-by-source"})
"""Labels of payloads that nobody saw: they prove nothing about what providers send."""
_ENVELOPE_PATHS = re.compile(r"(?:#\d+ )?(?:time|subject)")


@dataclass
class Gap:
    """A kind of leaf that did not become typed."""

    count: int = 0
    example: str = ""
    reason: str = ""


@dataclass
class Outcome:
    """`envelope_only` counts typed leaves that change no `data`: nothing but the envelope's time or subject."""

    provider: str
    payloads: int = 0
    malformed: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    envelope_only: int = 0
    gaps: dict[tuple[Verdict, str], Gap] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return share_typed(self.verdicts)

    def count(self, leaf: Leaf, name: str) -> None:
        self.verdicts[leaf.verdict] += 1
        if leaf.verdict is Verdict.TYPED:
            self.envelope_only += all(_ENVELOPE_PATHS.fullmatch(path) for path in leaf.paths)
            return
        gap = self.gaps.setdefault((leaf.verdict, leaf.pattern), Gap(0, name, leaf.reason))
        gap.count += 1


def left_out(directory: Path) -> set[str]:
    """Names of payloads (folder/file) that an INDEX.md labels as composed."""
    index = directory / "INDEX.md"
    rows = _INDEX_ROW.findall(index.read_text()) if index.exists() else []
    return {name for name, label in rows if label in LEFT_OUT}


def measure(provider: str, paths: Iterable[Path], adapters: dict[Path, Adapter]) -> Outcome:
    """Measure payloads, each read by its adapter. An exception costs its payload alone."""
    outcome = Outcome(provider)
    bodies = {path: path.read_bytes() for path in paths}
    vocabulary = learn(_decoded(bodies.values()))
    for path, body in bodies.items():
        outcome.payloads += 1
        try:
            _measure(outcome, adapters[path], path.name, body, vocabulary)
        except Malformed as error:
            outcome.malformed.append(f"{path.name}: {error}")
        except Exception as error:  # that is what is looked for
            notes = "; ".join(getattr(error, "__notes__", ()))
            outcome.exceptions.append(f"{path.name}: {type(error).__name__}: {error} {notes}".rstrip())
    return outcome


def _measure(outcome: Outcome, adapter: Adapter, name: str, body: bytes, vocabulary: Vocabulary) -> None:
    request = RawRequest(headers={}, body=adapter.redact(body), received_at=RECEIVED)
    parsed = adapter.parse(request)
    for item in parsed.items:
        outcome.events[item.type] += 1
        if unknown := unknown_in(item.type, item.data):
            outcome.unknown[unknown] += 1
    outcome.drift.update(f"{kind}: {what}" for kind, what, *_ in parsed.notes.drift)
    for leaf in explain(adapter, body, vocabulary):
        outcome.count(leaf, name)


def unknown_in(event_type: str, data: dict[str, Any]) -> str | None:
    """What could not be mapped: a whole event, or a message's content."""
    if event_type == "whatsapp.unknown":
        return f"{data.get('kind')} {data.get('name', '')}".strip()
    content = data.get("message", {}).get("content", {})
    return f"content {content.get('kind', '')}".strip() if content.get("type") == "unknown" else None


def _decoded(bodies: Iterable[bytes]) -> Iterable[Any]:
    for body in bodies:
        try:
            yield json.loads(body)
        except ValueError:
            continue
