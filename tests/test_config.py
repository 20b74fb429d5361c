"""Configuration: every rule has a file in tests/configs that breaks it, with the errors beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from gateway.config import (
    DEVELOPMENT_SECRET,
    Address,
    Batch,
    Config,
    ConfigError,
    Destination,
    Problem,
    Retention,
    Retry,
    Source,
    StoreUrl,
    document,
    load_config,
)
from gateway.config.load import load_source
from gateway.config.secrets import PLACEHOLDER
from providers import Adapter, Secrets, SourceSettings
from tests.certificates import Authority

ROOT = Path(__file__).parent.parent
CONFIGS = Path(__file__).parent / "configs"
ENVIRON = {"SET": "value", "EMPTY": "", "LINES": "two\nlines", "PORT": "8088", "OTHER_SECRET": DEVELOPMENT_SECRET}


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user: str
    password: SecretStr


class FakeSettings(SourceSettings):
    api_key: Secrets = Field(min_length=1, description="A key.")
    ack_scale: Literal["first", "second"] = Field("first", description="A scale.")
    strict: bool = Field(False, description="A switch.")
    login: Login | None = Field(None, description="A block.")

    @field_validator("api_key")
    @classmethod
    def _no_forbidden_key(cls, keys: list[SecretStr]) -> list[SecretStr]:
        for key in keys:
            if key.get_secret_value() == "forbidden":
                raise ValueError(f"{key.get_secret_value()} is not a key")
        return keys


class Fake(Adapter):
    name: ClassVar[str] = "fake"
    label: ClassVar[str] = "Fake"
    Settings: ClassVar[type[SourceSettings]] = FakeSettings


ADAPTERS: dict[str, type[Adapter]] = {"fake": Fake}


def load(text: str, tmp_path: Path, environ: Mapping[str, str] = ENVIRON) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path, environ, ADAPTERS)


def errors(text: str | bytes, tmp_path: Path) -> str:
    """What is wrong with the text, without the folder's name."""
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, ENVIRON, ADAPTERS)
    return str(caught.value).replace(f"{tmp_path}/", "")


def tenant(body: str, tmp_path: Path) -> Config:
    """A tenant acme with a source dev, and what is in the body."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    return load(f"tenants:\n  acme:\n    sources:\n      dev: {{provider: fake, api_key: k}}\n{indented}", tmp_path)


# Every rule


def bad_files() -> list[Path]:
    return sorted(CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("loader", ["libyaml", "python"])
@pytest.mark.parametrize("path", bad_files(), ids=lambda path: path.stem)
def test_bad_file(path: Path, loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if loader == "python":
        monkeypatch.setattr(document, "_LOADER", document._PythonLoader)
    with pytest.raises(ConfigError) as caught:
        load_config(path, ENVIRON, ADAPTERS)
    said = str(caught.value).replace(f"{CONFIGS}/", "")
    assert said == path.with_suffix(".errors").read_text().rstrip("\n")
    assert "hunter2" not in said


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    assert errors(b"listen: :8080\norigin: \xff", tmp_path) == "config.yaml:2:1: the file is not UTF-8 text"


def test_control_character_names_the_line(tmp_path: Path) -> None:
    assert errors(b"listen: :8080\norigin: \x07", tmp_path) == "config.yaml:2:1: the file holds a control character"


@pytest.mark.parametrize("loader", [document._LOADER, document._PythonLoader])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_an_error(
    loader: type[Any], opening: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "_LOADER", loader)
    assert errors("a: 1\nb:\n  " + opening * 50_000, tmp_path) == "config.yaml: nested deeper than 40 levels"


PIECES = st.sampled_from(
    [
        "tenants:", "acme:", "sources:", "dev:", "provider: fake", "api_key: k", "login: ", "include: ", "limits: ",
        "destinations:", "secret_file: ", "&a ", "*a", "<<: ", "<<: *a", "? ", ": ", "- ", "{", "}", "[", "]", ", ",
        "'", '"', "|", ">", "!!str ", "---", "...", "%YAML 1.1", "null", "~", "${SET}", "${", "$$", "#", "\t", "\x00",
        "\u2028", "\n", "\n  ", "\n    ", "\n      ", "\n        ",
    ]
)  # fmt: skip


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join) | st.binary(max_size=50).map(lambda body: body.decode("latin-1")))
def test_whatever_the_file_holds_nothing_but_config_error_is_raised(text: str) -> None:
    problems: list[Problem] = []
    try:
        load_config(CONFIGS / "none.yaml", ENVIRON, ADAPTERS, body=text.encode())
    except ConfigError as error:
        problems = error.problems
    assert all(str(problem).startswith(f"{CONFIGS}") for problem in problems)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot read the file: No such file or directory"):
        load_config(tmp_path / "config.yaml", {}, ADAPTERS)


def test_file_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the file: Is a directory"):
        load_config(tmp_path, {}, ADAPTERS)


def test_all_errors_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "store: x\nlisten: y\ntenants:\n  A: {}\norigin: z\n"
    assert [line.split(":")[1] for line in errors(text, tmp_path).splitlines()] == ["1", "2", "4", "5"]


# What a good file gives


def test_defaults(tmp_path: Path) -> None:
    config = load("tenants: {}\n", tmp_path)
    assert (config.origin, config.listen, config.admin.listen) == ("", ("127.0.0.1", 8080), ("127.0.0.1", 8081))
    assert config.admin.token is None
    assert config.store == StoreUrl("sqlite", tmp_path / "wa-gateway.db")
    assert config.limits.model_dump() == {
        "max_items": 5000, "inflight_bytes": 67_108_864, "shutdown": 20.0,
    }  # fmt: skip
    assert config.warnings == [f"{tmp_path}/config.yaml: no tenants: every request will be answered 404"]


def test_whole_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    config = load(
        f"""
origin: https://hooks.example.com
listen: ":${{PORT}}"
admin: {{listen: 0.0.0.0:0, token: "$${{SET}} is no variable"}}
store: sqlite:/var/lib/gateway.db
limits: {{max_items: 10, inflight_bytes: 1MiB, shutdown: 500ms}}
tenants:
  acme:
    sources:
      cloud:
        provider: fake
        uid: old/name
        channel: {{id: shop, phone: "+15550783881", phone_number_id: 106540352242922, account_id: 007}}
        rate_limit: 600/m
        api_key_file: [key, key]
        ack_scale: second
        strict: true
        login: {{user: on, password_file: {tmp_path}/key}}
    destinations:
      crm:
        url: https://crm.example.com/hook?x=1
        secret: [{DEVELOPMENT_SECRET}, "${{OTHER_SECRET}}"]
        events: whatsapp.message.*
        sources: [cl*]
        raw: always
        timeout: 5s
        concurrency: 1
        lane_hold: forever
        retry: {{schedule: [1s, 1m30s], give_up_after: 1d}}
""",
        tmp_path,
    )
    assert config.listen == Address("", 8088)
    assert config.admin.token == SecretStr("${SET} is no variable")
    assert str(config.store) == "sqlite:/var/lib/gateway.db"
    assert config.limits.shutdown == 0.5
    source = config.tenants["acme"].sources["cloud"]
    assert (source.tenant, source.name, source.provider, source.uid) == ("acme", "cloud", "fake", "old/name")
    assert source.channel == {
        "id": "shop", "phone": "+15550783881", "phone_number_id": "106540352242922", "account_id": "007",
    }  # fmt: skip
    assert source.rate_limit == 10.0
    settings = source.adapter.settings
    assert isinstance(settings, FakeSettings)
    assert isinstance(source.adapter, Fake)
    assert settings.api_key == [SecretStr("from-a-file")] * 2
    assert (settings.ack_scale, settings.strict) == ("second", True)
    assert settings.login == Login(user="on", password=SecretStr("from-a-file"))
    crm = config.tenants["acme"].destinations["crm"]
    assert (crm.tenant, crm.name, crm.url) == ("acme", "crm", "https://crm.example.com/hook?x=1")
    assert [secret.get_secret_value() for secret in crm.secrets] == [DEVELOPMENT_SECRET] * 2
    assert (crm.raw, crm.timeout, crm.concurrency, crm.lane_hold) == ("always", 5.0, 1, None)
    assert crm.retry == Retry(schedule=(1.0, 90.0), give_up_after=86_400.0)
    assert config.warnings == []
    assert DEVELOPMENT_SECRET not in repr(config)
    assert "from-a-file" not in repr(config)


def test_every_choice_of_a_destination(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.issue("client")
    (tmp_path / "token").write_text("Bearer hunter2\n")
    crm = tenant(
        f"""destinations:
  crm:
    url: https://crm.example.com/hook
    secret: [{DEVELOPMENT_SECRET}, "whsk_{"A" * 43}="]
    ordering: none
    statuses: monotonic
    media: keys
    rate_limit: 600/m
    park_for: 30d
    batch: {{max_events: 50, max_wait: 500ms}}
    proxy: http://me:hunter2@proxy.example.com:3128
    headers: {{X-Key: "${{SET}}", User-Agent: us/1, Authorization_file: token}}
    ca: authority.pem
    client_cert: client.crt
    client_key: {client.key}
  plain: {{url: https://crm.example.com/, secret: {DEVELOPMENT_SECRET}, batch: {{}}}}""",
        tmp_path,
    ).tenants["acme"].destinations  # fmt: skip
    chosen, plain = crm["crm"], crm["plain"]
    assert (chosen.ordering, chosen.statuses, chosen.media) == ("none", "monotonic", "keys")
    assert (chosen.rate_limit, chosen.park_for) == (10.0, 30 * 86_400.0)
    assert chosen.batch == Batch(max_events=50, max_wait=0.5)
    assert chosen.proxy == SecretStr("http://me:hunter2@proxy.example.com:3128")
    assert chosen.headers == {
        "X-Key": SecretStr("value"), "User-Agent": SecretStr("us/1"), "Authorization": SecretStr("Bearer hunter2"),
    }  # fmt: skip
    assert (chosen.ca, chosen.client_cert, chosen.client_key) == (authority.ca, client.cert, client.key)
    assert "hunter2" not in repr(chosen)
    assert (plain.ordering, plain.statuses, plain.media) == ("conversation", "all", "plain")
    assert (plain.rate_limit, plain.park_for, plain.proxy, plain.headers) == (None, None, None, {})
    assert plain.batch == Batch(max_events=100, max_wait=1.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{client_cert: mine.crt, client_key: other.key}", "client_key: the key in other.key is not that of the cert"),
        ("{client_cert: mine.crt}", "client_cert: mine.crt holds no private key in PEM form: give client_key"),
        ("{client_cert: mine.key, client_key: mine.key}", "client_cert: mine.key holds no certificate in PEM form"),
        ("{client_cert: mine.crt, client_key: mine.crt}", "client_key: mine.crt holds no private key in PEM form"),
        ("{client_cert: mine.crt, client_key: locked.key}", "client_key: the key in locked.key has a passphrase"),
        ("{ca: mine.key}", "ca: mine.key holds no certificate in PEM form"),
    ],
)
def test_certificates_that_do_not_fit(given: str, message: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("mine")
    authority.issue("other")
    authority.issue("locked", passphrase=b"hunter2")
    text = f"""
tenants:
  acme:
    destinations:
      crm: {{<<: {given}, url: https://crm.example.com, secret: {DEVELOPMENT_SECRET}}}
"""
    said = errors(text, tmp_path)
    assert f"tenants.acme.destinations.crm.{message}" in said
    assert "\n" not in said


def test_certificate_and_key_may_share_a_file(tmp_path: Path) -> None:
    mine = Authority(tmp_path).issue("mine")
    (tmp_path / "both.pem").write_bytes(mine.cert.read_bytes() + mine.key.read_bytes())
    found = tenant(
        f"destinations: {{crm: {{url: https://a.example, secret: {DEVELOPMENT_SECRET}, client_cert: both.pem}}}}",
        tmp_path,
    )
    assert found.tenants["acme"].destinations["crm"].client_cert == tmp_path / "both.pem"


def test_retention(tmp_path: Path) -> None:
    assert load("tenants: {}\n", tmp_path).retention == Retention(
        receipts=30 * 86_400.0, size=10 * 1024**3, tenant_share=0.5, ids=8 * 86_400.0
    )
    config = load("retention: {receipts: 12h, size: none, tenant_share: 100%, ids: 6d}\ntenants: {a: {}}", tmp_path)
    given = config.retention
    assert (given.receipts, given.size, given.tenant_share, given.ids) == (43_200.0, None, 1.0, 518_400.0)
    assert "config.yaml:1:65: retention.ids: Meta sends again for 7 days: events may come twice" in config.warnings[0]


@pytest.mark.parametrize(
    ("retention", "said"),
    [
        ("{size: 16MiB}", "1:19: retention.size: a webhook may have 4 MiB, for which so small a store may have no "
         "room: give 32MiB or more"),
        ("{size: 32MiB}", None),
        ("{receipts: 0s}", "1:23: retention.receipts: what is done with is gone within the hour: `replay`, `remap` and "
         "`events show` will not find it"),
        ("{receipts: 1h}", None),
    ],
)  # fmt: skip
def test_what_is_kept_for_too_short_is_told(retention: str, said: str | None, tmp_path: Path) -> None:
    source = "{a: {sources: {s: {provider: fake, api_key: k}}}}"
    warnings = load(f"retention: {retention}\ntenants: {source}\n", tmp_path).warnings
    assert [one for one in warnings if "retention" in one] == ([f"{tmp_path}/config.yaml:{said}"] if said else [])


@pytest.mark.parametrize("key", ["store", "store_file"])
def test_a_store_for_many(key: str, tmp_path: Path) -> None:
    url = "postgresql://gateway:hunter2@db/gateway"
    (tmp_path / "url").write_text(f"{url}\n")
    config = load(f"{key}: {'url' if key == 'store_file' else url}\n", tmp_path)
    assert (config.store.kind, config.store.url.get_secret_value()) == ("postgresql", url)
    assert "hunter2" not in repr(config)


def test_wants_is_by_pattern_and_source() -> None:
    destination = Destination(
        tenant="acme", name="crm", url="https://crm.example.com", secrets=[SecretStr(DEVELOPMENT_SECRET)],
        events=["whatsapp.message.*", "*.unknown"], sources=["cloud", "dev-?"],
    )  # fmt: skip
    wanted = [("whatsapp.message.received", "cloud"), ("whatsapp.unknown", "dev-1")]
    unwanted = [("whatsapp.error", "cloud"), ("whatsapp.message.received", "dev"), ("whatsapp.message", "cloud")]
    for _ in range(2):  # the second answers come from the cache
        assert all(destination.wants(*pair) for pair in wanted)
        assert not any(destination.wants(*pair) for pair in unwanted)


def test_empty_values_are_the_same_as_none(tmp_path: Path) -> None:
    config = load(
        "origin:\nlimits:\nadmin: ~\ninclude: null\ntenants:\n  acme: {sources: , destinations: }\n", tmp_path
    )
    assert config.origin == ""
    assert config.limits.max_items == 5000
    assert config.tenants["acme"].sources == {}


def test_texts_that_older_yaml_takes_for_something_else(tmp_path: Path) -> None:
    for word in ("on", "no", "0x1F", "2026-06-08", "12:30:00", "1_000", "0123", "1e3", "1.10", ".5"):
        source = f"{{provider: fake, api_key: {word}, channel: {{id: {word}}}}}"
        config = load(f"tenants: {{acme: {{sources: {{dev: {source}}}}}}}\n", tmp_path)
        assert config.tenants["acme"].sources["dev"].channel == {"id": word}


def test_variable_is_resolved_like_what_it_replaces(tmp_path: Path) -> None:
    text = """
limits: {max_items: "${ITEMS}", shutdown: "${WAIT:-3}s"}
tenants:
  acme:
    sources:
      dev:
        provider: fake
        api_key: ${KEY}
        strict: ${STRICT}
        uid: ${NOTHING:-}
        login: ${NOTHING:-null}
        channel: {id: "${STRICT}"}
"""
    config = load(text, tmp_path, {"STRICT": "true", "ITEMS": "12", "KEY": "{a: [b  # $HOME ${X}"})
    source = config.tenants["acme"].sources["dev"]
    settings = source.adapter.settings
    assert isinstance(settings, FakeSettings)
    assert settings.api_key[0].get_secret_value() == "{a: [b  # $HOME ${X}", "what comes in is not expanded again"
    assert (settings.strict, settings.login) == (True, None)
    assert (source.uid, source.channel) == ("acme/dev", {"id": "true"})
    assert (config.limits.max_items, config.limits.shutdown) == (12, 3.0)


def test_keys_are_not_expanded(tmp_path: Path) -> None:
    assert "tenants.${SET}: a name has" in errors("tenants:\n  ${SET}: {}\n", tmp_path)


def test_anchors_and_merges(tmp_path: Path) -> None:
    config = load(
        f"""
tenants:
  one:
    destinations:
      a: &defaults
        {{url: https://a.example.com, secret: {DEVELOPMENT_SECRET}, timeout: 5s, retry: {{schedule: [1s]}}}}
      b: {{<<: *defaults, url: https://b.example.com}}
      c: {{<<: [{{timeout: 1s}}, *defaults], concurrency: 2}}
""",
        tmp_path,
    )
    found = config.tenants["one"].destinations
    assert [(d.url, d.timeout, d.concurrency) for d in found.values()] == [
        ("https://a.example.com", 5.0, 16), ("https://b.example.com", 5.0, 16), ("https://a.example.com", 1.0, 2),
    ]  # fmt: skip
    assert found["c"].retry.schedule == (1.0,)


def test_includes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    (tmp_path / "one" / "beta.yaml").write_text("sources:\n  dev: {provider: fake, api_key_file: key}\n")
    (tmp_path / "one" / "key").write_text("next-to-beta")
    (tmp_path / "one" / "alpha.yaml").write_text("destinations:\n")
    (tmp_path / "two" / "many.yaml").write_text("tenants:\n  delta: {}\n  gamma: {}\n")
    config = load(
        "include: ['one/*.yaml', two/many.yaml, one/beta.yaml, 'none/*.yaml', 'conf*.yaml']\ntenants: {acme: {}}\n",
        tmp_path,
    )
    assert list(config.tenants) == ["acme", "alpha", "beta", "delta", "gamma"]
    key = config.tenants["beta"].sources["dev"].adapter.settings
    assert isinstance(key, FakeSettings)
    assert key.api_key == [SecretStr("next-to-beta")]
    said = [warning.replace(f"{tmp_path}/", "") for warning in config.warnings]
    assert said[0] == "config.yaml:1:55: include: none/*.yaml matches no file"
    assert "one/beta.yaml:1:1: tenants.beta: has no destinations" in said


def test_warning_of_unencrypted_delivery(tmp_path: Path) -> None:
    config = tenant(
        "destinations:\n"
        f"  far: {{url: http://crm.example.com, secret: {DEVELOPMENT_SECRET}}}\n"
        f"  near: {{url: http://localhost:9000, secret: {DEVELOPMENT_SECRET}}}",
        tmp_path,
    )
    assert config.warnings == [
        f"{tmp_path}/config.yaml:6:18: tenants.acme.destinations.far.url: events travel unencrypted"
    ]


def test_body_given_instead_of_the_file() -> None:
    config = load_config(Path("<stdin>"), {}, ADAPTERS, body=b"tenants: {acme: {}}")
    assert list(config.tenants) == ["acme"]


# One source, offline


OFFLINE = """
origin: ${NOT_SET}
tenants:
  acme:
    sources:
      dev:
        provider: fake
        api_key: ${NOT_SET}
        login: {user: a, password: "${NOT_SET}"}
        path_token_file: no_such_file
        ack_scale: second
        uid: old
        channel: {id: shop}
      bad: {provider: fake, ack_scale: "${NOT_SET}"}
      worse: {provider: fake, ack_scale: third}
"""


def test_one_source_needs_no_secrets_offline(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(OFFLINE)
    source = load_source(path, {}, ADAPTERS, "acme", "dev")
    assert (source.uid, source.channel, source.provider) == ("old", {"id": "shop"}, "fake")
    settings = source.adapter.settings
    assert isinstance(settings, FakeSettings)
    assert (settings.ack_scale, settings.api_key) == ("second", [SecretStr(PLACEHOLDER)])
    assert settings.path_token == [SecretStr(PLACEHOLDER)]


def test_secrets_that_can_be_had_are_used_offline(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(OFFLINE)
    (tmp_path / "no_such_file").write_text("a-token")
    settings = load_source(path, {"NOT_SET": "a-key"}, ADAPTERS, "acme", "dev").adapter.settings
    assert isinstance(settings, FakeSettings)
    assert (settings.api_key, settings.path_token) == ([SecretStr("a-key")], [SecretStr("a-token")])
    assert settings.login == Login(user="a", password=SecretStr("a-key"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("acme", "bad"),
            "config.yaml:14:40: tenants.acme.sources.bad.ack_scale: environment variable NOT_SET is not set",
        ),
        (("acme", "worse"), "config.yaml:15:42: tenants.acme.sources.worse.ack_scale: must be 'first' or 'second'"),
        (("acme", "devv"), "config.yaml: tenants.acme.sources.devv: is not there; did you mean dev?"),
        (("acne", "dev"), "config.yaml: tenants.acne: is not there; did you mean acme?"),
    ],
)
def test_what_is_wrong_with_one_source_offline(names: tuple[str, str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(OFFLINE)
    with pytest.raises(ConfigError) as caught:
        load_source(path, {}, ADAPTERS, *names)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(message)
    assert "\n" not in str(caught.value)


def test_sources_can_be_made_without_a_file() -> None:
    adapter = Fake(FakeSettings(api_key=[SecretStr("k")]))
    source = Source(tenant="acme", name="dev", provider="fake", adapter=adapter, uid="acme/dev")
    assert (source.channel, source.rate_limit) == ({}, None)
