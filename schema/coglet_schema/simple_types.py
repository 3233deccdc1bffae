"""The types that inputs and outputs share, by canonical name."""

from typing import Any, Final

_FILE: Final = {"type": "string", "format": "uri"}
_OBJECT: Final = {"type": "object"}
_SIMPLE_TYPES: Final[dict[str, dict[str, Any]]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Path": _FILE,
    "File": _FILE,
    "Secret": {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True},
    "Any": _OBJECT,
    "dict": _OBJECT,
}
FILE_TYPES: Final = frozenset({"Path", "File"})


def simple_schema(name: str) -> dict[str, Any] | None:
    """Return the schema of a simple type, or None."""
    schema = _SIMPLE_TYPES.get(name)
    return None if schema is None else dict(schema)


def any_object() -> dict[str, Any]:
    """Return the schema of any JSON object."""
    return dict(_OBJECT)
