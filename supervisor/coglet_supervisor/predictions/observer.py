"""Those who observe all runs of a server: metrics and traces. A listener follows one prediction instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from coglet_supervisor.predictions.run import PredictionRun


class EndObserver(Protocol):
    """Receives the end of each run, on the path of each prediction: it must be quick.

    The prediction is terminal then, unless it was not accepted, or is left to the next server.
    """

    def run_ended(self, run: PredictionRun) -> None: ...


class RunObserver(EndObserver, Protocol):
    """Also receives the start of each run, before its first step; of those of an earlier server as well."""

    def run_created(self, run: PredictionRun) -> None: ...
