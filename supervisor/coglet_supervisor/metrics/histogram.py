"""A histogram of fixed buckets, as plain numbers."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

# From a hello prediction to a training, and for waiting: a step is a factor of 2 to 2.5.
SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)
# From 256 bytes to 1 GiB: a step is a factor of 4. Integers, as the values are: they are compared faster.
BYTES: Final = tuple(4**power for power in range(4, 16))


class Histogram:
    """Counts values by the smallest bound that is not less than the value, and adds them up."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, values: Sequence[float]) -> None:
        """Count these values."""
        bounds, counts = self._bounds, self._counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._sum += sum(values)

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._sum

    def cumulative(self) -> list[tuple[float, int]]:
        """Return for each bound how many values are not greater; the last bound is infinite."""
        bounds = (*map(float, self._bounds), float("inf"))
        return list(zip(bounds, accumulate(self._counts), strict=True))
