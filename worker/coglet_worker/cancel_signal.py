"""Choice of the signal that wakes the main thread for a cancel: one that the model does not use.

Real-time signals come first, because models rarely use them. SIGUSR1 is for supervisors of earlier releases,
which send no other, and for systems without real-time signals; a model that uses SIGUSR1 keeps it.
"""

import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final

Handler = Callable[[int, FrameType | None], None]

_REAL_TIME: Final = (
    tuple(range(signal.SIGRTMAX - 1, signal.SIGRTMAX - 9, -1)) if hasattr(signal, "SIGRTMAX") else ()
)
_CANDIDATES: Final = (*_REAL_TIME, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class TakenSignals:
    """`numbers`: the signals with our handler, the preferred one first. `notes`: lines for the log."""

    numbers: tuple[int, ...]
    notes: tuple[str, ...]


def take_signals(handler: Handler) -> TakenSignals:
    """Install `handler` for one signal, and for SIGUSR1 if it is free. Main thread only (CPython's rule)."""
    uses = _uses()
    first = next((number for number in _CANDIDATES if uses[number] is None), _CANDIDATES[0])
    numbers = [first] if uses[signal.SIGUSR1] or first == signal.SIGUSR1 else [first, signal.SIGUSR1]
    for number in numbers:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    notes = []
    if uses[signal.SIGUSR1]:
        notes.append(
            f"the model {uses[signal.SIGUSR1]} SIGUSR1; its predictions are canceled by signal {first}"
        )
    if uses[first]:
        notes.append(
            f"the model {uses[first]} every candidate signal; the worker takes signal {first} for cancels"
        )
    return TakenSignals(tuple(numbers), tuple(notes))


def _uses() -> dict[int, str | None]:
    """Return what the model does with each candidate: "ignores", "handles", "blocks" or None."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    caught, ignored = _kernel_lists()
    uses: dict[int, str | None] = {}
    for number in _CANDIDATES:
        handler = signal.getsignal(number)
        if handler is signal.SIG_IGN or ignored >> (number - 1) & 1:
            uses[number] = "ignores"
        # Python does not know of handlers that C code has installed, such as faulthandler.
        elif handler is not signal.SIG_DFL or caught >> (number - 1) & 1:
            uses[number] = "handles"
        else:
            uses[number] = "blocks" if number in blocked else None
    return uses


def _kernel_lists() -> tuple[int, int]:
    """Return the caught and the ignored signals of this process as bit masks; 0 without /proc."""
    bits = {"SigCgt": 0, "SigIgn": 0}
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            field, _, value = line.partition(":")
            if field in bits:
                bits[field] = int(value, 16)
    return bits["SigCgt"], bits["SigIgn"]
