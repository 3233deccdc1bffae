"""Coercion of text on the command line to the JSON type in the schema."""

from typing import Any

import pytest

from coglet_cli.inputs.coercion import coerce_repeated, coerce_value

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
OBJECT = {"type": "object"}
STRINGS = {"type": "array", "items": STRING}
INTEGERS = {"type": "array", "items": INTEGER}
FILES = {"type": "array", "items": {"type": "string", "format": "uri"}}
INTEGER_CHOICES = {"allOf": [{"enum": [1, 2, 3], "type": "integer"}], "default": 1}


def union(*members: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": list(members)}


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        # text stays text
        ("3", STRING, "3"),
        ("true", STRING, "true"),
        ("", STRING, ""),
        ("[1]", STRING, "[1]"),
        ("anything", {}, "anything"),
        # integers
        ("3", INTEGER, 3),
        ("-3", INTEGER, -3),
        ("+3", INTEGER, 3),
        ("007", INTEGER, 7),
        ("3000000000", INTEGER, 3_000_000_000),
        ("123456789012345678901234567890", INTEGER, 123456789012345678901234567890),
        ("3.0", INTEGER, "3.0"),
        ("1_000", INTEGER, "1_000"),
        (" 3", INTEGER, " 3"),
        ("four", INTEGER, "four"),
        ("٣", INTEGER, "٣"),
        ("9" * 5000, INTEGER, "9" * 5000),
        # numbers
        ("3", NUMBER, 3),
        ("3.5", NUMBER, 3.5),
        (".5", NUMBER, 0.5),
        ("5.", NUMBER, 5.0),
        ("-1e-3", NUMBER, -0.001),
        ("10.05", NUMBER, 10.05),
        ("0.1", NUMBER, 0.1),
        ("nan", NUMBER, "nan"),
        ("inf", NUMBER, "inf"),
        ("1e999", NUMBER, "1e999"),
        ("1e", NUMBER, "1e"),
        # booleans
        ("true", BOOLEAN, True),
        ("false", BOOLEAN, False),
        ("True", BOOLEAN, True),
        ("False", BOOLEAN, False),
        ("TRUE", BOOLEAN, "TRUE"),
        ("1", BOOLEAN, "1"),
        ("yes", BOOLEAN, "yes"),
        # objects
        ('{"a": 1}', OBJECT, {"a": 1}),
        ("5", OBJECT, 5),
        ("{a: 1}", OBJECT, "{a: 1}"),
        ('{"a": NaN}', OBJECT, '{"a": NaN}'),
        ('{"a": 1e999}', OBJECT, '{"a": 1e999}'),
        ("[" * 100_000, OBJECT, "[" * 100_000),
        # lists
        ('["a", "b"]', STRINGS, ["a", "b"]),
        ("[]", STRINGS, []),
        ("a", STRINGS, ["a"]),
        ("3", INTEGERS, [3]),
        ("[3, 4]", INTEGERS, [3, 4]),
        ("x", INTEGERS, ["x"]),
        ('{"a": 1}', {"type": "array", "items": OBJECT}, [{"a": 1}]),
        ("data:text/plain,hi", FILES, ["data:text/plain,hi"]),
        # choices: the type is inside allOf
        ("3", INTEGER_CHOICES, 3),
        ("2", {"allOf": [{"enum": ["1", "2"], "type": "string"}]}, "2"),
        # unions
        ("3", union(INTEGER, STRING), 3),
        ("three", union(INTEGER, STRING), "three"),
        ("3.5", union(INTEGER, STRING), "3.5"),
        ("3.5", union(INTEGER, NUMBER), 3.5),
        ("3", union(NUMBER, INTEGER), 3),
        ("3", union({"type": "integer", "minimum": 5}, STRING), "3"),
        ("true", union(BOOLEAN, STRING), True),
        ("False", union(BOOLEAN, STRING), False),
        ("True", {"allOf": [{"enum": [True, False], "type": "boolean"}]}, True),
        ("True", {"allOf": [{"enum": ["True", "auto"], "type": "string"}]}, "True"),
        ("a", union(STRING, STRINGS), "a"),
        ('["a"]', union(STRING, STRINGS), ["a"]),
        ("[1]", union(STRING, STRINGS), "[1]"),
        ("7", union(OBJECT, STRING), "7"),
        ('{"a": 1}', union(OBJECT, STRING), {"a": 1}),
        ("7", union(OBJECT, INTEGER), 7),
        ("3", union(INTEGERS, BOOLEAN), [3]),
        ("true", union(INTEGERS, BOOLEAN), True),
        ("3", {"type": ["integer", "null"]}, 3),
        ("3", {"oneOf": [INTEGER, STRING]}, 3),
    ],
)
def test_one_value(text: str, schema: dict[str, Any], value: Any) -> None:
    coerced = coerce_value(text, schema)
    assert coerced == value
    assert type(coerced) is type(value)


@pytest.mark.parametrize(
    ("texts", "schema", "values"),
    [
        (["1", "2"], INTEGERS, [1, 2]),
        (["b", "a"], STRINGS, ["b", "a"]),
        (["1", "x"], INTEGERS, [1, "x"]),
        (["1", "2"], union(STRING, INTEGERS), [1, 2]),
        (["1", "2"], INTEGER, ["1", "2"]),
    ],
)
def test_a_repeated_name_is_a_list_in_order(
    texts: list[str], schema: dict[str, Any], values: list[Any]
) -> None:
    assert coerce_repeated(texts, schema) == values
