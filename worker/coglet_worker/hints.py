"""The annotations of a callable at run time. Each is evaluated separately, so that one that fails does not
affect the others."""

import importlib
import sys
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any


class UnreadableHint(Exception):
    """An annotation cannot be evaluated; the text says why."""


class Hints:
    """The annotations of a function, a method or a partial."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._annotations = _annotations_of(function)
        inner = _innermost(function)
        self._globals: dict[str, Any] = getattr(inner, "__globals__", {})
        self._locals = _names_around(function, inner)

    @property
    def names(self) -> list[str]:
        """The annotated parameters."""
        return [name for name in self._annotations if name != "return"]

    @property
    def returns_iterator(self) -> bool:
        """True if the function is declared to return an iterator of items."""
        if "return" not in self._annotations:
            return False
        try:
            kinds = [typing.get_origin(hint) or hint for hint in self.types_in("return")]
        except UnreadableHint:
            return "Iterator[" in self.text_of("return")
        return any(isinstance(kind, type) and issubclass(kind, Iterator | AsyncIterator) for kind in kinds)

    def text_of(self, name: str) -> str:
        """Return the annotation as the author wrote it, or nearly so."""
        annotation = self._annotations[name]
        return annotation if isinstance(annotation, str) else str(annotation).replace("typing.", "")

    def types_in(self, name: str) -> list[Any]:
        """Return the types of single values that the parameter takes: `[T]` for `T`, `list[T]`, `T | None`.

        Raises UnreadableHint if the annotation cannot be evaluated.
        """
        try:
            return list(dict.fromkeys(self._leaves(self._annotations[name])))
        except Exception as error:  # the author's annotations may name anything
            raise UnreadableHint(f"{type(error).__name__}: {error}") from error

    def _leaves(self, annotation: Any) -> Iterator[Any]:
        hint = self._evaluate(annotation)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (list, typing.Union, types.UnionType):
            for argument in arguments:
                yield from self._leaves(argument)
        elif isinstance(hint, typing.TypeVar) and hint.__bound__ is not None:  # `def run[T: Path](x: T)`
            yield from self._leaves(hint.__bound__)
        elif hasattr(hint, "__supertype__"):  # NewType
            yield from self._leaves(hint.__supertype__)
        elif hasattr(origin or hint, "__value__"):  # `type Image = Path`, `type Many[T] = list[T]`
            yield from self._leaves(_value_of_alias(origin or hint, arguments))
        elif hint is not types.NoneType:
            yield hint

    def _evaluate(self, annotation: Any) -> Any:
        """Return the annotation without quotes and `Annotated`, also in its arguments."""

        def holder() -> None: ...

        holder.__annotations__ = {"x": annotation}
        return typing.get_type_hints(holder, self._globals, self._locals)["x"]


def _annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    if not hasattr(function, "__code__") and not hasattr(function, "__wrapped__"):
        return {}  # a callable object: its annotations describe attributes of its class
    if sys.version_info < (3, 14):
        return dict(getattr(function, "__annotations__", {}))
    # FORWARDREF, because otherwise one name that cannot be resolved would fail all annotations.
    annotationlib: Any = importlib.import_module("annotationlib")
    found: dict[str, Any] = annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)
    return found


def _innermost(function: Any) -> Any:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def _names_around(function: Any, inner: Any) -> dict[str, Any]:
    """Return the names besides globals in scope of a method's source: those of its class, type parameters."""
    names: dict[str, Any] = {}
    for cls in type(getattr(function, "__self__", None)).__mro__:
        if getattr(function, "__name__", None) in vars(cls):
            names.update(vars(cls))
            names.update((p.__name__, p) for p in getattr(cls, "__type_params__", ()))
            break
    names.update((p.__name__, p) for p in getattr(inner, "__type_params__", ()))
    return names


def _value_of_alias(alias: Any, arguments: tuple[Any, ...]) -> Any:
    value = alias.__value__
    if not arguments:
        return value
    if isinstance(value, typing.TypeVar):
        return arguments[alias.__type_params__.index(value)]
    parameters = dict(zip(alias.__type_params__, arguments, strict=False))
    return value[tuple(parameters.get(p, p) for p in value.__parameters__)]
