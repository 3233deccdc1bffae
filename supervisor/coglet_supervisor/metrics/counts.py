"""What the server counts: plain numbers, changed on the event loop.

A prediction only leaves its figures, and they are added up for many at once, or when they are read. That
takes 1 us of a prediction instead of 8: between two predictions, other code has the processor's caches.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Final

from coglet_supervisor.metrics.exported import ExportedMetrics
from coglet_supervisor.metrics.histogram import BYTES, SECONDS, Histogram
from coglet_supervisor.predictions.prediction import Figures
from coglet_supervisor.predictions.run import PredictionRun

# How many run times are kept for the percentiles of the history.
_LATEST: Final = 1000
# How many predictions are added up at once, in about 0.1 ms.
_BATCH: Final = 100


class Totals:
    """The numbers of all predictions that have ended."""

    def __init__(self) -> None:
        self.by_kind_and_status: Final[defaultdict[tuple[str, str], int]] = defaultdict(int)
        self.prediction_s: Final = Histogram(SECONDS)
        self.queue_s: Final = Histogram(SECONDS)
        self.input_bytes: Final = Histogram(BYTES)
        self.output_bytes: Final = Histogram(BYTES)
        self._latest_s: deque[float] = deque(maxlen=_LATEST)

    @property
    def ended(self) -> int:
        """How many there are, with trainings."""
        return sum(self.by_kind_and_status.values())

    def add(self, figures: Sequence[Figures]) -> None:
        """Add predictions that have ended."""
        kinds, statuses, queue_s, run_times_s, input_bytes, output_bytes = zip(*figures, strict=True)
        for kind_and_status, count in Counter(zip(kinds, statuses, strict=True)).items():
            self.by_kind_and_status[kind_and_status] += count
        self.queue_s.observe(queue_s)
        self.input_bytes.observe(input_bytes)
        self.output_bytes.observe(output_bytes)
        started = [each for each in run_times_s if each is not None]
        self.prediction_s.observe(started)
        self._latest_s.extend(started)

    def take_latest_s(self) -> list[float]:
        """Return the run times since the last call, of the latest 1,000 predictions at most."""
        latest = list(self._latest_s)
        self._latest_s.clear()
        return latest


class Counts:
    """Counts predictions, as an EndObserver, and requests. `exported` names metrics of the model."""

    def __init__(self, exported: Sequence[str] = ()) -> None:
        self.requests: Final[defaultdict[tuple[str, int], int]] = defaultdict(int)
        """By route and status code."""
        self.exported: Final = ExportedMetrics(exported)
        self._totals = Totals()
        self._new: list[Figures] = []

    @property
    def totals(self) -> Totals:
        """The numbers of all predictions so far."""
        self._add_up()
        return self._totals

    def run_ended(self, run: PredictionRun) -> None:
        """See EndObserver."""
        prediction = run.prediction
        figures = prediction.figures
        if figures is not None:  # else it was not accepted, or the next server runs it
            self._new.append(figures)
        if len(self._new) >= _BATCH:
            self._add_up()
        if self.exported.summaries:
            self.exported.add(prediction.metrics)

    def _add_up(self) -> None:
        if self._new:
            self._totals.add(self._new)
            self._new.clear()
