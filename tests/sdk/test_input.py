"""`Input()`: the arguments that it keeps, and the one that it rejects."""

import dataclasses

import pytest

import cog


def test_input_keeps_its_arguments() -> None:
    info = cog.Input(
        3,
        description="d",
        ge=1,
        le=5,
        min_length=1,
        max_length=2,
        regex="r",
        choices=[1, 3],
        deprecated=True,
        accept="image/*",
    )
    assert isinstance(info, cog.FieldInfo)
    assert dataclasses.astuple(info) == (3, "d", 1, 5, 1, 2, "r", [1, 3], True, "image/*")


def test_the_fields_of_field_info_in_order() -> None:
    assert [field.name for field in dataclasses.fields(cog.FieldInfo)] == [
        "default",
        "description",
        "ge",
        "le",
        "min_length",
        "max_length",
        "regex",
        "choices",
        "deprecated",
        "accept",
    ]


def test_everything_is_none_by_default() -> None:
    assert dataclasses.astuple(cog.Input()) == (None,) * 10


def test_field_info_is_frozen() -> None:
    info = cog.Input(default=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.default = 2


def test_a_default_factory_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(TypeError) as caught:
        cog.Input(default_factory=list)
    assert str(caught.value) == (
        "default_factory is not supported in Input(). Use a literal default value instead: "
        "Input(default=...). Mutable defaults like lists should use immutable alternatives "
        "(e.g. a comma-separated string) or be constructed in predict()."
    )


def test_other_arguments_are_unknown_or_by_name_only() -> None:
    with pytest.raises(TypeError):
        cog.Input(1, "description")  # type: ignore[call-arg, arg-type]
    with pytest.raises(TypeError):
        cog.Input(example=1)  # type: ignore[call-arg]
