"""`${VAR}` in values: expanded after the file is parsed, so that no value can change the file's structure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:(\$)|\{([^}]*)(\}?))")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)(.*))?", re.DOTALL)


def expand(text: str, environ: Mapping[str, str], key: str) -> str:
    """The text with its references replaced. Raises ValueError; its message names the setting's `key`."""

    def replace(match: re.Match[str]) -> str:
        dollar, reference, closed = match.groups()
        return "$" if dollar else _value(reference if closed else "", environ, key)

    return _REFERENCE.sub(replace, text)


def _value(reference: str, environ: Mapping[str, str], key: str) -> str:
    match = _NAME.fullmatch(reference)
    if match is None:
        raise ValueError("write ${VAR}, ${VAR:-default} or ${VAR:?message}, and $$ for a dollar sign")
    name, operator, word = match.groups()
    value = environ.get(name)
    if operator == ":-":
        value = value or word
    elif operator == ":?" and not value:
        raise ValueError(f"environment variable {name}: {word or 'is required, and is not set or empty'}")
    if value is None:
        raise ValueError(
            f"environment variable {name} is not set: set it, write a default (${{{name}:-…}}), "
            f"or, if this is a secret, give {key}_file instead"
        )
    if "\n" in value or "\r" in value:
        raise ValueError(
            f"environment variable {name} holds a line break: if this is a secret, give {key}_file instead"
        )
    return value
