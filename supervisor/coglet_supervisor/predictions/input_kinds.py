"""The kind of an input that its JSON value does not show: a file, a secret or an integer."""

from typing import Any, Final

from coglet_protocol.control import InputKind

_DEPTH: Final = 4  # enough for `list[T] | None`, each alternative a reference
_FORMATS: Final[dict[str, InputKind]] = {"uri": "file", "password": "secret"}


def input_kinds(document: dict[str, Any] | None, *, training: bool) -> dict[str, InputKind] | None:
    """Return the kinds of the inputs that must be converted, by name; None if none are described."""
    components = _get(_get(document, "components"), "schemas")
    component = _get(components, "TrainingInput") if training else None
    properties = _get(component or _get(components, "Input"), "properties")
    if not isinstance(properties, dict):
        return None
    kinds = {name: kind_of(schema, components) for name, schema in properties.items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def kind_of(schema: Any, components: Any, depth: int = _DEPTH) -> InputKind | None:
    """Return the kind of a property or, for a list, of its items.

    None if there is none, or several are possible.
    """
    if not isinstance(schema, dict) or depth == 0:
        return None
    if schema.get("x-cog-secret") is True:
        return "secret"
    if schema.get("type") == "string":
        return _FORMATS.get(str(schema.get("format")))
    if schema.get("type") == "integer":
        return "integer"
    parts = [schema["items"]] if "items" in schema else _alternatives(schema, components)
    kinds = {kind_of(part, components, depth - 1) for part in parts}
    return kinds.pop() if len(kinds) == 1 else None


def _alternatives(schema: dict[str, Any], components: Any) -> list[Any]:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return [_get(components, reference.rpartition("/")[2])]
    for keyword in ("allOf", "anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            return [part for part in schema[keyword] if part != {"type": "null"}]
    return []


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
