"""The queue of predictions that wait for a slot, and how long a rejected client should wait."""

import bisect
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

MIN_PRIORITY: Final = -10
MAX_PRIORITY: Final = 10
# A prediction that waits this much longer than another overtakes it from one priority step below.
SECONDS_PER_PRIORITY: Final = 60.0

_MIN_RETRY_AFTER_S: Final = 1
_MAX_RETRY_AFTER_S: Final = 300


class WaitingInput(Protocol):
    """The part of RunInput that the queue uses."""

    @property
    def size_bytes(self) -> int: ...


class WaitingRun(Protocol):
    """The part of PredictionRun that the queue uses."""

    @property
    def sequence(self) -> int: ...

    @property
    def priority(self) -> int: ...

    @property
    def input(self) -> WaitingInput: ...


R = TypeVar("R", bound=WaitingRun)


@dataclass(frozen=True, slots=True)
class _Place(Generic[R]):
    run: R
    key: tuple[float, int]
    since: float


class RunQueue(Generic[R]):
    """Runs that wait for a slot: by priority, then first in, first out.

    Each `SECONDS_PER_PRIORITY` of waiting is worth one priority step, so that no run waits without end. All
    gain at the same rate, so the order of two runs never changes, and a list sorted by a fixed key is enough.

    `max_bytes` limits the sum of their inputs. `clock` returns seconds, from any start.
    """

    def __init__(
        self, max_runs: int, max_bytes: int = 0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_runs: Final = max_runs
        self._max_bytes = max_bytes
        self._clock = clock
        # The next run is the last one, where removing is cheap.
        self._order: list[tuple[float, int]] = []
        # In order of arrival.
        self._places: dict[int, _Place[R]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def runs(self) -> list[R]:
        """The waiting runs, in order of arrival."""
        return [place.run for place in self._places.values()]

    @property
    def is_full(self) -> bool:
        """True if no run fits, however small its input is."""
        return not self.has_room(1)

    @property
    def oldest_s(self) -> float:
        """How long the run that arrived first has been waiting; 0 if the queue is empty."""
        first = next(iter(self._places.values()), None)
        return 0.0 if first is None else self._clock() - first.since

    def has_room(self, input_bytes: int) -> bool:
        """True if a run with an input of this size may be added."""
        return len(self) < self.max_runs and self._bytes + input_bytes <= self._max_bytes

    def position(self, run: R) -> int | None:
        """Return the place of a run, 1 for the next one; None if it does not wait."""
        place = self._places.get(run.sequence)
        return None if place is None else len(self._order) - bisect.bisect_left(self._order, place.key)

    def add(self, run: R) -> None:
        """Add a run behind those of its priority. Runs that were restored may exceed the limits."""
        now = self._clock()
        key = (SECONDS_PER_PRIORITY * run.priority - now, -run.sequence)
        bisect.insort(self._order, key)
        self._places[run.sequence] = _Place(run, key, now)
        self._bytes += run.input.size_bytes

    def pop(self) -> R:
        """Remove and return the run whose turn it is. The queue must not be empty."""
        _, negative_sequence = self._order.pop()
        place = self._places.pop(-negative_sequence)
        self._bytes -= place.run.input.size_bytes
        return place.run

    def remove(self, run: R) -> None:
        """Remove a run that has ended while it waited. Idempotent."""
        place = self._places.pop(run.sequence, None)
        if place is not None:
            del self._order[bisect.bisect_left(self._order, place.key)]
            self._bytes -= run.input.size_bytes


def retry_after_s(durations_s: Sequence[float], waiting: int, slots: int) -> int:
    """Return after how many whole seconds a rejected client will probably be accepted: 1 to 300.

    `durations_s` are those of the latest predictions, `waiting` those that go first.
    """
    if not durations_s or not slots:
        return _MIN_RETRY_AFTER_S
    estimate = math.ceil(statistics.median(durations_s) * waiting / slots)
    return min(max(estimate, _MIN_RETRY_AFTER_S), _MAX_RETRY_AFTER_S)
