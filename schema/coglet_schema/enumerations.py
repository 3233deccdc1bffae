"""Fixed sets of values written as types: `Literal[...]` and `Enum` classes.

As inputs they are choices, which are all strings or all integers; an output may have any values.
"""

import json
from collections.abc import Iterator, Set
from typing import Any, Final

from coglet_schema.annotations import LiteralForm, unsupported
from coglet_schema.constants.enum_classes import enum_members, foreign_bases, is_enum
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.literals import JsonValue, NotLiteral, evaluate
from coglet_schema.names import Bound, ClassSymbol, External, ancestry, resolve
from coglet_schema.syntax.expressions import Call

_HINT: Final = "write all values as strings, or all as integers"
_NO_VALUES: Final = "write its values as literals"
_TYPES: Final[dict[frozenset[type], str]] = {
    frozenset({str}): "string",
    frozenset({bool}): "boolean",
    frozenset({int}): "integer",
    frozenset({float}): "number",
    frozenset({int, float}): "number",
}
# Methods that determine the values of members.
_MAKERS: Final = frozenset({"__new__", "_generate_next_value_"})
_FLAGS: Final = frozenset({"Flag", "IntFlag"})
_TEXTS: Final = frozenset({"str", "StrEnum"})
_INTEGERS: Final = frozenset({"int", "IntEnum"})


def literal_values(form: LiteralForm) -> list[JsonValue]:
    """Return the members of `Literal[...]`; None among them stands for null.

    Raises SchemaError unless the others are all str or all int.
    """
    try:
        values = [evaluate(value) for value in form.values]
    except NotLiteral:
        values = []
    if not _alike([value for value in values if value is not None]):
        raise unsupported(form, "Literal[...] members must be all str or all int", _HINT)
    return values


def enum_values(symbol: ClassSymbol) -> list[JsonValue]:
    """Return the values of an enum's members, in order.

    Raises SchemaError unless they are literals, and all str or all int.
    """
    class_name = symbol.definition.name
    values = [_member_value(value, f"{class_name}.{name}") for name, value in enum_members(symbol)]
    if not _alike(values):
        message = f"unsupported type: {symbol.definition.name} has members that are not all str or all int"
        place = symbol.scope.place(symbol.definition.start)
        raise SchemaError(ErrorKind.UNSUPPORTED_TYPE, message, place, _HINT)
    return list(dict.fromkeys(values))


def literal_schema(form: LiteralForm) -> dict[str, Any]:
    """Return the schema of an output of these values. Raises SchemaError if a member cannot be read."""
    try:
        values = [evaluate(value) for value in form.values]
    except NotLiteral:
        raise unsupported(form, "Literal[...] has a member that cannot be read", _NO_VALUES) from None
    schema = _one_of([value for value in values if value is not None])
    return {**schema, "nullable": True} if None in values else schema


def enum_schema(symbol: ClassSymbol) -> dict[str, Any] | None:
    """Return the schema of an output that is a member of this enum, None if the class is not an enum.

    If the values cannot be read, the schema has only their type, as far as that is known.
    """
    names = foreign_bases(symbol)
    if names & _FLAGS:  # a value may combine members
        return {"type": "integer"}
    if not is_enum(symbol):
        return None
    try:
        return _one_of(list(_output_values(symbol, names)))
    except NotLiteral:
        return {"type": "string"} if names & _TEXTS else {"type": "integer"} if names & _INTEGERS else {}


def _output_values(symbol: ClassSymbol, base_names: Set[str]) -> Iterator[JsonValue]:
    """Yield the values of the members. Raises NotLiteral if one cannot be known."""
    if any(owner.definition.body.names.keys() & _MAKERS for owner in ancestry(symbol)):
        raise NotLiteral
    last: JsonValue = 0
    for name, bound in enum_members(symbol):
        if not _is_auto(bound):
            last = evaluate(bound)
        elif "StrEnum" in base_names:
            last = name.lower()
        elif isinstance(last, int) and not base_names & _TEXTS:
            last += 1
        else:
            raise NotLiteral
        yield last


def _is_auto(bound: Bound) -> bool:
    if not isinstance(bound.expression, Call):
        return False
    function = resolve(bound.with_(bound.expression.function))
    return isinstance(function, External) and function.dotted_name == "enum.auto"


def _one_of(values: list[JsonValue]) -> dict[str, Any]:
    different = list({json.dumps(value): value for value in values}.values())  # 1 and true differ in JSON
    type_name = _TYPES.get(frozenset(map(type, values)))
    return {**({"type": type_name} if type_name else {}), **({"enum": different} if different else {})}


def _member_value(bound: Bound, name: str) -> JsonValue:
    try:
        return evaluate(bound)
    except NotLiteral:
        message = f"enum member {name}: value `{bound.text}` cannot be statically resolved"
        hint = "write the values of the members as literals"
        raise SchemaError(ErrorKind.CHOICES_NOT_RESOLVABLE, message, bound.place, hint) from None


def _alike(values: list[JsonValue]) -> bool:
    kinds = {type(value) for value in values}
    return kinds == {str} or kinds == {int}
