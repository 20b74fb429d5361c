"""The last safety net: a mistake of ours in mapping one element costs its neighbours nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec

from providers.base import Item

P = ParamSpec("P")


def guarded(
    build: Callable[P, Item], fallback: Callable[Concatenate[str, P], Item], *args: P.args, **kwargs: P.kwargs
) -> Item:
    """`build(*args)`; where that raises, `fallback(name of the exception's class, *args)`, which must not."""
    try:
        return build(*args, **kwargs)
    except Exception as error:  # whatever it is, the neighbours must not suffer
        return fallback(type(error).__name__, *args, **kwargs)


def guarded_items(
    build: Callable[P, Iterator[Item]], fallback: Callable[Concatenate[str, P], Item], *args: P.args, **kwargs: P.kwargs
) -> Iterator[Item]:
    """All of `build(*args)`; where that raises in the middle, the fallback follows what came before."""
    try:
        yield from build(*args, **kwargs)
    except Exception as error:  # whatever it is, the neighbours must not suffer
        yield fallback(type(error).__name__, *args, **kwargs)
