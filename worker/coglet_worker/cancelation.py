"""Cancellation of a sync model: SIGUSR1 raises CancelationException in the main thread, where that is safe.

The control thread asks (`request`), the signal wakes the main thread out of whatever blocks it, and the
handler raises if, and only if, the asked-for prediction is inside its cancelable region, was not interrupted
before, and the main thread is not inside a piece of the runtime that must not be torn (`shielded`): a frame
half written would end the slot.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final

from coglet import CancelationException

CANCEL_SIGNAL: Final = signal.SIGUSR1


class CancelationGate:
    """Decides when a cancel may interrupt the main thread. All but `request` is for the main thread."""

    def __init__(self) -> None:
        self._main_thread = threading.main_thread().ident
        self._shield = _Shield(self)
        self._no_shield = _NoShield()
        self._depth = 0
        self._running: int | None = None  # sequence of the prediction inside the region
        self._requested = -1
        self._interrupted = False

    def install(self) -> None:
        """Takes over the signal. Main thread only, as CPython demands."""
        signal.signal(CANCEL_SIGNAL, self._on_signal)

    def request(self, sequence: int) -> None:
        """From any thread: cancels prediction number `sequence`, now or as soon as it starts."""
        self._requested = sequence
        if self._main_thread is not None:
            signal.pthread_kill(self._main_thread, CANCEL_SIGNAL)

    def requested(self, sequence: int) -> bool:
        """True once a cancel of this prediction has arrived, whether or not it had an effect."""
        return self._requested == sequence

    @contextmanager
    def region(self, sequence: int) -> Iterator[None]:
        """The code between may be interrupted by a cancel of prediction `sequence`, once."""
        self._interrupted = False
        self._running = sequence
        try:
            self._raise_if_due()
            yield
        finally:
            self._running = None

    def shielded(self) -> "_Shield | _NoShield":
        """A block that a cancel must not tear; it is raised at the end of the block instead."""
        if threading.get_ident() == self._main_thread:
            return self._shield
        return self._no_shield  # signals never interrupt other threads

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._raise_if_due()

    def _raise_if_due(self) -> None:
        if self._running is None or self._requested != self._running:
            return
        if self._interrupted or self._depth:
            return
        self._interrupted = True
        raise CancelationException

    def _enter(self) -> None:
        self._depth += 1

    def _leave(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._raise_if_due()


class _Shield:
    """Reused, because a print enters it: `contextmanager` would double the cost of a line."""

    __slots__ = ("_gate",)

    def __init__(self, gate: CancelationGate) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self._gate._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate._leave()


class _NoShield:
    __slots__ = ()

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return
