"""`BaseModel`: subclasses that become dataclasses, and hierarchies that cannot."""

# ruff: noqa: RUF012 - defaults that can be changed are what some of these tests are about

import dataclasses
import typing
from typing import Any, ClassVar

import pytest

from cog import BaseModel


class Point(BaseModel):
    x: int
    y: int = 0


class Named(Point):
    name: str = ""
    inner: Point | None = None


def test_subclasses_are_dataclasses_with_inherited_and_nested_fields() -> None:
    named = Named(x=1, name="n", inner=Point(2))
    assert named == Named(1, 0, "n", Point(2, 0))
    assert dataclasses.asdict(named) == {"x": 1, "y": 0, "name": "n", "inner": {"x": 2, "y": 0}}
    assert repr(Point(1)) == "Point(x=1, y=0)"


def test_fields_of_pydantic_describe_fields() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Output(BaseModel):
        required: int = pydantic.Field(description="d")
        also: str = pydantic.Field(...)
        text: str = pydantic.Field(default="a", max_length=3)
        none: str | None = pydantic.Field(None)
        made: list[int] = pydantic.Field(default_factory=list)
        items: list[int] = pydantic.Field(default=[1])

    first, second = Output(required=1, also="b"), Output(1, "b")
    first.items.append(2)
    first.made.append(3)
    assert dataclasses.asdict(second) == {
        "required": 1,
        "also": "b",
        "text": "a",
        "none": None,
        "made": [],
        "items": [1],
    }
    with pytest.raises(TypeError, match="also"):
        Output(required=1)


class Inner(BaseModel):
    items: list[int] = []
    size: int = 1


class Mutable(BaseModel):
    many: list[str] = []
    by_name: dict[str, list[int]] = {"a": [1]}
    tags: set[str] = {"b"}
    inner: Inner = Inner(items=[1])
    inners: "list[Inner]" = [Inner()]
    pair: tuple[list[int], int] = ([1], 2)
    shared: ClassVar[list[int]] = [1]
    also_shared: "typing.ClassVar[dict[str, int]]" = {}
    none: int | None = None
    no_field = [1]


def test_each_object_has_its_own_copy_of_a_default_that_can_be_changed() -> None:
    expected = {
        "many": [],
        "by_name": {"a": [1]},
        "tags": {"b"},
        "inner": {"items": [1], "size": 1},
        "inners": [{"items": [], "size": 1}],
        "pair": ([1], 2),
        "none": None,
    }
    first, second = Mutable(), Mutable()
    first.many.append("a")
    first.by_name["a"].append(2)
    first.tags.add("c")
    first.inner.items.append(3)
    first.inners[0].items.append(4)
    first.pair[0].append(5)
    assert dataclasses.asdict(second) == dataclasses.asdict(Mutable()) == expected
    assert Mutable.shared is first.shared
    assert Mutable.also_shared is first.also_shared
    assert Mutable.no_field is first.no_field


def test_children_inherit_defaults_that_can_be_changed() -> None:
    class Child(Mutable):
        more: list[int] = [1]

    first, second = Child(), Child()
    first.many.append("a")
    first.more.append(2)
    assert (second.many, second.more) == ([], [1])


def test_the_base_itself_is_not_a_dataclass() -> None:
    assert not dataclasses.is_dataclass(BaseModel)


def test_nothing_is_validated() -> None:
    wrong: Any = "text"
    assert repr(Point(wrong)) == "Point(x='text', y=0)"


def test_class_arguments_go_to_dataclass() -> None:
    class Frozen(BaseModel, frozen=True, kw_only=True):
        a: int

    with pytest.raises(dataclasses.FrozenInstanceError):
        Frozen(a=1).a = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        Frozen(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="bogus"):
        type("X", (BaseModel,), {}, bogus=True)


def test_a_model_may_write_its_own_constructor() -> None:
    class Own(BaseModel, init=False):
        a: int

        def __init__(self) -> None:
            self.a = 5

    class Plain(BaseModel, auto_dataclass=False):
        def __init__(self, a: int) -> None:
            self.a = a

    class Child(Plain):
        b: int = 1

    class PlainChild(Plain, auto_dataclass=False): ...

    assert dataclasses.asdict(Own()) == {"a": 5}
    assert not dataclasses.is_dataclass(Plain)
    assert not dataclasses.is_dataclass(PlainChild)
    assert [field.name for field in dataclasses.fields(Child)] == ["b"]


def test_a_plain_child_of_a_dataclass_is_refused() -> None:
    message = (
        'has auto_dataclass=True, but "X" has auto_dataclass=False. This creates broken field inheritance.'
    )
    with pytest.raises(ValueError, match="auto_dataclass") as caught:
        type("X", (Point,), {}, auto_dataclass=False)
    assert message in str(caught.value)


def test_the_first_base_has_to_be_a_model() -> None:
    class Mixin:
        pass

    with pytest.raises(TypeError, match=r'^Primary base class of "X" must inherit from BaseModel$'):
        type("X", (Mixin, BaseModel), {})
    assert dataclasses.is_dataclass(type("Y", (BaseModel, Mixin), {}))


def test_the_hooks_of_a_mixin_run() -> None:
    seen: list[str] = []

    class Mixin:
        def __init_subclass__(cls) -> None:
            seen.append(cls.__name__)

    type("X", (BaseModel, Mixin), {})
    assert seen == ["X"]


def test_a_further_base_that_is_a_dataclass_is_refused() -> None:
    @dataclasses.dataclass
    class Mixin:
        a: int = 1

    with pytest.raises(
        TypeError, match=r'^Cannot mixin dataclass "Mixin" while inheriting from `BaseModel`$'
    ):
        type("X", (BaseModel, Mixin), {})


def test_a_parent_that_lost_its_mark_is_reported() -> None:
    class Parent(BaseModel):
        a: int = 1

    del Parent._auto_dataclass
    with pytest.raises(RuntimeError, match="auto_dataclass tracking"):
        type("X", (Parent,), {})
