"""A destination made ready for sending: what can be computed once is computed here."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from gateway.config import Destination
from gateway.sending.signing import Key, decode_signing_secret
from gateway.version import VERSION

USER_AGENT = f"wa-gateway/{VERSION}"


@dataclass(frozen=True, slots=True)
class Trust:
    """Files with the certificates to trust (None: the system's) and with those to show."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Host and port; TLS is spoken there where `trust` is not None."""

    host: str
    port: int
    trust: Trust | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Where and how to send. Each is itself alone: its connections are no other's.

    `head` is how every request begins, to the end of the headers that are always the same. `raw` and `media` are as in
    configuration, `timeout` is in seconds, `authorization` is what the proxy asks for.
    """

    head: bytes
    endpoint: Endpoint
    keys: tuple[Key, ...]
    raw: str = "never"
    media: str = "plain"
    timeout: float = 15.0
    concurrency: int = 16
    proxy: Endpoint | None = None
    authorization: str | None = None


def target_of(destination: Destination) -> Target:
    url = URL(destination.url)
    proxy = URL(destination.proxy.get_secret_value()) if destination.proxy else None
    authorization = _authorization(proxy) if proxy else None
    return Target(
        head=_head(url, proxy, authorization, destination),
        endpoint=_endpoint(url, Trust(destination.ca, destination.client_cert, destination.client_key)),
        keys=tuple(decode_signing_secret(secret.get_secret_value()) for secret in destination.secrets),
        raw=destination.raw,
        media=destination.media,
        timeout=destination.timeout,
        concurrency=destination.concurrency,
        proxy=_endpoint(proxy, Trust()) if proxy else None,
        authorization=authorization,
    )


def _endpoint(url: URL, trust: Trust) -> Endpoint:
    assert url.raw_host is not None
    assert url.port is not None
    return Endpoint(url.raw_host, url.port, trust if url.scheme == "https" else None)


def _authorization(proxy: URL) -> str | None:
    if proxy.user is None and proxy.password is None:
        return None
    return "Basic " + base64.b64encode(f"{proxy.user or ''}:{proxy.password or ''}".encode()).decode()


def _head(url: URL, proxy: URL | None, authorization: str | None, destination: Destination) -> bytes:
    """Request line and headers. In plain by way of a proxy it names the whole URL (RFC 9112, section 3.2.2)."""
    to_proxy = proxy is not None and url.scheme == "http"
    host = url.host_subcomponent if url.is_default_port() else url.host_port_subcomponent
    own = {name: value.get_secret_value() for name, value in destination.headers.items()}
    headers = {"Host": host, "User-Agent": USER_AGENT, "Accept": "*/*"}
    if to_proxy and authorization:
        headers["Proxy-Authorization"] = authorization
    replaced = {name.lower() for name in own}
    lines = [f"POST {url if to_proxy else url.raw_path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in replaced]
    lines += [f"{name}: {value}" for name, value in own.items()]
    return "\r\n".join([*lines, ""]).encode()
