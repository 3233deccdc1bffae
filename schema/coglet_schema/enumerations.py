"""Fixed sets of values written as types: `Literal[...]` and `Enum` classes."""

from typing import Final

from coglet_schema.annotations import LiteralForm, unsupported
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.literals import JsonValue, NotLiteral, evaluate
from coglet_schema.names import Bound, ClassSymbol, External, ancestry, bases
from coglet_schema.syntax.definitions import Assignment

_HINT: Final = "write all values as strings, or all as integers"
_ENUM_BASES: Final = frozenset({"Enum", "StrEnum", "IntEnum"})


def literal_values(form: LiteralForm) -> list[JsonValue]:
    """The members of `Literal[...]`; None among them stands for null."""
    try:
        values = [evaluate(value) for value in form.values]
    except NotLiteral:
        values = []
    if not _alike([value for value in values if value is not None]):
        raise unsupported(form, "Literal[...] members must be all str or all int", _HINT)
    return values


def is_enum(symbol: ClassSymbol) -> bool:
    """Whether the class derives from `Enum`, `StrEnum` or `IntEnum`."""
    parents = (base for owner in ancestry(symbol) for base in bases(owner))
    return any(isinstance(base, External) and base.name in _ENUM_BASES for base in parents)


def enum_values(symbol: ClassSymbol) -> list[JsonValue]:
    """The values of an enum's members, in their order."""
    values: list[JsonValue] = []
    for name, definition in symbol.definition.body.names.items():
        if isinstance(definition, Assignment) and definition.value and not name.startswith("_"):
            values.append(
                _member_value(Bound(definition.value, symbol.body_scope), f"{symbol.definition.name}.{name}")
            )
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
