"""Operators on constant values. Results that would be too large are rejected before they are computed."""

import operator
from collections.abc import Callable
from typing import Final

from coglet_schema.constants.values import (
    MAX_INTEGER_BITS,
    MAX_ITEMS,
    NotLiteral,
    Sequenced,
    Value,
    is_scalar,
)

_NUMBERS: Final = (bool, int, float)
_LISTS: Final = (list, tuple, str)

_ARITHMETIC: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
_UNARY: Final[dict[str, Callable[[Value], Value]]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
}
_COMPARISONS: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def binary(symbol: str, left: Value, right: Value) -> Value:
    """Return `left symbol right`. Raises NotLiteral, or what Python raises, for unsuitable operands."""
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return _arithmetic(symbol, left, right)
    if type(left) is type(right) and type(left) in _LISTS and symbol == "+":
        return left + right
    if symbol == "*" and type(left) in _LISTS and type(right) is int:
        return _repeated(left, right)
    if symbol == "*" and type(left) is int and type(right) in _LISTS:
        return _repeated(right, left)
    if symbol == "|" and type(left) is dict and type(right) is dict:
        return left | right
    raise NotLiteral


def unary(symbol: str, operand: Value) -> Value:
    """Return `symbol operand`. Raises NotLiteral for an unsuitable operand."""
    if symbol == "not":
        return not truth(operand)
    # `~` on a bool is deprecated, and warns in new releases of Python.
    if type(operand) not in _NUMBERS or (symbol == "~" and type(operand) is bool):
        raise NotLiteral
    return _UNARY[symbol](operand)


def compare(symbol: str, left: Value, right: Value) -> bool:
    """Return `left symbol right` for a comparison. Containers are searched, but never compared.

    Raises NotLiteral, or what Python raises, for unsuitable operands.
    """
    if symbol in ("in", "not in"):
        return _contains(right, left) == (symbol == "in")
    if symbol in ("is", "is not"):
        if left is not None and right is not None:
            raise NotLiteral
        return (left is right) == (symbol == "is")
    if not is_scalar(left) or not is_scalar(right) or symbol not in _COMPARISONS:
        raise NotLiteral
    return _COMPARISONS[symbol](left, right)


def truth(value: Value) -> bool:
    """Return whether a condition holds. Raises NotLiteral for values without a known truth value."""
    if is_scalar(value) or type(value) in (list, tuple, dict):
        return bool(value)
    raise NotLiteral


def _arithmetic(symbol: str, left: Value, right: Value) -> Value:
    if type(left) is not float and type(right) is not float:
        if symbol == "**" and right > 0 and int(left).bit_length() * right > MAX_INTEGER_BITS:
            raise NotLiteral
        if symbol == "<<" and right > MAX_INTEGER_BITS:
            raise NotLiteral
    if symbol not in _ARITHMETIC:
        raise NotLiteral
    return _ARITHMETIC[symbol](left, right)


def _repeated(sequence: Value, count: int) -> Value:
    if len(sequence) * count > MAX_ITEMS:
        raise NotLiteral
    return sequence * count


def _contains(container: Value, wanted: Value) -> bool:
    if not is_scalar(wanted) or type(container) not in (list, tuple, dict, str, Sequenced):
        raise NotLiteral
    if type(container) is str:
        return wanted in container
    # A scalar never equals a container, so containers need not be compared.
    return any(wanted == item for item in container if is_scalar(item))
