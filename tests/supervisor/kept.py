"""Stand-ins around stores of records: a prediction in the place of PredictionRun, and a slow store."""

from dataclasses import dataclass, field

import msgspec

from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.prediction import TERMINAL, Kind, Status
from coglet_supervisor.predictions.record import NotRecorded, OnWritten, Record, Recordable
from coglet_supervisor.predictions.stream import PredictionStream
from coglet_supervisor.records.memory import MemoryStore
from coglet_supervisor.records.store import Limits


@dataclass
class KeptPrediction:
    """A prediction that a test moves from state to state; it has logs and metrics at its end."""

    id: str = "p"
    sequence: int = 1
    kind: Kind = "prediction"
    status: Status = "starting"
    input: bytes | None = b'{"n":1}'
    output: bytes | None = None
    created_at: float = 1000.5
    started_at: float | None = None
    completed_at: float | None = None
    attempt: int = 0
    webhook: Hook | None = None
    is_detached: bool = False
    deadline: float | None = None
    hosted: HostedCall | None = None
    kept_bytes: int = 100
    stream: PredictionStream | None = field(default=None, compare=False)

    def drop_input(self) -> None:
        self.input = None

    def record(self, *, with_data: bool = True) -> Record:
        has_ended = self.status in TERMINAL
        has_output = with_data and self.output is not None
        return Record(
            id=self.id,
            kind=self.kind,
            sequence=self.sequence,
            status=self.status,
            input=msgspec.Raw(self.input) if with_data and self.input is not None else None,
            output=msgspec.Raw(self.output or b"") if has_output else None,
            logs="said\n" if with_data and has_ended else "",
            error="no" if self.status == "failed" else None,
            metrics={"n": 1} if has_ended else {},
            created_at=self.created_at,
            started_at=self.started_at,
            completed_at=self.completed_at,
            attempt=self.attempt,
            webhook=self.webhook,
            is_detached=self.is_detached,
            is_streaming=self.stream is not None,
            is_data_removed=self.input is None,
            deadline=self.deadline,
            hosted=self.hosted,
            kept_bytes=self.kept_bytes,
        )


class SlowStore(MemoryStore):
    """A store whose writes end when the test says so; starts end immediately, with `start_error`."""

    def __init__(self, *, is_durable: bool = False) -> None:
        super().__init__(Limits(max_records=10, max_bytes=100_000, ttl_s=60.0))
        self.is_durable = is_durable  # type: ignore[misc]
        self.start_error: NotRecorded | None = None
        self.pending: list[OnWritten] = []

    def accept(self, prediction: Recordable, on_written: OnWritten) -> None:
        super().accept(prediction, lambda _: self.pending.append(on_written))

    def start(self, prediction: Recordable, on_written: OnWritten) -> None:
        on_written(self.start_error)

    def finish(self, prediction: Recordable, on_written: OnWritten) -> None:
        super().finish(prediction, lambda _: self.pending.append(on_written))

    def write(self, error: NotRecorded | None = None) -> None:
        """End the oldest write."""
        self.pending.pop(0)(error)

    def write_all(self) -> None:
        """End all writes, also those that follow."""
        while self.pending:
            self.write()
