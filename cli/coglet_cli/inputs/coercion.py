"""Coercion of text from the command line to the JSON type in the model's schema."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from coglet_cli.formats.json_schema import accepts
from coglet_cli.formats.strict_json import read_json

# Python converts at most this many digits (`sys.int_info.default_max_str_digits`).
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,4300}")
# Without `nan` and `inf`, which JSON does not have.
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class _NoMatch:
    """The type of the sentinel for text that is not of the type in question."""


_NO_MATCH: Final = _NoMatch()


def coerce_value(text: str, schema: Mapping[str, Any]) -> Any:
    """Return the value of one `name=text`.

    Text that matches no accepted type is returned as it is, so that validation can say what was expected.
    In a union with strings, another type is used only if the value is valid under the whole schema.
    """
    members = {member["type"]: member for member in typed_members(schema)}
    for type_name, read in _READERS.items():
        if type_name not in members:
            continue
        value = read(text, members[type_name])
        if value is _NO_MATCH:
            continue
        if "string" not in members or accepts(schema, value):
            return value
    if "array" in members and "string" not in members:
        return [coerce_value(text, item_schema(schema))]
    return text


def coerce_repeated(texts: list[str], schema: Mapping[str, Any]) -> list[Any]:
    """Return the value of a name that was given several times: a list in that order."""
    return [coerce_value(text, item_schema(schema)) for text in texts]


def item_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of one list element; {}, which accepts anything, if the schema allows no list."""
    for member in typed_members(schema):
        if member["type"] == "array":
            items = member.get("items", {})
            return items if isinstance(items, dict) else {}
    return {}


def typed_members(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the alternatives of a schema, each with one type, through `allOf`, `anyOf` and `oneOf`."""
    types = schema.get("type")
    if types is not None:
        for name in [types] if isinstance(types, str) else types:
            yield {**schema, "type": name}
        return
    for keyword in ("allOf", "anyOf", "oneOf"):
        for member in schema.get(keyword, ()):
            yield from typed_members(member)


def _read_object(text: str, _: Mapping[str, Any]) -> Any:
    return _read_json(text)


def _read_array(text: str, _: Mapping[str, Any]) -> Any:
    value = _read_json(text)
    return value if isinstance(value, list) else _NO_MATCH


def _read_boolean(text: str, _: Mapping[str, Any]) -> Any:
    # In JSON's and in Python's spelling: models document their inputs in Python's.
    return {"true": True, "True": True, "false": False, "False": False}.get(text, _NO_MATCH)


def _read_integer(text: str, _: Mapping[str, Any]) -> Any:
    return int(text) if _INTEGER.fullmatch(text) else _NO_MATCH


def _read_number(text: str, schema: Mapping[str, Any]) -> Any:
    integer = _read_integer(text, schema)
    if integer is not _NO_MATCH:
        return integer
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    return _NO_MATCH if math.isinf(number) else number


def _read_json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return _NO_MATCH


# In this order, as in Cog: the type with the most structure first.
_READERS: Final[dict[str, Callable[[str, Mapping[str, Any]], Any]]] = {
    "object": _read_object,
    "array": _read_array,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "number": _read_number,
}
