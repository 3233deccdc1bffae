"""What the stores of records keep of a run. It outlives the run."""

from typing import Final

from coglet_supervisor.predictions.prediction import Kind, Prediction, PredictionSpec, Status
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.predictions.stream import PredictionStream

# What one takes in memory beside its texts.
_BYTES_EACH: Final = 4096


class RecordedRun:
    """A prediction, what was asked for, and its events. See Recordable.

    It does not refer to the run, whose queue of outputs, timers and folder end with it. With a thousand ended
    predictions in memory that makes a difference of some percent in throughput: memory that is reused at once
    is in the processor's cache.
    """

    __slots__ = ("_spec", "attempt", "prediction", "sequence", "stream")

    def __init__(
        self, prediction: Prediction, spec: PredictionSpec, sequence: int, stream: PredictionStream | None
    ) -> None:
        self.prediction: Final = prediction
        self.sequence: Final = sequence
        self.stream: Final = stream
        self.attempt = spec.attempt
        self._spec = spec

    @property
    def id(self) -> str:
        """The id of the prediction."""
        return self._spec.id

    @property
    def kind(self) -> Kind:
        """Whether it is a prediction or a training."""
        return self._spec.kind

    @property
    def status(self) -> Status:
        """The status; a terminal one from the moment at which it is decided."""
        return self.prediction.decided_status

    @property
    def kept_bytes(self) -> int:
        """The approximate memory that it needs once the run has ended."""
        data_bytes = self.prediction.kept_bytes
        stream_bytes = 0 if self.stream is None else self.stream.size_at_end_bytes(data_bytes)
        return data_bytes + stream_bytes + self._spec.size_bytes + _BYTES_EACH

    def drop_input(self) -> None:
        """Forget the input of a prediction that has ended."""
        self._spec.input.drop()

    def record(self, *, with_data: bool = True) -> Record:
        """Return its state; without `with_data`, without input, output and logs."""
        state = Record.of(self.prediction, self._spec, self.sequence, self.attempt)
        return state.with_data(self.prediction, self._spec.input.json) if with_data else state
