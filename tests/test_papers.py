"""Papers that cannot drift: links lead somewhere, commands exist, configurations load, examples compute."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import SecretStr

from gateway.cli.program import program
from gateway.config import Retry, load_config
from gateway.delivering.policy import CONTENT_ATTEMPTS, CONTENT_STATUSES, Outcome, reason
from gateway.sending.signing import decode_signing_secret, sign
from gateway.stamp import event_id
from gateway.store.base import State
from gateway.trying.samples import samples
from normalized import TYPES
from providers import RawRequest, load_adapters
from providers.shapes.meta.envelope import ARRAY_FIELDS, HANDOVERS
from providers.shapes.meta.fields import FIELDS
from tests.certificates import Authority
from tests.golden import RECEIVED, adapter_for
from tests.papers import PAPERS, ROOT, Code, code_blocks, prose
from tests.support import SECRET

DOCS = ROOT / "docs"
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_EVENT_TYPE = re.compile(r"(?<![.@])\bwhatsapp\.[a-z_]+(?:\.[a-z_]+)?\b(?!\.\*|/)")


def by_name(value: Any) -> str | None:
    paper = value.paper if isinstance(value, Code) else value
    return str(paper.relative_to(ROOT)) if isinstance(paper, Path) else None


def anchors(paper: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(paper))]
    return {heading.replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("paper", PAPERS, ids=by_name)
def test_links_lead_somewhere(paper: Path) -> None:
    for link in _LINK.findall(prose(paper)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (paper.parent / path).resolve() if path else paper
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        paper = ahead.pop()
        reached.add(paper)
        linked = {(paper.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(paper))}
        ahead += [page for page in linked & set(PAPERS) if page not in reached]
    assert set(PAPERS) - reached == set()


def command_lines() -> Iterator[tuple[Path, str]]:
    for paper in PAPERS:
        for block in code_blocks(paper, "sh"):
            yield from ((paper, line) for line in block.text.splitlines() if "wa-gateway " in line)
    for line in (ROOT / "config.yaml").read_text().splitlines():
        if line.startswith("#   wa-gateway "):
            yield ROOT / "config.yaml", line.strip("# ").partition("   ")[0]


@pytest.mark.parametrize(("paper", "line"), list(command_lines()), ids=by_name)
def test_commands_are_as_the_program_has_them(paper: Path, line: str) -> None:
    words = shlex.split(line)
    starts = [index for index, word in enumerate(words) if word == "wa-gateway"]
    for start in starts:
        if start and words[start - 1] != "&&":
            continue  # an argument of another program: the service's user and group
        name, *arguments = words[start + 1 :]
        command = program.get_command(click.Context(program), name)
        assert command is not None, line
        while isinstance(command, click.Group):
            name, *arguments = arguments
            command = command.commands[name]
        with suppress(click.exceptions.Exit):  # options such as --list end the command at once
            command.make_context(name, arguments)


@pytest.mark.parametrize(
    "code",
    [code for paper in PAPERS for code in code_blocks(paper, "yaml") if "tenants:" in code.text],
    ids=by_name,
)
def test_configurations_load(code: Code, tmp_path: Path) -> None:
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", code.text), SECRET)
    text = code.text
    authority = Authority(tmp_path)
    pair = authority.issue("gateway")
    certificates = {"ca": authority.ca, "client_cert": pair.cert, "client_key": pair.key}
    for key, paths in re.findall(r"(\w+_file|ca|client_cert|client_key): (.+)", text):
        for path in re.findall(r"[\w./-]+", paths):
            text = text.replace(path, path.lstrip("/"))
            there = tmp_path / path.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(certificates[key].read_text() if key in certificates else SECRET)
    config = load_config(tmp_path / "config.yaml", environ, load_adapters(), body=text.encode())
    for source in config.tenants["acme"].sources.values():
        assert all(isinstance(token, SecretStr) for token in source.adapter.settings.path_token)


def test_keys_are_made_and_verified_as_shown(tmp_path: Path) -> None:
    page = DOCS / "how-to" / "configure-destinations.md"
    (made,) = [code.text for code in code_blocks(page, "sh") if "openssl" in code.text]
    shell = shutil.which("openssl") and shutil.which("sh")
    if not shell:
        pytest.skip("openssl is not installed")
    done = subprocess.run([shell, "-ec", made], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    private, public = done.stdout.split()
    (code,) = code_blocks(page, "python")
    space: dict[str, Any] = {}
    exec(code.text, space)
    keys = [decode_signing_secret(secret) for secret in (SECRET, private)]
    timestamp = int(time.time())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(timestamp)}
    headers["webhook-signature"] = sign(keys, "msg_1", timestamp, b"{}")
    assert space["is_ours"](public, headers, b"{}")
    assert not space["is_ours"](public, headers, b"{} ")
    assert not space["is_ours"](public, {**headers, "webhook-timestamp": "1"}, b"{}")
    assert not space["is_ours"](
        public, {**headers, "webhook-signature": sign(keys[:1], "msg_1", timestamp, b"{}")}, b"{}"
    )


def test_reasons_of_failed_attempts_are_named() -> None:
    page = (DOCS / "how-to" / "configure-destinations.md").read_text()
    outcomes = [
        Outcome(None, word) for word in ("dns", "connect", "proxy", "tls", "timeout", "disconnected", "protocol")
    ]
    outcomes += [Outcome(status) for status in (307, 403, 422, 429, 503)]
    assert [outcome for outcome in outcomes if f"`{reason(outcome)}`" not in page] == []
    *statuses, last = map(str, sorted(CONTENT_STATUSES))
    assert f"{', '.join(statuses)} or {last}" in page


def test_the_worked_example_of_an_id_computes() -> None:
    (code,) = code_blocks(DOCS / "explanation" / "identity.md", "python")
    space: dict[str, Any] = {}
    exec(code.text, space)
    adapter = adapter_for("cloud_api")
    body = samples(type(adapter))["text"].read_bytes()
    (item,) = adapter.parse(RawRequest(headers={}, body=body, received_at=RECEIVED)).items
    assert item.identity is not None
    assert (item.identity.kind, list(item.identity.key)) == (space["kind"], space["key"])
    assert event_id(space["source_uid"], item.identity, item.time_ms).hex() == space["event_id"]


def test_the_example_of_the_tutorial_is_that_event() -> None:
    shown = (DOCS / "tutorials" / "first-steps.md").read_text()
    assert re.findall(r"^ {10}([0-9a-f]{32})  sequence 1  acme, cloud_api$", shown, re.MULTILINE) == [
        "6a272d3fc80204297dfdc4eff3116691"
    ]


def test_guarantees_name_every_state_and_number() -> None:
    text = " ".join((DOCS / "explanation" / "delivery-guarantees.md").read_text().split())
    for state in State:
        assert f"| `{state.name.lower()}` |" in text
    *statuses, last = map(str, sorted(CONTENT_STATUSES))
    assert f"the answer is {', '.join(statuses)} or {last}" in text
    assert CONTENT_ATTEMPTS == 3
    assert Retry().schedule == (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600)
    assert "5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 6 h, then every 6 h" in text


def test_tests_that_guarantees_name_are_there() -> None:
    text = (DOCS / "explanation" / "delivery-guarantees.md").read_text()
    module, named = "", 0
    for file, test in re.findall(r"`(test_\w+\.py)?(?:::)?(test_\w+)?`", text):
        module = file or module
        if test:
            named += 1
            assert f"def {test}(" in (ROOT / "tests" / module).read_text(), f"{module}::{test}"
    assert named > 20


def test_every_field_that_is_mapped_is_named_for_subscribing() -> None:
    page = (DOCS / "how-to" / "connect-cloud-api.md").read_text()
    assert [field for field in (HANDOVERS, *sorted(ARRAY_FIELDS), *FIELDS) if f"`{field}`" not in page] == []


def test_pages_are_about_providers_that_there_are() -> None:
    pages = {path.stem for path in (DOCS / "how-to").glob("connect-*.md")}
    assert pages
    assert pages <= {f"connect-{name.replace('_', '-')}" for name in load_adapters()}


@pytest.mark.parametrize("paper", PAPERS, ids=by_name)
def test_event_types_are_those_of_the_schema(paper: Path) -> None:
    assert set(_EVENT_TYPE.findall(paper.read_text())) <= TYPES.keys()


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX" in text
