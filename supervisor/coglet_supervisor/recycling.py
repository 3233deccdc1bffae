"""When a worker has done its share and is replaced, between predictions: by count, or by memory."""

import os
from pathlib import Path
from typing import Final

# Limits are spread by this share, so that several workers do not load the model at the same time.
_JITTER: Final = 0.1
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Wear:
    """The limits of one worker; None stands for no limit. `dice` in [0, 1) spreads them."""

    def __init__(self, max_predictions: int | None, max_rss_bytes: int | None, *, dice: float) -> None:
        spread = 1 + _JITTER * (2 * dice - 1)
        self._max_predictions = max(1, round(max_predictions * spread)) if max_predictions else None
        self._max_rss_bytes = max_rss_bytes

    def is_worn_out(self, predictions: int, pid: int) -> bool:
        """After a prediction: whether this was the last one."""
        if self._max_predictions is not None and predictions >= self._max_predictions:
            return True
        return self._max_rss_bytes is not None and resident_bytes(pid) > self._max_rss_bytes


def resident_bytes(pid: int) -> int:
    """Memory that a process occupies; 0 where the system does not tell."""
    return _pages(pid)[0] * _PAGE_BYTES


def private_bytes(pid: int) -> int:
    """Of that, what a second process like it would occupy once more: not the pages of files."""
    resident, shared = _pages(pid)
    return (resident - shared) * _PAGE_BYTES


def _pages(pid: int) -> tuple[int, int]:
    """Resident pages, and those of them that others may share. Source: proc(5), statm."""
    try:
        _, resident, shared, *_ = Path("/proc", str(pid), "statm").read_text().split()
        return int(resident), int(shared)
    except (OSError, ValueError):
        return 0, 0
