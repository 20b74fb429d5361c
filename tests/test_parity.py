"""The same thing told by several providers is the same event.

tests/parity/<situation>/<provider>.json holds one thing as each provider sends it: the same people, times, texts and
message ids, but for the prefix that each kind of id has. Where a provider says more or less than the others, the
tables below say so. Situations that a provider does not tell apart are left out there: WAHA's own members have no
stickers, voice notes, taps, ads, mentions and forwards, and Meta's On-Premises API has no edits and echoes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from providers import load_adapters
from tests.golden import adapter_for, normalize

PARITY = Path(__file__).parent / "parity"
REFERENCES = ("cloud_api", "on_premises")
"""Whom the others are compared with: the first that has the situation."""

SPECIFIC = (
    "id",
    "source",
    "provider",
    "dataschema",
    "receivedtime",
    "data.raw*",
    "data.channel.*",
    "*conversation.provider_id",
    "*.wa_id",
    "*.lid",
    "data.message.reply_token",
    "data.message.sent_from",
    "data.message.provider_status",
    "data.status.provider_status",
    "data.status.scale",
    "data.status.surface",
    # Where a file is, and what a provider knows of it beyond its kind and name.
    "*media.id",
    "*media.url",
    "*media.path",
    "*media.sha256",
    "*media.encrypted_sha256",
    "*media.size",
    "*media.width",
    "*media.height",
    "*media.duration_s",
    "*media.pages",
    "*media.key_created_at",
)
"""What may differ in every situation: whose event it is, ids and addresses in the provider's own world."""

QUOTES = "devices repeat what is answered, Meta names it"
KEYS = "devices repeat the whole key of a message, and when exactly"
ASKED = "devices say in which kind of message the choice stood"
DIFFERENCES: dict[tuple[str, str], str] = {
    ("ad_referral", "data.message.referral.display.*"): "devices say how the ad was shown",
    ("button_reply", "data.message.content.provider_kind"): ASKED,
    ("button_reply", "data.message.reply_to.content.*"): QUOTES,
    ("contacts", "data.message.content.contacts[[]*].vcard"): "devices pass the card on as it was written",
    ("echoed_text", "data.sender.*"): "devices do not name their own number",
    ("edited", "data.edited_at"): KEYS,
    ("group_mention", "data.conversation.id"): "coreapp names a group without its server",
    ("group_mention", "subject"): "coreapp names a group without its server",
    ("list_reply", "data.message.content.kind"): ASKED,
    ("list_reply", "data.message.reply_to.content.*"): QUOTES,
    ("reaction_added", "data.message.content.reacted_at"): KEYS,
    ("reaction_added", "data.message.content.target.*"): KEYS,
    ("reaction_removed", "data.message.content.reacted_at"): KEYS,
    ("reaction_removed", "data.message.content.target.*"): KEYS,
    ("status_failed", "data.status.errors*"): "acks of devices give no reason",
    ("status_failed", "time*"): "acks of devices tell no time",
    ("status_read", "time*"): "acks of devices tell no time",
    ("sticker", "data.message.content.animated"): "coreapp does not say whether a sticker moves",
    ("template_button_reply", "data.message.content.index"): ASKED,
    ("template_button_reply", "data.message.reply_to.content.*"): QUOTES,
    ("text_forwarded", "data.message.forwarding_score"): "devices count",
    ("text_forwarded_often", "data.message.forwarding_score"): "devices count",
    ("text_reply", "data.message.reply_to.content.*"): QUOTES,
}
"""(situation, path) -> why providers differ there."""

SILENT: dict[str, tuple[str, ...]] = {"waha": ("data.sender.name",)}
"""What a provider never tells, in its own members."""

CASES = sorted((path.parent.name, path.stem) for path in PARITY.glob("*/*.json") if path.stem in load_adapters())
_ID = re.compile(r"(?:wamid\.|3EB0|ABGG)(PARITY\d+)")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}[{index}]")
    else:
        yield path, _ID.sub(r"\1", value) if isinstance(value, str) else value


def told(situation: str, provider: str, free: list[str]) -> list[dict[str, Any]]:
    """The events as flat objects, without what is free to differ."""
    body = (PARITY / situation / f"{provider}.json").read_bytes()
    return [
        {path: value for path, value in leaves(event) if not any(fnmatchcase(path, pattern) for pattern in free)}
        for event in normalize(adapter_for(provider), body)
    ]


@pytest.mark.parametrize(("situation", "provider"), CASES)
def test_the_same_thing_is_the_same_event(situation: str, provider: str) -> None:
    reference = next(name for name in REFERENCES if (PARITY / situation / f"{name}.json").exists())
    free = [*SPECIFIC, *SILENT.get(provider, ()), *(path for at, path in DIFFERENCES if at == situation)]
    mine, theirs = told(situation, provider, free), told(situation, reference, free)
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        different = [path for path in one | other if one.get(path) != other.get(path)]
        assert {path: (one.get(path), other.get(path)) for path in different} == {}


@pytest.mark.parametrize(("situation", "provider"), CASES)
def test_it_is_told_wholly(situation: str, provider: str) -> None:
    """One event, and nothing that only `raw` would tell."""
    events = normalize(adapter_for(provider), (PARITY / situation / f"{provider}.json").read_bytes())
    assert [event["type"] for event in events if "raw" in event["data"]] == []
    assert len(events) == 1


def test_every_difference_is_one() -> None:
    """What the table excuses is there: in an event of one provider, and not in the same way in another's."""
    for situation, pattern in DIFFERENCES:
        found = {
            provider: [
                (path, value)
                for event in normalize(adapter_for(provider), (PARITY / situation / f"{provider}.json").read_bytes())
                for path, value in leaves(event)
                if fnmatchcase(path, pattern)
            ]
            for at, provider in CASES
            if at == situation
        }
        assert len({repr(values) for values in found.values()}) > 1, (situation, pattern)
