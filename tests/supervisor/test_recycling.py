"""When a worker has done its share."""

import os

import pytest

from coglet_supervisor.recycling import Wear, resident_bytes


def test_without_limits_nothing_wears_out() -> None:
    assert not Wear(None, None, dice=0.5).is_worn_out(10**9, os.getpid())


@pytest.mark.parametrize(("dice", "last"), [(0.0, 90), (0.5, 100), (0.999, 110)])
def test_the_count_is_spread_by_a_tenth(dice: float, last: int) -> None:
    wear = Wear(100, None, dice=dice)
    assert not wear.is_worn_out(last - 1, os.getpid())
    assert wear.is_worn_out(last, os.getpid())


@pytest.mark.parametrize("dice", [0.0, 0.999])
def test_one_means_one(dice: float) -> None:
    assert Wear(1, None, dice=dice).is_worn_out(1, os.getpid())
    assert not Wear(1, None, dice=dice).is_worn_out(0, os.getpid())


def test_memory_counts() -> None:
    used = resident_bytes(os.getpid())
    assert used > 0
    assert Wear(None, used // 2, dice=0.5).is_worn_out(1, os.getpid())
    assert not Wear(None, used * 2, dice=0.5).is_worn_out(1, os.getpid())


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert resident_bytes(-1) == 0
