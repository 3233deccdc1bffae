"""The expressions that can be read without running them.

`start` and `end` are offsets into the source that the expression was read from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Expression:
    """Any expression. One of none of the classes below cannot be read statically."""

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
    """A dict display; the key None stands for `**value`."""

    pairs: tuple[tuple[Expression | None, Expression], ...]


@dataclass(frozen=True, slots=True)
class Starred(Expression):
    """`*operand` inside a display or a call."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`-operand`, `+operand`, `~operand` or `not operand`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`left operator right`, for arithmetic and `|`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Logical(Expression):
    """`left and right` or `left or right`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """`operands[0] operators[0] operands[1] operators[1] ...`, as in `a < b <= c`."""

    operands: tuple[Expression, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """`chosen if test else other`"""

    chosen: Expression
    test: Expression
    other: Expression


@dataclass(frozen=True, slots=True)
class Slice(Expression):
    """`start:stop:step` inside a subscript."""

    bounds: tuple[Expression | None, Expression | None, Expression | None]


@dataclass(frozen=True, slots=True)
class Loop:
    """`for target in iterable if condition ...` of a comprehension."""

    target: Expression
    iterable: Expression
    conditions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Comprehension(Expression):
    """A comprehension or generator expression; only a dict comprehension has a `value`."""

    kind: Literal["list", "set", "dict", "generator"]
    element: Expression
    value: Expression | None
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """`{expression!conversion:format}` of an f-string; `shown` is the text that `{expression=}` shows."""

    expression: Expression
    conversion: str
    format: str
    shown: str


@dataclass(frozen=True, slots=True)
class Template(Expression):
    """An f-string: texts and fields in order."""

    parts: tuple[str | Field, ...]
