"""The resources that all runs of a server share."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from coglet_protocol.slot import InputFile
from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.record import Recorder
from coglet_supervisor.predictions.tracer import NO_TRACER, RunTracer


def _no_files(prediction_id: str, input_json: msgspec.Raw) -> tuple[InputFile, ...]:
    return ()


class FileStore(Protocol):
    """Where output files go: into the response, or to an upload server."""

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        """Return the URL of the file, as JSON text. Raises OutputFailed if it cannot be delivered."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunResources:
    """The shared resources and the limits of each run. Sizes are in bytes, times in seconds.

    `folder` holds a folder for each run; `hosted_store` returns the store for the files of a prediction of
    the hosted API, if it has another; `input_files` returns the files of this server among the inputs of one;
    `recorder` writes down its transitions; `numbers` are the sequence numbers of new runs; `start_task`
    starts work that serves one client; `echo` writes what a prediction prints (id, source, text) into the
    server's log; `token` is the one that clients need, which signs URLs in webhooks; `tracer` makes the spans
    of runs.
    """

    folder: Path
    store: FileStore
    hosted_store: Callable[[HostedCall], FileStore] | None = None
    input_files: Callable[[str, msgspec.Raw], tuple[InputFile, ...]] = _no_files
    recorder: Recorder
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    start_task: StartTask
    echo: Callable[[str, str, str], None]
    tracer: RunTracer = NO_TRACER
    max_output_bytes: int
    max_log_bytes: int
    stream_history: int = 0
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    token: str | None = None
