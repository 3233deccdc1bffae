"""The parameters of a worker process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coglet_protocol import control


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """The parameters of a worker process. Times are in seconds, sizes in bytes; None means no limit."""

    python: str
    predictor_ref: str
    is_train: bool
    num_slots: int
    directory: Path
    environment: Mapping[str, str]
    cancel_grace_s: float | None = None  # after it, a worker that has not canceled a prediction is replaced
    max_predictions: int | None = None
    max_rss_bytes: int | None = None
    # Called after the process is started, because reading a schema takes time.
    input_kinds: Callable[[], dict[str, control.InputKind] | None] = lambda: None

    def explain(self, error: OSError) -> str:
        """Return a readable text for an error of `spawn`."""
        if error.filename is None:
            return error.strerror or str(error)
        # The error is the same whether the program is missing or the folder in which it should run.
        subject = "the model's folder " if Path(error.filename) == self.directory else ""
        return f"{subject}{error.filename}: {error.strerror}"
