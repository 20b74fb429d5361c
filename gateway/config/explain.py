"""What pydantic found wrong, in the words of a person and at its place in the file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config.document import Block, locate
from gateway.config.errors import Loc, Place, Problems, dotted, suggestion
from gateway.config.secrets import inner_models, secret_keys
from gateway.config.section import fields_of

_WORDS = {
    "string_type": "must be a text",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping: key: value lines below it",
    "model_type": "must be a mapping: key: value lines below it",
    "model_attributes_type": "must be a mapping: key: value lines below it",
    "greater_than": "must be greater than {gt}{unit}",
    "greater_than_equal": "must be {ge}{unit} or more",
    "less_than": "must be less than {lt}{unit}",
    "less_than_equal": "must be {le}{unit} or less",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "too_short": "must have {min_length} values or more",
    "too_long": "must have {max_length} values or fewer",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
    "assertion_error": "{error}",
}
_SECONDS = {"timeout", "shutdown", "give_up_after", "schedule", "max_wait", "park_for", "receipts", "ids"}
"""Durations: bounds on them are in seconds."""
_KEY_ITSELF = ("[key]",)
"""How pydantic says that it is not the value of a mapping that is wrong, but its key."""


def explain(
    error: ValidationError,
    block: Block,
    model: type[BaseModel],
    loc: Loc,
    problems: Problems,
    *,
    at: Place,
    also_known: Collection[str] = (),
    secrets: Collection[str] = (),
) -> None:
    """Add a problem for each thing that pydantic found.

    `at` is the place of the block's name, `also_known` are keys that the block may have beside the model's,
    `secrets` must not be repeated.
    """
    for found in error.errors(include_url=False, include_input=False):
        place, inner = locate(block, found["loc"])
        key = found["loc"][-1:]
        if found["type"] == "missing" and inner[-1:] != key:
            inner = (*inner, *key)
        if problems.blamed((*loc, *inner)):
            continue
        if found["type"] == "extra_forbidden" or key == _KEY_ITSELF:
            place = _key_place(block, inner)
        message = _message(found, model, also_known)
        for secret in secrets:  # a provider's validator may quote what it was given
            message = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", message)
        problems.add(place or at, (*loc, *inner), message)


def explain_briefly(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """The same for values that stand in no file."""
    found = error.errors(include_url=False, include_input=False)
    return [f"{dotted(each['loc'])}: {_message(each, model)}" for each in found]


def _message(found: Mapping[str, Any], model: type[BaseModel], also_known: Collection[str] = ()) -> str:
    path: Loc = found["loc"]
    parent = _model_at(model, path[:-1])
    if found["type"] == "extra_forbidden":
        return unknown_key(str(path[-1]), parent, {*fields_of(parent), *(also_known if parent is model else ())})
    if found["type"] == "missing":
        key = path[-1]
        return f"is required: give {key} or {key}_file" if key in secret_keys(parent) else "is required"
    return _words(found, path)


def unknown_key(key: str, model: type[BaseModel], known: Collection[str]) -> str:
    twins = {f"{name}_file" for name in secret_keys(model)}
    return f"unknown key; {suggestion(key, {*known, *twins} if key.endswith('_file') else known)}"


def _key_place(block: Block, path: Loc) -> Place | None:
    """The place of the key that the path ends with."""
    value: Any = block
    for part in path[:-1]:
        value = value[part]
    return value.key_place(str(path[-1])) if isinstance(value, Block) else None


def _model_at(model: type[BaseModel], path: Loc) -> type[BaseModel]:
    """The model of the block that the path leads to."""
    for part in path:
        model = inner_models(model).get(str(part), model)
    return model


def _words(found: Mapping[str, Any], path: Loc) -> str:
    words = _WORDS.get(found["type"])
    if words is None:
        return str(found["msg"]).replace("Input should", "must")
    context = {name: _plain(value) for name, value in found.get("ctx", {}).items()}
    if context.get("min_length") == "1":
        return "must not be empty"
    return words.format(**context, unit=" seconds" if any(part in _SECONDS for part in path) else "")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
