"""The values of constant expressions, and their conversion to JSON.

A value is None, a bool, int, float or str, a list, tuple or dict of values, or one of the classes below.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from coglet_schema.project import Project
from coglet_schema.syntax.expressions import Expression

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Value: TypeAlias = Any

# Larger values are data, not defaults, bounds or choices.
MAX_ITEMS: Final = 50_000
MAX_CHARACTERS: Final = 200_000
MAX_INTEGER_BITS: Final = 4096
# Work on this many items or characters counts as one step.
_ITEMS_PER_STEP: Final = 8
_CHARACTERS_PER_STEP: Final = 256


class NotLiteral(Exception):
    """The value of the expression cannot be known without running it."""


class Sequenced(tuple[Any, ...]):
    """The items of a set, a range, a dict's view or a generator: they can be iterated, in this order."""


class Unknown:
    """A dict's value that cannot be known. The dict still has its keys; using this raises NotLiteral."""

    def _refuse(self, *_: object) -> NoReturn:
        raise NotLiteral

    __str__ = __repr__ = __format__ = __bool__ = __eq__ = __hash__ = _refuse


@dataclass(frozen=True)
class Member:
    """A member of an enum, as a loop over the enum yields it."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Computed(Expression):
    """An expression whose value is known already: the variable of a comprehension."""

    value: Value


def is_scalar(value: Value) -> bool:
    """Return True if the value is not a container, so that comparing or formatting it does not recurse."""
    return value is None or type(value) in (bool, int, float, str)


def scalars(values: Iterable[Value]) -> list[Value]:
    """Return the values as a list. Raises NotLiteral unless all are scalars."""
    listed = list(values)
    if not all(map(is_scalar, listed)):
        raise NotLiteral
    return listed


def items_of(value: Value) -> list[Value]:
    """Return what a loop over `value` yields. Raises NotLiteral if it cannot be iterated."""
    if type(value) not in (list, tuple, dict, str, Sequenced):
        raise NotLiteral
    return list(value)


def checked(value: Value, project: Project) -> Value:
    """Count the size of the value as work and return it.

    Raises NotLiteral if it is too large, SchemaError if the project's budget is exceeded.
    """
    match value:
        case bool() | None:
            pass
        case int():
            _require(value.bit_length() <= MAX_INTEGER_BITS)
        case str():
            _require(len(value) <= MAX_CHARACTERS)
            project.spend(len(value) // _CHARACTERS_PER_STEP)
        case list() | tuple() | dict():
            _require(len(value) <= MAX_ITEMS)
            project.spend(len(value) // _ITEMS_PER_STEP)
        case _:
            _require(isinstance(value, float | Member | Unknown))
    return value


def to_json(value: Value, project: Project) -> JsonValue:
    """Return the value as JSON. Raises NotLiteral if JSON cannot express it."""
    project.spend()
    match value:
        case dict():
            return {_json_key(key): to_json(item, project) for key, item in value.items()}
        case list() | tuple():
            return [to_json(item, project) for item in value]
        case Member() | Unknown():
            raise NotLiteral
    return _json_scalar(value)


def _json_scalar(value: bool | int | float | str | None) -> JsonValue:
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: a Python string, but not JSON text
            raise NotLiteral from None
    if isinstance(value, float):
        _require(math.isfinite(value))
        # Integral numbers are written without a fraction, unless most of the digits would be invented.
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    return value


def _json_key(key: Value) -> str:
    if isinstance(key, str):
        return key
    _require(is_scalar(key))
    return json.dumps(_json_scalar(key))


def keyed(pairs: Iterable[tuple[Value, Value]]) -> Mapping[Value, Value]:
    """Return a dict of these pairs. Raises NotLiteral for a key that is not a scalar."""
    listed = list(pairs)
    scalars(key for key, _ in listed)
    return dict(listed)


def _require(condition: bool) -> None:
    if not condition:
        raise NotLiteral
