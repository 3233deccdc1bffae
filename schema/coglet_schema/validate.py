"""Checks of a finished document, from the generator or from a file of the user's.

They also find a default that violates its own constraints.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from coglet_schema.conformance import TYPES, Resolver, violation
from coglet_schema.errors import ErrorKind, SchemaError

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_SHAPES: Final[dict[str, type]] = {
    "properties": Mapping,
    "required": list,
    "enum": list,
    "allOf": list,
    "anyOf": list,
    "oneOf": list,
    "$ref": str,
}
# Deeper than any schema written by hand, and below the interpreter's recursion limit.
_MAX_DEPTH: Final = 100


def load_document(data: bytes) -> dict[str, Any]:
    """Return the document in `data`. Raises SchemaError if that is not a JSON object."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SchemaError(ErrorKind.OTHER, f"Failed to load model schema JSON: {error}") from None
    if not isinstance(document, dict):
        raise SchemaError(ErrorKind.OTHER, "Failed to load model schema JSON: an object is expected")
    return document


def validate_document(document: Mapping[str, Any]) -> None:
    """Raise SchemaError if the document is not OpenAPI 3 or contradicts itself."""
    for reason in _faults(document):
        text = json.dumps(document, indent=2, ensure_ascii=False)
        raise SchemaError(ErrorKind.OTHER, f"Model schema is invalid: {reason}\n\n{text}")


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    if not str(document.get("openapi", "")).startswith("3."):
        yield "openapi: a version 3 is expected"
    info = document.get("info")
    if not isinstance(info, Mapping) or not {"title", "version"} <= info.keys():
        yield "info: title and version are required"
    components = document.get("components", {})
    schemas = components.get("schemas", {}) if isinstance(components, Mapping) else None
    if not isinstance(schemas, Mapping):
        yield "components.schemas: an object is expected"
        return
    resolver = Resolver(schemas)
    yield from _path_faults(document.get("paths"), resolver)
    for name, schema in schemas.items():
        yield from _schema_faults(schema, f"components.schemas.{name}", resolver, 0)


def _path_faults(paths: Any, resolver: Resolver) -> Iterator[str]:
    if not isinstance(paths, Mapping):
        yield "paths: an object is expected"
        return
    for path, item in paths.items():
        if not path.startswith("/") or not isinstance(item, Mapping):
            yield f"paths.{path}: a path starts with / and holds operations"
            continue
        for method in sorted(item.keys() & _METHODS):
            if not isinstance(item[method], Mapping) or not item[method].get("responses"):
                yield f"paths.{path}.{method}: responses are required"
        yield from _dangling_references(item, f"paths.{path}", resolver, 0)


def _dangling_references(value: Any, where: str, resolver: Resolver, depth: int) -> Iterator[str]:
    if (
        isinstance(value, Mapping)
        and isinstance(value.get("$ref"), str)
        and not resolver.knows(value["$ref"])
    ):
        yield f"{where}: $ref {value['$ref']!r} does not resolve"
    if depth < _MAX_DEPTH:
        pairs = (
            value.items()
            if isinstance(value, Mapping)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for key, inner in pairs:
            yield from _dangling_references(inner, f"{where}.{key}", resolver, depth + 1)


def _schema_faults(schema: Any, where: str, resolver: Resolver, depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        yield f"{where}: a schema is expected"
    elif depth > _MAX_DEPTH:
        yield f"{where[:100]}...: nested too deeply"
    elif wrong := [
        key for key, shape in _SHAPES.items() if key in schema and not isinstance(schema[key], shape)
    ]:
        yield f"{where}: {wrong[0]} has the wrong type"
    else:
        yield from _own_faults(schema, where, resolver)
        for name, inner in _inner_schemas(schema):
            yield from _schema_faults(inner, f"{where}.{name}", resolver, depth + 1)


def _own_faults(schema: Mapping[str, Any], where: str, resolver: Resolver) -> Iterator[str]:
    if "$ref" in schema and not resolver.knows(schema["$ref"]):
        yield f"{where}: $ref {schema['$ref']!r} does not resolve"
    types = schema.get("type", [])
    unknown = [name for name in ([types] if isinstance(types, str) else types) if name not in TYPES]
    if unknown:
        yield f"{where}: unknown type {unknown[0]!r}"
        return
    for name in schema.get("required", ()):
        if name not in schema.get("properties", {}):
            yield f"{where}: required names {name!r}, which is not a property"
    for value in schema.get("enum", ()):
        if reason := violation(value, {"type": types} if types else {}, resolver):
            yield f"{where}: enum value {json.dumps(value)} {reason}"
    if "default" in schema and (reason := violation(schema["default"], schema, resolver)):
        yield f"{where}: default {json.dumps(schema['default'])} {reason}"


def _inner_schemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"properties.{name}", inner
    if "items" in schema:
        yield "items", schema["items"]
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield "additionalProperties", schema["additionalProperties"]
    for key in ("allOf", "anyOf", "oneOf"):
        for position, inner in enumerate(schema.get(key, ())):
            yield f"{key}.{position}", inner
