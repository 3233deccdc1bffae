"""Validation of inputs before the model is started, and its error texts."""

from typing import Any

import pytest

from coglet_cli.errors import InputError
from coglet_cli.formats.model_schema import InputSchema
from coglet_cli.inputs.validation import check_names, check_repeats, check_values


def schema(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> InputSchema:
    return InputSchema(properties, required)


def refusal(value: Any, wanted: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        check_values({"x": value}, schema(x=wanted))
    return caught.value.message


TWO = schema(("a",), a={"type": "string"}, b={"type": "integer"})


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["x"], 'unknown input "x"; valid inputs are: a, b'),
        (["a", "y", "x"], 'unknown inputs "y", "x"; valid inputs are: a, b'),
        (["b"], 'missing required input "a"'),
    ],
)
def test_names(names: list[str], text: str) -> None:
    with pytest.raises(InputError) as caught:
        check_names(names, TWO)
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"type": "integer"}, "one integer"),
        ({"allOf": [{"enum": [1, 2], "type": "integer"}]}, "one integer"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "one integer or string"),
        ({"type": "object"}, "one object"),
    ],
)
def test_an_input_without_a_list_type_is_given_once(wanted: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        check_repeats({"x": 2}, schema(x=wanted))
    assert caught.value.message == f'invalid input "x": given 2 times, but it takes {text}, not a list'


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"type": "array", "items": {"type": "integer"}},
        {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
    ],
)
def test_a_list_may_be_given_item_by_item(wanted: dict[str, Any]) -> None:
    check_repeats({"x": 2}, schema(x=wanted))


def test_a_model_without_inputs_says_so() -> None:
    with pytest.raises(InputError, match=r'^unknown input "x"; model does not accept inputs$'):
        check_names(["x"], schema())


def test_all_missing_names_are_reported() -> None:
    with pytest.raises(InputError) as caught:
        check_names([], schema(("a", "b"), a={}, b={}))
    assert caught.value.message == (
        'input validation failed:\n- missing required input "a"\n- missing required input "b"'
    )


@pytest.mark.parametrize(
    ("value", "wanted", "reason"),
    [
        ("four", {"type": "integer"}, "expected integer, got string"),
        (4, {"type": "string"}, "expected string, got integer"),
        (True, {"type": "integer"}, "expected integer, got boolean"),
        (1.5, {"type": "integer"}, "expected integer, got number"),
        ([1], {"type": "string"}, "expected string, got array"),
        ({}, {"type": "string"}, "expected string, got object"),
        (
            [1],
            {"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]},
            "expected integer, number or string, got array",
        ),
        (0, {"type": "integer", "minimum": 1}, "number must be at least 1, got 0"),
        (11, {"type": "integer", "maximum": 10}, "number must be at most 10, got 11"),
        (0, {"type": "number", "exclusiveMinimum": 0}, "number must be more than 0, got 0"),
        (1, {"type": "number", "exclusiveMaximum": 1}, "number must be less than 1, got 1"),
        ("", {"type": "string", "minLength": 1}, "must have at least 1 character, got 0"),
        ("abc", {"type": "string", "maxLength": 2}, "must have at most 2 characters, got 3"),
        ([], {"type": "array", "minItems": 1}, "must have at least 1 item, got 0"),
        ([1, 2, 3], {"type": "array", "maxItems": 2}, "must have at most 2 items, got 3"),
        ("b", {"type": "string", "pattern": "^a+$"}, "must match the pattern ^a+$"),
        ("c", {"allOf": [{"enum": ["a", "b"], "type": "string"}]}, "must be one of: a, b"),
        ("four", {"allOf": [{"enum": [1, 2], "type": "integer"}]}, "must be one of: 1, 2"),
        ("x", {"allOf": [{"enum": [True, False], "type": "boolean"}]}, "must be one of: true, false"),
        (None, {"type": "integer"}, "must not be null (omit the input to use its default)"),
        ([1, 1], {"type": "array", "uniqueItems": True}, "[1,1] has non-unique elements"),
    ],
)
def test_an_invalid_value_is_explained(value: Any, wanted: dict[str, Any], reason: str) -> None:
    assert refusal(value, wanted) == f'invalid input "x": {reason}'


@pytest.mark.parametrize(
    ("value", "wanted", "text"),
    [
        ([1, "b"], {"type": "array", "items": {"type": "string"}}, '"x.0": expected string, got integer'),
        (
            ["a", 2],
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            '"x.1": expected string, got integer',
        ),
        (
            {"a": {"b": 1}},
            {"type": "object", "properties": {"a": {"properties": {"b": {"type": "string"}}}}},
            '"x.a.b": expected string, got integer',
        ),
        (2, {"anyOf": [{"type": "integer", "minimum": 5}, {"type": "string"}]}, '"x": number must be at'),
    ],
)
def test_a_nested_problem_names_its_path(value: Any, wanted: dict[str, Any], text: str) -> None:
    assert f"invalid input {text}" in refusal(value, wanted)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, {"type": "integer", "nullable": True}),
        (1, {"type": "number"}),
        (10**30, {"type": "integer"}),
        ("anything", {}),
        # A pattern that only Python supports is left to the server.
        ("b", {"type": "string", "pattern": "(?P<x>a"}),
    ],
)
def test_accepted(value: Any, wanted: dict[str, Any]) -> None:
    check_values({"x": value}, schema(x=wanted))


def test_all_problems_are_reported() -> None:
    with pytest.raises(InputError) as caught:
        check_values({"a": 1, "b": "c"}, TWO)
    assert caught.value.message == (
        "input validation failed:\n"
        '- invalid input "a": expected string, got integer\n'
        '- invalid input "b": expected integer, got string'
    )


def test_text_for_an_object_gets_a_hint() -> None:
    with pytest.raises(InputError) as caught:
        check_values({"x": "{a: 1}"}, schema(x={"type": "object"}))
    assert caught.value.hint == """write an object as JSON: -i x='{"key": "value"}'"""


def test_other_types_get_no_hint() -> None:
    with pytest.raises(InputError) as caught:
        check_values({"x": "four"}, schema(x={"type": "integer"}))
    assert caught.value.hint is None


def test_a_long_or_secret_text_is_not_repeated() -> None:
    secret = {"type": "string", "format": "password", "pattern": "^r8_", "minLength": 40}
    assert "hunter2" not in refusal("hunter2", secret)
