"""Strict JSON (RFC 8259): Python's own parser also accepts NaN, infinities and overflows."""

import json
import math
from typing import Any


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError with the reason and its position."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_read_float)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_json(value: Any, *, indent: int | None = None) -> str:
    """Return the JSON text of a value, non-ASCII unescaped. Raises ValueError for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _read_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"number {text} is out of range")
    return value
