"""Enum classes of the project and their members."""

from collections.abc import Iterator
from typing import Final

from coglet_schema.names import Bound, ClassSymbol, External, ancestry, bases
from coglet_schema.syntax.definitions import Assignment

_ENUM_BASES: Final = frozenset({"Enum", "StrEnum", "IntEnum"})


def is_enum(symbol: ClassSymbol) -> bool:
    """Return whether the class derives from `Enum`, `StrEnum` or `IntEnum`."""
    return bool(foreign_bases(symbol) & _ENUM_BASES)


def foreign_bases(symbol: ClassSymbol) -> frozenset[str]:
    """Return the names of the base classes that the project does not define, direct and indirect."""
    parents = (base for owner in ancestry(symbol) for base in bases(owner))
    return frozenset(base.name for base in parents if isinstance(base, External))


def enum_members(symbol: ClassSymbol) -> Iterator[tuple[str, Bound]]:
    """Yield names and values of an enum's members, in order."""
    scope = symbol.body_scope
    for name, definition in symbol.definition.body.names.items():
        if isinstance(definition, Assignment) and definition.value and not name.startswith("_"):
            yield name, Bound(definition.value, scope)
