"""The commands that need no network: what they print, where, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.program import COMMANDS, exit_code
from gateway.config import DEVELOPMENT_SECRET
from gateway.store.base import StoreUnavailable
from gateway.version import VERSION
from normalized import json_schema, parse_event

ROOT = Path(__file__).parent.parent
RECEIVED = "2026-11-20T13:00:00.250+01:00"
MESSAGE: dict[str, Any] = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "102290129340398",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
                        "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": "16505551234"}],
                        "messages": [
                            {
                                "from": "16505551234",
                                "id": "wamid.ONE",
                                "timestamp": "1780952383",
                                "type": "text",
                                "text": {"body": "Does it come in another color?"},
                            }
                        ],
                    },
                }
            ],
        }
    ],
}
COREAPP: dict[str, Any] = {
    "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": "16505551234"}],
    "messages": MESSAGE["entry"][0]["changes"][0]["value"]["messages"],
}
CONFIG = """
tenants:
  acme:
    sources:
      cloud: {provider: cloud_api, app_secret: "${NOT_SET}", verify_token: "${NOT_SET}", uid: old}
      coreapp: {provider: on_premises, path_token: "${TOKEN:-a-token-of-ours}", channel: {phone: "+15550783881"}}
    destinations:
      crm:
        url: https://crm.example.com/hook?key=hidden
        secret: ${CRM_SECRET}
        events: [whatsapp.message.*, whatsapp.error]
"""


class Outcome:
    """What a command did."""

    def __init__(self, code: int, capture: pytest.CaptureFixture[str]) -> None:
        self.code = code
        self.out, self.err = capture.readouterr()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Outcome(exit_code([str(each) for each in arguments]), capsys)


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "message.json"
    path.write_text(json.dumps(MESSAGE))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        **options,
    )


# The program


def test_help_names_every_command_and_imports_none() -> None:
    code = (
        "import sys; from gateway.cli.program import exit_code; exit_code(['--help']); "
        "heavy = {'pydantic', 'yaml', 'aiohttp', 'orjson', 'providers'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for name, short_help in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert short_help.split()[0] in done.stdout


def test_unknown_command_is_wrong_usage() -> None:
    for word, message in (("rum", "there is no command 'rum'; did you mean run?"), ("zzz", "No such command 'zzz'")):
        done = program(word)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr


@pytest.mark.parametrize("arguments", [["version", "--nope"], ["check-config", "--nope"], ["normalize"]])
def test_wrong_usage_ends_with_2(run: Any, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Usage: wa-gateway ")


def test_closed_pipe_is_quiet(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text((json.dumps(MESSAGE) + "\n") * 2000)
    command = f"'{sys.executable}' -m gateway normalize --provider cloud_api --lines '{path}' | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("schema >&-", 1, "cannot read or write: Bad file descriptor"),
        ("schema >/dev/full", 1, "cannot read or write: No space left on device"),
        ("--help >/dev/full", 1, "cannot read or write: No space left on device"),
        ("check-config >/dev/full", 1, "cannot read or write: No space left on device"),
        ("check-config - <&-", 2, "cannot read -: Bad file descriptor"),
        ("normalize --provider cloud_api - <&-", 1, "-: cannot read the file: Bad file descriptor"),
        ("normalize --provider cloud_api BODY >/dev/full", 1, "cannot read or write: No space left on device"),
        ("normalize --provider cloud_api BODY >&-", 1, "cannot read or write: Bad file descriptor"),
        ("version >&- 2>&-", 1, ""),
        ("version >&- 2>/dev/full", 1, ""),
    ],
)
def test_streams_that_cannot_be_used(body: Path, command: str, code: int, message: str) -> None:
    command = f"'{sys.executable}' -m gateway {command.replace('BODY', str(body))}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1:] == ([f"Error: {message}"] if code == 2 else [message][: bool(message)])


def test_a_closed_stream_is_not_given_to_the_next_file(tmp_path: Path) -> None:
    code = (
        "import os, sys; from gateway.cli import program; program.exit_code = lambda arguments: "
        "os.open(os.devnull, os.O_RDONLY); program.main()"
    )
    done = subprocess.run(["sh", "-c", f"'{sys.executable}' -c '{code}' <&- >&- 2>&-"], cwd=ROOT, check=False)
    assert done.returncode == 3


def test_a_store_that_cannot_be_used_at_start_is_named(run: Any, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(*_: object) -> None:
        raise StoreUnavailable("cannot write wa-gateway.db (database or disk is full): is the disk full?")

    monkeypatch.setattr("gateway.cli.run.serve", serve)
    monkeypatch.setattr("gateway.cli.run.configure_logging", lambda *_: None)
    config.write_text("tenants: {acme: {}}\n")
    outcome = run("run", "--config", config)
    assert outcome.code == 1
    said = "cannot write wa-gateway.db (database or disk is full): is the disk full?"
    assert outcome.err.splitlines()[-1] == said
    config.write_text("tenants: {acme: {}}\nstore: postgresql://gateway:hunter2@db/gateway\n")
    outcome = run("run", "--config", config)
    assert outcome.err.splitlines()[-1] == f"cannot use postgresql://gateway:***@db/gateway: {said}"


def test_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.schema.json_schema", interrupt)
    outcome = run("schema")
    assert (outcome.code, outcome.out, outcome.err.strip()) == (130, "", "")


def test_version(run: Any) -> None:
    assert run("version").out == f"wa-gateway {VERSION}\n"
    verbose = run("version", "--verbose").out
    assert f"Python {sys.version.split()[0]}" in verbose
    assert "\npydantic 2." in verbose


def test_schema(run: Any) -> None:
    assert json.loads(run("schema").out) == json_schema()
    assert json.loads(run("schema", "--origin", "https://hooks.example.com").out) == json_schema(
        "https://hooks.example.com"
    )
    outcome = run("schema", "--origin", "https://hooks.example.com/x")
    assert (outcome.code, outcome.out) == (2, "")
    assert "must be scheme and host alone" in outcome.err


# check-config


def test_check_config_prints_what_it_found(run: Any, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_SET", "now-it-is-set")
    monkeypatch.setenv("CRM_SECRET", DEVELOPMENT_SECRET)
    outcome = run("check-config", config)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        f"{config}: ok\n"
        f"  listen 127.0.0.1:8080, admin 127.0.0.1:8081, store sqlite:{config.parent}/wa-gateway.db\n"
        "  tenant acme\n"
        "    source cloud: cloud_api, GET|POST /hooks/acme/cloud\n"
        "    source coreapp: on_premises, POST /hooks/acme/coreapp/***\n"
        "    destination crm: https://crm.example.com/hook?***, "
        "events whatsapp.message.*, whatsapp.error, sources *\n"
    )


def test_check_config_names_every_error_of_every_file(run: Any, config: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_text("tenants: {}\n")
    outcome = run("check-config", config, tmp_path / "no.yaml", good)
    assert outcome.code == 78
    places = [line.split(": ")[0].replace(f"{tmp_path}/", "") for line in outcome.err.splitlines()]
    assert places == ["config.yaml:5:48", "config.yaml:5:76", "config.yaml:10:17", "no.yaml", "warning"]
    assert outcome.out.startswith(f"{good}: ok\n")


def test_check_config_takes_the_file_of_the_folder_by_default(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run("check-config")
    assert (outcome.code, outcome.err) == (78, "config.yaml: cannot read the file: No such file or directory\n")


def test_check_config_reads_standard_input() -> None:
    assert program("check-config", "-", input="tenants: {acme: {}}\n").stdout.startswith("<stdin>: ok\n")
    done = program("check-config", "-", input="listen: x\n")
    assert done.returncode == 78
    assert done.stderr.startswith("<stdin>:1:9: listen: must be an address")


def test_check_config_of_the_example() -> None:
    done = program("check-config", env={"PATH": os.environ["PATH"]})
    assert (done.returncode, done.stderr) == (0, "")


# normalize


def test_normalize_prints_one_event_per_line(run: Any, body: Path) -> None:
    outcome = run("normalize", "--provider", "cloud_api", "--received-at", RECEIVED, body)
    assert (outcome.code, outcome.err) == (0, "")
    [event] = outcome.events
    assert (event["tenant"], event["provider"], event["source"]) == (
        "local",
        "cloud_api",
        "/tenants/local/sources/cloud_api",
    )
    assert event["receivedtime"] == "2026-11-20T12:00:00.250Z"
    assert event["data"]["message"]["content"] == {"type": "text", "text": "Does it come in another color?"}
    assert "raw" not in event["data"]
    assert parse_event(event).type == "whatsapp.message.received"
    assert run("normalize", "--provider", "cloud_api", "--received-at", RECEIVED, body).events == [event]


@pytest.mark.parametrize(("raw", "has_raw"), [("never", False), ("unknown", False), ("always", True)])
def test_normalize_raw(run: Any, body: Path, raw: str, has_raw: bool) -> None:
    [event] = run("normalize", "--provider", "cloud_api", "--raw", raw, body).events
    assert ("raw" in event["data"]) is has_raw
    if has_raw:
        assert event["data"]["raw"]["text"]["body"] == "Does it come in another color?"


def test_normalize_raw_of_what_is_unknown(run: Any, tmp_path: Path) -> None:
    change = {"field": "not_known_yet", "value": {"a": 1}}
    path = tmp_path / "unknown.json"
    path.write_text(json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}))
    [event] = run("normalize", "--provider", "cloud_api", path).events
    assert event["type"] == "whatsapp.unknown"
    assert event["data"]["raw"] == {"a": 1}


def test_normalize_json_lines_from_standard_input() -> None:
    lines = json.dumps(MESSAGE) + "\n\nnot json\n" + json.dumps(MESSAGE)
    done = program("normalize", "--provider", "cloud_api", "--lines", input=lines)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.startswith("<stdin>:3: not JSON: ")
    assert done.stderr.count("\n") == 1


def test_normalize_does_the_other_files_too(run: Any, body: Path, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "text.json").write_text("hello")
    outcome = run(
        "normalize",
        "--provider",
        "cloud_api",
        tmp_path / "no.json",
        tmp_path / "other.json",
        tmp_path / "text.json",
        body,
    )
    assert outcome.code == 1
    assert len(outcome.events) == 1
    said = outcome.err.replace(f"{tmp_path}/", "").splitlines()
    assert said[0] == "no.json: cannot read the file: No such file or directory"
    assert said[1].startswith("other.json: not a webhook of cloud_api: ")
    assert said[2].startswith("text.json: not JSON: ")


def test_normalize_with_channel_and_names(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "coreapp.json"
    path.write_text(json.dumps(COREAPP))
    options = ["--tenant", "acme", "--source", "old-phone", "--channel", "phone=+15550783881"]
    [event] = run("normalize", "--provider", "on_premises", *options, path).events
    assert event["source"] == "/tenants/acme/sources/old-phone"
    assert event["data"]["channel"] == {"phone": "+15550783881"}


def test_normalize_takes_the_source_from_a_configuration(run: Any, config: Path, body: Path, tmp_path: Path) -> None:
    path = tmp_path / "coreapp.json"
    path.write_text(json.dumps(COREAPP))
    place = ["--config", config, "--tenant", "acme"]
    [event] = run("normalize", *place, "--source", "coreapp", path).events
    assert event["data"]["channel"] == {"phone": "+15550783881"}
    outcome = run("normalize", *place, "--source", "cloud", body)
    assert (outcome.code, outcome.err) == (0, ""), "its secrets are not set, and not needed"
    [renamed] = outcome.events
    [other] = run("normalize", "--provider", "cloud_api", "--tenant", "acme", "--source", "cloud", body).events
    assert renamed["source"] == other["source"]
    assert renamed["id"] != other["id"], "ids are derived from the source's uid"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--provider", "cloud_apy"], 2, "there is no provider 'cloud_apy'; did you mean cloud_api?"),
        (["--provider", "whapi", "--set", "ack_scale"], 2, "'ack_scale' is not KEY=VALUE"),
        (["--provider", "whapi", "--set", "ack_scale=x"], 2, "--set: ack_scale: must be 'whapi' or 'baileys'"),
        (["--provider", "whapi", "--set", "ack_scal=x"], 2, "--set: ack_scal: unknown key; did you mean ack_scale?"),
        (["--provider", "whapi", "--channel", "fone=1"], 2, "--channel: fone: unknown key; did you mean phone?"),
        (["--provider", "whapi", "--tenant", "A"], 2, "--tenant: a name has"),
        (["--provider", "whapi", "--received-at", "now"], 2, "must be RFC 3339"),
        (["--provider", "whapi", "--received-at", "2026-06-08T20:59:43"], 2, "must be RFC 3339"),
        (["--provider", "whapi", "--received-at", "2200-01-01T00:00:00Z"], 2, "must be after 1970 and before 2106"),
        (["--provider", "whapi", "--received-at", "1970-01-01T00:00:00+01:00"], 2, "must be after 1970"),
        (["--provider", "whapi", "--received-at", "9999-12-31T23:59:59-23:59"], 2, "must be after 1970"),
        (["--config", "CONFIG", "--source", "cloud", "--provider", "whapi"], 2, "without --provider"),
        (["--config", "CONFIG", "--tenant", "acme"], 2, "--config goes with --tenant and --source"),
        (
            ["--config", "CONFIG", "--tenant", "acne", "--source", "cloud"],
            78,
            "tenants.acne: is not there; did you mean acme?",
        ),
        (["--config", "no.yaml", "--tenant", "acme", "--source", "cloud"], 78, "no.yaml: cannot read the file"),
    ],
)
def test_normalize_says_what_is_wrong(
    run: Any, config: Path, body: Path, arguments: list[str], code: int, message: str
) -> None:
    outcome = run("normalize", *[str(config) if each == "CONFIG" else each for each in arguments], body)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in " ".join(outcome.err.split())


@pytest.mark.parametrize("provider", ["cloud_api", "on_premises", "whapi"])
def test_every_provider_can_be_used_without_its_secrets(run: Any, provider: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text("7")
    outcome = run("normalize", "--provider", provider, path)
    assert outcome.code == 1
    assert f"not a webhook of {provider}" in outcome.err
