"""The WHAPI key never stays: not elsewhere in a body, not behind escapes, not where nothing parses."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest

from providers.whapi import WhapiAdapter, WhapiSettings
from providers.wire import load_json
from tests.golden import payloads, settings_of

KEY = settings_of("whapi")["api_key"]


def adapter(**settings: Any) -> WhapiAdapter:
    return WhapiAdapter(WhapiSettings.model_validate({"api_key": KEY, **settings}))


def escaped(text: str, shape: str = "\\u{:04x}") -> str:
    return "".join(shape.format(ord(character)) for character in text)


UPPER = "\\u{:04X}"
SLASHED = 'key/with"quote-é😀'


class TestRedaction:
    @pytest.mark.parametrize(
        ("body", "clean"),
        [
            (f'{{"apiKey":"{KEY}"}}', '{"apiKey":"[redacted]"}'),
            (f'{{ "apiKey"\n:\t"{KEY}" }}', '{ "apiKey"\n:\t"[redacted]" }'),
            ('{"apiKey":"some other"}', '{"apiKey":"[redacted]"}'),
            ('{"apiKey":"with \\" quote","a":1}', '{"apiKey":"[redacted]","a":1}'),
            ('{"apiKey":"ends in \\\\","a":1}', '{"apiKey":"[redacted]","a":1}'),
            ('{"apiKey":12345,"a":1}', '{"apiKey":"[redacted]","a":1}'),
            ('{"a":{"apiKey":"x"},"apiKey":"y"}', '{"a":{"apiKey":"[redacted]"},"apiKey":"[redacted]"}'),
            (f'{{"text":"it is {KEY}."}}', '{"text":"it is [redacted]."}'),
            (f'{{"{KEY}":1}}', '{"[redacted]":1}'),
            (f'{{"text":"{escaped(KEY)}"}}', '{"text":"[redacted]"}'),
            (f'{{"text":"{escaped(KEY, UPPER)}"}}', '{"text":"[redacted]"}'),
            (f'{{"text":"{KEY[:5]}{escaped(KEY[5])}{KEY[6:]}"}}', '{"text":"[redacted]"}'),
            (f'{{"api\\u004bey":"{KEY}"}}', '{"api\\u004bey":"[redacted]"}'),
            ('{"api\\u004Bey":"some other"}', '{"api\\u004Bey":"[redacted]"}'),
            (f'{{"{escaped("apiKey")}":"other"}}', f'{{"{escaped("apiKey")}":"[redacted]"}}'),
            (f'{{"apiKey":"{KEY[:9]}', '{"apiKey":"[redacted]"'),
            ('{"apiKey":"cut at an escape\\', '{"apiKey":"[redacted]"'),
            ('{"apiKey":"cut at an escape\\u00', '{"apiKey":"[redacted]"'),
            (f"apiKey={KEY}&type=ready", "apiKey=[redacted]&type=ready"),
            (f'<xml key="{KEY}"/>', '<xml key="[redacted]"/>'),
            ('{"apiKey":["a","b"],"c":1}', '{"apiKey":"[redacted]","c":1}'),
            ('{"a":[{"apiKey":{"b":"c"}}]}', '{"a":[{"apiKey":"[redacted]"}]}'),
        ],
    )  # fmt: skip
    def test_taken_out(self, body: str, clean: str) -> None:
        redacted = adapter().redact(body.encode())
        assert redacted.decode() == clean
        assert adapter().redact(redacted) is redacted

    @pytest.mark.parametrize(
        "body", [b"", b"\xff\xfe", b'{"apiKeys":"x"}', b'{"text":"my apiKey is"}', b'{"apiKey"', b'{"apiKey":',
                 b'{"a":"\\u0061"}', b'{"apiKey":{"cut', b'{"apiKey":"[redacted]"}'],
    )  # fmt: skip
    def test_nothing_to_take_out_is_the_same_object(self, body: bytes) -> None:
        assert adapter().redact(body) is body

    @pytest.mark.parametrize("text", [json.dumps(SLASHED), json.dumps(SLASHED, ensure_ascii=False),
                                      json.dumps(SLASHED).replace("/", "\\/")])  # fmt: skip
    def test_a_key_of_unusual_characters(self, text: str) -> None:
        body = f'{{"text":{text}}}'.encode()
        assert load_json(adapter(api_key=SLASHED).redact(body)) == {"text": "[redacted]"}

    def test_a_short_key_damages_nothing_else(self) -> None:
        body = b'{"apiKey":"xxxxx","id":"xxxxx","body":"xxxxxxxxxx"}'
        clean = b'{"apiKey":"[redacted]","id":"xxxxx","body":"xxxxxxxxxx"}'
        assert adapter(api_key="xxxxx").redact(body) == clean

    def test_every_key_of_a_rotation(self) -> None:
        body = b'{"a":"new-key-0001","b":"old-key-0001"}'
        both = adapter(api_key=["new-key-0001", "old-key-0001"])
        assert both.redact(body) == b'{"a":"[redacted]","b":"[redacted]"}'

    @pytest.mark.parametrize(
        "unit",
        [b"A", b'\\"', b"fixture-", b'"apiKey"', b'"apiKey": ', b'"', b"\\", b" ", b'"apiKey":"\\', b"\\u0066"],
    )
    def test_no_body_costs_more_than_its_length(self, unit: bytes) -> None:
        """Processor time, so that a busy machine does not matter: linear takes milliseconds, quadratic minutes."""
        body = b'{"results":{"apiKey":"' + unit * (400_000 // len(unit)) + b"\\"
        started = process_time()
        adapter().redact(body)
        assert process_time() - started < 5

    @pytest.mark.parametrize("path", payloads("whapi"), ids=lambda path: path.stem)
    def test_no_event_of_a_fixture_holds_the_key(self, path: Any) -> None:
        assert KEY.encode() in path.read_bytes()
        assert KEY.encode() not in path.with_suffix(".expected.json").read_bytes()
