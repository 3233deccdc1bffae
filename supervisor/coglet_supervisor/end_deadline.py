"""The time at which the process ends, whatever blocks its shutdown."""

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from coglet_supervisor.server_log import ServerLog

log = logging.getLogger(__name__)

AFTER_GRACE_S: Final = 5.6
"""A shutdown takes the grace time and at most 6 s; the rest is for the exit of the process."""

OVERDUE: Final = 124
"""The exit code of a process whose shutdown was ended by force; the same as that of timeout(1)."""

_FLUSH_S: Final = 0.1


class EndDeadline:
    """Calls `on_overdue` in a thread of its own at the deadline, unless `cancel` was called before.

    Without a call of `within` there is no deadline. The thread is started with the object, because a model
    may later leave the system without threads. It needs neither the event loop nor the main thread, which
    may be blocked.
    """

    def __init__(self, on_overdue: Callable[[], None]) -> None:
        self._on_overdue = on_overdue
        self._at = math.inf
        self._is_canceled = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="end-deadline", daemon=True).start()

    @property
    def left_s(self) -> float:
        """The seconds until the deadline; infinite without one."""
        return max(self._at - time.monotonic(), 0.0)

    def within(self, seconds: float) -> None:
        """Set the deadline `seconds` from now, unless it is earlier already."""
        with self._changed:
            self._at = min(self._at, time.monotonic() + seconds)
            self._changed.notify()

    def cancel(self) -> None:
        """Remove the deadline: the shutdown is complete."""
        with self._changed:
            self._is_canceled = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._is_canceled and self.left_s > 0:
                self._changed.wait(min(self.left_s, threading.TIMEOUT_MAX))
            if self._is_canceled:
                return
        self._on_overdue()


def exit_overdue(server_log: ServerLog) -> None:
    """Log what blocks the shutdown, and end the process at once.

    Workers notice that, and end with all that they started. The next server removes the temporary files.
    """
    log.error("the shutdown took too long and is ended by force, waiting for: %s", "; ".join(_busy_threads()))
    server_log.drain(_FLUSH_S)
    os._exit(OVERDUE)


def _busy_threads() -> list[str]:
    """Return where each thread is, but for those that serve the process itself."""
    frames = sys._current_frames()
    own = {"end-deadline", "log-writer"}
    return [
        f"{thread.name} in {frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        for thread in threading.enumerate()
        if thread.name not in own and (frame := frames.get(thread.ident or 0)) is not None
    ]
