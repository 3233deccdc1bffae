"""The bytes of a document, in the two layouts that consumers expect.

A document of one mode is compact; inputs, components and paths keep their order, other keys are sorted.
A merged document is indented and sorted throughout, so that consumers must order inputs by `x-order`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

# Escapes for use inside HTML and JavaScript, as by the peer's encoder.
_ESCAPES: Final = str.maketrans(
    {character: f"\\u{ord(character):04x}" for character in ("<", ">", "&", "\u2028", "\u2029")}
)
_SCHEMA_KEYS: Final = frozenset({"items", "additionalProperties", "not"})
_SCHEMA_LIST_KEYS: Final = frozenset({"anyOf", "allOf", "oneOf"})


def dump(document: Mapping[str, Any]) -> bytes:
    """Return the document as UTF-8 JSON without a final newline."""
    if {"/predictions", "/trainings"} <= document["paths"].keys():
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=2)
    else:
        arranged = _arranged_document(document)
        text = json.dumps(arranged, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES).encode()


def _arranged_document(document: Mapping[str, Any]) -> dict[str, Any]:
    arranged = {key: _sorted(document[key]) for key in sorted(document)}
    arranged["paths"] = {path: _sorted(item) for path, item in document["paths"].items()}
    components = document["components"]
    schemas = {name: _arranged_schema(schema) for name, schema in components["schemas"].items()}
    arranged["components"] = {**_sorted(components), "schemas": schemas}
    return arranged


def _arranged_schema(schema: Any) -> Any:
    """Sort the keys; those of `properties` keep the author's order."""
    if not isinstance(schema, Mapping):
        return schema
    arranged: dict[str, Any] = {}
    for key in sorted(schema):
        value = schema[key]
        if key == "properties":
            arranged[key] = {name: _arranged_schema(value[name]) for name in value}
        elif key in _SCHEMA_KEYS:
            arranged[key] = _arranged_schema(value)
        elif key in _SCHEMA_LIST_KEYS:
            arranged[key] = [_arranged_schema(item) for item in value]
        else:
            arranged[key] = _sorted(value)
    return arranged


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
