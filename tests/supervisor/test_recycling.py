"""When a worker has done its share."""

import pytest

from coglet_supervisor.workers.recycling import RecycleLimits


def test_without_limits_nothing_wears_out() -> None:
    limits = RecycleLimits(None, None, jitter=0.5)
    assert not limits.limits_memory
    assert not limits.exceeded(10**9, 10**15)


@pytest.mark.parametrize(("jitter", "last"), [(0.0, 90), (0.5, 100), (0.999, 110)])
def test_the_count_is_spread_by_a_tenth(jitter: float, last: int) -> None:
    limits = RecycleLimits(100, None, jitter=jitter)
    assert not limits.exceeded(last - 1, 0)
    assert limits.exceeded(last, 0)


@pytest.mark.parametrize("jitter", [0.0, 0.999])
def test_one_means_one(jitter: float) -> None:
    assert RecycleLimits(1, None, jitter=jitter).exceeded(1, 0)
    assert not RecycleLimits(1, None, jitter=jitter).exceeded(0, 0)


def test_memory_counts() -> None:
    limits = RecycleLimits(None, 1000, jitter=0.5)
    assert limits.limits_memory
    assert not limits.exceeded(1, 1000)
    assert limits.exceeded(1, 1001)
