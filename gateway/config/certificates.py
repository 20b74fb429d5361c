"""Files of certificates and keys: whether they are there, can be used, and fit together."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gateway.config.destination import Destination
from gateway.config.document import Block
from gateway.config.errors import Loc, Problems

FILES = ("ca", "client_cert", "client_key")


class Certificates:
    """Checks those of destinations. What many destinations share is read once."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._ca = cache(_wrong_with_ca)
        self._client = cache(_wrong_with_client)

    @staticmethod
    def paths(values: Mapping[str, Any], block: Block) -> dict[str, Path]:
        """The settings that name files, relative to the file that names them."""
        return {key: block.file.folder / values[key] for key in FILES if isinstance(values.get(key), str)}

    def check(self, destination: Destination, block: Block, loc: Loc) -> None:
        given = [key for key in FILES if getattr(destination, key) is not None]
        if given and not destination.url.startswith("https:"):
            for key in given:
                self._problems.add(block.key_place(key), (*loc, key), "needs a url that begins with https://")
            return
        cert, key_file = destination.client_cert, destination.client_key
        if cert is None and key_file is not None:
            self._problems.add(block.key_place("client_key"), (*loc, "client_key"), "is given without client_cert")
        found = {"ca": self._ca(destination.ca)} if destination.ca else {}
        if cert is not None:
            found |= self._client(cert, key_file)
        for key, message in found.items():
            if message:
                self._problems.add(block.place(key), (*loc, key), message)


def _wrong_with_ca(path: Path) -> str:
    unreadable = _unreadable(path)
    if unreadable:
        return unreadable
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ssl.SSLError, ValueError):
        return f"{path} holds no certificate in PEM form"
    return ""


def _wrong_with_client(cert: Path, key: Path | None) -> dict[str, str]:
    """What is wrong, by setting. The key is in the file of the certificate where it has none of its own."""
    unreadable = {"client_cert": _unreadable(cert), "client_key": _unreadable(key) if key else ""}
    if any(unreadable.values()):
        return unreadable
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password=_refuse_passphrase)
    except _EncryptedError:
        return {"client_key" if key else "client_cert": f"the key in {key or cert} has a passphrase: write it without"}
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return {"client_key" if key else "client_cert": f"the key in {key or cert} is not that of the certificate"}
        if _wrong_with_ca(cert):
            return {"client_cert": f"{cert} holds no certificate in PEM form"}
        where = "client_key" if key else "client_cert"
        return {where: f"{key or cert} holds no private key in PEM form" + ("" if key else ": give client_key")}
    return {}


class _EncryptedError(Exception):
    """The key asks for a passphrase."""


def _refuse_passphrase() -> str:
    raise _EncryptedError


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    return ""
