"""Checks an input against the model's schema: what is wrong, in the words that clients know.

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

# To make a text and to show it to the validator is to copy it twice; of one as long as this that is noticed.
_LONG_TEXT_BYTES: Final = 256 * 1024
# What says nothing about the value of a text. A format is a remark, too, but that of a file.
_REMARKS: Final = frozenset({"type", "format", "title", "description", "default", "nullable", "deprecated"})
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
    free_texts: frozenset[str]
    files: frozenset[str]
    file_inputs: frozenset[str]  # lists of files, too
    optional_files: tuple[str, ...]
    local_defaults: Document
    members: "msgspec.json.Decoder[Any]"

    def check(self, value: Any, *, ignore_unknown: bool) -> bool:
        """Brings `value` in shape, in place; True when that changed it. Raises InvalidInput."""
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
        replaced = self._replace_what_is_no_file(value)
        known = {name: value[name] for name in self.properties if name in value} if refused else value
        faults = find_faults(self.validator, self._to_be_looked_at(known))
        absent = [name for name in self.required if name not in value]
        if refused or faults.found or absent:
            raise InvalidInput(report(refused, faults, absent, self.secrets))
        if broken := broken_data_urls(value, self.file_inputs):
            raise InvalidInput([broken_base64(path) for path in broken[:MAX_PROBLEMS]])
        missing = [name for name in self.injected if name not in value]
        value.update(dict.fromkeys(missing))
        return bool(unknown or missing or replaced)

    def decode(self, input_json: msgspec.Raw) -> Any:
        """The value of a JSON text; in it, long texts that may be any text stay JSON. Raises NotJson."""
        if len(memoryview(input_json)) < _LONG_TEXT_BYTES or not self.free_texts:
            return decode(input_json)
        try:
            members = decode(input_json, self.members)
        except msgspec.ValidationError:  # no object, or one with unknown fields, of which there may be many
            return decode(input_json)
        return {
            name: raw if self._stays_json(name, raw) else decode(raw)
            for name, raw in zip(self.properties, msgspec.structs.astuple(members), strict=True)
            if raw is not msgspec.UNSET
        }

    def _stays_json(self, name: str, raw: msgspec.Raw) -> bool:
        if name not in self.free_texts or not _is_long_text(raw):
            return False
        # What is written with escapes is left to the validator.
        return name not in self.files or is_file_url(bytes(memoryview(raw)[1:20]).decode("ascii"))

    def _replace_what_is_no_file(self, value: Document) -> bool:
        """For a file, empty text is none, and the author's own default is left to the author's code, since it
        may be a path. True when there was something to replace."""
        if not self.local_defaults and not self.optional_files:
            return False
        own = [name for name, default in self.local_defaults.items() if value.get(name) == default]
        for name in own:
            del value[name]
        empty = [name for name in self.optional_files if value.get(name) == ""]
        value.update(dict.fromkeys(empty))
        return bool(own or empty)

    def _to_be_looked_at(self, value: dict[str, Any]) -> dict[str, Any]:
        """The validator is not shown what `nullable` allows, which is no keyword of JSON Schema, nor long
        texts that may be any text."""
        needless = [name for name, item in value.items() if self._is_needless(name, item)]
        return {name: item for name, item in value.items() if name not in needless} if needless else value

    def _is_needless(self, name: str, item: Any) -> bool:
        if item is None:
            return name in self.nullable
        return isinstance(item, msgspec.Raw)


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
            value[name] = [MASK] * len(value[name]) if isinstance(value[name], list) else MASK
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
        free_texts=frozenset(name for name, schema in properties.items() if _is_free_text(schema)),
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
    """Takes an object of these members apart, and stops at the first that is none of them."""
    fields = [(f"_{number}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for number in range(len(names))]
    rename = {field: name for (field, *_), name in zip(fields, names, strict=True)}
    struct = msgspec.defstruct("Members", fields, rename=rename, forbid_unknown_fields=True)
    return msgspec.json.Decoder(struct)


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
