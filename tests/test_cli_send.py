"""`wa-gateway send`: samples and files to a running gateway, signed as their providers sign."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.trying.samples import default_sample, samples
from providers import Adapter, load_adapters
from tests.program import run
from tests.support import Downstream, running, until, write_config


@pytest.fixture
async def downstream() -> AsyncIterator[Downstream]:
    async with Downstream().serve() as downstream:
        yield downstream


@pytest.fixture
async def gateway(tmp_path: Path, downstream: Downstream) -> AsyncIterator[Gateway]:
    path = write_config(tmp_path, {"app": {"url": downstream.url}})
    async with running(path) as gateway:
        yield gateway


def to(gateway: Gateway) -> tuple[str, ...]:
    return ("--config", str(gateway.config.path), "--url", gateway.url)


@pytest.mark.parametrize("source", ["cloud", "coreapp", "device"])
async def test_every_providers_sample_is_accepted_and_arrives(
    gateway: Gateway, downstream: Downstream, source: str
) -> None:
    first = await run("send", f"acme/{source}", *to(gateway))
    again = await run("send", source, "--sample", "text", *to(gateway))
    assert first == (0, '200 {"events":1,"duplicates":0}\n', "")
    assert again == (0, '200 {"events":0,"duplicates":1}\n', "")
    await until(lambda: downstream.events)
    assert downstream.events[0]["data"]["message"]["content"]["type"] == "text"


async def test_sends_a_file_and_standard_input(gateway: Gateway, tmp_path: Path) -> None:
    body = samples(load_adapters()["cloud_api"])["text"].read_bytes()
    file = tmp_path / "body.json"
    file.write_bytes(body)
    from_file = await run("send", "acme/cloud", file, *to(gateway))
    from_stdin = await run("send", "acme/cloud", "-", *to(gateway), stdin=body)
    assert from_file == (0, '200 {"events":1,"duplicates":0}\n', "")
    assert from_stdin == (0, '200 {"events":0,"duplicates":1}\n', "")


async def test_a_refusal_is_explained(gateway: Gateway, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(gateway.config.path.read_text().replace("test-app-secret", "another-app-secret"))
    wrong_secret = await run("send", "acme/cloud", "--config", other, "--url", gateway.url)
    assert (wrong_secret.code, wrong_secret.out) == (1, '403 {"error":"forbidden"}\n')
    assert "same configuration and secrets" in wrong_secret.err

    other.write_text(gateway.config.path.read_text().replace("acme:", "acme2:"))
    wrong_route = await run("send", "acme2/cloud", "--config", other, "--url", gateway.url)
    assert (wrong_route.code, wrong_route.out) == (1, '404 {"error":"not_found"}\n')
    assert "no such source" in wrong_route.err


async def test_says_when_no_gateway_runs(tmp_path: Path, unused_tcp_port: int) -> None:
    path = write_config(tmp_path, {})
    path.write_text(path.read_text().replace("listen: 127.0.0.1:0", f"listen: :{unused_tcp_port}", 1))
    result = await run("send", "cloud", "--config", path)
    assert (result.code, result.out) == (1, "")
    assert f"cannot reach http://127.0.0.1:{unused_tcp_port}: " in result.err
    assert "wa-gateway run" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("acme/clod",), 2, "did you mean acme/cloud?"),
        (("amce/cloud",), 2, "did you mean acme/cloud?"),
        (("cloud", "--sample", "txet"), 2, "did you mean text?"),
        (("cloud", "no-such-file.json"), 2, "cannot read no-such-file.json"),
        (("cloud", "x.json", "--sample", "text"), 2, "not both"),
        (("cloud",), 2, "give --url"),
        (("cloud", "--url", "nonsense"), 1, "cannot send to nonsense"),
        (("cloud", "--config", "no-such-config.yaml"), 78, "no-such-config.yaml: cannot read the file"),
    ],
)
async def test_mistakes_are_named(tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    path = write_config(tmp_path, {})
    config = () if "--config" in arguments else ("--config", path)
    result = await run("send", *arguments, *config)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert "Traceback" not in result.err


async def test_a_source_alone_must_be_one_tenants(tmp_path: Path) -> None:
    path = write_config(tmp_path, {})
    other = "  other:\n    sources:\n      cloud: {provider: cloud_api, app_secret: x, verify_token: y}\n"
    path.write_text(path.read_text() + other)
    result = await run("send", "cloud", "--config", path)
    assert result.code == 2
    assert "several tenants have a source 'cloud': acme/cloud, other/cloud" in result.err


async def test_lists_every_sample_with_what_it_becomes() -> None:
    result = await run("send", "--list")
    assert result.code == 0
    listed = {tuple(line.split()[:2]): line.split()[2:] for line in result.out.splitlines()}
    adapters = load_adapters()
    assert listed.keys() == {(name, sample) for name in adapters for sample in samples(adapters[name])}
    assert listed["whapi", "text"][:2] == ["message.received", "text"]
    assert all(listed.values())


@pytest.mark.parametrize("provider", ["cloud_api", "on_premises", "whapi"])
def test_providers_have_a_sample_of_a_text_message(provider: str) -> None:
    assert default_sample(samples(load_adapters()[provider])) == "text"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "group_text", "text"], "text"),
        (["a", "group_text"], "group_text"),
        (["b", "context"], "b"),
        ([], None),
    ],
)
def test_a_text_is_shown_first(names: list[str], expected: str | None) -> None:
    assert default_sample(names) == expected


@pytest.mark.parametrize("folder", ["acme_samples/samples", "acme_samples/samples/acme"])
def test_samples_of_a_foreign_package_are_found_beside_its_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "hello.json").write_text("{}")
    (tmp_path / folder / "README.md").write_text("no sample")
    (tmp_path / "acme_samples" / "__init__.py").write_text("")
    (tmp_path / "acme_samples" / "adapter.py").write_text(
        "from providers import Adapter\nclass Acme(Adapter):\n    name = 'acme'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("acme_samples", "acme_samples.adapter"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("acme_samples.adapter")
    assert {name: file.read_bytes() for name, file in samples(module.Acme).items()} == {"hello": b"{}"}


def test_an_adapter_without_samples_has_none() -> None:
    class Bare(Adapter):
        name = "bare"

    assert samples(Bare) == {}
