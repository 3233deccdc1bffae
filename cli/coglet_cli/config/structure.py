"""Validation of a configuration file against `cog.schema.json`."""

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema_rs

from coglet_cli.config.document import KeyPath
from coglet_cli.config.problem import WrongStructure
from coglet_cli.formats.json_schema import inline_references, value_at

_YAML_NAMES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
}


@cache
def _schema() -> Any:
    text = resources.files("coglet_cli.config").joinpath("cog.schema.json").read_text("utf-8")
    schema = json.loads(text)
    return inline_references(schema, schema)


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema())


def check_structure(data: Any) -> list[WrongStructure]:
    """Return every value of the wrong type and every missing key. For unknown keys see `unknown_keys`."""
    problems = [
        WrongStructure(tuple(error.instance_path), _message(error))
        for error in _validator().iter_errors(data)
        if error.schema_path[-1] != "additionalProperties"
    ]
    # The error of the innermost value is the specific one; those of enclosing values add nothing.
    return [p for p in problems if not any(_is_inside(other.path, p.path) for other in problems)]


def _is_inside(path: KeyPath, other: KeyPath) -> bool:
    return len(path) > len(other) and path[: len(other)] == other


def _message(error: jsonschema_rs.ValidationError) -> str:
    keyword = error.schema_path[-1]
    wanted = value_at(_schema(), error.schema_path)
    if keyword == "type":
        types = [wanted] if isinstance(wanted, str) else wanted
        return f"must be {' or '.join(_YAML_NAMES[name] for name in types if name != 'null')}"
    if keyword == "enum":
        return f"must be one of: {', '.join(wanted)}"
    # The only other keyword of the schema is `required`: '"uri" is a required property'
    return error.message


def unknown_keys(data: Any) -> Iterator[tuple[KeyPath, list[str]]]:
    """Yield the path of every unknown key, with the keys that are allowed in its place."""
    for error in _validator().iter_errors(data):
        if error.schema_path[-1] == "additionalProperties":
            known = value_at(_schema(), [*error.schema_path[:-1], "properties"])
            for key in value_at(data, error.instance_path):
                if key not in known:
                    yield (*error.instance_path, key), sorted(known)
