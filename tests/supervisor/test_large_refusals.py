"""hardening.md A4: the rejection of an input is short and fast, whatever was sent."""

import time
from typing import Any

import msgspec
import pytest

from coglet_supervisor.predictions.problems import InvalidInput, Problem
from coglet_supervisor.predictions.validation import Validation

NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "integer"}}
PROPERTIES: dict[str, Any] = {
    "text": {"type": "string", "maxLength": 5},
    "numbers": {**NUMBERS, "maxItems": 1_000_000},
    "few": {**NUMBERS, "maxItems": 2},
    "pairs": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    "union": {"anyOf": [NUMBERS, {"type": "array", "items": {"type": "boolean"}}]},
    "closed": {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "integer"}}},
    "choice": {"type": "array", "items": {"enum": [f"choice-{number}" for number in range(5_000)]}},
}
MANY = 900_000


def problems(given: Any, **extra: Any) -> list[Problem]:
    schema = {"type": "object", "properties": PROPERTIES, **extra}
    checked = Validation({"components": {"schemas": {"Input": schema}}}, ignore_unknown=False)
    raw = msgspec.Raw(msgspec.json.encode(given))
    with pytest.raises(InvalidInput) as refused:
        checked.check(raw, training=False)
    assert len(msgspec.json.encode(refused.value.problems)) < 512 * 1024
    return refused.value.problems


def places(found: list[Problem]) -> list[str]:
    return [problem.loc[-1] for problem in found]


def test_a_hundred_problems_are_all_reported() -> None:
    assert places(problems({"numbers": ["x"] * 100})) == [f"numbers/{index}" for index in range(100)]


@pytest.mark.parametrize("count", [101, 999, 1_000, 5_000])
def test_more_are_counted(count: int) -> None:
    *first, last = problems({"numbers": ["x"] * count})
    assert places(first) == [f"numbers/{index}" for index in range(100)]
    assert last == Problem(
        loc=["body", "input", "__root__"], msg=f"and {count - 100} more", type="value_error"
    )


def test_any_number_of_unknown_fields_is_counted() -> None:
    *first, last = problems({"text": "too long", **{f"k{number}": 1 for number in range(MANY)}})
    assert places(first) == [f"k{number}" for number in range(100)]
    assert last.msg == f"and {MANY - 100 + 1} more"


def test_all_kinds_of_problems_are_counted_together() -> None:
    given = {f"k{number}": 1 for number in range(98)} | {"text": "too long", "numbers": ["x"] * 5}
    *first, last = problems(given, required=["closed", "union"])
    assert places(first)[98:] == ["numbers/0", "numbers/1"]
    assert last.msg == "and 6 more"


@pytest.mark.timeout(20)  # each took from 10 s to a minute
@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({"numbers": ["x"] * MANY}, "numbers/0", "and at least 4900 more"),
        ({"numbers": [1] * MANY + ["x"]}, f"numbers/{MANY}", None),
        ({"pairs": [["x"] * 900] * 1_000}, "pairs/0/0", "and at least 4400 more"),
        ({"pairs": [[1] * 5_000, ["x"] * 5_000, [1, "x"]]}, "pairs/1", None),
        ({"few": [1] * MANY}, "few", None),
        ({"union": ["x"] * MANY}, "union", "and perhaps more"),
        ({"closed": {f"k{number}": 1 for number in range(MANY)}}, "closed", None),
        ({"text": [["x"]] * (MANY // 2)}, "text", None),
        ([1] * MANY, "__root__", None),
    ],
    ids=["items", "last-item", "nested", "large-items", "too-many", "union", "fields", "type", "root"],
)
def test_a_large_input_is_refused_soon(given: Any, first: str, last: str | None) -> None:
    started = time.process_time()
    found = problems(given)
    assert time.process_time() - started < 5
    assert found[0].loc[-1] == first
    assert len(found[0].msg) < 400
    assert (found[-1].msg if len(found) > 100 or last else None) == last


def test_a_large_valid_input_is_accepted() -> None:
    schema = {"type": "object", "properties": PROPERTIES}
    checked = Validation({"components": {"schemas": {"Input": schema}}}, ignore_unknown=False)
    raw = msgspec.Raw(msgspec.json.encode({"numbers": [1] * MANY, "pairs": [[1] * 900] * 90}))
    assert checked.check(raw, training=False) is raw


def test_a_large_input_of_the_wrong_type_is_rejected() -> None:
    (problem,) = problems({"numbers": [1] * 5_000, "text": "a"}, maxProperties=1)
    assert problem.loc[-1] == "__root__"


def test_long_names_and_values_are_cut() -> None:
    name = "k" * 1024 * 1024
    (unknown,) = problems({name: 1})
    assert unknown.loc[-1] == "k" * 200 + "..."
    assert unknown.msg == f"Unexpected field '{'k' * 200}...'"
    (closed,) = problems({"closed": {name: 1}})
    assert len(closed.msg) < 20 * 1024
    (text,) = problems({"text": name})
    assert len(text.msg) < 400
    (listed,) = problems({"text": [name]})
    assert len(listed.msg) < 400


def test_long_messages_are_few() -> None:
    found = problems({"choice": ["x"] * 100})
    assert found[-1].msg == f"and {100 - len(found) + 1} more"
    assert found[0].msg.startswith('"x" is not one of ["choice-0","choice-1",')


def test_the_log_of_ignored_fields_is_short(caplog: pytest.LogCaptureFixture) -> None:
    schema = {"type": "object", "properties": PROPERTIES}
    checked = Validation({"components": {"schemas": {"Input": schema}}}, ignore_unknown=True)
    given = {"k" * 1024 * 1024: 1, "text": "a", **{f"k{number}": 1 for number in range(MANY)}}
    sent = checked.check(msgspec.Raw(msgspec.json.encode(given)), training=False)
    assert msgspec.json.decode(sent) == {"text": "a"}
    (record,) = caplog.records
    assert record.getMessage().endswith(f"k98 and {MANY + 1 - 100} more")
    assert len(record.getMessage()) < 2_000
