"""Validation of inputs against the model's schema, with the peer's error messages.

Validators are compiled once. All problems are reported, not only the first.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final

import jsonschema_rs
import msgspec

from coglet_supervisor.predictions.data_urls import broken_data_urls
from coglet_supervisor.predictions.faults import VALUE, find_faults
from coglet_supervisor.predictions.file_inputs import is_file, is_file_url, local_default, with_file_rule
from coglet_supervisor.predictions.input_kinds import kind_of
from coglet_supervisor.predictions.problems import (
    MASK,
    MAX_PROBLEMS,
    InvalidInput,
    broken_base64,
    cut,
    report,
)
from coglet_supervisor.predictions.untrusted_json import decode

log = logging.getLogger(__name__)

# Decoding a string and passing it to the validator copies it twice, which is noticeable from this size on.
_LONG_STRING_BYTES: Final = 256 * 1024
# Keywords that do not constrain the value of a string. `format` does not either, except that of a file.
_ANNOTATIONS: Final = frozenset(
    {"type", "format", "title", "description", "default", "nullable", "deprecated"}
)
Document = dict[str, Any]


@dataclass(frozen=True)
class InputSchema:
    """One component (`Input` or `TrainingInput`), compiled."""

    validator: jsonschema_rs.Draft202012Validator
    properties: dict[str, Any]
    required: tuple[str, ...]
    nullable: frozenset[str]
    injected: tuple[str, ...]
    secrets: frozenset[str]
    unconstrained_strings: frozenset[str]
    files: frozenset[str]
    file_inputs: frozenset[str]  # also lists of files
    optional_files: tuple[str, ...]
    local_defaults: Document
    members: "msgspec.json.Decoder[Any]"

    def check(self, value: Any, *, ignore_unknown: bool) -> bool:
        """Validate and normalize `value` in place. True if that changed it.

        Raises InvalidInput if it does not match the schema.
        """
        if not isinstance(value, dict):
            raise InvalidInput(report([], find_faults(self.validator, value), [], self.secrets))
        unknown = [name for name in value if name not in self.properties]
        if unknown and ignore_unknown:
            for name in unknown:
                del value[name]
            more = f" and {len(unknown) - MAX_PROBLEMS} more" if len(unknown) > MAX_PROBLEMS else ""
            names = ", ".join(map(cut, unknown[:MAX_PROBLEMS]))
            log.warning("Stripped unknown input fields: %s%s", names, more)
        refused = [] if ignore_unknown else unknown
        replaced = self._normalize_files(value)
        known = {name: value[name] for name in self.properties if name in value} if refused else value
        faults = find_faults(self.validator, self._without_exempt_values(known))
        absent = [name for name in self.required if name not in value]
        if refused or faults.found or absent:
            raise InvalidInput(report(refused, faults, absent, self.secrets))
        if broken := broken_data_urls(value, self.file_inputs):
            raise InvalidInput([broken_base64(path) for path in broken[:MAX_PROBLEMS]])
        missing = [name for name in self.injected if name not in value]
        value.update(dict.fromkeys(missing))
        return bool(unknown or missing or replaced)

    def decode(self, input_json: msgspec.Raw) -> Any:
        """Return the value of a JSON text, in which long unconstrained strings stay JSON text.

        Raises NotJson.
        """
        if len(memoryview(input_json)) < _LONG_STRING_BYTES or not self.unconstrained_strings:
            return decode(input_json)
        try:
            members = decode(input_json, self.members)
        except msgspec.ValidationError:  # not an object, or one with unknown fields
            return decode(input_json)
        return {
            name: raw if self._stays_json(name, raw) else decode(raw)
            for name, raw in zip(self.properties, msgspec.structs.astuple(members), strict=True)
            if raw is not msgspec.UNSET
        }

    def _stays_json(self, name: str, raw: msgspec.Raw) -> bool:
        if name not in self.unconstrained_strings or not _is_long_string(raw):
            return False
        # A URL with escapes does not match here, and is left to the validator.
        return name not in self.files or is_file_url(bytes(memoryview(raw)[1:20]).decode("ascii"))

    def _normalize_files(self, value: Document) -> bool:
        """Replace empty strings of optional files by null, and remove files that equal a local default.

        The model's code applies its own default, which may be a path. True if anything changed.
        """
        if not self.local_defaults and not self.optional_files:
            return False
        own = [name for name, default in self.local_defaults.items() if value.get(name) == default]
        for name in own:
            del value[name]
        empty = [name for name in self.optional_files if value.get(name) == ""]
        value.update(dict.fromkeys(empty))
        return bool(own or empty)

    def _without_exempt_values(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return `value` without values that need no validation.

        These are nulls that `nullable` allows, which is not a JSON Schema keyword, and long unconstrained
        strings.
        """
        exempt = [name for name, item in value.items() if self._is_exempt(name, item)]
        return {name: item for name, item in value.items() if name not in exempt} if exempt else value

    def _is_exempt(self, name: str, item: Any) -> bool:
        if item is None:
            return name in self.nullable
        return isinstance(item, msgspec.Raw)


class Validation:
    """The input schemas of predictions and trainings. Without a document, every input is accepted."""

    def __init__(self, document: Document | None, *, ignore_unknown: bool) -> None:
        self._ignore_unknown = ignore_unknown
        self._predict = compile_component(document, "Input")
        self._train = compile_component(document, "TrainingInput") or self._predict
        self.offers_training = compile_component(document, "TrainingInput") is not None

    def check(self, input_json: msgspec.Raw, *, training: bool) -> bytes | msgspec.Raw:
        """Validate an input and return the JSON text for the model: the given one if nothing had to change.

        Raises InvalidInput if it does not match the schema, and NotJson if it is not JSON.
        """
        schema = self._train if training else self._predict
        value = decode(input_json) if schema is None else schema.decode(input_json)
        given = value is not None
        value = value if given else {}
        changed = schema is not None and schema.check(value, ignore_unknown=self._ignore_unknown)
        return msgspec.json.encode(value) if changed or not given else input_json

    def has_secrets(self, *, training: bool) -> bool:
        """True if an input may hold secrets."""
        schema = self._train if training else self._predict
        return schema is not None and bool(schema.secrets)

    def mask_secrets(self, input_json: bytes | msgspec.Raw, *, training: bool) -> msgspec.Raw:
        """Return the input with the values of secrets masked."""
        schema = self._train if training else self._predict
        if schema is None or not schema.secrets:
            return msgspec.Raw(input_json)
        value = msgspec.json.decode(input_json)
        for name in schema.secrets & value.keys():
            value[name] = [MASK] * len(value[name]) if isinstance(value[name], list) else MASK
        return msgspec.Raw(msgspec.json.encode(value))


def compile_component(document: Document | None, name: str) -> InputSchema | None:
    """Compile `components.schemas.<name>`. None if it is absent or, after a warning, invalid."""
    components = _components(document)
    component = components.get(name)
    if not isinstance(component, dict):
        return None
    try:
        resolved = _resolve(component, components)
        properties = resolved.get("properties", {})
        # Required names of the top level are checked in `InputSchema.check`, because a required value may be
        # null.
        component = {key: value for key, value in resolved.items() if key != "required"}
        validator = jsonschema_rs.Draft202012Validator(with_file_rule(component), mask=VALUE)
    except (ValueError, RecursionError) as error:
        log.warning("Failed to compile input schema validator: %s: %s", name, error)
        return None
    required = tuple(resolved.get("required", ()))
    nullable = frozenset(name for name, schema in properties.items() if schema.get("nullable") is True)
    files = frozenset(name for name, schema in properties.items() if is_file(schema))
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
        secrets=frozenset(
            name for name, schema in properties.items() if kind_of(schema, components) == "secret"
        ),
        unconstrained_strings=frozenset(
            name for name, schema in properties.items() if _is_unconstrained_string(schema)
        ),
        files=files,
        file_inputs=frozenset(
            name for name, schema in properties.items() if kind_of(schema, components) == "file"
        ),
        optional_files=tuple(files & nullable),
        local_defaults={
            name: default
            for name, schema in properties.items()
            if (default := local_default(schema)) is not None
        },
        members=_members_decoder(list(properties)),
    )


def _members_decoder(names: list[str]) -> "msgspec.json.Decoder[Any]":
    """Return a decoder that splits an object into these members; it fails at the first unknown one."""
    fields = [(f"_{number}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for number in range(len(names))]
    rename = {field: name for (field, *_), name in zip(fields, names, strict=True)}
    struct = msgspec.defstruct("Members", fields, rename=rename, forbid_unknown_fields=True)
    return msgspec.json.Decoder(struct)


def _is_long_string(raw: msgspec.Raw) -> bool:
    """True if `raw` is a long ASCII string: the decoder has checked everything but that it is valid UTF-8."""
    view = memoryview(raw)
    if len(view) < _LONG_STRING_BYTES or view[0] != ord('"'):
        return False
    # In pieces, because only bytes have `isascii`, and a copy of the whole would be large.
    starts = range(0, len(view), _LONG_STRING_BYTES)
    return all(bytes(view[start : start + _LONG_STRING_BYTES]).isascii() for start in starts)


def _is_unconstrained_string(schema: dict[str, Any]) -> bool:
    """True if the schema accepts every string."""
    keywords = {keyword for keyword in schema if not keyword.startswith("x-")}
    return schema.get("type") == "string" and keywords <= _ANNOTATIONS


def output_is_array(document: Document | None, *, training: bool) -> bool:
    """True if the schema declares the output as an array."""
    output = _components(document).get("TrainingOutput" if training else "Output")
    return isinstance(output, dict) and output.get("type") == "array"


def is_streaming(document: Document | None) -> bool:
    """True if the model supports server-sent events (`x-cog-streaming`)."""
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
    """Replace references to components by their schemas. Raises RecursionError on a cycle."""
    if isinstance(schema, list):
        return [_resolve(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
        return _resolve(components.get(reference.rpartition("/")[2], {}), components)
    return {key: _resolve(value, components) for key, value in schema.items()}
