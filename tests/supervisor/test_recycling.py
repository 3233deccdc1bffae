"""When a worker has done its share."""

import pytest

from coglet_supervisor.workers.recycling import Wear


def test_without_limits_nothing_wears_out() -> None:
    wear = Wear(None, None, dice=0.5)
    assert not wear.limits_memory
    assert not wear.is_worn_out(10**9, 10**15)


@pytest.mark.parametrize(("dice", "last"), [(0.0, 90), (0.5, 100), (0.999, 110)])
def test_the_count_is_spread_by_a_tenth(dice: float, last: int) -> None:
    wear = Wear(100, None, dice=dice)
    assert not wear.is_worn_out(last - 1, 0)
    assert wear.is_worn_out(last, 0)


@pytest.mark.parametrize("dice", [0.0, 0.999])
def test_one_means_one(dice: float) -> None:
    assert Wear(1, None, dice=dice).is_worn_out(1, 0)
    assert not Wear(1, None, dice=dice).is_worn_out(0, 0)


def test_memory_counts() -> None:
    wear = Wear(None, 1000, dice=0.5)
    assert wear.limits_memory
    assert not wear.is_worn_out(1, 1000)
    assert wear.is_worn_out(1, 1001)
