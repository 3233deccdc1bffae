"""runtime.md 3: the input is checked against the schema before a prediction begins."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.model import Model, inputs
from testing.server import Server

# One property a keyword, so that each test names the keyword that it is about.
PROPERTIES: dict[str, Any] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "types": {"type": ["integer", "string"]},
    "bounded": {"type": "integer", "minimum": 0, "maximum": 10},
    "between": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
    "multiple": {"type": "integer", "multipleOf": 3},
    "length": {"type": "string", "minLength": 2, "maxLength": 4},
    "one_long": {"type": "string", "minLength": 1, "maxLength": 1},
    "pattern": {"type": "string", "pattern": "^a+$"},
    "loose_pattern": {"type": "string", "pattern": "b+"},
    "enum": {"enum": ["red", "green"], "type": "string"},
    "referenced": {"allOf": [{"$ref": "#/components/schemas/color"}]},
    "const": {"const": 5},
    "items": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
    "any": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "one": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 100}]},
    "closed": {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    "unique": {"type": "array", "uniqueItems": True},
    "not": {"not": {"type": "string"}},
    "filled": {"type": "object", "minProperties": 1},
    "nested": {"$ref": "#/components/schemas/nested"},
    "list_of_nested": {"type": "array", "items": {"$ref": "#/components/schemas/nested"}},
    "anything": {},
    "a/b~c": {"type": "integer"},
}
COMPONENTS = {
    **inputs(PROPERTIES),
    "color": {"title": "color", "type": "string", "enum": ["red", "green"]},
    "nested": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(Model(Model.named("echo").source, COMPONENTS)) as server:
        yield server


def problems(server: Server, input: dict[str, Any]) -> list[tuple[str, str]]:
    """Return pointer and message of each entry of the 422, all of which must be of the same type."""
    answer = server.predict(input)
    assert answer.status == 422, answer
    detail = answer.json()["detail"]
    assert all(entry.keys() == {"loc", "msg", "type"} for entry in detail)
    assert {entry["type"] for entry in detail} == {"value_error"}
    assert {tuple(entry["loc"][:2]) for entry in detail} == {("body", "input")}
    return [(entry["loc"][2], entry["msg"]) for entry in detail]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("integer", "x", '"x" is not of type "integer"'),
        ("integer", 1.5, '1.5 is not of type "integer"'),
        ("integer", True, 'true is not of type "integer"'),
        ("integer", "5", '"5" is not of type "integer"'),
        ("number", False, 'false is not of type "number"'),
        ("string", 5, '5 is not of type "string"'),
        ("string", {"a": [1, "x"]}, '{"a":[1,"x"]} is not of type "string"'),
        ("boolean", "true", '"true" is not of type "boolean"'),
        ("boolean", 1, '1 is not of type "boolean"'),
        ("types", 1.5, '1.5 is not of types "integer", "string"'),
        ("bounded", -1, "-1 is less than the minimum of 0"),
        ("bounded", 11, "11 is greater than the maximum of 10"),
        ("between", 0, "0 is less than or equal to the minimum of 0"),
        ("between", 10, "10 is greater than or equal to the maximum of 10"),
        ("multiple", 4, "4 is not a multiple of 3"),
        ("length", "a", '"a" is shorter than 2 characters'),
        ("length", "abcde", '"abcde" is longer than 4 characters'),
        ("one_long", "", '"" is shorter than 1 character'),
        ("one_long", "ab", '"ab" is longer than 1 character'),
        ("pattern", "b", '"b" does not match "^a+$"'),
        ("loose_pattern", "aca", '"aca" does not match "b+"'),
        ("enum", "blue", '"blue" is not one of ["red","green"]'),
        ("referenced", "blue", '"blue" is not one of ["red","green"]'),
        ("const", 6, "5 was expected"),
        ("items", [], "[] has less than 1 item"),
        ("items", ["a", "b", "c"], '["a","b","c"] has more than 2 items'),
        ("any", True, "true is not valid under any of the schemas listed in the 'anyOf' keyword"),
        ("one", "x", "\"x\" is not valid under any of the schemas listed in the 'oneOf' keyword"),
        ("one", 100, "100 is valid under more than one of the schemas listed in the 'oneOf' keyword"),
        ("closed", {"zz": 1}, "Additional properties are not allowed ('zz' was unexpected)"),
        ("unique", [1, 1], "[1,1] has non-unique elements"),
        ("not", "x", '{"type":"string"} is not allowed for "x"'),
        ("filled", {}, "{} has less than 1 property"),
    ],
)
def test_each_keyword_has_its_words(server: Server, name: str, value: Any, message: str) -> None:
    assert problems(server, {name: value}) == [(name, message)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("integer", -7),
        ("number", 3),
        ("types", "x"),
        ("bounded", 10),
        ("between", 0.5),
        ("length", "äöüß"),
        ("length", "🙂🙂🙂🙂"),
        ("loose_pattern", "abc"),
        ("enum", "red"),
        ("items", ["a", "b"]),
        ("any", None),
        ("nested", {"name": "x", "more": 1}),
        ("anything", [None, {"a": 1.5}]),
        ("a/b~c", 1),
    ],
)
def test_what_is_valid_reaches_the_model_unchanged(server: Server, name: str, value: Any) -> None:
    assert server.predict({name: value}).json()["output"] == {name: value}


def test_a_whole_float_is_an_integer(server: Server) -> None:
    assert server.predict({"integer": 1.0}).json()["output"] == {"integer": 1.0}


@pytest.mark.parametrize(
    ("input", "expected"),
    [
        pytest.param(
            {"items": ["a", 5]}, [("items/1", '5 is not of type "string"')], id="an item of an array"
        ),
        pytest.param(
            {"closed": {"a": "x"}}, [("closed/a", '"x" is not of type "integer"')], id="a nested property"
        ),
        pytest.param(
            {"a/b~c": "x"}, [("a~1b~0c", '"x" is not of type "integer"')], id="a name that must be escaped"
        ),
        pytest.param(
            {"string": 1, "integer": "x", "boolean": 0},
            [
                ("boolean", '0 is not of type "boolean"'),
                ("integer", '"x" is not of type "integer"'),
                ("string", '1 is not of type "string"'),
            ],
            id="properties in alphabetical order",
        ),
        pytest.param(
            {"items": [1, "a", 2]},
            [
                ("items/0", '1 is not of type "string"'),
                ("items/2", '2 is not of type "string"'),
                ("items", '[1,"a",2] has more than 2 items'),
            ],
            id="items by index, keywords in alphabetical order",
        ),
        pytest.param(
            {"enum": 5},
            [("enum", '5 is not one of ["red","green"]'), ("enum", '5 is not of type "string"')],
            id="enum before type",
        ),
    ],
)
def test_every_problem_is_reported_in_order(
    server: Server, input: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert problems(server, input) == expected


@pytest.mark.ours("decisions.md: nested required keys are reported with the pointer of the nested value")
@pytest.mark.parametrize(
    ("input", "pointer"),
    [({"nested": {}}, "nested/name"), ({"list_of_nested": [{}]}, "list_of_nested/0/name")],
)
def test_a_required_key_of_a_nested_object(server: Server, input: dict[str, Any], pointer: str) -> None:
    answer = server.predict(input)
    assert answer.json() == {
        "detail": [
            {"loc": ["body", "input", pointer], "msg": "Field required", "type": "value_error.missing"}
        ]
    }


@pytest.mark.ours("decisions.md: values are cut after 200 characters in 422 texts")
def test_long_values_are_shortened(server: Server) -> None:
    ((_, message),) = problems(server, {"integer": "x" * 5000})
    assert message.startswith('"xxx')
    assert message.endswith('is not of type "integer"')
    assert len(message) < 300


@pytest.mark.ours("decisions.md: integers of any size pass unchanged, object keys keep their order")
def test_big_integers_and_the_order_of_keys_reach_the_model(server: Server) -> None:
    body = b'{"input":{"anything":{"z":123456789012345678901234567890,"a":-9223372036854775809}}}'
    answer = server.request("POST", "/predictions", body, {"Content-Type": "application/json"})
    assert (
        b'"output":{"anything":{"z":123456789012345678901234567890,"a":-9223372036854775809}}' in answer.body
    )


@pytest.mark.ours("decisions.md: unknown input fields are refused")
def test_unknown_fields_are_refused(server: Server) -> None:
    answer = server.predict({"integer": 1, "extra": 1, "other": 2})
    assert answer.status == 422
    assert answer.json()["detail"] == [
        {"loc": ["body", "input", name], "msg": f"Unexpected field '{name}'", "type": "value_error.extra"}
        for name in ("extra", "other")
    ]


def test_a_refused_input_starts_nothing(server: Server) -> None:
    assert server.predict({"integer": "x"}, id="refused").status == 422
    assert server.cancel("refused").status == 404
    assert server.health()["status"] == "READY"
