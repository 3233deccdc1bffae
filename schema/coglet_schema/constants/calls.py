"""Functions and methods of Python that constant expressions may call.

Each is a plain function of values. It raises NotLiteral, or what Python raises, for unsuitable values.
"""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Final

from coglet_schema.constants.templates import formatted
from coglet_schema.constants.values import (
    MAX_CHARACTERS,
    MAX_ITEMS,
    NotLiteral,
    Sequenced,
    Value,
    is_scalar,
    items_of,
    keyed,
    scalars,
)

# Longer texts are not numbers written by hand.
_MAX_DIGITS: Final = 1000
_MAX_ROUNDING: Final = 100

Method = Callable[..., Value]


def _int(value: Value = 0, base: int = 10) -> int:
    if isinstance(value, str):
        return int(_short(value), base)
    return int(_number(value)) if base == 10 else _refuse()


def _float(value: Value = 0.0) -> float:
    return float(_short(value)) if isinstance(value, str) else float(_number(value))


def _str(value: Value = "") -> str:
    return str(value) if is_scalar(value) else _refuse()


def _bool(value: Value = False) -> bool:
    return bool(value) if is_scalar(value) or type(value) in (list, tuple, dict) else _refuse()


def _len(value: Value) -> int:
    return len(items_of(value))


def _list(value: Value = ()) -> list[Value]:
    return items_of(value)


def _tuple(value: Value = ()) -> tuple[Value, ...]:
    return tuple(items_of(value))


def _set(value: Value = ()) -> Sequenced:
    return Sequenced(dict.fromkeys(scalars(items_of(value))))


def _dict(value: Value = (), /, **named: Value) -> Value:
    if type(value) is dict:
        return value | named
    pairs = [
        (pair[0], pair[1]) if type(pair) in (list, tuple) and len(pair) == 2 else _refuse()
        for pair in items_of(value)
    ]
    return {**keyed(pairs), **named}


def _sorted(value: Value, /, *, reverse: Value = False) -> list[Value]:
    return sorted(scalars(items_of(value)), reverse=_bool(reverse))


def _reversed(value: Value) -> Sequenced:
    return Sequenced(reversed(items_of(value)))


def _range(*bounds: Value) -> Sequenced:
    numbers = range(*bounds)
    # `len` raises OverflowError for more items than a machine word can count.
    size = max(
        0, (numbers.stop - numbers.start + numbers.step - (1 if numbers.step > 0 else -1)) // numbers.step
    )
    return Sequenced(numbers) if size <= MAX_ITEMS else _refuse()


def _extreme(function: Callable[..., Value]) -> Method:
    def call(*values: Value) -> Value:
        return function(scalars(items_of(values[0]) if len(values) == 1 else values))

    return call


def _sum(value: Value, start: Value = 0) -> Value:
    return sum(map(_number, items_of(value)), _number(start))


def _abs(value: Value) -> Value:
    return abs(_number(value))


def _round(value: Value, digits: Value = None) -> Value:
    # A negative number of digits makes Python compute an integer of that many digits.
    if digits is not None and (not isinstance(digits, int) or abs(digits) > _MAX_ROUNDING):
        _refuse()
    return round(_number(value), digits)


def _enumerate(value: Value, start: Value = 0) -> Sequenced:
    return Sequenced(enumerate(items_of(value), start))


def _zip(*values: Value) -> Sequenced:
    return Sequenced(zip(*map(items_of, values), strict=False))


FUNCTIONS: Final[Mapping[str, Method]] = {
    "abs": _abs,
    "bool": _bool,
    "dict": _dict,
    "enumerate": _enumerate,
    "float": _float,
    "frozenset": _set,
    "inspect.cleandoc": lambda text: inspect.cleandoc(_text(text)),
    "int": _int,
    "len": _len,
    "list": _list,
    "max": _extreme(max),
    "min": _extreme(min),
    "range": _range,
    "reversed": _reversed,
    "round": _round,
    "set": _set,
    "sorted": _sorted,
    "str": _str,
    "sum": _sum,
    "textwrap.dedent": lambda text: textwrap.dedent(_text(text)),
    "tuple": _tuple,
    "zip": _zip,
}

# Methods whose results are not larger than the text and their arguments.
_PLAIN_TEXT_METHODS: Final = (
    "capitalize", "casefold", "count", "endswith", "find", "isalpha", "isdecimal", "isdigit", "islower",
    "isupper", "lower", "lstrip", "removeprefix", "removesuffix", "rsplit", "rstrip", "split", "splitlines",
    "startswith", "strip", "swapcase", "title", "upper",
)  # fmt: skip


def _plain(name: str) -> Method:
    method: Method = getattr(str, name)

    def call(text: str, *arguments: Value) -> Value:
        return method(text, *scalars(arguments))

    return call


def _join(text: str, parts: Value) -> str:
    listed = [_text(part) for part in items_of(parts)]
    if sum(map(len, listed)) + len(text) * len(listed) > MAX_CHARACTERS:
        _refuse()
    return text.join(listed)


def _replace(text: str, old: Value, new: Value) -> str:
    if text.count(_text(old)) * len(_text(new)) > MAX_CHARACTERS:
        _refuse()
    return text.replace(old, new)


def _format(text: str, *positional: Value, **named: Value) -> str:
    return formatted(text, positional, named)


def _get(dictionary: Mapping[Value, Value], key: Value, default: Value = None) -> Value:
    return dictionary.get(key, default) if is_scalar(key) else _refuse()


METHODS: Final[Mapping[type, Mapping[str, Method]]] = {
    str: {
        **{name: _plain(name) for name in _PLAIN_TEXT_METHODS},
        "format": _format,
        "join": _join,
        "replace": _replace,
    },
    dict: {
        "copy": dict,
        "get": _get,
        "items": lambda d: Sequenced(d.items()),
        "keys": Sequenced,
        "values": lambda d: Sequenced(d.values()),
    },
    list: {
        "copy": list,
        "count": lambda items, value: scalars(items).count(_scalar(value)),
        "index": lambda items, value: scalars(items).index(_scalar(value)),
    },
    tuple: {
        "count": lambda items, value: scalars(items).count(_scalar(value)),
        "index": lambda items, value: scalars(items).index(_scalar(value)),
    },
}


def _refuse() -> Value:
    raise NotLiteral


def _number(value: Value) -> Value:
    return value if type(value) in (bool, int, float) else _refuse()


def _scalar(value: Value) -> Value:
    return value if is_scalar(value) else _refuse()


def _text(value: Value) -> str:
    return value if type(value) is str else _refuse()


def _short(text: str) -> str:
    return text if len(text) <= _MAX_DIGITS else _refuse()
