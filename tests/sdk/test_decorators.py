"""`@streaming` and `@concurrent`."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

import cog


def sync_run() -> None: ...


async def async_run() -> None: ...


async def async_iterator() -> AsyncIterator[int]:
    yield 1


def test_streaming_changes_nothing() -> None:
    assert cog.streaming(sync_run) is sync_run
    assert cog.streaming()(sync_run) is sync_run
    assert vars(sync_run) == {}


@pytest.mark.parametrize("function", [async_run, async_iterator])
def test_concurrent_sets_the_number_of_slots(function: Any) -> None:
    assert cog.concurrent(function) is function
    assert function.__cog_concurrent_max__ == 1
    assert cog.concurrent()(function).__cog_concurrent_max__ == 1
    assert cog.concurrent(max=4)(function).__cog_concurrent_max__ == 4


@pytest.mark.parametrize("maximum", [True, 1.0, "2", None])
def test_the_number_is_an_integer(maximum: Any) -> None:
    with pytest.raises(TypeError, match=r"^concurrent max must be an integer$"):
        cog.concurrent(max=maximum)


@pytest.mark.parametrize("maximum", [0, -1])
def test_the_number_is_at_least_one(maximum: int) -> None:
    with pytest.raises(ValueError, match=r"^concurrent max must be at least 1$"):
        cog.concurrent(max=maximum)


def test_more_than_one_needs_an_async_function() -> None:
    assert cog.concurrent(max=1)(sync_run) is sync_run
    with pytest.raises(TypeError, match=r"^concurrent max greater than 1 requires an async function$"):
        cog.concurrent(max=2)(sync_run)


def test_the_number_is_given_by_name() -> None:
    with pytest.raises(TypeError) as caught:
        cog.concurrent(5)  # type: ignore[call-overload]
    assert str(caught.value) == "concurrent must be used as @concurrent or @concurrent(max=...)"
