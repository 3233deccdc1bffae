"""Cancels of a sync model: a signal raises CancelationException in the main thread, where that is safe.

The control thread calls `request`, and the signal interrupts whatever blocks the main thread. The handler
raises only if the requested prediction is inside its cancelable region and was not interrupted before, and
the main thread is not in a critical section of the runtime (`shielded`): a partly written frame would break
the slot.

A signal handler of the model, or a `__del__` that the garbage collector calls, may run inside such a section.
What it prints is postponed to the end of the section, because its own thread holds the locks.
"""

import _thread
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final

from coglet import CancelationException
from coglet_worker.cancel_signal import take_signals

_FIRST_PAUSE_S: Final = 0.01
_LAST_PAUSE_S: Final = 1.0
_YIELDS: Final = 20
_YIELD_S: Final = 0.0005


class CancelationGate:
    """Decides when a cancel may interrupt the main thread.

    Any thread may call `request` and `shielded`; the other methods are for the main thread.
    """

    def __init__(self) -> None:
        self._main_thread = threading.main_thread().ident
        self._shield = Shield(self._raise_if_due)
        self._others = _ShieldOfThread()
        self._running: int | None = None  # sequence of the prediction inside the region
        self._requested = -1
        self._interrupted = False
        self._signals: Sequence[int] = ()
        self._handler = self._on_signal
        self._has_reinstalled = False
        self._is_yielding = False  # the handler is letting the control thread read

    def install(self) -> Sequence[str]:
        """Install the handler for a signal that the model does not use, after its setup. Main thread only.

        Return notes for the log.
        """
        taken = take_signals(self._handler)
        self._signals = taken.numbers
        return taken.notes

    def reinstall(self) -> str | None:
        """Restore the handler between predictions if the model has replaced it. Main thread only.

        Return a note for the log the first time, else None.
        """
        first = self._signals[0]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals[:1])
        if signal.getsignal(first) is self._handler:
            return None
        signal.signal(first, self._handler)
        if self._has_reinstalled:
            return None
        self._has_reinstalled = True
        return f"the model replaced the handler of signal {first}, which cancels predictions; restored it"

    @property
    def cancel_signal(self) -> int:
        """The signal by which the supervisor may wake the main thread."""
        return self._signals[0]

    def uninstall(self) -> None:
        """Reset the signals to their defaults, in a forked child. Handlers of the model stay."""
        for number in self._own_signals():
            signal.signal(number, signal.SIG_DFL)

    def request(self, sequence: int) -> None:
        """Cancel prediction number `sequence`, now or as soon as it starts. Any thread may call it."""
        # A late cancel of an earlier prediction must not replace the request for a newer one.
        self._requested = max(self._requested, sequence)
        self._wake_main_thread()
        threading.Thread(target=self._repeat_signal, args=(sequence,), name="cog-cancel", daemon=True).start()

    def requested(self, sequence: int) -> bool:
        """Return True once a cancel of this prediction has arrived, whether or not it had an effect."""
        return self._requested == sequence

    @contextmanager
    def region(self, sequence: int) -> Iterator[None]:
        """Allow a cancel of prediction `sequence` to interrupt the block, once."""
        self._interrupted = False
        self._running = sequence
        try:
            self._raise_if_due()
            yield
        finally:
            self._running = None

    def shielded(self) -> "Shield":
        """Return a block that a cancel must not interrupt; it raises at the end of the block instead."""
        if threading.get_ident() == self._main_thread:
            return self._shield
        return self._others.shield

    def _repeat_signal(self, sequence: int) -> None:
        """Re-send the signal until the prediction is interrupted or has ended.

        CPython checks for signals only between bytecodes, so one that arrives just before a blocking call is
        missed.
        """
        pause_s = _FIRST_PAUSE_S
        time.sleep(pause_s)
        while self._running == sequence and not self._interrupted:
            self._wake_main_thread()
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)
            time.sleep(pause_s)

    def _wake_main_thread(self) -> None:
        if self._main_thread is not None and (own := self._own_signals()):
            # `interrupt_main` runs the handler even if the signal is blocked; the signal ends a system call.
            _thread.interrupt_main(own[0])  # type: ignore[arg-type]
            signal.pthread_kill(self._main_thread, own[0])

    def _own_signals(self) -> list[int]:
        """Return the signals whose handler is still ours; the model may have replaced one."""
        return [number for number in self._signals if signal.getsignal(number) is self._handler]

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._running is not None and self._requested < self._running:
            self._let_control_thread_read(self._running)
        self._raise_if_due()

    def _let_control_thread_read(self, running: int) -> None:
        # The supervisor sends the signal as soon as it has written the cancel. The control thread, which
        # reads the cancel, would get the interpreter from a busy model only after 5 ms; a sleep releases it
        # at once. No lock and no nested wait, because the next signal may arrive while this one is handled.
        if self._is_yielding:
            return
        self._is_yielding = True
        try:
            for _ in range(_YIELDS):
                if self._requested >= running:
                    break
                time.sleep(_YIELD_S)
        finally:
            self._is_yielding = False

    def _raise_if_due(self) -> None:
        if self._running is None or self._requested != self._running:
            return
        if self._interrupted or self._shield.depth:
            return
        self._interrupted = True
        raise CancelationException


class Shield:
    """A block of one thread, and actions postponed to its end. Reused, because every print enters it."""

    __slots__ = ("_at_end", "_ending", "_postponed", "depth")

    def __init__(self, at_end: Callable[[], None]) -> None:
        self._at_end = at_end
        self.depth = 0  # of nested blocks; to be read only
        self._ending = False
        self._postponed: deque[Callable[[], None]] = deque()

    def postpone(self, action: Callable[[], None]) -> None:
        """Call `action` at the end of the block."""
        self._postponed.append(action)

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.depth -= 1
        if not self.depth and not self._ending:
            if self._postponed:
                self._run_postponed()
            self._at_end()

    def _run_postponed(self) -> None:
        self._ending = True  # actions postponed meanwhile are run by this loop, not by a nested one
        try:
            while self._postponed:
                self._postponed.popleft()()
        finally:
            self._ending = False


class _ShieldOfThread(threading.local):
    """The shield of a thread other than the main one, which no signal interrupts."""

    def __init__(self) -> None:
        self.shield = Shield(lambda: None)
