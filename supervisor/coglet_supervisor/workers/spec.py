"""How to start a worker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coglet_protocol import control


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """How to start a worker. Times are in seconds, sizes in bytes; None stands for no limit."""

    python: str
    predictor_ref: str
    is_train: bool
    num_slots: int
    directory: Path
    environment: Mapping[str, str]
    cancel_grace_s: float | None = None  # then a prediction that ignores its cancel costs the worker
    max_predictions: int | None = None
    max_rss_bytes: int | None = None
    # Asked when the process is on its way, because a schema takes time to read.
    input_kinds: Callable[[], dict[str, control.InputKind] | None] = lambda: None

    def explain(self, error: OSError) -> str:
        """Why `spawn` raised it, for a person."""
        if error.filename is None:
            return error.strerror or str(error)
        # The text is the same whether the program is missing or the folder in which it is to run.
        subject = "the model's folder " if Path(error.filename) == self.directory else ""
        return f"{subject}{error.filename}: {error.strerror}"
