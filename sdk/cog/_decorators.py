"""Decorators of a model's `run` method."""

from __future__ import annotations

from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


@overload
def streaming(fn: F) -> F: ...
@overload
def streaming(fn: None = None) -> Callable[[F], F]: ...
def streaming(fn: F | None = None) -> F | Callable[[F], F]:
    """Declare that clients may request the output as a stream: `@streaming` or `@streaming()`.

    The schema generator reads it from the source; at run time the function is unchanged.
    """
    return _unchanged if fn is None else fn


@overload
def concurrent(fn: F) -> F: ...
@overload
def concurrent(fn: None = None, *, max: int = 1) -> Callable[[F], F]: ...
def concurrent(fn: F | None = None, *, max: int = 1) -> F | Callable[[F], F]:
    """Declare how many predictions an async method runs at once: `@concurrent(max=4)`.

    `COG_MAX_CONCURRENCY` overrides it. Raises TypeError if `max` is not an int, or is above 1 for a function
    that is not async; ValueError if it is below 1.
    """
    if fn is not None and not callable(fn):
        raise TypeError("concurrent must be used as @concurrent or @concurrent(max=...)")
    if type(max) is not int:
        raise TypeError("concurrent max must be an integer")
    if max < 1:
        raise ValueError("concurrent max must be at least 1")

    def decorate(function: F) -> F:
        if max > 1 and not (iscoroutinefunction(function) or isasyncgenfunction(function)):
            raise TypeError("concurrent max greater than 1 requires an async function")
        function.__cog_concurrent_max__ = max  # type: ignore[attr-defined]  # for tools; the server reads the source
        return function

    return decorate if fn is None else decorate(fn)


def _unchanged(function: F) -> F:
    return function
