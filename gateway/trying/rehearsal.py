"""What `wa-gateway demo` plays: a configuration with every provider, what they send, what must come of it.

What is expected is worked out from the adapters alone, without the gateway, its store and the network.
"""

from __future__ import annotations

import base64
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from gateway.config import Config, Source
from gateway.config.secrets import placeholders
from gateway.sending.signing import PREFIX
from gateway.stamp import event_id
from gateway.trying.samples import default_sample, samples
from normalized import parse_event
from providers import Adapter, Item, RawRequest, SourceSettings

TENANT = "demo"
CHANNEL = {"phone": "+15550783881"}
PROOF_REFUSED = (401, 403)


class Post(NamedTuple):
    """A webhook to send. `remark` is empty, `again` or `forged`."""

    source: Source
    sample: str
    remark: str
    body: bytes

    @property
    def label(self) -> str:
        return " ".join(part for part in (f"{self.source.name}/{self.sample}", self.remark) if part)


def new_webhook_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def configuration(adapters: Mapping[str, type[Adapter]], store: Path, url: str, secret: str) -> str:
    """YAML: a source for each provider with samples, one destination, any free ports, secrets of its own."""
    sources = {
        name: {"provider": name, "channel": CHANNEL, **made}
        for name, adapter in adapters.items()
        if samples(adapter) and (made := _random_settings(adapter.Settings)) is not None
    }
    document = {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "store": f"sqlite:{store}",
        "tenants": {TENANT: {"sources": sources, "destinations": {"app": {"url": url, "secret": secret}}}},
    }
    return yaml.safe_dump(document, sort_keys=False)


def posts(config: Config) -> Iterator[Post]:
    """Every sample of every source; then one of them again, and one under a false name."""
    for source in config.tenants[TENANT].sources.values():
        bodies = {name: file.read_bytes() for name, file in samples(type(source.adapter)).items()}
        yield from (Post(source, name, "", body) for name, body in bodies.items())
        chosen = default_sample(bodies)
        if chosen is not None:
            yield Post(source, chosen, "again", bodies[chosen])
            yield Post(_impostor(source), chosen, "forged", bodies[chosen])


def _impostor(source: Source) -> Source:
    """Somebody who knows the source's URL, and none of its secrets."""
    adapter = type(source.adapter)
    return replace(source, adapter=adapter(adapter.Settings.model_validate(_random_settings(adapter.Settings))))


def _random_settings(model: type[SourceSettings]) -> dict[str, str] | None:
    """Secrets that the model requires, a path token only where it must be; None if it requires other things."""
    made = {key: secrets.token_urlsafe(24) for key in placeholders(model)}
    for settings in ({key: value for key, value in made.items() if key != "path_token"}, made):
        try:
            model.model_validate(settings)
        except ValidationError:
            continue
        return settings
    return None


class Ledger:
    """Keeps account of what was sent, and so of what must arrive."""

    def __init__(self) -> None:
        self._due: dict[str, str] = {}
        self._due_without_identity: Counter[str] = Counter()
        self._arrived: dict[str, str] = {}
        self.complaints: list[str] = []
        self.duplicates = 0
        self.forgeries = 0

    @property
    def total(self) -> int:
        """Distinct events that must arrive."""
        return len(self._due) + self._due_without_identity.total()

    def sent(self, post: Post, status: int, answer: Any) -> None:
        """A webhook was answered."""
        if post.remark == "forged":
            self.forgeries += 1
            if status not in PROOF_REFUSED:
                self.complaints.append(f"{post.label}: answered {status}, and should have been refused")
            return
        request = RawRequest(headers={}, body=post.body, received_at=datetime.now(UTC))
        new = [self._note(post, item) for item in post.source.adapter.parse(request).items]
        expected = {"events": sum(new), "duplicates": len(new) - sum(new)}
        self.duplicates += expected["duplicates"]
        if (status, answer) != (200, expected):
            self.complaints.append(f"{post.label}: answered {status} {answer}, and not 200 {expected}")

    def _note(self, post: Post, item: Item) -> bool:
        """Whether the item is a new event."""
        if item.identity is None:
            self._due_without_identity[item.type] += 1
            return True
        key = event_id(post.source.uid, item.identity, item.time_ms).hex()
        known = key in self._due
        self._due.setdefault(key, f"{item.type} of {post.label}")
        return not known

    def arrived(self, event: Mapping[str, Any]) -> None:
        """An event was delivered, and its signature was right."""
        try:
            typed = parse_event(dict(event))
        except ValueError as error:
            self.complaints.append(f"event {event.get('id')} is not what the schema says: {error}")
        else:
            self._arrived[typed.id] = typed.type

    def differences(self) -> list[str]:
        """What should have arrived and did not, and what arrived and should not have."""
        others = Counter(kind for key, kind in self._arrived.items() if key not in self._due)
        lost = self._due_without_identity - others
        invented = others - self._due_without_identity
        return [
            *(f"missing: {label}" for key, label in self._due.items() if key not in self._arrived),
            *(f"missing: {count} {kind}" for kind, count in lost.items()),
            *(f"arrived, and nobody sent it: {count} {kind}" for kind, count in invented.items()),
        ]
