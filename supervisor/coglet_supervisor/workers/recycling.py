"""When a worker has done its share and is replaced, between predictions: by count, or by memory. Pure."""

from typing import Final

# Limits are spread by this share, so that several workers do not load the model at the same time.
_JITTER: Final = 0.1


class Wear:
    """The limits of one worker; None stands for no limit. `dice` in [0, 1) spreads them."""

    def __init__(self, max_predictions: int | None, max_rss_bytes: int | None, *, dice: float) -> None:
        spread = 1 + _JITTER * (2 * dice - 1)
        self._max_predictions = max(1, round(max_predictions * spread)) if max_predictions else None
        self._max_rss_bytes = max_rss_bytes

    @property
    def limits_memory(self) -> bool:
        """Whether `is_worn_out` must be given how much memory is used."""
        return self._max_rss_bytes is not None

    def is_worn_out(self, predictions: int, resident_bytes: int) -> bool:
        """After a prediction: whether this was the last one."""
        if self._max_predictions is not None and predictions >= self._max_predictions:
            return True
        return self._max_rss_bytes is not None and resident_bytes > self._max_rss_bytes
