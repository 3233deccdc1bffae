"""What is kept of a prediction beside its run, and the interface through which a run reports it."""

from collections.abc import Callable
from typing import Protocol, Self

import msgspec

from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.metrics import Metrics
from coglet_supervisor.predictions.prediction import Kind, Prediction, PredictionSpec, Snapshot, Status
from coglet_supervisor.predictions.run_input import digest_of
from coglet_supervisor.predictions.stream import PredictionStream


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one prediction at one moment.

    `sequence` orders records by their acceptance, whatever the clock does. Times are seconds since the epoch.
    `input` and `output` are JSON text; None if there is none, or if it was removed, in which case
    `is_data_removed` is set. `attempt` counts the starts. No client waits for one that `is_detached`; at its
    `deadline` it is canceled. `input_digest` is set if `input` was removed or has masked secrets, see
    `digest_of`. `kept_bytes` is the approximate size of its data, also in a record without them. `hosted` is
    set if it came in through the hosted API.
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
    attempt: int = 0
    priority: int = 0
    context: dict[str, str] = {}
    webhook: Hook | None = None
    is_detached: bool = False
    is_streaming: bool = False
    is_data_removed: bool = False
    input_digest: bytes | None = None
    kept_bytes: int = 0
    deadline: float | None = None
    hosted: HostedCall | None = None

    @classmethod
    def of(cls, prediction: Prediction, spec: PredictionSpec, sequence: int, attempt: int) -> Self:
        """Return the state of a prediction now, without its data."""
        return cls(
            id=prediction.id,
            kind=prediction.kind,
            sequence=sequence,
            status=prediction.decided_status,
            input=None,
            error=prediction.error,
            metrics=prediction.metrics,
            created_at=prediction.created_at,
            started_at=prediction.started_at,
            completed_at=prediction.completed_at,
            attempt=attempt,
            priority=spec.priority,
            context=spec.context,
            webhook=spec.webhook,
            is_detached=spec.is_detached,
            is_streaming=spec.is_streaming,
            kept_bytes=prediction.kept_bytes + spec.size_bytes,
            deadline=spec.deadline,
            hosted=spec.hosted,
            input_digest=spec.input.digest,
        )

    def with_data(self, prediction: Prediction, input_json: bytes | msgspec.Raw | None) -> Self:
        """Return this state of `prediction` with its data. Without an input, that was removed."""
        return msgspec.structs.replace(
            self,
            input=None if input_json is None else msgspec.Raw(input_json),
            output=prediction.output_at(self.status),
            logs=prediction.logs,
            is_data_removed=input_json is None,
        )

    def was_accepted_with(self, input_json: bytes | msgspec.Raw) -> bool:
        """True if the prediction was accepted with this input."""
        accepted = self.input_digest
        if accepted is None and self.input is not None:
            accepted = digest_of(self.input)
        return digest_of(input_json) == accepted

    @property
    def data_bytes(self) -> int:
        """The size of its input, output and logs."""
        return sum(len(text) for text in (self.input or b"", self.output or b"", self.logs))

    def snapshot(self) -> Snapshot:
        """Return the state as other responses represent it."""
        unset = msgspec.UNSET
        return Snapshot(
            error=self.error if self.error is not None else unset,
            id=self.id,
            logs=self.logs,
            metrics=self.metrics,
            output=self.output if self.output is not None else unset,
            status=self.status,
        )


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

    def drop_input(self) -> None:
        """Forget its input."""
        ...

    def record(self, *, with_data: bool = True) -> Record:
        """Return its state now; without `with_data`, without input, output and logs, which may be large."""
        ...


class NotRecorded(Exception):
    """The store could not write a record; the text says why."""


OnWritten = Callable[[NotRecorded | None], None]
"""Called on the event loop once a record is written as durably as its store does, or was not written."""


class Recorder(Protocol):
    """Writes down the transitions of predictions, in the order of its calls.

    With `is_durable`, the next server continues with the records of this one.
    """

    @property
    def is_durable(self) -> bool: ...

    def accept(self, prediction: Recordable, on_written: OnWritten) -> None:
        """Keep a prediction that is about to be accepted. It replaces a terminal one of the same id."""
        ...

    def start(self, prediction: Recordable, on_written: OnWritten) -> None:
        """Note that it is about to be sent to a worker."""
        ...

    def finish(self, prediction: Recordable, on_written: OnWritten) -> None:
        """Keep its terminal state."""
        ...
