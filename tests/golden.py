"""Fixtures: a provider's payload, and beside it what the gateway makes of it.

`tests/fixtures/<provider>/<situation>.json` with `<situation>.expected.json` (a list of events, with their ids:
the golden vectors). A payload may have `<situation>.settings.json`, the source's settings.
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
CHANNELS: dict[str, dict[str, Any]] = {"on_premises": {"phone": "+15550783881"}, "whapi": {"id": "shop"}}
SETTINGS: dict[str, dict[str, Any]] = {
    "cloud_api": {"app_secret": "fixture-app-secret", "verify_token": "fixture-verify-token"},
    "on_premises": {"path_token": "fixture-path-token"},
    "whapi": {"api_key": "fixture-api-key-0123456789"},
}


def payloads(provider: str) -> list[Path]:
    """Payload files of a provider, by name."""
    return sorted(path for path in (FIXTURES / provider).glob("*.json") if len(path.suffixes) == 1)


def adapter_for(provider: str, path: Path | None = None) -> Adapter:
    """The adapter with the fixture's settings."""
    adapter = load_adapters()[provider]
    settings = dict(SETTINGS.get(provider, {}))
    own = path.with_suffix(".settings.json") if path else None
    if own and own.exists():
        settings |= json.loads(own.read_text())
    return adapter(adapter.Settings.model_validate(settings))


def normalize(adapter: Adapter, body: bytes, *, raw: bool = True) -> list[dict[str, Any]]:
    """The events of a body as downstream gets them, raw where the typed part does not tell all."""
    body = adapter.redact(body)
    request = RawRequest(headers={}, body=body, received_at=RECEIVED)
    source = SourceStamp(
        tenant="acme", source=adapter.name, provider=adapter.name, channel=CHANNELS.get(adapter.name, {})
    )
    events = stamp(source, adapter.parse(request), receipt_id=RECEIPT_ID, received_ms=int(RECEIVED.timestamp() * 1000))
    document = load_json(body)
    return [
        orjson.loads(
            compose(
                event.head, event.data, {},
                dump_json(resolve_pointer(document, event.pointer)) if raw and event.partial else None,
            )
        )
        for event in events
    ]  # fmt: skip


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
