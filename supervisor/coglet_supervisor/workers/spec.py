"""The parameters of worker processes."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coglet_protocol import control
from coglet_supervisor.predictions.schema_source import SchemaSource, declared_concurrency
from coglet_supervisor.settings import Settings

# Secrets of the supervisor that are removed from the environment of the model and of its child processes.
SUPERVISOR_ONLY = frozenset({"COG_API_TOKEN", "WEBHOOK_AUTH_TOKEN", "WEBHOOK_SIGNING_SECRET"})


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
    # Called when a worker is ready, before it gets predictions.
    before_service: Callable[[], None] = lambda: None

    def explain(self, error: OSError) -> str:
        """Return a readable text for an error of `spawn`."""
        if error.filename is None:
            return error.strerror or str(error)
        # The error is the same whether the program is missing or the folder in which it should run.
        subject = "the model's folder " if Path(error.filename) == self.directory else ""
        return f"{subject}{error.filename}: {error.strerror}"


def worker_specs(
    settings: Settings,
    schema: SchemaSource,
    inherited: Mapping[str, str] = os.environ,
    before_service: Callable[[], None] = lambda: None,
) -> list[WorkerSpec]:
    """Return the spec of each worker, with the environment `inherited`; an empty list without a model."""
    if settings.predictor_ref is None:
        return []
    num_slots = settings.max_concurrency or declared_concurrency(settings)
    environment = {name: value for name, value in inherited.items() if name not in SUPERVISOR_ONLY}
    return [
        WorkerSpec(
            python=settings.worker_python,
            predictor_ref=settings.predictor_ref,
            is_train=settings.is_train,
            num_slots=num_slots,
            directory=settings.project_dir,
            environment=environment | settings.environment_of_worker(index),
            cancel_grace_s=settings.cancel_grace_s,
            max_predictions=settings.worker_max_predictions,
            max_rss_bytes=settings.worker_max_rss_bytes,
            input_kinds=schema.input_kinds,
            before_service=before_service,
        )
        for index in range(settings.workers)
    ]
