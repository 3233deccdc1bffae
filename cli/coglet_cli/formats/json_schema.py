"""JSON Schema documents as plain data: inlining of references, lookup by path, validation."""

from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs


def inline_references(schema: Any, root: Any, open_references: frozenset[str] = frozenset()) -> Any:
    """Return `schema` with every `$ref` into `root` replaced by its target.

    A recursive reference, or one without a target, becomes the schema that accepts anything.
    """
    if isinstance(schema, list):
        return [inline_references(item, root, open_references) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: inline_references(value, root, open_references) for key, value in schema.items() if key != "$ref"
    }
    reference = schema.get("$ref")
    if not isinstance(reference, str) or reference in open_references:
        return plain
    target = inline_references(_target(reference, root), root, open_references | {reference})
    return {**target, **plain}


def _target(reference: str, root: Any) -> dict[str, Any]:
    value = root
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def value_at(value: Any, path: Iterable[str | int]) -> Any:
    """Return the value at `path` inside `value`."""
    for part in path:
        value = value[part]
    return value


def violations(schema: Mapping[str, Any], value: Any) -> list[jsonschema_rs.ValidationError]:
    """Return all violations of `schema` by `value`.

    A schema that cannot be compiled, for example because of a pattern in another dialect, has none: the
    server validates the inputs again.
    """
    try:
        validator = jsonschema_rs.Draft202012Validator(dict(schema))
    except ValueError:
        return []
    return list(validator.iter_errors(value))


def accepts(schema: Mapping[str, Any], value: Any) -> bool:
    """Return True if `value` is valid under `schema`."""
    return not violations(schema, value)
