"""What is kept of a prediction beside its run, and the interface through which a run reports it."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from coglet_supervisor.predictions.metrics import Metrics
from coglet_supervisor.predictions.prediction import Kind, Status
from coglet_supervisor.predictions.stream import PredictionStream


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one prediction at one moment.

    `sequence` orders records by their acceptance, whatever the clock does. Times are seconds since the epoch.
    `input` and `output` are JSON text; None if there is none, or if it was removed, in which case
    `is_data_removed` is set. `attempt` counts the runs, from 1.
    """

    id: str
    kind: Kind
    sequence: int
    status: Status
    input: msgspec.Raw | None
    output: msgspec.Raw | None = None
    logs: str = ""
    error: str | None = None
    metrics: Metrics = {}
    created_at: float
    started_at: float | None = None
    completed_at: float | None = None
    attempt: int = 1
    is_streaming: bool = False
    is_data_removed: bool = False


class Recordable(Protocol):
    """A prediction whose state can be kept: a PredictionRun, or what a store has restored of one."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def sequence(self) -> int: ...

    @property
    def status(self) -> Status:
        """Its status; a terminal one from the moment at which it is decided."""
        ...

    @property
    def kept_bytes(self) -> int:
        """The approximate memory that it needs."""
        ...

    @property
    def stream(self) -> PredictionStream | None:
        """Its events, if it is streaming."""
        ...

    def record(self, *, with_data: bool = True) -> Record:
        """Return its state now; without `with_data`, without input, output and logs, which may be large."""
        ...


class NotRecorded(Exception):
    """The store could not write a record; the text says why."""


OnWritten = Callable[[NotRecorded | None], None]
"""Called on the event loop once a record is written as durably as its store does, or was not written."""


class Recorder(Protocol):
    """Writes down the transitions of predictions, in the order of its calls."""

    def accept(self, prediction: Recordable, on_written: OnWritten) -> None:
        """Keep a prediction that is about to be accepted. It replaces a terminal one of the same id."""
        ...

    def start(self, prediction: Recordable) -> None:
        """Note that it was sent to a worker."""
        ...

    def finish(self, prediction: Recordable, on_written: OnWritten) -> None:
        """Keep its terminal state."""
        ...
