"""The recycling limits of a worker."""

import pytest

from coglet_supervisor.workers.recycling import RecycleLimits


def test_without_limits_a_worker_is_never_recycled() -> None:
    limits = RecycleLimits(None, None, jitter=0.5)
    assert not limits.limits_memory
    assert not limits.exceeded(10**9, 10**15)


@pytest.mark.parametrize(("jitter", "last"), [(0.0, 90), (0.5, 100), (0.999, 110)])
def test_the_number_of_predictions_varies_by_ten_percent(jitter: float, last: int) -> None:
    limits = RecycleLimits(100, None, jitter=jitter)
    assert not limits.exceeded(last - 1, 0)
    assert limits.exceeded(last, 0)


@pytest.mark.parametrize("jitter", [0.0, 0.999])
def test_a_limit_of_one_does_not_vary(jitter: float) -> None:
    assert RecycleLimits(1, None, jitter=jitter).exceeded(1, 0)
    assert not RecycleLimits(1, None, jitter=jitter).exceeded(0, 0)


def test_memory_above_the_limit_exceeds_it() -> None:
    limits = RecycleLimits(None, 1000, jitter=0.5)
    assert limits.limits_memory
    assert not limits.exceeded(1, 1000)
    assert limits.exceeded(1, 1001)
