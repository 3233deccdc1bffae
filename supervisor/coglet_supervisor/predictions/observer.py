"""Those who observe all runs of a server: metrics and traces. A listener follows one prediction instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from coglet_supervisor.predictions.run import PredictionRun


class RunObserver(Protocol):
    """Receives the start and the end of each run, on the path of each prediction: it must be quick.

    `run_created` is called before the run's first step, also for runs of an earlier server. `run_ended` is
    called once for each of them. The prediction is terminal then, unless it was not accepted, or is left to
    the next server.
    """

    def run_created(self, run: PredictionRun) -> None: ...

    def run_ended(self, run: PredictionRun) -> None: ...
