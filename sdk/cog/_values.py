"""Whether a value fits an input: its type, then the limits `Input()` declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cog._adt import FieldType, InputField, PrimitiveType
from cog.types import File, Path, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = {PrimitiveType.BOOL: bool, PrimitiveType.INTEGER: int, PrimitiveType.FLOAT: float}


def check_value(field: InputField, value: Any) -> Any:
    """Turns a JSON value into the argument for `field`. Raises ValueError naming it and the broken rule."""
    try:
        normalized = normalize(field.type, value)
    except ValueError as error:
        raise ValueError(f"{field.name}: {error}") from error
    if normalized is not None:
        for item in normalized if field.type.repeated else [normalized]:
            for violation in _violations(field, item):
                raise ValueError(f"{field.name} {violation}")
    return normalized


def normalize(field_type: FieldType, value: Any) -> Any:
    """Turns a JSON value into one of `field_type`. Raises ValueError when it is of another type."""
    if value is None and (field_type.optional or field_type.primitive is PrimitiveType.ANY):
        if field_type.members and not field_type.optional:
            raise ValueError("missing value for required union field")
        return None
    if field_type.members:
        return _normalize_union(field_type, value)
    if not field_type.repeated:
        return _normalize_single(field_type.primitive, value)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"Invalid value for type list[{field_type.primitive.value}]")
    return [_normalize_single(field_type.primitive, item) for item in value]


def _normalize_single(primitive: PrimitiveType, value: Any) -> Any:
    if primitive is PrimitiveType.ANY:
        return value
    if primitive is PrimitiveType.PATH:
        return Path.validate(value)
    if primitive is PrimitiveType.FILE:
        return File.validate(value)
    if primitive is PrimitiveType.SECRET:
        return Secret(value)
    if primitive is PrimitiveType.STRING and isinstance(value, str):
        return value
    if primitive in _NUMBERS and isinstance(value, (bool, int, float)):
        number = _NUMBERS[primitive](value)
        if number == value:
            return number
    raise ValueError(f"Invalid value for type {primitive.value}")


def _normalize_union(field_type: FieldType, value: Any) -> Any:
    # An exact type wins, so that 1 stays an int in `float | int`.
    exact = [member for member in field_type.members if member.primitive.value == type(value).__name__]
    for member in (*exact, *field_type.members):
        try:
            return normalize(member, value)
        except ValueError:
            continue
    raise ValueError(f"Invalid value for type {field_type.name}")


def _violations(field: InputField, value: Any) -> Iterator[str]:
    if field.ge is not None and not value >= field.ge:
        yield f"fails constraint >= {field.ge}"
    if field.le is not None and not value <= field.le:
        yield f"fails constraint <= {field.le}"
    if field.min_length is not None and len(value) < field.min_length:
        yield f"fails constraint len() >= {field.min_length}"
    if field.max_length is not None and len(value) > field.max_length:
        yield f"fails constraint len() <= {field.max_length}"
    if field.regex is not None and not re.match(field.regex, value):
        yield f"does not match regex {field.regex!r}"
    if field.choices is not None and value not in field.choices:
        yield f"does not match choices {list(field.choices)!r}"
