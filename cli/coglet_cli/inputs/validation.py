"""Names and values of inputs against the model's schema, before anything is started."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import jsonschema_rs

from coglet_cli.errors import InputError
from coglet_cli.formats.json_schema import value_at, violations
from coglet_cli.formats.model_schema import InputSchema
from coglet_cli.formats.strict_json import write_json
from coglet_cli.inputs.coercion import typed_members


def check_names(names: Iterable[str], schema: InputSchema) -> None:
    """Raises InputError for names that the model does not know, else for required ones that are missing."""
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
    """Raises InputError for known names that are given several times, by `counts`, and take no list."""
    problems = [
        f'invalid input "{name}": given {count} times, but it takes one {_alternatives(types)}, not a list'
        for name, count in counts.items()
        if count > 1
        # A schema without types accepts anything, a list as well.
        if (types := [member["type"] for member in typed_members(schema.properties[name])])
        and "array" not in types
    ]
    if problems:
        raise InputError(problems)


def check_values(values: Mapping[str, Any], schema: InputSchema) -> None:
    """Raises InputError with everything that the schema refuses in the values of known names."""
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
            return f'an object is given as JSON: -i {name}=\'{{"key": "value"}}\''
    return None


def _faults(name: str, value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if value is None:
        if not schema.get("nullable"):
            yield name, "must not be null (omit the input to use its default)"
        return
    told: set[str] = set()
    # An enumeration says more than the type beside it, which fails with it.
    for error in sorted(violations(schema, value), key=lambda error: error.schema_path[-1] != "enum"):
        path = ".".join([name, *map(str, error.instance_path)])
        if path not in told:
            told.add(path)
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
    """The name of the JSON type of a value, `integer` and `number` told apart."""
    for python_type, name in _TYPE_NAMES.items():
        if isinstance(value, python_type):
            return name
    return "null"


# `bool` first: it is an `int` to Python.
_TYPE_NAMES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _as_written(option: Any) -> str:
    """An option as it is given to `-i`."""
    return option if isinstance(option, str) else write_json(option)


def _count(limit: int, noun: str) -> str:
    return f"{limit} {noun}{'' if limit == 1 else 's'}"


# Lengths are shown instead of texts: a text may be a secret or a megabyte.
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
