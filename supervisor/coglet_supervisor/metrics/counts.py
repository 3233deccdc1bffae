"""What the server counts: plain numbers, changed on the event loop, on the path of each prediction."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from coglet_supervisor.metrics.exported import ExportedMetrics
from coglet_supervisor.metrics.histogram import BYTES, SECONDS, Histogram
from coglet_supervisor.predictions.prediction import TERMINAL
from coglet_supervisor.predictions.run import PredictionRun

# How many of the latest run times are kept for the percentiles of the history.
_LATEST: Final = 1000


class Counts:
    """Counts predictions, as a RunObserver, and requests. `exported` names metrics of the model.

    Each attribute is read by others, and changed here alone.
    """

    def __init__(self, exported: Sequence[str] = ()) -> None:
        self.predictions: Final[defaultdict[tuple[str, str], int]] = defaultdict(int)
        """By kind and status."""
        self.requests: Final[defaultdict[tuple[str, int], int]] = defaultdict(int)
        """By route and status code."""
        self.prediction_s: Final = Histogram(SECONDS)
        self.queue_s: Final = Histogram(SECONDS)
        self.input_bytes: Final = Histogram(BYTES)
        self.output_bytes: Final = Histogram(BYTES)
        self.exported: Final = ExportedMetrics(exported)
        self.ended: int = 0
        """How many predictions and trainings have ended."""
        self._latest_s: deque[float] = deque(maxlen=_LATEST)

    def run_created(self, run: PredictionRun) -> None:
        """See RunObserver. What is in flight is read from the service."""

    def run_ended(self, run: PredictionRun) -> None:
        """See RunObserver."""
        prediction = run.prediction
        status = prediction.status
        if status not in TERMINAL:
            return  # it was not accepted, or the next server runs it
        self.ended += 1
        self.predictions[run.kind, status] += 1
        self.input_bytes.observe(run.input.size_bytes)
        self.output_bytes.observe(sum(map(len, prediction.items)))
        started_at = prediction.started_at
        if started_at is not None:
            self.prediction_s.observe(prediction.run_time_s)
            self._latest_s.append(prediction.run_time_s)
        waited_until = started_at if started_at is not None else prediction.completed_at
        if waited_until is not None:
            # The clock of the day, because an earlier server may have accepted it; it may have been set back.
            self.queue_s.observe(max(waited_until - prediction.created_at, 0.0))
        if self.exported.summaries:
            self.exported.add(prediction.metrics)

    def count_request(self, route: str, status: int) -> None:
        """Count a request, at the start of its response."""
        self.requests[route, status] += 1

    def take_latest_s(self) -> list[float]:
        """Return the run times since the last call, of the latest 1,000 predictions at most."""
        latest = list(self._latest_s)
        self._latest_s.clear()
        return latest
