"""Checks an input against the model's schema: what is wrong, in the words that clients know.

Validators are compiled once. All problems are reported, not only the first.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

import jsonschema_rs
import msgspec

from coglet_supervisor.json_text import decode

log = logging.getLogger(__name__)

MASK: Final = "**********"
_MAX_VALUE_CHARS: Final = 200
# To make a text and to show it to the validator is to copy it twice; of one as long as this that is noticed.
_LONG_TEXT_BYTES: Final = 256 * 1024
# What says nothing about the value of a text: jsonschema-rs takes a format as a remark, too.
_REMARKS: Final = frozenset({"type", "format", "title", "description", "default", "nullable", "deprecated"})
# Stands for the offending value in the library's messages; nobody's value or pattern contains it.
_VALUE: Final = "\x00value\x00"

Document = dict[str, Any]

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Problem(msgspec.Struct, kw_only=True, frozen=True):
    """One entry of a 422 body."""

    loc: list[str]
    msg: str
    type: str


class InvalidInput(Exception):
    """The input does not fit the schema."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.msg for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class InputSchema:
    """One component (`Input` or `TrainingInput`), compiled."""

    validator: jsonschema_rs.Draft202012Validator
    properties: dict[str, Any]
    required: tuple[str, ...]
    nullable: frozenset[str]
    injected: tuple[str, ...]
    secrets: frozenset[str]
    free_texts: frozenset[str]

    def check(self, value: Any, *, ignore_unknown: bool) -> bool:
        """Brings `value` in shape, in place; True when that changed it. Raises InvalidInput."""
        if not isinstance(value, dict):
            raise InvalidInput([self._explain(error) for error in self._errors(value)])
        problems: list[Problem] = []
        unknown = [name for name in value if name not in self.properties]
        if unknown and ignore_unknown:
            for name in unknown:
                del value[name]
            log.warning("Stripped unknown input fields: %s", ", ".join(unknown))
        elif unknown:
            problems = [
                _problem([name], f"Unexpected field '{name}'", "value_error.extra") for name in unknown
            ]
        problems += [self._explain(error) for error in self._errors(self._to_be_looked_at(value))]
        problems += [
            _problem([name], "Field required", "value_error.missing")
            for name in self.required
            if name not in value
        ]
        if problems:
            raise InvalidInput(problems)
        missing = [name for name in self.injected if name not in value]
        value.update(dict.fromkeys(missing))
        return bool(unknown or missing)

    def decode(self, input_json: msgspec.Raw) -> Any:
        """The value of a JSON text; in it, long texts that may be any text stay JSON. Raises NotJson."""
        if len(memoryview(input_json)) < _LONG_TEXT_BYTES or not self.free_texts:
            return decode(input_json)
        try:
            members = decode(input_json, _members)
        except msgspec.ValidationError:  # no object
            return decode(input_json)
        return {
            name: raw if name in self.free_texts and _is_long_text(raw) else decode(raw)
            for name, raw in members.items()
        }

    def _to_be_looked_at(self, value: dict[str, Any]) -> dict[str, Any]:
        """The validator is not shown what `nullable` allows, which is no keyword of JSON Schema, nor long
        texts that may be any text."""
        needless = [name for name, item in value.items() if self._is_needless(name, item)]
        return {name: item for name, item in value.items() if name not in needless} if needless else value

    def _is_needless(self, name: str, item: Any) -> bool:
        if item is None:
            return name in self.nullable
        return isinstance(item, msgspec.Raw)

    def _errors(self, value: Any) -> list[jsonschema_rs.ValidationError]:
        if self.validator.is_valid(value):
            return []
        # By keyword, as the peer's clients have seen them; items of an array stay in their order.
        return sorted(self.validator.iter_errors(value), key=lambda error: _sortable(error.schema_path))

    def _explain(self, error: jsonschema_rs.ValidationError) -> Problem:
        path = [str(part) for part in error.instance_path]
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
            return _problem([*path, error.kind.property], "Field required", "value_error.missing")
        shown = MASK if path and path[0] in self.secrets else _shortened(error.instance)
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
            message = f"{_VALUE} is not one of {_json(error.kind.options)}"
        else:
            message = error.message
        return _problem(path, message.replace(_VALUE, shown), "value_error")


class Validation:
    """Both components of a document. Without a document every input is accepted."""

    def __init__(self, document: Document | None, *, ignore_unknown: bool) -> None:
        self._ignore_unknown = ignore_unknown
        self._predict = compile_component(document, "Input")
        self._train = compile_component(document, "TrainingInput") or self._predict
        self.offers_training = compile_component(document, "TrainingInput") is not None

    def check(self, input_json: msgspec.Raw, *, training: bool) -> bytes | msgspec.Raw:
        """The JSON text that goes to the model: the given one, when nothing had to change.

        Raises InvalidInput and NotJson.
        """
        schema = self._train if training else self._predict
        value = decode(input_json) if schema is None else schema.decode(input_json)
        given = value is not None
        value = value if given else {}
        changed = schema is not None and schema.check(value, ignore_unknown=self._ignore_unknown)
        return msgspec.json.encode(value) if changed or not given else input_json

    def mask_secrets(self, input_json: bytes | msgspec.Raw, *, training: bool) -> msgspec.Raw:
        """The input as it may be shown to others."""
        schema = self._train if training else self._predict
        if schema is None or not schema.secrets:
            return msgspec.Raw(input_json)
        value = msgspec.json.decode(input_json)
        for name in schema.secrets & value.keys():
            value[name] = MASK
        return msgspec.Raw(msgspec.json.encode(value))


def compile_component(document: Document | None, name: str) -> InputSchema | None:
    """The validator of `components.schemas.<name>`; None, with a warning, when it cannot be had."""
    components = _components(document)
    component = components.get(name)
    if not isinstance(component, dict):
        return None
    try:
        resolved = _resolve(component, components)
        properties = resolved.get("properties", {})
        # Required names of the top level are checked by us, because a required value may be null.
        component = {key: value for key, value in resolved.items() if key != "required"}
        validator = jsonschema_rs.Draft202012Validator(component, mask=_VALUE)
    except (ValueError, RecursionError) as error:
        log.warning("Failed to compile input schema validator: %s: %s", name, error)
        return None
    required = tuple(resolved.get("required", ()))
    nullable = frozenset(name for name, schema in properties.items() if schema.get("nullable") is True)
    return InputSchema(
        validator=validator,
        properties=properties,
        required=required,
        nullable=nullable,
        injected=tuple(
            name
            for name, schema in properties.items()
            if name in nullable and name not in required and "default" not in schema
        ),
        secrets=frozenset(name for name, schema in properties.items() if schema.get("x-cog-secret") is True),
        free_texts=frozenset(name for name, schema in properties.items() if _is_free_text(schema)),
    )


def _is_long_text(raw: msgspec.Raw) -> bool:
    """True of JSON that surely is a long text: it has the quotes, and of what is between them the decoder has
    checked all but that it is Unicode."""
    view = memoryview(raw)
    if len(view) < _LONG_TEXT_BYTES or view[0] != ord('"'):
        return False
    # Piece by piece, for only bytes know whether they are ASCII.
    starts = range(0, len(view), _LONG_TEXT_BYTES)
    return all(bytes(view[start : start + _LONG_TEXT_BYTES]).isascii() for start in starts)


def _is_free_text(schema: dict[str, Any]) -> bool:
    """True when the schema accepts every text."""
    keywords = {keyword for keyword in schema if not keyword.startswith("x-")}
    return schema.get("type") == "string" and keywords <= _REMARKS


def output_is_array(document: Document | None, *, training: bool) -> bool:
    """True when the schema says that the output is a list of items."""
    output = _components(document).get("TrainingOutput" if training else "Output")
    return isinstance(output, dict) and output.get("type") == "array"


def is_streaming(document: Document | None) -> bool:
    """True when the model has opted in to server-sent events."""
    try:
        return (document or {})["paths"]["/predictions"]["post"]["x-cog-streaming"] is True
    except (KeyError, TypeError):
        return False


def _components(document: Document | None) -> dict[str, Any]:
    try:
        components = (document or {})["components"]["schemas"]
    except (KeyError, TypeError):
        return {}
    return components if isinstance(components, dict) else {}


def _resolve(schema: Any, components: dict[str, Any]) -> Any:
    """Replaces references to components by what they name. Raises RecursionError on a cycle."""
    if isinstance(schema, list):
        return [_resolve(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
        return _resolve(components.get(reference.rpartition("/")[2], {}), components)
    return {key: _resolve(value, components) for key, value in schema.items()}


def _problem(path: list[str], message: str, kind: str) -> Problem:
    pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)
    return Problem(loc=["body", "input", pointer or "__root__"], msg=message, type=kind)


def _shortened(value: Any) -> str:
    text = _json(value)
    return text if len(text) <= _MAX_VALUE_CHARS else text[:_MAX_VALUE_CHARS] + "..."


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _sortable(schema_path: list[str | int]) -> list[tuple[bool, str | int]]:
    return [(isinstance(part, str), part) for part in schema_path]
