"""Values that people write in configuration: durations, sizes, rates, addresses, URLs, secrets.

Parsers raise ValueError with a message that tells how to write it. No message repeats the value: it may be a
secret that stands in the wrong line.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr
from yarl import URL

from gateway.sending.signing import PREFIX, PRIVATE_PREFIX, BadSecret, decode_signing_secret

Value = TypeVar("Value")

DEVELOPMENT_SECRET = "whsec_" + base64.b64encode(b"wa-gateway development!!").decode()
"""Signs deliveries in the example configuration and in `wa-gateway listen`. Public: worthless elsewhere."""

DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZE_UNITS = {
    "B": 1,
    "kB": 1000, "MB": 1000**2, "GB": 1000**3,
    "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3,
}  # fmt: skip
LONGEST_DAYS = 3650
RATE_UNITS = {"s": 1.0, "m": 60.0}

_RECIPES = {
    PREFIX: "head -c 32 /dev/urandom",
    PRIVATE_PREFIX: "openssl genpkey -algorithm ed25519 -outform DER | tail -c 32",
}

_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d)", re.ASCII)
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+", re.ASCII)
_SIZE = re.compile(r"(\d{1,15}) ?(B|kB|MB|GB|KiB|MiB|GiB)", re.ASCII)
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)/(s|m)", re.ASCII)
_PHONE = re.compile(r"\+[1-9]\d{4,14}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)%", re.ASCII)
_SQLITE = re.compile(r"sqlite:(?!//)(.+)")
_POSTGRESQL = re.compile(r"postgres(?:ql)?://([^/?#]*)(?:/([^/?#]*))?(?:\?([^#]*))?")
_PORT_OF_HOST = re.compile(r"^(?:\[[0-9A-Fa-f:.]+\]|[^:\[\]]*):?")
"""All of a host but its port."""
_NAMING = ("dbname", "database", "service")
"""Options of a URL that say which database it is."""
_PASSWORD = re.compile(r"(?<=//)([^:@/]*):.*@|([?&][a-z]*password=)[^&]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class Address(NamedTuple):
    """Where to listen. An empty host means all interfaces, port 0 any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class StoreUrl(NamedTuple):
    """`path` is where an sqlite store is, `url` where a postgresql one is. As text without its password."""

    kind: Literal["sqlite", "postgresql"]
    path: Path = Path()
    url: SecretStr = SecretStr("")

    def __str__(self) -> str:
        if self.kind == "sqlite":
            return f"sqlite:{self.path}"
        return _PASSWORD.sub(
            lambda match: match[2] + "***" if match[2] else f"{match[1]}:***@", self.url.get_secret_value()
        )


class Percent(float):
    """A part of a whole, written in percent."""

    def __str__(self) -> str:
        return f"{float(self) * 100:g}%"


def parse_duration(text: object) -> float:
    """Seconds from `500ms`, `15s`, `1h30m`, `8d`."""
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise ValueError("must be a duration: a number and a unit (ms, s, m, h, d), such as 30s or 1h30m")
    seconds = sum(float(number) * DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(text))
    if seconds > LONGEST_DAYS * DURATION_UNITS["d"]:
        raise ValueError(f"must be {LONGEST_DAYS}d or less")
    return seconds


def parse_hold(text: object) -> float | None:
    """A duration, or None for `forever`."""
    return None if text == "forever" else _or_word(parse_duration, text, "forever")


def _or_word(parse: Callable[[object], Value], text: object, word: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{error}; or {word}") from None


def parse_size(text: object) -> int:
    """Bytes from `64MiB`, `500kB`, `1024B`."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        units = ", ".join(SIZE_UNITS)
        raise ValueError(f"must be a size: a whole number and a unit ({units}), such as 64MiB")
    return int(match[1]) * SIZE_UNITS[match[2]]


def parse_size_limit(text: object) -> int | None:
    """A size, or None for `none`."""
    return None if text == "none" else _or_word(parse_size, text, "none")


def parse_percent(text: object) -> Percent:
    """A part of one from `50%`."""
    match = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("must be a number of percent, such as 50%")
    return Percent(float(match[1]) / 100)


def parse_rate(text: object) -> float:
    """Requests a second from `200/s` or `600/m`."""
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    rate = float(match[1]) / RATE_UNITS[match[2]] if match else 0.0
    if rate <= 0:
        raise ValueError("must be a rate above zero: a number and /s or /m, such as 200/s")
    return rate


def parse_address(text: object) -> Address:
    """`127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or `:8080` for all interfaces."""
    host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not colon or not _is_port(port):
        raise ValueError(
            "must be an address HOST:PORT, such as 127.0.0.1:8080, [::1]:8080, or :8080 for all interfaces"
        )
    if host.startswith("[") and host.endswith("]"):
        try:
            return Address(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        except ValueError:
            raise ValueError("must have an IPv6 address between the brackets") from None
    if ":" in host:
        raise ValueError("must have its IPv6 address in brackets, such as [::1]:8080")
    if host and not _HOST.fullmatch(host):
        raise ValueError("must have a host name or an IP address before the colon")
    return Address(host, int(port))


def parse_store(text: object) -> StoreUrl:
    """`sqlite:PATH`, the path still relative; or the URL of a PostgreSQL database, as libpq reads it."""
    found = _POSTGRESQL.fullmatch(text) if isinstance(text, str) and not _CONTROL.search(text) else None
    if found is not None:
        _check_postgresql(*found.groups())
        return StoreUrl("postgresql", url=SecretStr(found[0]))
    match = _SQLITE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            "must be sqlite:PATH or postgresql://USER:PASSWORD@HOST/DATABASE, with what is neither letter nor digit "
            "in a password percent-encoded"
        )
    return StoreUrl("sqlite", Path(match[1]))


def _check_postgresql(authority: str, database: str | None, query: str | None) -> None:
    """What would else be found out when somebody connects, and be told in the driver's words."""
    user, _, hosts = authority.rpartition("@")
    if "@" in f"{user}{database}{query}":
        raise ValueError(
            "must have no @ but the one before the host: in a password, what is neither letter nor digit is "
            "percent-encoded, such as %40 for @ and %2F for /"
        )
    try:
        options = parse_qs(query or "", keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError("must have options as NAME=VALUE behind the question mark, with & between them") from None
    ports = [_PORT_OF_HOST.sub("", host) for host in hosts.split(",")]
    ports += [port for value in options.get("port", []) for port in value.split(",")]
    if not all(_is_port(port) and int(port) for port in ports if port):
        raise ValueError("must have hosts as HOST:PORT, with a port from 1 to 65535 or none, and IPv6 in brackets")
    if not database and not any("".join(options.get(name, [])) for name in _NAMING):
        raise ValueError("must name the database behind the host, such as postgresql://USER:PASSWORD@HOST/DATABASE")


def _is_port(text: str) -> bool:
    return re.fullmatch(r"\d{1,5}", text, re.ASCII) is not None and int(text) <= 65535


def parse_origin(text: object) -> str:
    """Scheme, host and port of the public URL."""
    parts = _split_url(text)
    if parts.path or parts.query or parts.fragment or _credentials(parts):
        raise ValueError(
            "must be scheme and host alone, without path or trailing slash, such as https://hooks.example.com"
        )
    return parts.geturl()


def parse_destination_url(text: object) -> str:
    """An absolute URL to deliver to."""
    parts = _split_url(text)
    if _credentials(parts):
        raise ValueError("must not hold a user name or password: deliveries are proven by their signature")
    if parts.fragment:
        raise ValueError("must not hold a #fragment: it is never sent")
    return parts.geturl()


def parse_phone(text: object) -> str:
    if not isinstance(text, str) or not _PHONE.fullmatch(text):
        raise ValueError("must be a phone number in E.164 form: a plus, country code and number, such as +15550783881")
    return text


def check_webhook_secret(secret: SecretStr) -> SecretStr:
    """A Standard Webhooks secret that can sign."""
    try:
        decode_signing_secret(secret.get_secret_value())
    except BadSecret as error:
        prefix = next((prefix for prefix in _RECIPES if secret.get_secret_value().startswith(prefix)), PREFIX)
        raise ValueError(f'{error}; make one with: echo "{prefix}$({_RECIPES[prefix]} | base64)"') from None
    return secret


def check_proxy(proxy: SecretStr) -> SecretStr:
    """The URL of a forward proxy: a place to connect to, and perhaps who asks."""
    parts = _split_url(proxy.get_secret_value())
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must be scheme, host and port alone, such as http://proxy.example.com:3128")
    return proxy


def _split_url(text: object) -> SplitResult:
    try:
        if not isinstance(text, str) or _CONTROL.search(text):
            raise ValueError
        parts = urlsplit(text)
        _ = parts.port  # raises for what is no port
        _check_host(URL(text).raw_host or "")
    except (ValueError, IndexError):  # the latter from yarl, for an address in brackets before an @
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL")
    return parts


def _check_host(host: str) -> None:
    """As it goes over the wire: what is neither a name nor an address fails here, and not when it is called."""
    if not _HOST.fullmatch(host):
        ipaddress.IPv6Address(host)


def _credentials(parts: SplitResult) -> bool:
    return parts.username is not None or parts.password is not None
