"""A timer of a run: the time limit of its current phase, or the deadline of its client."""

import asyncio
import time
from collections.abc import Callable


class Timer:
    """A timer with at most one call pending."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def set(self, limit_s: float | None, on_over: Callable[[], None]) -> None:
        """Call `on_over` after `limit_s` seconds, in place of the pending call. None sets no limit."""
        self.cancel()
        if limit_s is not None:
            self._timer = asyncio.get_running_loop().call_later(limit_s, on_over)

    def set_until(self, moment: float | None, on_over: Callable[[], None]) -> None:
        """As `set`, for a moment in seconds since the epoch; one that is over counts as now."""
        self.set(None if moment is None else max(moment - time.time(), 0.0), on_over)

    def cancel(self) -> None:
        """Drop the pending call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
