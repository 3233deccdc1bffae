"""Cancellation of a sync model: a signal raises CancelationException in the main thread, where that is safe.

The control thread asks (`request`), the signal wakes the main thread out of whatever blocks it, and the
handler raises if, and only if, the asked-for prediction is inside its cancelable region, was not interrupted
before, and the main thread is not inside a piece of the runtime that must not be torn (`shielded`): a frame
half written would end the slot.

Other code of the model gets into such a piece, too: a signal handler, or a `__del__` that the garbage
collector calls. What it prints waits for the end of the piece, since its own thread holds the locks.
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
_HEARING_PAUSES: Final = 20
_HEARING_PAUSE_S: Final = 0.0005


class CancelationGate:
    """Decides when a cancel may interrupt the main thread. All but `request` is for the main thread."""

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
        self._is_listening = False  # the handler lets the control thread read

    def install(self) -> Sequence[str]:
        """Takes over a signal that the model does not use, once its setup has shown which. Main thread only.

        Gives what the log should say.
        """
        taken = take_signals(self._handler)
        self._signals = taken.numbers
        return taken.notes

    def reinstall(self) -> str | None:
        """Between predictions: takes the signal back if the last one has taken it. Main thread only.

        Gives what the log should say, once.
        """
        first = self._signals[0]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals[:1])
        if signal.getsignal(first) is self._handler:
            return None
        signal.signal(first, self._handler)
        if self._has_reinstalled:
            return None
        self._has_reinstalled = True
        return f"the model has taken signal {first}, by which its predictions are canceled; it is taken back"

    @property
    def cancel_signal(self) -> int:
        """The signal by which the supervisor may wake the main thread."""
        return self._signals[0]

    def uninstall(self) -> None:
        """Gives the signals back, as in a child after a fork. What the model has taken for itself stays."""
        for number in self._own_signals():
            signal.signal(number, signal.SIG_DFL)

    def request(self, sequence: int) -> None:
        """From any thread: cancels prediction number `sequence`, now or as soon as it starts."""
        # A cancel of an earlier prediction may come late, and must not take the place of this one's.
        self._requested = max(self._requested, sequence)
        self._wake_main_thread()
        threading.Thread(target=self._insist, args=(sequence,), name="cog-cancel", daemon=True).start()

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

    def shielded(self) -> "Shield":
        """A block that a cancel must not tear; it is raised at the end of the block instead."""
        if threading.get_ident() == self._main_thread:
            return self._shield
        return self._others.shield

    def _insist(self, sequence: int) -> None:
        """A signal that comes just before a system call does not end it: there, Python has not looked yet."""
        pause_s = _FIRST_PAUSE_S
        time.sleep(pause_s)
        while self._running == sequence and not self._interrupted:
            self._wake_main_thread()
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)
            time.sleep(pause_s)

    def _wake_main_thread(self) -> None:
        if self._main_thread is not None and (own := self._own_signals()):
            # The handler runs even when the signal is blocked; the signal itself ends a system call.
            _thread.interrupt_main(own[0])  # type: ignore[arg-type]
            signal.pthread_kill(self._main_thread, own[0])

    def _own_signals(self) -> list[int]:
        """Those that still lead here; the model may have taken one."""
        return [number for number in self._signals if signal.getsignal(number) is self._handler]

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._running is not None and self._requested < self._running:
            self._let_control_thread_read(self._running)
        self._raise_if_due()

    def _let_control_thread_read(self, running: int) -> None:
        # The supervisor signals as soon as it has written. The control thread, which reads what it wrote,
        # would get the interpreter from a busy model after 5 ms; here it gets it at once. No lock and no
        # second wait, as the next signal may come while this one is handled.
        if self._is_listening:
            return
        self._is_listening = True
        try:
            for _ in range(_HEARING_PAUSES):
                if self._requested >= running:
                    break
                time.sleep(_HEARING_PAUSE_S)
        finally:
            self._is_listening = False

    def _raise_if_due(self) -> None:
        if self._running is None or self._requested != self._running:
            return
        if self._interrupted or self._shield.depth:
            return
        self._interrupted = True
        raise CancelationException


class Shield:
    """A block of one thread, and what has to wait for its end. Reused, because a print enters it."""

    __slots__ = ("_at_end", "_ending", "_postponed", "depth")

    def __init__(self, at_end: Callable[[], None]) -> None:
        self._at_end = at_end
        self.depth = 0  # of nested blocks; to be read only
        self._ending = False
        self._postponed: deque[Callable[[], None]] = deque()

    def postpone(self, action: Callable[[], None]) -> None:
        """Calls `action` at the end of the block."""
        self._postponed.append(action)

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.depth -= 1
        if not self.depth and not self._ending:
            if self._postponed:
                self._catch_up()
            self._at_end()

    def _catch_up(self) -> None:
        self._ending = True  # what is postponed meanwhile is done by this loop, not inside of it
        try:
            while self._postponed:
                self._postponed.popleft()()
        finally:
            self._ending = False


class _ShieldOfThread(threading.local):
    """Of any thread but the main one, which no signal interrupts."""

    def __init__(self) -> None:
        self.shield = Shield(lambda: None)
