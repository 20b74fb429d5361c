"""Fixtures: a provider's payload, and beside it what the gateway makes of it.

`tests/fixtures/<provider>/<situation>.json` with `<situation>.expected.json` (a list of events, with their ids:
the golden vectors). A folder's `settings.json` holds the settings of its source, `channel.json` (if any) the source's
`channel`; a payload that needs other settings has a `<situation>.settings.json`.
`python -m tests.golden PROVIDER [SITUATION …]` prints what comes out; `--write` stores it as expected. Read it first.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gateway.stamp import SourceStamp, compose, stamp
from providers import Adapter, RawRequest, load_adapters
from providers.wire import dump_json, load_json, resolve_pointer

FIXTURES = Path(__file__).parent / "fixtures"
RECEIVED = datetime(2026, 11, 20, 12, 0, 0, 250_000, UTC)
RECEIPT_ID = bytes.fromhex("019e0000000000000000000000000001")
BESIDE = frozenset({"settings", "channel"})


def payloads(provider: str) -> list[Path]:
    """Payload files of a provider, by name."""
    files = (FIXTURES / provider).glob("*.json")
    return sorted(path for path in files if len(path.suffixes) == 1 and path.stem not in BESIDE)


def settings_of(provider: str, path: Path | None = None) -> dict[str, Any]:
    """The settings of the provider's source, or of that of one payload."""
    own = _object(path.with_suffix(".settings.json")) if path else {}
    return _object(FIXTURES / provider / "settings.json") | own


def channel_of(provider: str) -> dict[str, Any]:
    """What the source's configuration says of the business's number."""
    return _object(FIXTURES / provider / "channel.json")


def _object(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def adapter_for(provider: str, path: Path | None = None) -> Adapter:
    """The adapter with the fixture's settings."""
    adapter = load_adapters()[provider]
    return adapter(adapter.Settings.model_validate(settings_of(provider, path)))


def normalize(adapter: Adapter, body: bytes, *, raw: bool = True) -> list[dict[str, Any]]:
    """The events of a body as downstream gets them, raw where the typed part does not tell all."""
    body = adapter.redact(body)
    request = RawRequest(headers={}, body=body, received_at=RECEIVED)
    source = SourceStamp(tenant="acme", source=adapter.name, provider=adapter.name, channel=channel_of(adapter.name))
    events = stamp(source, adapter.parse(request), receipt_id=RECEIPT_ID, received_ms=int(RECEIVED.timestamp() * 1000))
    document = load_json(body)
    return [
        orjson.loads(
            compose(
                event.head,
                event.data,
                raw=dump_json(resolve_pointer(document, event.pointer)) if raw and event.partial else None,
            )
        )
        for event in events
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("provider")
    parser.add_argument("situations", nargs="*")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    for path in payloads(args.provider):
        if args.situations and path.stem not in args.situations:
            continue
        events = normalize(adapter_for(args.provider, path), path.read_bytes())
        text = json.dumps(events, indent=2, ensure_ascii=False) + "\n"
        if args.write:
            path.with_suffix(".expected.json").write_text(text)
        print(f"--- {path.name}: {len(events)} events\n{text}")


if __name__ == "__main__":
    main()
