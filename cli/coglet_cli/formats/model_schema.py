"""The inputs and the output of a model, from its OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coglet_cli.errors import UserError
from coglet_cli.formats.json_schema import inline_references


@dataclass(frozen=True)
class InputSchema:
    """The inputs of a model: a plain JSON Schema for each, in the order of the author's signature."""

    properties: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]


@dataclass(frozen=True)
class OutputSchema:
    """The output of a model as a plain JSON Schema; `streaming` is True if the model streams it."""

    schema: Mapping[str, Any]
    streaming: bool = False

    @property
    def is_concatenated(self) -> bool:
        """True if the items are pieces of one text, to be joined."""
        return self.schema.get("x-cog-array-display") == "concatenate"

    @property
    def may_hold_files(self) -> bool:
        """True if a value in the output may be a file."""
        return holds_files(self.schema)


def is_file(schema: Mapping[str, Any]) -> bool:
    """Return True for the schema of one file: a string with a URL."""
    return schema.get("type") == "string" and schema.get("format") == "uri"


def holds_files(schema: Mapping[str, Any]) -> bool:
    """Return True if a value of this schema can contain a file at any depth."""
    below = [
        schema.get("items"),
        schema.get("additionalProperties"),
        *schema.get("properties", {}).values(),
        *schema.get("anyOf", ()),
    ]
    return is_file(schema) or any(holds_files(item) for item in below if isinstance(item, dict))


def read_input_schema(document: Mapping[str, Any], *, is_training: bool = False) -> InputSchema:
    """Return the component with the inputs. Raises UserError if the document has none."""
    components = _components(document)
    component = (components.get("TrainingInput") if is_training else None) or components.get("Input")
    if not isinstance(component, dict):
        wanted = "TrainingInput or Input" if is_training else "Input"
        raise UserError(f"OpenAPI schema is missing {wanted} component")
    component = inline_references(component, document)
    properties = component.get("properties", {})
    ordered = sorted(properties, key=lambda name: properties[name].get("x-order", len(properties)))
    return InputSchema({name: properties[name] for name in ordered}, tuple(component.get("required", ())))


def read_output_schema(document: Mapping[str, Any], *, is_training: bool = False) -> OutputSchema:
    """Return the component with the output; an empty schema if the document has none."""
    name, path = ("TrainingOutput", "/trainings") if is_training else ("Output", "/predictions")
    component = _components(document).get(name, {})
    operation = document.get("paths", {}).get(path, {}).get("post", {})
    return OutputSchema(inline_references(component, document), operation.get("x-cog-streaming") is True)


def _components(document: Mapping[str, Any]) -> Mapping[str, Any]:
    components = document.get("components", {}).get("schemas", {})
    return components if isinstance(components, dict) else {}
