"""The values of expressions that consist of literals and constants."""

import json
import math
from typing import TypeAlias

from coglet_schema.names import Bound, ValueSymbol, resolve
from coglet_schema.syntax.expressions import (
    Attribute,
    Binary,
    Call,
    Constant,
    Expression,
    Items,
    Name,
    Negative,
    Pairs,
    Starred,
)

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"


class NotLiteral(Exception):
    """The expression has no value that can be known without running it."""


def evaluate(bound: Bound) -> JsonValue:
    """The JSON value of a literal or of a constant that is one. Raises NotLiteral."""
    bound.scope.module.project.spend()
    match bound.expression:
        case Constant(value=value):
            return _json_scalar(value)
        case Negative(operand=operand):
            return _negated(evaluate(bound.with_(operand)))
        case Items(items=items):
            return _evaluate_items(bound, items)
        case Pairs(pairs=pairs):
            return {
                _json_key(evaluate(bound.with_(key))): evaluate(bound.with_(value)) for key, value in pairs
            }
        case Binary(operator="+", left=left, right=right):
            return _joined(evaluate(bound.with_(left)), evaluate(bound.with_(right)))
        case Name() | Attribute():
            return evaluate(_constant(bound))
    raise NotLiteral


def evaluate_choices(bound: Bound) -> list[JsonValue]:
    """Like `evaluate`, for a list; knows `list(D.keys())` and `list(D.values())` of a dict constant too."""
    match bound.expression:
        case Binary(operator="+", left=left, right=right):
            return evaluate_choices(bound.with_(left)) + evaluate_choices(bound.with_(right))
        case Call(function=Name(name="list" | "tuple"), positional=(argument,)):
            return _evaluate_listed(bound.with_(argument))
        case Name() | Attribute():
            return evaluate_choices(_constant(bound))
    value = evaluate(bound)
    if not isinstance(value, list):
        raise NotLiteral
    return value


def _constant(bound: Bound) -> Bound:
    """What a name was assigned."""
    symbol = resolve(bound)
    if isinstance(symbol, ValueSymbol) and not isinstance(symbol.value.expression, Name | Attribute):
        return symbol.value
    raise NotLiteral


def _evaluate_listed(bound: Bound) -> list[JsonValue]:
    """The list made of `bound`: a dict, its `keys()` or `values()`, or a list."""
    match bound.expression:
        case Call(function=Attribute(owner=owner, name="keys" | "values" as view), positional=()):
            dictionary = evaluate(bound.with_(owner))
            if isinstance(dictionary, dict):
                return list(dictionary if view == "keys" else dictionary.values())
            raise NotLiteral
    value = evaluate(bound)
    return list(value) if isinstance(value, dict) else evaluate_choices(bound)


def _evaluate_items(bound: Bound, items: tuple[Expression, ...]) -> list[JsonValue]:
    values: list[JsonValue] = []
    for item in items:
        if isinstance(item, Starred):
            values += evaluate_choices(bound.with_(item.operand))
        else:
            values.append(evaluate(bound.with_(item)))
    return values


def _json_scalar(value: bool | int | float | str | None) -> JsonValue:
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: a Python string, but no JSON text
            raise NotLiteral from None
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotLiteral
        # Integral numbers print without a fraction, up to where that would be a row of made-up digits.
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    return value


def _negated(value: JsonValue) -> JsonValue:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return -value
    raise NotLiteral


def _joined(left: JsonValue, right: JsonValue) -> JsonValue:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    raise NotLiteral


def _json_key(key: JsonValue) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, list | dict):
        raise NotLiteral
    return json.dumps(key)
