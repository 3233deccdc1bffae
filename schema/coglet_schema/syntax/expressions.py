"""The expressions that can be read without running them, with our own names.

`start` and `end` are offsets into the source that the expression was read from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Expression:
    """Any expression. One that is of none of the classes below cannot be read statically."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant(Expression):
    """A literal None, True, False, number or string."""

    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Dots(Expression):
    """`...`"""


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """`name`"""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute(Expression):
    """`owner.name`"""

    owner: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Subscript(Expression):
    """`base[arguments]`"""

    base: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`function(positional, keyword=..., **unpacked)`"""

    function: Expression
    positional: tuple[Expression, ...]
    keywords: Mapping[str, Expression]
    unpacked: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Items(Expression):
    """A list, tuple or set display."""

    kind: Literal["list", "tuple", "set"]
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Pairs(Expression):
    """A dict display."""

    pairs: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Starred(Expression):
    """`*operand` inside a display or a call."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Negative(Expression):
    """`-operand`"""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`left + right` or `left | right`"""

    operator: Literal["+", "|"]
    left: Expression
    right: Expression
