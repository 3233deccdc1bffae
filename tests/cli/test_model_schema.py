"""A model's inputs and outputs, read from its OpenAPI document."""

from typing import Any

import pytest

from coglet_cli.errors import UserError
from coglet_cli.formats.json_schema import inline_references
from coglet_cli.formats.model_schema import holds_files, read_input_schema, read_output_schema


def document(streaming: bool = False, **schemas: Any) -> dict[str, Any]:
    operation = {"x-cog-streaming": True} if streaming else {}
    return {"components": {"schemas": schemas}, "paths": {"/predictions": {"post": operation}}}


def test_inputs_are_in_the_order_of_the_author() -> None:
    properties = {"a": {"x-order": 2}, "b": {"x-order": 0}, "c": {"x-order": 1}}
    schema = read_input_schema(document(Input={"properties": properties, "required": ["a"]}))
    assert list(schema.properties) == ["b", "c", "a"]
    assert schema.required == ("a",)


def test_choices_are_inlined() -> None:
    size = {"enum": ["s", "l"], "type": "string"}
    reference = {"allOf": [{"$ref": "#/components/schemas/size"}], "default": "s"}
    schema = read_input_schema(document(Input={"properties": {"size": reference}}, size=size))
    assert schema.properties["size"] == {"allOf": [size], "default": "s"}


@pytest.mark.parametrize("broken", [{}, {"components": {}}, {"components": {"schemas": {"Input": 3}}}])
def test_a_document_without_inputs(broken: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^OpenAPI schema is missing Input component$"):
        read_input_schema(broken)


def test_streaming_text() -> None:
    output = {"type": "array", "items": {"type": "string"}, "x-cog-array-display": "concatenate"}
    read = read_output_schema(document(streaming=True, Output=output))
    assert read.streaming
    assert read.is_concatenated


def test_an_output_that_is_not_described() -> None:
    read = read_output_schema({})
    assert (read.schema, read.streaming, read.is_concatenated, read.may_hold_files) == (
        {},
        False,
        False,
        False,
    )


FILE = {"type": "string", "format": "uri"}


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (FILE, True),
        ({"type": "array", "items": FILE}, True),
        ({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": FILE}}}, True),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, FILE]}}, True),
        ({"type": "object", "additionalProperties": True}, False),
        ({"type": "string"}, False),
    ],
)
def test_holds_files(schema: dict[str, Any], answer: bool) -> None:
    assert holds_files(schema) is answer


def test_a_reference_inside_its_own_target_accepts_anything() -> None:
    root = {"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}}
    assert inline_references({"$ref": "#/$defs/node"}, root) == {"type": "object", "properties": {"next": {}}}


def test_a_reference_without_a_target_accepts_anything() -> None:
    assert inline_references({"$ref": "#/none", "title": "T"}, {}) == {"title": "T"}


def test_escaped_names_in_references() -> None:
    root = {"a/b": {"~": {"type": "string"}}}
    assert inline_references({"$ref": "#/a~1b/~0"}, root) == {"type": "string"}
