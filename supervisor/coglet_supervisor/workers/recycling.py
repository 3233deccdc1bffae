"""Recycling limits: a worker is replaced after a number of predictions, or above a memory size. No I/O."""

from typing import Final

# Limits vary by this fraction, so that several workers do not load the model at the same time.
_JITTER: Final = 0.1


class RecycleLimits:
    """The limits of one worker; None means no limit. `jitter` in [0, 1) varies `max_predictions`."""

    def __init__(self, max_predictions: int | None, max_rss_bytes: int | None, *, jitter: float) -> None:
        spread = 1 + _JITTER * (2 * jitter - 1)
        self._max_predictions = max(1, round(max_predictions * spread)) if max_predictions else None
        self._max_rss_bytes = max_rss_bytes

    @property
    def limits_memory(self) -> bool:
        """True if `exceeded` needs the memory that is used."""
        return self._max_rss_bytes is not None

    def exceeded(self, predictions: int, resident_bytes: int) -> bool:
        """True if the worker should be replaced after `predictions` predictions, using `resident_bytes`."""
        if self._max_predictions is not None and predictions >= self._max_predictions:
            return True
        return self._max_rss_bytes is not None and resident_bytes > self._max_rss_bytes
