"""What blocks of the file are made of: their base, and the values that several of them have."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo

from gateway.config.values import parse_duration, parse_hold, parse_rate, parse_size

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def parsed_by(parse: Any) -> BeforeValidator:
    """Text is parsed; what code passes is already of its type."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, (str, SecretStr)) else value


ONE_OR_MORE = BeforeValidator(_as_list)
"""A list, or its only value."""

Duration = Annotated[float, parsed_by(parse_duration)]
Hold = Annotated[float | None, parsed_by(parse_hold)]
"""A duration; None is for ever."""
Rate = Annotated[float, parsed_by(parse_rate)]
Size = Annotated[int, parsed_by(parse_size)]
Patterns = Annotated[list[str], ONE_OR_MORE, Field(min_length=1)]


class Section(BaseModel):
    """A block of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Named(Section):
    """A block whose name is its key in the file: the loader gives these two."""

    tenant: str = Field(description="The tenant that it belongs to.")
    name: str = Field(description="Its key in the file.")


@lru_cache(maxsize=256)
def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's settings, by their keys in the file."""
    given_by_loader = Named.model_fields if issubclass(model, Named) else {}
    return {info.alias or name: info for name, info in model.model_fields.items() if name not in given_by_loader}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation holds: `Retry`, `Retry | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(model_in, get_args(annotation))), None)
