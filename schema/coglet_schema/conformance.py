"""Checks whether a JSON value satisfies a schema, as far as defaults and choices need it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_PREFIX: Final = "#/components/schemas/"
# Stops references that refer to themselves.
_MAX_DEPTH: Final = 100

# On such patterns, for example `(a+)+$`, `re` may need exponential time. They are not checked here; the
# server's engine takes linear time and checks them.
_REPEATED_GROUP: Final = re.compile(r"\)[*+{]")

TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, Mapping),
    "string": lambda value: isinstance(value, str),
}


class Resolver:
    """Follows references to the components of one document."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas

    def knows(self, reference: str) -> bool:
        return reference.startswith(_PREFIX) and reference.removeprefix(_PREFIX) in self._schemas

    def target(self, schema: Mapping[str, Any]) -> Any:
        return self._schemas.get(str(schema["$ref"]).removeprefix(_PREFIX))


def violation(value: Any, schema: Any, resolver: Resolver, depth: int = 0) -> str | None:
    """Return why the value does not satisfy the schema; None if it does."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH or (value is None and schema.get("nullable")):
        return None
    return next(_violations(value, schema, resolver, depth), None)


def _violations(value: Any, schema: Mapping[str, Any], resolver: Resolver, depth: int) -> Iterator[str]:
    if "$ref" in schema and (reason := violation(value, resolver.target(schema), resolver, depth + 1)):
        yield reason
    for part in schema.get("allOf", ()):
        if reason := violation(value, part, resolver, depth + 1):
            yield reason
    for key in ("anyOf", "oneOf"):
        options = schema.get(key, ())
        if options and all(violation(value, option, resolver, depth + 1) for option in options):
            yield "matches none of the types"
    yield from _own_violations(value, schema)
    if isinstance(value, list) and "items" in schema:
        for item in value:
            if reason := violation(item, schema["items"], resolver, depth + 1):
                yield f"has an item that {reason}"


def _own_violations(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if types and not any(TYPES[name](value) for name in types if name in TYPES):
        yield f"is not of type {' or '.join(types)}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"is not one of {schema['enum']}"
    if TYPES["number"](value):
        if value < schema.get("minimum", value):
            yield f"is less than the minimum {schema['minimum']}"
        if value > schema.get("maximum", value):
            yield f"is greater than the maximum {schema['maximum']}"
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield f"is shorter than {schema['minLength']} characters"
        if len(value) > schema.get("maxLength", len(value)):
            yield f"is longer than {schema['maxLength']} characters"
        if not _matches(str(schema.get("pattern", "")), value):
            yield f"does not match {schema['pattern']!r}"


def _matches(pattern: str, value: str) -> bool:
    if _REPEATED_GROUP.search(pattern):
        return True
    try:
        return re.search(pattern, value) is not None
    except re.error:  # a pattern of another dialect, which the server checks
        return True
