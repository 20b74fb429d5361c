"""What normalizing costs: from a body's bytes to the bytes of its events, against one round trip through orjson."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from bench.figures import Row
from bench.machine import SERVER_CORE, pinned
from bench.messages import APP_SECRET, status_batch, text_message, whapi_text
from bench.runs import Bench
from gateway.stamp import SourceStamp, compose, new_receipt_id, stamp
from providers import Adapter, RawRequest, load_adapters

BATCH = 1_000
_WHAPI_KEY = "bench-api-key"
_SETTINGS: dict[str, dict[str, Any]] = {
    "cloud_api": {"app_secret": APP_SECRET, "verify_token": "bench-verify-token"},
    "whapi": {"api_key": _WHAPI_KEY},
}


def rows(bench: Bench) -> list[Row]:
    now_s = int(time.time())
    repeats = bench.size(40, quick=10)
    with pinned((SERVER_CORE,)):
        return [
            _row("a Cloud API text", "cloud_api", text_message(1, now_s), repeats, at_most=12),
            _row("a WHAPI text, key taken out", "whapi", whapi_text(_WHAPI_KEY), repeats, at_most=20),
            _row(f"a status in a batch of {BATCH:,}", "cloud_api", status_batch(BATCH, now_s), repeats, BATCH),
        ]


def _row(what: str, provider: str, body: bytes, repeats: int, events: int = 1, *, at_most: float | None = None) -> Row:
    """The least of several repeats: whatever disturbs, only adds."""
    normalize = _normalizer(provider)
    assert len(normalize(body)) == events
    ours = _best(lambda: normalize(body), repeats) / events
    ceiling = _best(lambda: orjson.dumps(orjson.loads(body)), repeats) / events
    return Row(
        f"normalize, {what}", f"{ours:.1f} µs", f"{ceiling:.2f} µs", f"{ours / ceiling:.1f}", ours / ceiling,
        at_most=at_most, unit=" ×", note="against the body through orjson, there and back",
        figures={"ours_us": ours, "orjson_us": ceiling},
    )  # fmt: skip


def _normalizer(provider: str) -> Callable[[bytes], list[bytes]]:
    adapter: Adapter = load_adapters()[provider](_settings(provider))
    source = SourceStamp(tenant="bench", source=provider, provider=provider, origin="https://hooks.example.com")
    received_ms = int(time.time() * 1000)
    received_at = datetime.fromtimestamp(received_ms / 1000, UTC)
    receipt_id, party_key = new_receipt_id(received_ms), bytes(32)
    headers = {"content-type": "application/json"}

    def normalize(body: bytes) -> list[bytes]:
        request = RawRequest(headers=headers, body=adapter.redact(body), received_at=received_at)
        events = stamp(
            source, adapter.parse(request), receipt_id=receipt_id, received_ms=received_ms, party_key=party_key
        )
        return [compose(event.head, event.data, b',"sequence":"000000000000000001"') for event in events]

    return normalize


def _settings(provider: str) -> Any:
    return load_adapters()[provider].Settings.model_validate(_SETTINGS[provider])


def _best(work: Callable[[], object], repeats: int) -> float:
    """Microseconds."""
    timer = timeit.Timer(work)
    number = max(1, int(0.02 / max(timer.timeit(1), 1e-6)))
    return min(timer.repeat(repeats, number)) / number * 1e6
