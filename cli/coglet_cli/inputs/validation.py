"""Validation of input names and values against the model's schema, before the model is started."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import jsonschema_rs

from coglet_cli.errors import InputError
from coglet_cli.formats.json_schema import value_at, violations
from coglet_cli.formats.model_schema import InputSchema
from coglet_cli.formats.strict_json import write_json
from coglet_cli.inputs.coercion import typed_members


def check_names(names: Iterable[str], schema: InputSchema) -> None:
    """Raise InputError if the model does not have one of the names, or if a required one is missing."""
    given = set(names)
    unknown = [name for name in names if name not in schema.properties]
    if unknown:
        quoted = ", ".join(f'"{name}"' for name in unknown)
        known = f"valid inputs are: {', '.join(schema.properties)}"
        raise InputError(
            [
                f"unknown input{'s' if len(unknown) > 1 else ''} {quoted}; "
                f"{known if schema.properties else 'model does not accept inputs'}"
            ]
        )
    missing = [f'missing required input "{name}"' for name in schema.required if name not in given]
    if missing:
        raise InputError(missing)


def check_repeats(counts: Mapping[str, int], schema: InputSchema) -> None:
    """Raise InputError if a name is given several times, by `counts`, but does not take a list."""
    problems = [
        f'invalid input "{name}": given {count} times, but it takes one {_alternatives(types)}, not a list'
        for name, count in counts.items()
        if count > 1
        # A schema without types accepts anything, including a list.
        if (types := [member["type"] for member in typed_members(schema.properties[name])])
        and "array" not in types
    ]
    if problems:
        raise InputError(problems)


def check_values(values: Mapping[str, Any], schema: InputSchema) -> None:
    """Raise InputError with all violations of the schema by the values of known names."""
    problems = [
        f'invalid input "{path}": {reason}'
        for name, value in values.items()
        for path, reason in _faults(name, value, schema.properties[name])
    ]
    if problems:
        raise InputError(problems, hint=_json_hint(values, schema))


def _json_hint(values: Mapping[str, Any], schema: InputSchema) -> str | None:
    for name, value in values.items():
        types = {member["type"] for member in typed_members(schema.properties[name])}
        if types == {"object"} and isinstance(value, str):
            return f'write an object as JSON: -i {name}=\'{{"key": "value"}}\''
    return None


def _faults(name: str, value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if value is None:
        if not schema.get("nullable"):
            yield name, "must not be null (omit the input to use its default)"
        return
    reported: set[str] = set()
    # A failed enum also fails its type; report the enum, which is more specific.
    for error in sorted(violations(schema, value), key=lambda error: error.schema_path[-1] != "enum"):
        path = ".".join([name, *map(str, error.instance_path)])
        if path not in reported:
            reported.add(path)
            inner = value_at(value, error.instance_path)
            yield from _explain(path, inner, error, schema)


def _explain(
    path: str, value: Any, error: jsonschema_rs.ValidationError, schema: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    keyword = str(error.schema_path[-1])
    if keyword in ("anyOf", "oneOf"):
        union = value_at(schema, error.schema_path[:-1])
        yield from _explain_union(path, value, union)
        return
    limit = value_at(schema, error.schema_path)
    write = _REASONS.get(keyword)
    yield path, write(limit, value) if write else error.message


def _explain_union(path: str, value: Any, union: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    members = list(typed_members(union))
    for member in members:
        if not violations({"type": member["type"]}, value):
            yield from _faults(path, value, member)
            return
    yield path, _wrong_type([member["type"] for member in members], value)


def _wrong_type(types: str | list[str], value: Any) -> str:
    names = [types] if isinstance(types, str) else types
    return f"expected {_alternatives(names)}, got {type_name(value)}"


def _alternatives(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def type_name(value: Any) -> str:
    """Return the name of the JSON type of a value; `integer` and `number` are distinct."""
    for python_type, name in _TYPE_NAMES.items():
        if isinstance(value, python_type):
            return name
    return "null"


# `bool` first: it is a subclass of `int`.
_TYPE_NAMES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _as_written(option: Any) -> str:
    """Return an option as it is written after `-i name=`."""
    return option if isinstance(option, str) else write_json(option)


def _count(limit: int, noun: str) -> str:
    return f"{limit} {noun}{'' if limit == 1 else 's'}"


# Messages contain lengths instead of texts: a text may be secret or very long.
_REASONS: Final[dict[str, Callable[[Any, Any], str]]] = {
    "type": _wrong_type,
    "enum": lambda options, _: f"must be one of: {', '.join(map(_as_written, options))}",
    "minimum": lambda limit, value: f"number must be at least {limit}, got {value}",
    "maximum": lambda limit, value: f"number must be at most {limit}, got {value}",
    "exclusiveMinimum": lambda limit, value: f"number must be more than {limit}, got {value}",
    "exclusiveMaximum": lambda limit, value: f"number must be less than {limit}, got {value}",
    "minLength": lambda limit, value: f"must have at least {_count(limit, 'character')}, got {len(value)}",
    "maxLength": lambda limit, value: f"must have at most {_count(limit, 'character')}, got {len(value)}",
    "minItems": lambda limit, value: f"must have at least {_count(limit, 'item')}, got {len(value)}",
    "maxItems": lambda limit, value: f"must have at most {_count(limit, 'item')}, got {len(value)}",
    "pattern": lambda pattern, _: f"must match the pattern {pattern}",
}
