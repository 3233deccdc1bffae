"""Documents that contradict themselves are rejected, generated or not."""

import json
from pathlib import Path
from typing import Any

import pytest

from coglet_schema import SchemaError, generate, load_document, validate_document


def schema_of(folder: Path, signature: str) -> dict[str, Any]:
    source = f"from typing import Optional\nfrom cog import Input, Path\ndef run({signature}) -> str: ...\n"
    (folder / "run.py").write_text(source)
    return generate(folder, "run.py:run")


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ("int = Input(default=0, ge=1)", "default 0 is less than the minimum 1"),
        ("float = Input(default=1.5, le=1)", "default 1.5 is greater than the maximum 1"),
        ("str = Input(default='ab', min_length=3)", 'default "ab" is shorter than 3 characters'),
        ("str = Input(default='ab', max_length=1)", 'default "ab" is longer than 1 characters'),
        ("str = Input(default='ab', regex='^b')", "default \"ab\" does not match '^b'"),
        ("str = Input(default='c', choices=['a', 'b'])", "default \"c\" is not one of ['a', 'b']"),
        (
            "list[str] = Input(default=['c'], choices=['a'])",
            "default [\"c\"] has an item that is not one of ['a']",
        ),
        ("int = '3'", 'default "3" is not of type integer'),
        ("int = 1.5", "default 1.5 is not of type integer"),
        ("int = True", "default true is not of type integer"),
        ("bool = 1", "default 1 is not of type boolean"),
        ("str = 1", "default 1 is not of type string"),
        ("list[int] = 3", "default 3 is not of type array"),
        ("dict = []", "default [] is not of type object"),
        ("list[int] = [1, 'a']", 'default [1, "a"] has an item that is not of type integer'),
        ("int | str = 1.5", "default 1.5 matches none of the types"),
        ("Optional[int] = 'x'", 'default "x" is not of type integer'),
    ],
)
def test_a_default_that_breaks_its_own_limits(tmp_path: Path, parameter: str, reason: str) -> None:
    document = schema_of(tmp_path, f"x: {parameter}")
    with pytest.raises(SchemaError) as caught:
        validate_document(document)
    first, blank, *rest = str(caught.value).split("\n")
    assert first == f"Model schema is invalid: components.schemas.Input.properties.x: {reason}"
    assert blank == ""
    assert json.loads("\n".join(rest)) == document


def test_choices_that_are_not_of_the_type(tmp_path: Path) -> None:
    document = schema_of(tmp_path, "x: int = Input(choices=['a'])")
    with pytest.raises(SchemaError, match=r'components\.schemas\.x: enum value "a" is not of type integer'):
        validate_document(document)


@pytest.mark.parametrize(
    "parameter",
    [
        "int = Input(default=1, ge=1, le=1)",
        "float = 3",
        "Optional[int] = None",
        "int | str | None = None",
        "str = Input(default='ab', regex='b')",
        "str = Input(default='x', regex='[')",
        "list = [{}]",
        "Path = 'relative/path'",
        # A pattern on which Python's engine takes exponential time.
        f"str = Input(default='{'a' * 60}b', regex='^(a+)+$')",
    ],
)
def test_a_default_that_keeps_them(tmp_path: Path, parameter: str) -> None:
    validate_document(schema_of(tmp_path, f"x: {parameter}"))


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("openapi", "2.0", "openapi: a version 3 is expected"),
        ("info", {"title": "x"}, "info: title and version are required"),
        ("paths", [], "paths: an object is expected"),
        ("paths predictions", {}, "paths.predictions: a path starts with / and holds operations"),
        ("paths / get", {}, "paths./.get: responses are required"),
        ("components schemas", [], "components.schemas: an object is expected"),
    ],
)
def test_a_file_that_is_not_openapi(tmp_path: Path, path: str, value: object, reason: str) -> None:
    assert_invalid(schema_of(tmp_path, "x: int"), path, value, reason)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("Input", 3, "Input: a schema is expected"),
        ("Input type", "text", "Input: unknown type 'text'"),
        ("Input properties", [], "Input: properties has the wrong type"),
        ("Input required", ["y"], "Input: required names 'y', which is not a property"),
        (
            "Output",
            {"$ref": "#/components/schemas/No"},
            "Output: $ref '#/components/schemas/No' does not resolve",
        ),
        ("Output", {"$ref": "other.json"}, "Output: $ref 'other.json' does not resolve"),
        ("Output", {"items": {"anyOf": [{}, {"type": "?"}]}}, "Output.items.anyOf.1: unknown type '?'"),
        ("Output", {"additionalProperties": {"type": "?"}}, "Output.additionalProperties: unknown type '?'"),
    ],
)
def test_a_component_that_is_not_a_schema(tmp_path: Path, path: str, value: object, reason: str) -> None:
    document = schema_of(tmp_path, "x: int")
    assert_invalid(document, f"components schemas {path}", value, f"components.schemas.{reason}")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "default": [1]},
        {"type": "string", "items": {"type": "integer"}, "default": "x"},
        {"default": {"any": "thing"}},
        {"type": "object", "nullable": True, "default": None},
        {"oneOf": [{"type": "string"}, {"type": "integer"}], "default": 3, "additionalProperties": True},
    ],
)
def test_a_component_of_another_author(tmp_path: Path, schema: dict[str, Any]) -> None:
    document = schema_of(tmp_path, "x: int")
    document["components"]["schemas"]["Output"] = schema
    validate_document(document)


def assert_invalid(document: dict[str, Any], path: str, value: object, reason: str) -> None:
    """Check that the document is rejected for `reason` with `value` at `path`."""
    parent = document
    *parents, last = path.split()
    for key in parents:
        parent = parent[key]
    parent[last] = value
    with pytest.raises(SchemaError) as caught:
        validate_document(document)
    assert str(caught.value).split("\n")[0] == f"Model schema is invalid: {reason}"


def test_a_removed_component_leaves_a_dangling_reference(tmp_path: Path) -> None:
    document = schema_of(tmp_path, "x: int")
    del document["components"]["schemas"]["PredictionRequest"]
    with pytest.raises(SchemaError, match=r"PredictionRequest' does not resolve"):
        validate_document(document)


def test_references_that_lead_to_themselves_end(tmp_path: Path) -> None:
    document = schema_of(tmp_path, "x: int = 3")
    itself = {"$ref": "#/components/schemas/Loop"}
    document["components"]["schemas"]["Loop"] = itself
    document["components"]["schemas"]["Input"]["properties"]["x"] = {"allOf": [itself], "default": 3}
    validate_document(document)


def test_deep_documents_end(tmp_path: Path) -> None:
    document = schema_of(tmp_path, "x: int")
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"items": deep}
    document["components"]["schemas"]["Output"] = deep
    with pytest.raises(SchemaError, match="nested too deeply"):
        validate_document(document)


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"3", b"\xff", b"[" * 100_000])
def test_a_file_that_is_not_a_json_object(data: bytes) -> None:
    with pytest.raises(SchemaError, match=r"^Failed to load model schema JSON: "):
        load_document(data)


def test_a_file_that_is_a_json_object() -> None:
    assert load_document(b'{"openapi": "3.0.2"}') == {"openapi": "3.0.2"}
