"""The reference of all settings, from the models: `python -m gateway.config.reference` prints it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.destination import Batch, Destination, Retry
from gateway.config.model import (
    Admin,
    Channel,
    GatewayBlock,
    Limits,
    Retention,
    SourceBlock,
    TenantBlock,
)
from gateway.config.secrets import inner_models, is_secret
from gateway.config.section import fields_of
from gateway.config.values import DURATION_UNITS, SIZE_UNITS, Address, Percent, StoreUrl
from providers import Adapter, SourceSettings, load_adapters


def _units(units: Mapping[str, float]) -> str:
    return ", ".join(f"`{unit}`" for unit in units)


_INTRODUCTION = f"""# Configuration

<!-- Generated: python -m gateway.config.reference > docs/reference/configuration.md -->

One YAML file, `config.yaml` unless you name another. `wa-gateway check-config` says all that is wrong with
it, with file, line and column, and starts nothing. The `config.yaml` at the top of the project runs as it is.

## How values are written

| what | how |
| --- | --- |
| duration | a number and a unit ({_units(DURATION_UNITS)}), or several: `30s`, `1h30m` |
| size | a whole number and a unit ({_units(SIZE_UNITS)}): `64MiB` |
| percent | a number and `%`: `50%` |
| rate | a number and `/s` or `/m`: `200/s` |
| address | `HOST:PORT`, `[IPV6]:PORT`, or `:PORT` for all interfaces |
| pattern | `*` is any text, dots too; `?` any character; `[ab]` one of them. One pattern, or a list |
| name | up to 63 lower-case letters, digits, `-` and `_`, beginning with a letter or digit |

**From the environment.** `${{VAR}}` in a value is replaced after the file is parsed, never in keys; it is an
error if the variable is not set. `${{VAR:-default}}` falls back where it is not set or empty, and
`${{VAR:?message}}` says the message there. `$$` is a dollar sign. No variable's value may hold a line break.

**Secrets from files.** Every setting marked *secret* can stand in a file: write its key with `_file` and the
path, relative to the configuration file. One line break at the end is left out. Giving both is an error.

**Text.** A value is text unless it is a plain `true`, `false` or `null`, or the setting is a number: ids keep
all their digits, and `on`, `no` and dates stay what you wrote. An empty value is the same as none. Keys that
are not known, keys given twice, YAML tags and second documents are errors; anchors, aliases and `<<` may be used.
"""

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Top level", GatewayBlock),
    ("`admin`", Admin),
    ("`limits`", Limits),
    ("`retention`", Retention),
    ("`tenants.TENANT`", TenantBlock),
    ("`tenants.TENANT.sources.SOURCE`", SourceBlock),
    ("`tenants.TENANT.sources.SOURCE.channel`", Channel),
    ("`tenants.TENANT.destinations.DESTINATION`", Destination),
    ("`tenants.TENANT.destinations.DESTINATION.batch`", Batch),
    ("`tenants.TENANT.destinations.DESTINATION.retry`", Retry),
)
_NOT_SET: tuple[object, ...] = ("", None, [], {})


def reference(adapters: Mapping[str, type[Adapter]]) -> str:
    """The page as Markdown, with the settings of these providers."""
    return "\n".join(_lines(adapters)).rstrip() + "\n"


def _lines(adapters: Mapping[str, type[Adapter]]) -> Iterator[str]:
    yield _INTRODUCTION
    for title, model in SECTIONS:
        yield f"## {title}\n"
        yield f"{_first_paragraph(model)}\n"
        yield from _table(model)
        if model is Channel:
            yield "## Providers' own settings\n"
            yield "They stand beside the settings of every source, in the same block. All providers have:\n"
            yield from _table(SourceSettings)
            for name, adapter in adapters.items():
                yield from _provider(name, adapter)


def _provider(name: str, adapter: type[Adapter]) -> Iterator[str]:
    yield f"### `provider: {name}`\n"
    yield f"{adapter.label}. {adapter.summary.rstrip('.')}.\n" if adapter.summary else f"{adapter.label}.\n"
    yield from _table(adapter.Settings, without=fields_of(SourceSettings))
    for key, inner in inner_models(adapter.Settings).items():
        yield f"#### `{key}`\n"
        yield from _table(inner)


def _table(model: type[BaseModel], without: Collection[str] = ()) -> Iterator[str]:
    rows = [
        f"| `{key}` | {_default(info)} | {_description(info)} |"
        for key, info in fields_of(model).items()
        if key not in without
    ]
    if rows:
        yield "| setting | default | meaning |\n| --- | --- | --- |"
        yield from rows
        yield ""


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def _description(info: FieldInfo) -> str:
    text = (info.description or "").replace("|", "\\|")
    return f"*Secret.* {text}" if is_secret(info) else text


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value in _NOT_SET:
        return ""
    return f"`{_written(value, info)}`"


def _written(value: Any, info: FieldInfo) -> str:
    """The default as it would be written in the file."""
    if isinstance(value, (Address, Percent, StoreUrl, str)):
        return str(value)
    if isinstance(value, float):
        return _duration(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_written(each, info) for each in value)}]"
    if isinstance(value, int) and value >= SIZE_UNITS["MiB"]:
        return _size(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _size(value: int) -> str:
    """In the largest unit that divides it."""
    return next(f"{value // size}{unit}" for unit, size in reversed(SIZE_UNITS.items()) if value % size == 0)


def _duration(seconds: float) -> str:
    """In the largest unit that divides it."""
    unit, length = next(
        (unit, length)
        for unit, length in reversed(DURATION_UNITS.items())
        if seconds >= length and seconds % length == 0
    )
    return f"{seconds / length:g}{unit}"


def main() -> None:
    sys.stdout.write(reference(load_adapters()))


if __name__ == "__main__":
    main()
