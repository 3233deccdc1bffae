"""runtime.md 3: the problems of an input, with the peer's error messages."""

import logging
from typing import Any

import msgspec
import pytest

from coglet_supervisor.predictions.problems import MASK, InvalidInput, Problem
from coglet_supervisor.predictions.untrusted_json import NotJson
from coglet_supervisor.predictions.validation import Validation, output_is_array

PROPERTIES: dict[str, Any] = {
    "text": {"type": "string", "maxLength": 5},
    "count": {"type": "integer", "minimum": 1, "maximum": 10},
    "mode": {"allOf": [{"$ref": "#/components/schemas/mode"}]},
    "maybe": {"type": "string", "nullable": True},
    "given": {"type": "string", "nullable": True, "default": "x"},
    "key": {"type": "string", "maxLength": 3, "x-cog-secret": True},
    "keys": {"type": "array", "items": {"type": "string", "maxLength": 3, "x-cog-secret": True}},
    "items": {"type": "array", "items": {"type": "integer"}},
    "box": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
}


def document(*required: str, **components: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": PROPERTIES, "required": list(required)}
    mode = {"enum": ["fast", "slow"], "type": "string"}
    return {"components": {"schemas": {"Input": schema, "mode": mode, **components}}}


def validation(*required: str, ignore_unknown: bool = False) -> Validation:
    return Validation(document(*required), ignore_unknown=ignore_unknown)


def accepted(given: Any, *required: str, ignore_unknown: bool = False) -> Any:
    """Return the input that the model receives."""
    raw = msgspec.Raw(msgspec.json.encode(given))
    return msgspec.json.decode(
        validation(*required, ignore_unknown=ignore_unknown).check(raw, training=False)
    )


def problems(given: Any, *required: str, ignore_unknown: bool = False) -> list[Problem]:
    with pytest.raises(InvalidInput) as refused:
        accepted(given, *required, ignore_unknown=ignore_unknown)
    return refused.value.problems


def test_a_valid_input_is_passed_on_unchanged() -> None:
    text = msgspec.Raw(b'{ "count": 1.0, "text":"\\u0061", "maybe": null }')
    assert validation().check(text, training=False) is text


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ({"text": 1}, "text", '1 is not of type "string"'),
        ({"count": "1"}, "count", '"1" is not of type "integer"'),
        ({"count": 0}, "count", "0 is less than the minimum of 1"),
        ({"count": 11}, "count", "11 is greater than the maximum of 10"),
        ({"text": "abcdef"}, "text", '"abcdef" is longer than 5 characters'),
        ({"mode": "no"}, "mode", '"no" is not one of ["fast","slow"]'),
        ({"items": [1, "x"]}, "items/1", '"x" is not of type "integer"'),
        ({"text": None}, "text", 'null is not of type "string"'),
    ],
)
def test_a_problem_names_the_place_and_the_value(given: Any, name: str, message: str) -> None:
    assert problems(given) == [Problem(loc=["body", "input", name], msg=message, type="value_error")]


def test_missing_inputs_are_named() -> None:
    (problem,) = problems({}, "text")
    assert problem == Problem(loc=["body", "input", "text"], msg="Field required", type="value_error.missing")
    (nested,) = problems({"box": {}})
    assert (nested.loc[2], nested.type) == ("box/a", "value_error.missing")


def test_all_problems_are_reported_unknown_first_missing_last() -> None:
    found = problems({"what": 1, "items": ["x", "y"], "count": 0}, "text")
    assert [problem.loc[2] for problem in found] == ["what", "count", "items/0", "items/1", "text"]


@pytest.mark.parametrize("given", [[], "x", 1, True])
def test_an_input_is_an_object(given: Any) -> None:
    (problem,) = problems(given)
    assert problem.loc == ["body", "input", "__root__"]
    assert problem.msg.endswith('is not of type "object"')


def test_an_absent_input_is_an_empty_object() -> None:
    assert accepted(None) == {"maybe": None}


def test_an_unknown_field_is_refused() -> None:
    assert problems({"what": 1}) == [
        Problem(loc=["body", "input", "what"], msg="Unexpected field 'what'", type="value_error.extra")
    ]


def test_an_unknown_field_can_be_ignored(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert accepted({"what": 1, "text": "a"}, ignore_unknown=True) == {"text": "a", "maybe": None}
    assert "Stripped unknown input fields: what" in caplog.text


def test_nulls_are_injected_only_without_a_default() -> None:
    assert accepted({}) == {"maybe": None}  # not `given`, which has a default
    assert [problem.type for problem in problems({}, "maybe")] == ["value_error.missing"]


def test_a_nullable_input_accepts_null() -> None:
    assert accepted({"maybe": None, "given": None}, "maybe") == {"maybe": None, "given": None}


def test_a_path_is_a_json_pointer() -> None:
    (problem,) = problems({"a/b~c": 1})
    assert problem.loc[2] == "a~1b~0c"


def test_a_secret_is_never_shown() -> None:
    (problem,) = problems({"key": "hush-hush"})
    assert "hush" not in problem.msg
    assert MASK in problem.msg
    masked = validation().mask_secrets(b'{"key":"hush","text":"a"}', training=False)
    assert msgspec.json.decode(masked) == {"key": MASK, "text": "a"}
    assert bytes(validation().mask_secrets(b'{"text":"a"}', training=False)) == b'{"text":"a"}'


def test_secrets_in_a_list_are_never_shown() -> None:
    (problem,) = problems({"keys": ["ok", "hush-hush"]})
    assert "hush" not in problem.msg
    masked = validation().mask_secrets(b'{"keys":["a","b"]}', training=False)
    assert msgspec.json.decode(masked) == {"keys": [MASK, MASK]}


def test_a_long_value_is_cut() -> None:
    (problem,) = problems({"text": "x" * 1000})
    assert problem.msg == '"' + "x" * 199 + "... is longer than 5 characters"


def test_a_value_is_not_mistaken_for_the_placeholder() -> None:
    (problem,) = problems({"mode": "\x00value\x00"})
    assert problem.msg.startswith('"\\u0000value\\u0000" is not one of')


def test_numbers_out_of_range_are_invalid_json() -> None:
    with pytest.raises(NotJson):
        validation().check(msgspec.Raw(b'{"count": 1e400}'), training=False)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {},
        {"components": 1},
        {"components": {"schemas": []}},
        document(Input={"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Input"}}}),
        document(Input={"type": "no such type"}),
    ],
    ids=["none", "empty", "no-components", "no-schemas", "cycle", "bad-type"],
)
def test_without_a_usable_schema_everything_is_accepted(broken: dict[str, Any] | None) -> None:
    raw = msgspec.Raw(b'{"anything": [1]}')
    assert Validation(broken, ignore_unknown=False).check(raw, training=False) is raw


def test_a_training_has_a_schema_of_its_own() -> None:
    training_input = {"type": "object", "properties": {"epochs": {"type": "integer"}}}
    own = Validation(document(TrainingInput=training_input), ignore_unknown=False)
    raw = msgspec.Raw(b'{"epochs":1}')
    assert own.offers_training
    assert own.check(raw, training=True) is raw
    with pytest.raises(InvalidInput):
        own.check(raw, training=False)


def test_a_training_without_a_schema_has_the_inputs_of_predictions() -> None:
    assert not validation().offers_training
    with pytest.raises(InvalidInput):
        validation().check(msgspec.Raw(b'{"epochs":1}'), training=True)


def test_the_schema_declares_whether_the_output_is_a_list() -> None:
    both = document(Output={"type": "array"}, TrainingOutput={"type": "object"})
    assert output_is_array(both, training=False)
    assert not output_is_array(both, training=True)
    assert not output_is_array(None, training=False)


LONG = "x" * 300_000


@pytest.mark.parametrize(
    ("schema", "is_accepted"),
    [
        ({"type": "string"}, True),
        ({"type": "string", "x-order": 0, "title": "T", "description": "D"}, True),
        ({"type": "string", "format": "uri"}, False),
        ({"type": "string", "maxLength": 299_999}, False),
        ({"type": "string", "maxLength": 300_000}, True),
        ({"type": "string", "pattern": "^y"}, False),
        ({"type": "string", "enum": ["y"]}, False),
        ({"type": "integer"}, False),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, True),
    ],
)
def test_a_long_text_is_validated(schema: dict[str, Any], is_accepted: bool) -> None:
    components = {"Input": {"type": "object", "properties": {"text": schema}}}
    checked = Validation({"components": {"schemas": components}}, ignore_unknown=False)
    given = msgspec.Raw(msgspec.json.encode({"text": LONG}))
    if is_accepted:
        assert checked.check(given, training=False) is given
    else:
        with pytest.raises(InvalidInput, match="xxx"):
            checked.check(given, training=False)


def test_long_texts_are_unchanged_when_other_inputs_change() -> None:
    properties = {"text": {"type": "string"}, "maybe": {"type": "string", "nullable": True}}
    document = {"components": {"schemas": {"Input": {"type": "object", "properties": properties}}}}
    checked = Validation(document, ignore_unknown=True)
    for text in (LONG, LONG + "é", LONG + '"\\\n'):
        given = msgspec.Raw(msgspec.json.encode({"other": LONG, "text": text}))
        assert msgspec.json.decode(checked.check(given, training=False)) == {"text": text, "maybe": None}


@pytest.mark.parametrize("end", [b"\xff", b"\\q", b"\\ud800", b"\n", b"\xe2\x82"])
def test_a_broken_long_text_is_invalid_json(end: bytes) -> None:
    document = {"components": {"schemas": {"Input": {"properties": {"text": {"type": "string"}}}}}}
    with pytest.raises(NotJson):
        Validation(document, ignore_unknown=False).check(
            msgspec.Raw(b'{"text":"%b%b"}' % (LONG.encode(), end)), training=False
        )
