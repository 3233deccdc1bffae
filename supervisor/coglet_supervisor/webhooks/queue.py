"""What a webhook sends next: decided from events and a clock, without doing it.

A receiver is told the latest state, not every step: whatever happens while a send is under way, or within the
interval after one, becomes a single send. So what waits for a slow receiver never grows. One that keeps up is
told start and output on their own, however soon the next thing happens.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

WebhookEvent = Literal["start", "output", "logs", "completed"]


@dataclass(frozen=True)
class SendStart:
    """Send that it runs, with nothing that has come of it, in one attempt."""


@dataclass(frozen=True)
class SendProgress:
    """Send the state so far, in one attempt."""


@dataclass(frozen=True)
class SendEnd:
    """Send the terminal state, until it has arrived."""


@dataclass(frozen=True)
class WaitForNews:
    """Nothing to send before the next event, or before the clock shows `until`."""

    until: float = math.inf


@dataclass(frozen=True)
class Finished:
    """Nothing will ever be sent again."""


Step = SendStart | SendProgress | SendEnd | WaitForNews | Finished


class WebhookQueue:
    """The events of one prediction that its receiver has not been told yet.

    `interval_s` is the least time between two sends that only logs ask for; an output is never held back.
    """

    def __init__(self, wanted: Collection[WebhookEvent], interval_s: float) -> None:
        self._wanted = frozenset(wanted)
        self._interval_s = interval_s
        self._pending: set[WebhookEvent] = set()
        self._has_ended = False
        self._is_behind = False
        self._is_over = False
        self._sent_at = -math.inf

    def add(self, event: WebhookEvent) -> bool:
        """True when the next step may be another one now. The end counts even when nobody wants it."""
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
        """What to do at the time `now`; asking changes nothing."""
        if self._is_over:
            return Finished()
        if "start" in self._pending and not self._is_behind:
            return SendStart()
        due_at = self._progress_due_at()
        if due_at <= now:
            return SendProgress()
        if not self._has_ended:
            return WaitForNews(due_at)
        return SendEnd() if "completed" in self._wanted else Finished()

    def sent(self, step: SendStart | SendProgress, now: float) -> None:
        """This is on its way, as of `now`."""
        if isinstance(step, SendStart):
            self._pending.discard("start")
        else:
            self._pending.clear()
        self._sent_at = now

    def fell_behind(self) -> None:
        """The receiver cannot keep up: it is spared whatever the end tells again."""
        self._is_behind = True

    def give_up(self) -> None:
        """Send nothing any more."""
        self._is_over = True

    def _progress_due_at(self) -> float:
        if not self._pending or self._end_tells_all:
            return math.inf
        if "output" in self._pending or self._has_ended:
            return -math.inf
        return self._sent_at + self._interval_s

    @property
    def _end_tells_all(self) -> bool:
        if not self._has_ended or "completed" not in self._wanted:
            return False
        # An output is told on its own, as it always was, even when the end follows at once.
        return self._is_behind or "output" not in self._pending


class Backlog:
    """How many bytes of ended predictions wait for their receivers; bounded, so that memory is."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0

    def enter(self, size_bytes: int) -> bool:
        """False when there is no room. The first to wait always may, whatever its size."""
        if self._bytes and self._bytes + size_bytes > self._limit_bytes:
            return False
        self._bytes += size_bytes
        return True

    def leave(self, size_bytes: int) -> None:
        """What entered with this size waits no more."""
        self._bytes -= size_bytes
