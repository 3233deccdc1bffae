"""Fixed sets of values written as types: `Literal[...]` and `Enum` classes."""

from typing import Final

from coglet_schema.annotations import LiteralForm, unsupported
from coglet_schema.constants.enum_classes import enum_members
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.literals import JsonValue, NotLiteral, evaluate
from coglet_schema.names import Bound, ClassSymbol

_HINT: Final = "write all values as strings, or all as integers"


def literal_values(form: LiteralForm) -> list[JsonValue]:
    """The members of `Literal[...]`; None among them stands for null."""
    try:
        values = [evaluate(value) for value in form.values]
    except NotLiteral:
        values = []
    if not _alike([value for value in values if value is not None]):
        raise unsupported(form, "Literal[...] members must be all str or all int", _HINT)
    return values


def enum_values(symbol: ClassSymbol) -> list[JsonValue]:
    """The values of an enum's members, in their order."""
    class_name = symbol.definition.name
    values = [_member_value(value, f"{class_name}.{name}") for name, value in enum_members(symbol)]
    if not _alike(values):
        message = f"unsupported type: {symbol.definition.name} has members that are not all str or all int"
        place = symbol.scope.place(symbol.definition.start)
        raise SchemaError(ErrorKind.UNSUPPORTED_TYPE, message, place, _HINT)
    return list(dict.fromkeys(values))


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
