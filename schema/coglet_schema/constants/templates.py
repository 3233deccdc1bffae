"""String formatting: f-strings, `str.format` and `%`."""

import re
import string
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

from coglet_schema.constants.values import NotLiteral, Value, is_scalar

# Widths and precisions of at most two digits, because a longer one makes a text of any size.
_FORMAT: Final = re.compile(r"(.?[<>^=])?[-+ ]?#?0?\d{0,2}[,_]?(\.\d{1,2})?[a-zA-Z%]?")
_PERCENT: Final = re.compile(r"%(?P<form>[-+ 0#]{0,3}\d{0,2}(\.\d{1,2})?[sdifgrxX]|%)|%")


def show(value: Value, conversion: str, form: str) -> str:
    """Return `{value!conversion:form}`. Raises NotLiteral, or ValueError for a form the value lacks."""
    if not is_scalar(value) or not _FORMAT.fullmatch(form):
        raise NotLiteral
    match conversion:
        case "":
            return format(value, form)
        case "s":
            return format(str(value), form)
        case "r":
            return format(repr(value), form)
        case "a":
            return format(ascii(value), form)
    raise NotLiteral


def formatted(text: str, positional: Sequence[Value], named: Mapping[str, Value]) -> str:
    """Return `text.format(...)`. Raises NotLiteral if a field is not just a name or number."""
    parts: list[str] = []
    automatic = count()
    values = {**named, **{str(index): value for index, value in enumerate(positional)}}
    numbered = False
    for literal, name, form, conversion in string.Formatter().parse(text):
        parts.append(literal)
        if name is None:
            continue
        if name.isdecimal():
            numbered = True
            name = name[:4]
        elif not name:
            name = str(next(automatic))
        if name not in values:
            raise NotLiteral
        parts.append(show(values[name], conversion or "", form or ""))
    if numbered and next(automatic):  # Python does not mix `{}` and `{0}`
        raise NotLiteral
    return "".join(parts)


def percent(text: str, values: Value) -> str:
    """Return `text % values`. Raises NotLiteral, or TypeError for unsuitable values."""
    given = values if type(values) is tuple else (values,)
    if not all(map(is_scalar, given)) or any(match["form"] is None for match in _PERCENT.finditer(text)):
        raise NotLiteral
    return text % given
