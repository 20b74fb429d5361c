"""`wa-gateway demo`: the whole way, checked by itself; and that its check can fail."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from gateway.cli import demo
from gateway.cli.failures import Failed
from gateway.config import Config, load_config
from gateway.sending import forwarder
from gateway.trying.rehearsal import Ledger, Post, configuration, new_webhook_secret, posts
from gateway.trying.samples import samples
from providers import load_adapters
from tests.program import run, started
from tests.test_cli_listen import EVENT

TOTALS = re.compile(
    r"^(\d+) webhooks in, (\d+) events out, (\d+) duplicates, (\d+) forgeries refused, "
    r"every signature verified, took \d+\.\d s$"
)


async def test_shows_every_sample_of_every_provider_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    begun = time.monotonic()
    result = await run("demo", folder=tmp_path)
    assert time.monotonic() - begun < 20
    assert (result.code, result.err) == (0, "")
    assert list(tmp_path.iterdir()) == []
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 110
    totals = TOTALS.match(lines[-1])
    assert totals is not None, lines[-1]
    sent, received, duplicates, forgeries = map(int, totals.groups())
    adapters = {name: adapter for name, adapter in load_adapters().items() if samples(adapter)}
    count = sum(len(samples(adapter)) for adapter in adapters.values())
    assert (sent, duplicates, forgeries) == (count + 2 * len(adapters), len(adapters), len(adapters))
    blank = lines.index("", 2)
    sent_rows, received_rows = lines[3:blank], lines[blank + 4 : -2]
    assert len(sent_rows) == sent
    assert len(received_rows) == received
    assert sum(row.endswith("403  forbidden") for row in sent_rows) == forgeries
    for provider, adapter in adapters.items():
        assert {row.split()[1] for row in sent_rows if row.split()[0] == provider} == samples(adapter).keys()
    kinds = {"message.received", "message.status", "message.echoed", "account.updated", "unknown"}
    assert kinds <= {row.split()[0] for row in received_rows}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_keeps_running_until_it_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with started("demo", "--keep", folder=tmp_path) as program:
        config = (await program.expect(r"--config (\S+)"))[1]
        url = (await program.expect(r"--url (\S+)"))[1]
        metrics = (await program.expect(r"curl (\S+)"))[1]
        await program.expect("Ctrl-C ends it")
        assert (Path(config).stat().st_mode & 0o077) == 0
        body = b'{"type":"teleport","results":{}}'
        more = await run("send", "demo/whapi", "-", "--config", config, "--url", url, stdin=body, folder=tmp_path)
        assert (more.code, more.out) == (1, '401 {"error":"unauthorized"}\n')
        body = b'{"type":"teleport","results":{"to":"mars"}}'
        more = await run("send", "demo/whapi", "-", "--config", config, "--url", url, stdin=body, folder=tmp_path)
        assert more == (0, '200 {"events":1,"duplicates":0}\n', "")
        await program.expect(r"(?s)Ctrl-C ends it.*unknown +type teleport")
        async with aiohttp.ClientSession() as session, session.get(metrics) as answer:
            assert answer.status == 200
        result = await program.end(number)
    assert (result.code, result.err) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "config.yaml"
    store = tmp_path / "store.db"
    path.write_text(configuration(load_adapters(), store, "http://127.0.0.1:9/", new_webhook_secret()))
    return load_config(path, {}, load_adapters())


@pytest.fixture
def post(config: Config) -> Post:
    return next(post for post in posts(config) if post.label == "cloud_api/text")


ONE: dict[str, Any] = {"events": 1, "duplicates": 0}


def test_every_configured_secret_is_its_own(config: Config) -> None:
    forged = [post for post in posts(config) if post.remark == "forged"]
    assert {"cloud_api", "on_premises", "whapi"} <= {post.source.provider for post in forged}
    honest = config.tenants["demo"].sources
    for post in forged:
        assert post.source.adapter.settings != honest[post.source.name].adapter.settings


def test_the_ledger_misses_what_does_not_arrive(post: Post) -> None:
    ledger = Ledger()
    ledger.sent(post, 200, ONE)
    assert (ledger.total, ledger.complaints) == (1, [])
    assert ledger.differences() == ["missing: whatsapp.message.received of cloud_api/text"]


def test_the_ledger_complains_about_wrong_answers(post: Post) -> None:
    ledger = Ledger()
    ledger.sent(post, 503, {"error": "store_unavailable"})
    ledger.sent(post, 200, ONE)
    ledger.sent(post._replace(remark="forged"), 200, ONE)
    assert [complaint.partition(":")[0] for complaint in ledger.complaints] == [
        "cloud_api/text", "cloud_api/text", "cloud_api/text forged",
    ]  # fmt: skip
    assert "should have been refused" in ledger.complaints[2]


def test_the_ledger_sees_what_nobody_sent_and_what_is_no_event() -> None:
    ledger = Ledger()
    envelope = {"source": "/", "receivedtime": EVENT["time"], "timesource": "provider"}
    unknown = {"datacontenttype": "application/json", "type": "whatsapp.unknown", "data": {"kind": "field"}}
    ledger.arrived(EVENT | envelope | unknown)
    assert ledger.differences() == ["arrived, and nobody sent it: 1 whatsapp.unknown"]
    ledger.arrived({"id": "x"})
    assert "is not what the schema says" in ledger.complaints[0]


def test_the_demo_fails_when_events_do_not_arrive(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(forwarder, "sign", lambda *arguments: "v1,forged")
    monkeypatch.setattr(demo, "LIMIT_S", 0.2)
    monkeypatch.setattr(demo, "configure_logging", lambda level: structlog.get_logger())
    callback = demo.command.callback
    assert callback is not None
    with pytest.raises(Failed) as failure:
        callback(keep=False)
    assert "the signature is by another secret" in str(failure.value)
    assert "missing: whatsapp.message.received of cloud_api/text" in str(failure.value)
    assert "every signature verified" not in capsys.readouterr().out
