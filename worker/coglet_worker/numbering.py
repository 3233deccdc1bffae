"""Numbers for a supervisor that gives its predictions none, as the founding documents have it.

Such a one names a prediction by slot and id. Ids may come again, and a cancel travels on another channel than
the prediction and may come before it; numbers keep both apart.
"""

import threading
from collections.abc import Callable
from itertools import count

import msgspec

from coglet_protocol import control, slot


class Numbering:
    """One for the whole worker. `number` is for who reads a slot, `of_cancel` for the control thread."""

    def __init__(self, is_running: Callable[[int], bool]) -> None:
        self._is_running = is_running
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._latest: dict[str, tuple[str, int]] = {}  # of each slot: id and number
        self._canceled_early: dict[str, tuple[str, int]] = {}

    def number(self, slot_id: str, message: slot.Predict) -> slot.Predict:
        """The message with its number."""
        with self._lock:
            prediction_id, number = self._canceled_early.pop(slot_id, ("", 0))
            if not number or prediction_id != message.id:
                number = next(self._numbers)
            self._latest[slot_id] = (message.id, number)
        return msgspec.structs.replace(message, sequence=number)

    def of_cancel(self, message: control.Cancel) -> int:
        """The number of the prediction that is to be canceled; 0 when that has ended long ago."""
        with self._lock:
            prediction_id, number = self._latest.get(message.slot, ("", 0))
            if number and prediction_id == message.id:
                return number
            if self._is_running(number):
                return 0
            number = next(self._numbers)
            self._canceled_early[message.slot] = (message.id, number)
            return number
