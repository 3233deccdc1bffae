"""The strict reading of predictors at run time, and the checking of values against it."""

import enum
import pathlib
import sys
import types
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, Optional, TypedDict, Union

import pytest

import cog
from cog import (
    AsyncConcatenateIterator,
    BaseModel,
    ConcatenateIterator,
    File,
    Input,
    Opaque,
    Path,
    Secret,
)
from cog._adt import InputField, OutputKind, PredictorInfo, PrimitiveType
from cog._inspector import check_input, create_predictor


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Options(TypedDict):
    a: int


class Answer(BaseModel):
    text: str
    score: float | None = None


class Unreadable(BaseModel):
    items: set[int]


def describe(predictor: object) -> PredictorInfo:
    module = types.ModuleType("module_under_test")
    vars(module)["Thing"] = predictor
    sys.modules[module.__name__] = module
    try:
        return create_predictor(module.__name__, "Thing")
    finally:
        del sys.modules[module.__name__]


def field_of(annotation: Any, default: Any = None) -> InputField:
    def run(x: Any = default) -> str:
        return str(x)

    run.__annotations__["x"] = annotation
    return describe(run).inputs["x"]


def problem_of(predictor: object) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        describe(predictor)
    return str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "primitive", "repetition"),
    [
        (int, "INTEGER", "REQUIRED"),
        (float, "FLOAT", "REQUIRED"),
        (str, "STRING", "REQUIRED"),
        (bool, "BOOL", "REQUIRED"),
        (Path, "PATH", "REQUIRED"),
        (pathlib.Path, "PATH", "REQUIRED"),
        (File, "FILE", "REQUIRED"),
        (Secret, "SECRET", "REQUIRED"),
        (Any, "ANY", "REQUIRED"),
        (dict, "ANY", "REQUIRED"),
        (dict[str, int], "ANY", "REQUIRED"),
        (Options, "ANY", "REQUIRED"),
        (list, "ANY", "REPEATED"),
        (list[int], "INTEGER", "REPEATED"),
        (list[Path], "PATH", "REPEATED"),
        (Optional[int], "INTEGER", "OPTIONAL"),  # noqa: UP045 - the older spelling has to work too
        (int | None, "INTEGER", "OPTIONAL"),
        (list[str] | None, "STRING", "OPTIONAL_REPEATED"),
        (int | str, "ANY", "REQUIRED"),
        (Union[int, str, None], "ANY", "OPTIONAL"),  # noqa: UP007 - the older spelling has to work too
        (Annotated[int, "unit"], "INTEGER", "REQUIRED"),
        (Annotated[object, Opaque], "ANY", "REQUIRED"),
        (Annotated[list[object], Opaque], "ANY", "REPEATED"),
        (list[Annotated[object, Opaque]], "ANY", "REPEATED"),
        ("int", "INTEGER", "REQUIRED"),
        (Literal["a", "b"], "STRING", "REQUIRED"),
        (Literal[1, 2], "INTEGER", "REQUIRED"),
        (Colour, "STRING", "REQUIRED"),
    ],
    ids=str,
)
def test_types_of_inputs(annotation: object, primitive: str, repetition: str) -> None:
    field = field_of(annotation)
    assert (field.type.primitive.name, field.type.repetition.name) == (primitive, repetition)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (list[list[int]], "List cannot have nested type list"),
        (list[int | None], "List cannot have nested type int | NoneType"),
        (set[int], "unsupported Cog type set"),
        (tuple[int, int], "unsupported Cog type tuple"),
        (bytes, "unsupported Cog type bytes"),
        (None, "unsupported Cog type None"),
        (list[list], "List cannot have nested type list"),  # type: ignore[type-arg]
        (Literal[True, False], "unsupported Cog type Literal"),
        (object, "unsupported Cog type object"),
        (Answer, "unsupported Cog type Answer"),
        (Literal["a", 1], "unsupported Cog type Literal"),
        (int | Path, "unsupported union member Path in union int | Path"),
    ],
    ids=str,
)
def test_types_that_no_input_has(annotation: object, message: str) -> None:
    with pytest.raises(ValueError, match="invalid input field") as caught:
        field_of(annotation)
    assert str(caught.value) == f"invalid input field x: {message}"


@pytest.mark.parametrize(
    ("annotation", "kind", "primitive"),
    [
        (str, "SINGLE", "STRING"),
        (File, "SINGLE", "FILE"),
        (dict[str, None], "SINGLE", "ANY"),
        (int | str, "SINGLE", "ANY"),
        (list[Path], "LIST", "PATH"),
        (Iterator[str], "ITERATOR", "STRING"),
        (AsyncIterator[Path], "ITERATOR", "PATH"),
        (ConcatenateIterator[str], "CONCAT_ITERATOR", "STRING"),
        (AsyncConcatenateIterator[str], "CONCAT_ITERATOR", "STRING"),
    ],
    ids=str,
)
def test_types_of_outputs(annotation: object, kind: str, primitive: str) -> None:
    def run() -> Any: ...

    run.__annotations__["return"] = annotation
    output = describe(run).output
    assert output.type is not None
    assert (output.kind.name, output.type.name) == (kind, primitive)


def test_objects_as_outputs() -> None:
    def run() -> Answer:
        return Answer("")

    output = describe(run).output
    assert output.kind is OutputKind.OBJECT
    assert output.fields is not None
    assert {name: (field.primitive.value, field.optional) for name, field in output.fields.items()} == {
        "text": ("str", False),
        "score": ("float", True),
    }


def test_any_as_output_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> Any: ...

    assert describe(run).output.type is PrimitiveType.ANY
    assert capsys.readouterr().err == (
        "Warning: use of Any as output type is error-prone and highly discouraged\n"
    )


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Optional[int], "output must not be Optional"),  # noqa: UP045 - the older spelling has to work too
        (int | None, "output must not be Optional"),
        (Iterator[str | None], "iterator element type must not be Optional or List"),
        (Iterator[list[str]], "iterator element type must not be Optional or List"),
        (Iterator, "iterator type must have a type argument"),
        (ConcatenateIterator[int], "ConcatenateIterator must have str element"),
        (AsyncConcatenateIterator[int], "AsyncConcatenateIterator must have str element"),
        (bytes, "unsupported Cog type bytes"),
        (Unreadable, "unsupported Cog type set"),
        (None, "run() must have a return type annotation"),
    ],
    ids=str,
)
def test_types_that_no_output_has(annotation: object, message: str) -> None:
    def run() -> Any: ...

    run.__annotations__["return"] = annotation
    assert problem_of(run) == message


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("def setup(self, w): ...", "unexpected setup() arguments: w"),
        ("def setup(self, weights, x, y): ...", "unexpected setup() arguments: x, y"),
        ("def setup(): ...", "setup() must have 'self' as first argument"),
        ("def setup(this): ...", "setup() must have 'self' as first argument"),
        ("def setup(self) -> int: ...", "setup() must return None"),
        ("setup = 5", "setup is not a function"),
        ("def run(self, *a) -> str: ...", "run() must not have *args"),
        ("def run(self, **k) -> str: ...", "run() must not have **kwargs"),
        ("def run(self, *, k: int) -> str: ...", "run() must not have keyword-only args"),
        ("def run(self): ...", "run() must have a return type annotation"),
        ("def run(self, x) -> str: ...", "missing type annotation for input: x"),
        ("def run() -> str: ...", "run() must have 'self' as first argument"),
        ("def run(this, x: int) -> str: ...", "run() must have 'self' as first argument"),
        (
            "def predict(self) -> str: ...",
            "module_under_test.Thing must define either run() or predict(), not both",
        ),
        ("run = None", "run or predict method not found: module_under_test.Thing"),
    ],
)
def test_shapes_of_classes(methods: str, message: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"class Thing:\n def run(self) -> str: ...\n {methods}", namespace)
    assert problem_of(namespace["Thing"]) == message


@pytest.mark.parametrize(
    "setup", ["def setup(self): ...", "def setup(self, weights): ...", "async def setup(self) -> None: ..."]
)
def test_setups_that_are_fine(setup: str) -> None:
    namespace: dict[str, Any] = {"cog": cog}
    exec(f"class Thing(cog.BaseRunner):\n def run(self, x: int) -> str: ...\n {setup}", namespace)
    assert list(describe(namespace["Thing"]).inputs) == ["x"]


def test_what_is_no_predictor() -> None:
    assert problem_of(5) == "invalid predictor module_under_test.Thing"
    with pytest.raises(ImportError, match="predictor Missing not found in cog"):
        create_predictor("cog", "Missing")


@pytest.mark.parametrize(
    ("annotation", "info", "message"),
    [
        (str, Input(ge=1), "incompatible input type for ge/le: x: str"),
        (bool, Input(le=1), "incompatible input type for ge/le: x: bool"),
        (int | str, Input(ge=1), "incompatible input type for ge/le: x: int | str"),
        (int, Input(min_length=1), "incompatible input type for min_length/max_length: x: int"),
        (int, Input(max_length=1), "incompatible input type for min_length/max_length: x: int"),
        (int, Input(regex="b"), "incompatible input type for regex: x: int"),
        (float, Input(choices=[1, 2]), "incompatible input type for choices: x: float"),
        (str, Input(choices=["a"]), "choices=['a'] must have >= 2 elements: x: str"),
        (str, Input(choices=["a", 1]), "not all choices have the same type as input: x: str"),
        (int, Input(choices=[1, 2], ge=1), "choices and ge/le are mutually exclusive: x: int"),
        (
            str,
            Input(choices=["a", "b"], min_length=1),
            "choices and min_length/max_length are mutually exclusive: x: str",
        ),
        (int, Input(0, ge=1), "invalid default for x: int: x fails constraint >= 1"),
        (int, Input(5, le=1), "invalid default for x: int: x fails constraint <= 1"),
        (str, Input("a", min_length=2), "invalid default for x: str: x fails constraint len() >= 2"),
        (str, Input("a", regex="b"), "invalid default for x: str: x does not match regex 'b'"),
        (
            str,
            Input("c", choices=["a", "b"]),
            "invalid default for x: str: x does not match choices ['a', 'b']",
        ),
        (Literal["a", "b"], "c", "invalid default for x: Literal: x does not match choices ['a', 'b']"),
        (int, "a", "invalid default for x: int: x: Invalid value for type int"),
    ],
    ids=str,
)
def test_limits_that_cannot_be(annotation: object, info: object, message: str) -> None:
    with pytest.raises(ValueError, match="x") as caught:
        field_of(annotation, info)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 1.0, 1),
        (float, 1, 1.0),
        (bool, 1, True),
        (str, "a", "a"),
        (dict, {"a": 1}, {"a": 1}),
        (Any, None, None),
        (int | None, None, None),
        (list[int], [], []),
        (list[str] | None, ["a"], ["a"]),
        (int | str, "a", "a"),
        (int | float, 1.5, 1.5),
        (float | int, 1, 1),
        (Colour, "red", "red"),
        (Secret, "s", Secret("s")),
        (Path, "local", Path("local")),
        (int | str | None, None, None),
    ],
    ids=str,
)
def test_values_that_fit(annotation: object, value: object, expected: object) -> None:
    checked = check_input({"x": field_of(annotation)}, {"x": value})["x"]
    assert checked == expected
    assert type(checked) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "info", "value"),
    [
        (int, Input(ge=1, le=3), 1),
        (int, Input(ge=1, le=3), 3),
        (str, Input(min_length=2, max_length=3), "ab"),
        (str, Input(min_length=2, max_length=3), "abc"),
        (str, Input(regex="b+"), "ba"),
        (str, Input(choices=["a", "b"]), "b"),
    ],
    ids=str,
)
def test_values_within_the_limits(annotation: object, info: object, value: object) -> None:
    assert check_input({"x": field_of(annotation, info)}, {"x": value}) == {"x": value}


def test_urls_become_remote_files() -> None:
    field = field_of(list[Path])
    assert isinstance(check_input({"x": field}, {"x": ["http://host/a"]})["x"][0], cog.URLPath)
    assert isinstance(check_input({"x": field_of(File)}, {"x": "http://host/a"})["x"], cog.URLFile)


@pytest.mark.parametrize(
    ("annotation", "info", "value", "message"),
    [
        (int, None, 1.5, "x: Invalid value for type int"),
        (int, None, None, "x: Invalid value for type int"),
        (str, None, 1, "x: Invalid value for type str"),
        (list[int], None, 1, "x: Invalid value for type list[int]"),
        (list[int], None, ["a"], "x: Invalid value for type int"),
        (int | str, None, 1.5, "x: Invalid value for type int | str"),
        (int | str, None, None, "x: missing value for required union field"),
        (Path, None, 5, "x: a path must be a string or a pathlib.Path, not int"),
        (int, Input(ge=1, le=3), 0, "x fails constraint >= 1"),
        (int, Input(ge=1, le=3), 4, "x fails constraint <= 3"),
        (list[int], Input(ge=1), [2, 0], "x fails constraint >= 1"),
        (int | None, Input(ge=1), 0, "x fails constraint >= 1"),
        (str, Input(min_length=2, max_length=3), "a", "x fails constraint len() >= 2"),
        (str, Input(min_length=2, max_length=3), "abcd", "x fails constraint len() <= 3"),
        (str, Input(regex="b+"), "ab", "x does not match regex 'b+'"),
        (str, Input(choices=["a", "b"]), "c", "x does not match choices ['a', 'b']"),
        (Colour, None, "green", "x does not match choices ['red', 'blue']"),
    ],
    ids=str,
)
def test_values_that_do_not_fit(annotation: object, info: object, value: object, message: str) -> None:
    with pytest.raises(ValueError, match="x") as caught:
        check_input({"x": field_of(annotation, info)}, {"x": value})
    assert str(caught.value) == message


def test_missing_values() -> None:
    with pytest.raises(ValueError, match=r"^x: Field required$"):
        check_input({"x": field_of(int)}, {})
    assert check_input({"x": field_of(int, Input(3))}, {}) == {"x": 3}
    assert check_input({"x": field_of(int | None)}, {}) == {"x": None}


def test_an_unknown_value_is_left_out_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_input({"x": field_of(int)}, {"x": 1, "y": 2}) == {"x": 1}
    assert capsys.readouterr().err == "WARNING unknown input field ignored: y\n"
