"""Decides what a webhook sends next, from events and the time, without I/O.

A receiver gets the latest state, not every step: all events during a send, or within the interval after it,
are merged into one send. So the queue of a slow receiver does not grow. A receiver that keeps up gets
separate sends for start and output, however soon the next event follows.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

WebhookEvent = Literal["start", "output", "logs", "completed"]


@dataclass(frozen=True)
class SendStart:
    """Send the state `processing` without output or logs, in one attempt."""


@dataclass(frozen=True)
class SendProgress:
    """Send the state so far, in one attempt."""


@dataclass(frozen=True)
class SendEnd:
    """Send the terminal state, with retries."""


@dataclass(frozen=True)
class WaitForNews:
    """Send nothing before the next event or the time `until`."""

    until: float = math.inf


@dataclass(frozen=True)
class Finished:
    """Nothing is left to send."""


Step = SendStart | SendProgress | SendEnd | WaitForNews | Finished


class WebhookQueue:
    """The events of one prediction that were not sent to its receiver yet.

    `interval_s` is the minimum time between two sends for logs alone; outputs are never delayed.
    """

    def __init__(self, wanted: Collection[str], interval_s: float) -> None:
        self._wanted = frozenset(wanted)
        self._interval_s = interval_s
        self._pending: set[WebhookEvent] = set()
        self._has_ended = False
        self._is_behind = False
        self._is_over = False
        self._sent_at = -math.inf

    @property
    def wants_end(self) -> bool:
        """True if the receiver wants the terminal state."""
        return "completed" in self._wanted

    def add(self, event: WebhookEvent) -> bool:
        """Add an event. True if the next step may have changed, which is always so for the end."""
        if self._is_over:
            return False
        if event == "completed":
            self._has_ended = True
            return True
        if event not in self._wanted or event in self._pending:
            return False
        self._pending.add(event)
        return True

    def next_step(self, now: float) -> Step:
        """Return what to do at the time `now`. Does not change the queue."""
        if self._is_over:
            return Finished()
        if "start" in self._pending and not self._is_behind:
            return SendStart()
        due_at = self._progress_due_at()
        if due_at <= now:
            return SendProgress()
        if not self._has_ended:
            return WaitForNews(due_at)
        return SendEnd() if self.wants_end else Finished()

    def sent(self, step: SendStart | SendProgress, now: float) -> None:
        """Note that `step` is being sent since `now`."""
        if isinstance(step, SendStart):
            self._pending.discard("start")
        else:
            self._pending.clear()
        self._sent_at = now

    def fell_behind(self) -> None:
        """Note that the receiver cannot keep up: it gets no progress that the end will include."""
        self._is_behind = True

    def give_up(self) -> None:
        """Send nothing more."""
        self._is_over = True

    def _progress_due_at(self) -> float:
        if not self._pending or self._end_includes_pending:
            return math.inf
        if "output" in self._pending or self._has_ended:
            return -math.inf
        return self._sent_at + self._interval_s

    @property
    def _end_includes_pending(self) -> bool:
        if not self._has_ended or not self.wants_end:
            return False
        # As with the peer, an output is sent separately even if the end follows immediately.
        return self._is_behind or "output" not in self._pending


class Backlog:
    """Counts the ended predictions that wait for delivery, and their bytes, up to a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    def enter(self, size_bytes: int) -> bool:
        """Count an entry. False if it exceeds the limit; an empty backlog accepts one entry of any size."""
        if self._bytes and self._bytes + size_bytes > self._limit_bytes:
            return False
        self._bytes += size_bytes
        self._entries += 1
        return True

    def leave(self, size_bytes: int) -> None:
        """Remove an entry of this size."""
        self._bytes -= size_bytes
        self._entries -= 1
