"""Values that people write in configuration, the example that ships, and the reference page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from gateway.config import DEVELOPMENT_SECRET, StoreUrl, load_config
from gateway.config.reference import SECTIONS, reference
from gateway.config.secrets import PLACEHOLDER, inner_models
from gateway.config.section import fields_of
from gateway.config.values import (
    parse_address,
    parse_destination_url,
    parse_duration,
    parse_hold,
    parse_origin,
    parse_percent,
    parse_phone,
    parse_rate,
    parse_size,
    parse_size_limit,
    parse_store,
)
from gateway.sending.signing import decode_secret
from providers import load_adapters

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_duration, "500ms", 0.5),
        (parse_duration, "1.5s", 1.5),
        (parse_duration, "1h30m", 5400.0),
        (parse_duration, "8d", 691_200.0),
        (parse_duration, "3650d", 315_360_000.0),
        (parse_hold, "15m", 900.0),
        (parse_hold, "forever", None),
        (parse_size, "64MiB", 67_108_864),
        (parse_size, "500 kB", 500_000),
        (parse_size, "1024B", 1024),
        (parse_rate, "200/s", 200.0),
        (parse_rate, "90/m", 1.5),
        (parse_address, "127.0.0.1:8080", ("127.0.0.1", 8080)),
        (parse_address, "[0:0::1]:1", ("::1", 1)),
        (parse_address, ":0", ("", 0)),
        (parse_address, "gateway-1.internal:65535", ("gateway-1.internal", 65535)),
        (parse_origin, "https://hooks.example.com:8443", "https://hooks.example.com:8443"),
        (parse_destination_url, "http://[::1]:9000/a?b=c", "http://[::1]:9000/a?b=c"),
        (parse_destination_url, "https://münchen.example/ä", "https://münchen.example/ä"),
        (parse_destination_url, "http://crm_1.internal", "http://crm_1.internal"),
        (parse_phone, "+15550783881", "+15550783881"),
        (parse_store, "sqlite:a b.db", StoreUrl("sqlite", Path("a b.db"))),
        *(
            (parse_store, url, StoreUrl("postgresql", url=SecretStr(url)))
            for url in (
                "postgresql://gateway:pass%2Fword@db.example:5432/gateway?sslmode=require",
                "postgres://db/gateway",
                "postgresql://one:5432,two:5433/gateway?target_session_attrs=read-write",
                "postgresql:///gateway?host=/run/postgresql",
                "postgresql://[::1]/gateway",
                "postgresql://gateway@[::1]:5432,db:/gateway?statement_cache_size=0",
                "postgresql://?service=gateway",
                "postgresql:///?dbname=gateway&host=one,two&port=5432,5433",
            )
        ),
        (parse_size_limit, "10GiB", 10 * 1024**3),
        (parse_size_limit, "none", None),
        (parse_percent, "50%", 0.5),
        (parse_percent, "12.5%", 0.125),
    ],
)
def test_value(parse: Any, text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (
            parse_duration,
            ["", "5", "s", "5 s", "-5s", "5S", "5s ", "1h-3m", "٣s", "1e3s", "inf", None, 5, "9" * 400 + "s", "3651d"],
        ),
        (parse_hold, ["never", "Forever", "", "87601h", "999999999999d"]),
        (parse_size, ["", "64", "64M", "1.5MiB", "-1B", "64 mib", None, 64]),
        (parse_rate, ["", "0/s", "5", "5/h", "-5/s", "5 /s", "0.0/m", None]),
        (
            parse_address,
            ["", "8080", "host", "host:", "host:99999", "host:x", "::1:80", "[::1]", "[1.2.3.4]:80", "a b:80"],
        ),
        (parse_origin, ["", "https://", "//h", "ftp://h", "https://h/", "https://h?x", "https://u@h", "https://h:x"]),
        (
            parse_destination_url,
            ["https://u:p@h/", "https://:@h/", "https://h/#f", "https:///x", "https://h/\n", "/x", None],
        ),
        (
            parse_destination_url,
            ["https://a b/", "https://a\u200bb/", "https://a\\b/", "https://[::1]x/", "https://a%41/"],
        ),
        (
            parse_destination_url,
            ["https://[::1]@/", "https://\ud800/", "https://a;b/", "http://[fe80::zz]/", "https://"],
        ),
        (parse_phone, ["15550783881", "+0123456", "+1 555 0100", "+1", "", "+1" * 9, None, 15550783881]),
        (
            parse_store,
            [
                "",
                "sqlite:",
                "sqlite:///x",
                "x.db",
                "mysql://h/d",
                "postgres:x",
                "postgresql:",
                "postgresql://u:p@h/d#x",
                "postgresql://u:p@h/d d",
                "postgresql+asyncpg://u:p@h/d",
                None,
            ],
        ),
        (
            parse_store,
            [
                "postgresql://u:p@h",
                "postgresql://u:p@h/",
                "postgresql://u:p@h?dbname=",
                "postgresql://u:p@h:port/d",
                "postgresql://u:p@h:0/d",
                "postgresql://u:p@h:65536/d",
                "postgresql://u:p@h,i:x/d",
                "postgresql://u:p@h/d?port=5432,x",
                "postgresql://u:p@::1/d",
                "postgresql://u:p@[::1/d",
                "postgresql://u:p@[h]/d",
                "postgresql://u:p@w@h/d",
                "postgresql://u:p/w@h",
                "postgresql://u:p?w@h/d",
                "postgresql://u:p@h/d?sslmode",
            ],
        ),
        (parse_size_limit, ["", "None", "unlimited", "64", None]),
        (parse_percent, ["", "50", "0.5", "%", "-1%", "5 %", "1000%", None, 50]),
    ],
)
def test_value_is_refused_without_repeating_it(parse: Any, texts: list[Any]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"^must") as caught:
            parse(text)
        assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1:1", True), ("127.9.9.9:1", True), ("[::1]:1", True), ("localhost:1", True), (":1", False),
     ("0.0.0.0:1", False), ("gateway:1", False), ("[::]:1", False)],
)  # fmt: skip
def test_loopback(address: str, loopback: bool) -> None:
    assert parse_address(address).loopback is loopback
    assert parse_address(str(parse_address(address))) == parse_address(address)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql://gateway:hunter2@db/gateway?sslmode=require",
            "postgresql://gateway:***@db/gateway?sslmode=require",
        ),
        ("postgresql://gateway:hunter2/@hunter2@db/gateway", "postgresql://gateway:***@db/gateway"),
        ("postgres://:hunter2@db/gateway", "postgres://:***@db/gateway"),
        ("postgresql://db/gateway?user=a&password=hunter2", "postgresql://db/gateway?user=a&password=***"),
        ("postgresql://db/d?sslpassword=hunter2&user=a", "postgresql://db/d?sslpassword=***&user=a"),
        ("postgresql://gateway@db/gateway", "postgresql://gateway@db/gateway"),
        ("postgresql://[::1]:5432/gateway", "postgresql://[::1]:5432/gateway"),
    ],
)
def test_a_store_is_shown_without_its_password(url: str, shown: str) -> None:
    store = StoreUrl("postgresql", url=SecretStr(url))
    assert str(store) == shown
    assert "hunter2" not in repr(store)


def test_development_secret_is_a_webhook_secret() -> None:
    assert len(decode_secret(DEVELOPMENT_SECRET)) == 24
    assert 24 <= len(decode_secret(PLACEHOLDER)) <= 64


# The example and the reference


def test_example_runs_as_it_is() -> None:
    config = load_config(ROOT / "config.yaml", {}, load_adapters())
    assert config.warnings == []
    assert {s.name: s.provider for s in config.tenants["acme"].sources.values()} == {
        "cloud": "cloud_api", "coreapp": "on_premises", "device": "whapi",
    }  # fmt: skip
    crm = config.tenants["acme"].destinations["crm"]
    assert crm.url == "http://127.0.0.1:9000/"
    assert [secret.get_secret_value() for secret in crm.secrets] == [DEVELOPMENT_SECRET]


def models() -> list[type[BaseModel]]:
    tops: list[type[BaseModel]] = [model for _, model in SECTIONS]
    tops += [adapter.Settings for adapter in load_adapters().values()]
    return [*tops, *(inner for top in tops for inner in inner_models(top).values())]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_setting_has_a_description(model: type[BaseModel]) -> None:
    assert [key for key, info in fields_of(model).items() if not info.description] == []


def test_reference_is_up_to_date() -> None:
    page = ROOT / "docs" / "reference" / "configuration.md"
    assert page.read_text() == reference(load_adapters()), (
        "settings changed: python -m gateway.config.reference > docs/reference/configuration.md"
    )
