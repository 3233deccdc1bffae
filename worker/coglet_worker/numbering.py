"""Sequence numbers for a supervisor that sends none, as the documented protocol allows.

Such a supervisor names a prediction by slot and id. Ids may be reused, and a cancel travels on another
channel than its prediction and may arrive first; numbers resolve both.
"""

import threading
from collections.abc import Callable
from itertools import count

import msgspec

from coglet_protocol import control, slot


class Numbering:
    """Shared by the whole worker. The reader of a slot calls `number`, the control thread `of_cancel`."""

    def __init__(self, is_running: Callable[[int], bool]) -> None:
        self._is_running = is_running
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._latest: dict[str, tuple[str, int]] = {}  # slot -> id and number
        self._canceled_early: dict[str, tuple[str, int]] = {}

    def number(self, slot_id: str, message: slot.Predict) -> slot.Predict:
        """Return the message with its number."""
        with self._lock:
            prediction_id, number = self._canceled_early.pop(slot_id, ("", 0))
            if not number or prediction_id != message.id:
                number = next(self._numbers)
            self._latest[slot_id] = (message.id, number)
        return msgspec.structs.replace(message, sequence=number)

    def of_cancel(self, message: control.Cancel) -> int:
        """Return the number of the prediction to cancel; 0 if that one has ended already."""
        with self._lock:
            prediction_id, number = self._latest.get(message.slot, ("", 0))
            if number and prediction_id == message.id:
                return number
            if self._is_running(number):
                return 0
            number = next(self._numbers)
            self._canceled_early[message.slot] = (message.id, number)
            return number
