"""Secrets that stand in files of their own: `<key>_file` beside every secret setting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.config.document import Block, File
from gateway.config.errors import Loc, Problems
from gateway.config.section import fields_of, model_in
from gateway.config.values import StoreUrl

MAX_BYTES = 64 * 1024
PLACEHOLDER = "whsec_cGxhY2Vob2xkZXI6IG5vIHNlY3JldCBhdCBhbGw="
"""Stands for a secret where none is needed, in any form that a provider may ask for."""


@lru_cache(maxsize=256)
def secret_keys(model: type[BaseModel]) -> dict[str, bool]:
    """Keys of the settings that can stand in a file of their own, and whether each may be a list."""
    return {key: _mentions(info.annotation, list) for key, info in fields_of(model).items() if is_secret(info)}


@lru_cache(maxsize=256)
def _secret_mappings(model: type[BaseModel]) -> list[str]:
    """Keys of the settings that are mappings of names to secrets."""
    return [
        key for key, info in fields_of(model).items() if _mentions(info.annotation, SecretStr) and not is_secret(info)
    ]


@lru_cache(maxsize=256)
def inner_models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Keys of the settings that are blocks, and their models."""
    found = {key: model_in(info.annotation) for key, info in fields_of(model).items()}
    return {key: inner for key, inner in found.items() if inner}


def is_secret(info: FieldInfo) -> bool:
    """Whether the setting is a secret, a list of them, or holds one."""
    secret = _mentions(info.annotation, SecretStr) or _mentions(info.annotation, StoreUrl)
    return secret and not _mentions(info.annotation, dict)


def holding_secrets(model: type[BaseModel]) -> set[str]:
    """Keys of the settings that are secret, or blocks with a secret somewhere."""
    return {
        *secret_keys(model),
        *(key for key, inner in inner_models(model).items() if holding_secrets(inner)),
    }


def secret_texts(values: Mapping[str, Any], model: type[BaseModel]) -> list[str]:
    """The secrets among the values of a block that a validator might quote."""
    found: list[str] = []
    for key in secret_keys(model):
        given = values.get(key)
        found += [text for text in (given if isinstance(given, list) else [given]) if isinstance(text, str) and text]
    for key, inner in inner_models(model).items():
        if isinstance(below := values.get(key), dict):
            found += secret_texts(below, inner)
    return found


def placeholders(model: type[BaseModel]) -> dict[str, str]:
    """Values for the secrets that the model requires, for work that needs none.

    A path token is one of them, since a model may require that or another.
    """
    fields = fields_of(model)
    return {key: PLACEHOLDER for key in secret_keys(model) if fields[key].is_required() or key == "path_token"}


def prepare(block: Block, model: type[BaseModel], loc: Loc, problems: Problems) -> dict[str, Any]:
    """The block for its model: secrets read from their files, settings without a value left out."""
    known = fields_of(model)
    values = {key: value for key, value in block.items() if value is not None or key not in known}
    for key, inner in inner_models(model).items():
        if isinstance(below := values.get(key), Block):
            values[key] = prepare(below, inner, (*loc, key), problems)
    for key, many in secret_keys(model).items():
        if f"{key}_file" in block:
            _take_from_file(block, key, many, values, loc, problems)
        else:
            _refuse_empty(block, key, loc, problems)
    for key in _secret_mappings(model):
        if isinstance(below := values.get(key), Block):
            values[key] = named = dict(below)
            for name in [name.removesuffix("_file") for name in below if name.endswith("_file")]:
                _take_from_file(below, name, False, named, (*loc, key), problems)
    return values


def _take_from_file(block: Block, key: str, many: bool, values: dict[str, Any], loc: Loc, problems: Problems) -> None:
    twin = f"{key}_file"
    where = (*loc, twin)
    paths = values.pop(twin)
    if key in values:
        problems.add(block.key_place(twin), where, f"is given together with {key}: keep one of them")
        return
    try:
        values[key] = _read(paths, many, block.file)
    except ValueError as error:
        if not problems.blamed(where):
            problems.add(block.place(twin), where, str(error))
        problems.blame((*loc, key))


def _refuse_empty(block: Block, key: str, loc: Loc, problems: Problems) -> None:
    """An empty secret proves nothing: most often it is a variable that is set to nothing."""
    given = block.get(key)
    if given == "" or (isinstance(given, list) and "" in given):
        problems.add(block.place(key), (*loc, key), "must not be empty")


def _mentions(annotation: Any, wanted: type) -> bool:
    if annotation is wanted or get_origin(annotation) is wanted:
        return True
    return any(_mentions(argument, wanted) for argument in get_args(annotation))


def _read(paths: object, many: bool, file: File) -> list[str] | str:
    if isinstance(paths, str):
        return _read_one(paths, file)
    if many and isinstance(paths, list) and paths and all(isinstance(path, str) for path in paths):
        return [_read_one(path, file) for path in paths]
    raise ValueError("must be a path" + (", or a list of paths" if many else ""))


def _read_one(name: str, file: File) -> str:
    path = file.folder / name
    try:
        with path.open("rb") as stream:
            body = stream.read(MAX_BYTES + 1)
        text = body.decode()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if len(body) > MAX_BYTES:
        raise ValueError(f"{path} is larger than a secret can be")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"{path} is empty")
    return text
