"""The predictions in flight, by id.

The only place that starts predictions and adds or removes table entries.
"""

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from coglet_protocol.slot import InputFile
from coglet_supervisor.health import State
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.hosted_body import CONTAINER_BODIES, Bodies, HostedBodies
from coglet_supervisor.predictions.identifiers import MAX_ID_CHARS, new_prediction_id
from coglet_supervisor.predictions.observer import EndObserver, RunObserver
from coglet_supervisor.predictions.prediction import Kind, Listener, PredictionSpec
from coglet_supervisor.predictions.problems import InvalidInput
from coglet_supervisor.predictions.queue import retry_after_s
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.predictions.resources import RunResources
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.run_input import RunInput
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.predictions.validation import Document, Validation, is_streaming, output_is_array
from coglet_supervisor.server_log import ServerLog

MAX_CONTEXT_BYTES = 1024 * 1024
# How many of the latest predictions the estimate of a waiting time considers.
_DURATIONS = 100
_ENDED = {"succeeded": "Prediction succeeded", "canceled": "Prediction cancelled"}


class Refused(Exception):
    """The prediction was not accepted, and left no trace."""


class NotReady(Refused):
    """No worker is ready."""


class Draining(Refused):
    """The server is shutting down."""


class AtCapacity(Refused):
    """Every slot is busy."""


class QueueFull(Refused):
    """Every slot is busy, and no more predictions may wait. `retry_after_s` estimates for how long."""

    def __init__(self, length: int, retry_after_s: int) -> None:
        super().__init__(f"The queue is full: {length} predictions are waiting")
        self.length = length
        self.retry_after_s = retry_after_s


class AlreadyRunning(Refused):
    """The id belongs to a prediction in flight."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(f"Prediction '{prediction_id}' is already running")


class BadRequest(Refused):
    """A field of the request is invalid; the text names it."""


@dataclass(frozen=True, kw_only=True)
class NewPrediction:
    """A client's request for a prediction.

    `input_json` is the JSON text of the request's `input`. With `ends_with_readers`, the prediction is
    canceled when the last reader of its events disconnects. `priority` is from -10 to 10; higher goes first.
    No client waits for one that `is_detached`. Its events can be read if the model streams, or with
    `keeps_events`. At its `deadline`, in seconds since the epoch, it is canceled. `files` are those among its
    inputs that are on this machine.
    """

    id: str | None
    kind: Kind
    input_json: msgspec.Raw
    context: dict[str, str]
    ends_with_readers: bool = False
    priority: int = 0
    webhook: Hook | None = None
    is_detached: bool = False
    keeps_events: bool = False
    deadline: float | None = None
    hosted: HostedCall | None = None
    files: tuple[InputFile, ...] = ()


class PredictionService:
    """The table of runs in flight, by id. Predictions and trainings share it.

    `state` returns the state of the model, `is_shutting_down` whether the server accepts no new predictions.
    `observers` receive the start and the end of each run, `end_observers` its end.
    """

    def __init__(  # noqa: PLR0913 - three positional arguments, and what the server reports, by name
        self,
        pool: SlotPool,
        server_log: ServerLog,
        resources: RunResources,
        *,
        state: Callable[[], State],
        is_shutting_down: Callable[[], bool],
        observers: Sequence[RunObserver] = (),
        end_observers: Sequence[EndObserver] = (),
    ) -> None:
        self.schema: Document | None = None
        self.validation = Validation(None, ignore_unknown=False)
        self.is_streaming = False
        self._pool = pool
        self._server_log = server_log
        self._resources = resources
        self._state = state
        self._is_shutting_down = is_shutting_down
        self._on_created = [each.run_created for each in observers]
        self._on_ended = [each.run_ended for each in (*end_observers, *observers)]
        self._runs: dict[str, PredictionRun] = {}
        self._durations_s: deque[float] = deque(maxlen=_DURATIONS)
        self._ended_count = 0
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def use_schema(self, document: Document | None, *, ignore_unknown: bool) -> None:
        """Check requests against this schema from now on, and predictions that wait for a slot once more.

        Must be called before a worker of this version of the model accepts predictions.
        """
        if self.schema is not None and document == self.schema:
            return
        self.schema = document
        self.is_streaming = is_streaming(document)
        self.validation = Validation(document, ignore_unknown=ignore_unknown)
        waiting = {run.sequence for run in self._pool.queue.runs}
        for run in [run for run in self._runs.values() if run.sequence in waiting]:
            training = run.prediction.kind == "training"
            if problem := self._problem_of_input(run.input.json, training=training):
                run.stop(f"Prediction was not run: its input does not match the reloaded model: {problem}")

    def find(self, prediction_id: str) -> PredictionRun | None:
        """Return the run in flight with that id, or None."""
        return self._runs.get(prediction_id)

    def queue_position(self, prediction_id: str) -> int | None:
        """Return the place of a prediction in the queue, 1 for the next one; None if it does not wait."""
        run = self._runs.get(prediction_id)
        return None if run is None else self._pool.queue.position(run)

    @property
    def ended_count(self) -> int:
        """How many predictions and trainings of this server have ended."""
        return self._ended_count

    @property
    def in_flight(self) -> int:
        """How many predictions and trainings are accepted and have not ended."""
        return len(self._runs)

    @property
    def open_streams(self) -> int:
        """How many clients read the events of those in flight."""
        return sum(run.stream.subscribers for run in self._runs.values() if run.stream is not None)

    def create(self, request: NewPrediction, listeners: Sequence[Listener] = ()) -> PredictionRun:
        """Validate a prediction, then start it or let it wait for a slot, atomically on the event loop.

        Raises InvalidInput if the input does not match the schema, NotJson if it is not JSON, and a subclass
        of Refused if the prediction is not accepted. Its record is written when `acceptance` is granted.
        """
        _check_request(request)
        input_json = self.validation.check(request.input_json, training=request.kind == "training")
        self._check_room(request.id, len(input_json))
        number = next(self._resources.numbers)
        run = PredictionRun(
            self._spec(request, input_json), number, self._resources, listeners=listeners, owner=self
        )
        self._add(run)
        self.place(run)
        run.accept()
        return run

    def restore(self, record: Record, listeners: Sequence[Listener] = ()) -> PredictionRun:
        """Return a run of a prediction that an earlier server has accepted.

        The caller ends the run, or places and resumes it.
        """
        training = record.kind == "training"
        files: tuple[InputFile, ...] = ()
        if record.hosted is not None and record.input is not None:
            files = self._resources.input_files(record.id, record.input)
        spec = PredictionSpec(
            id=record.id,
            kind=record.kind,
            input=RunInput(record.input if record.input is not None else b"null"),
            context=record.context,
            output_is_array=output_is_array(self.schema, training=training),
            is_streaming=record.is_streaming,
            priority=record.priority,
            webhook=record.webhook,
            is_detached=record.is_detached,
            deadline=record.deadline,
            attempt=record.attempt,
            created_at=record.created_at,
            hosted=record.hosted,
            files=files,
        )
        run = PredictionRun(spec, record.sequence, self._resources, listeners=listeners, owner=self)
        run.acceptance.decide(None)
        self._add(run)
        return run

    def problem_of(self, record: Record) -> str | None:
        """Return why a prediction of an earlier server cannot run, or None."""
        if record.input is None:
            return "its input is not in the store any more"
        return self._problem_of_input(record.input, training=record.kind == "training")

    def _problem_of_input(self, input_json: bytes | msgspec.Raw | None, *, training: bool) -> str | None:
        """Return why an input is invalid, or None; also None for one that is in a file."""
        try:
            if input_json is not None:
                self.validation.check(msgspec.Raw(input_json), training=training)
        except InvalidInput as error:
            return "; ".join(f"{problem.loc[-1]}: {problem.msg}" for problem in error.problems)
        return None

    def webhook_bodies(self, hosted: HostedCall | None, kind: Kind, input_json: msgspec.Raw | None) -> Bodies:
        """Return what encodes the webhooks of a prediction, in the API through which it came in."""
        if hosted is None:
            return CONTAINER_BODIES
        mask = functools.partial(self.validation.mask_secrets, training=kind == "training")
        return HostedBodies(hosted, input_json, mask, self._resources.token)

    def place(self, run: PredictionRun) -> None:
        """Give a run a free slot, or a place in the queue."""
        free_slot = self._pool.acquire()
        if free_slot is not None:
            run.assign(free_slot)
            self._log("Starting prediction", run)
        else:
            self._pool.queue.add(run)
            self._log("Queued prediction", run)

    def cancel(self, prediction_id: str) -> bool:
        """Request cancelation of a prediction. False if none with that id is in flight. Idempotent."""
        run = self._runs.get(prediction_id)
        if run is None:
            return False
        self._log("Cancelling prediction", run)
        run.cancel()
        return True

    def cancel_all(self) -> int:
        """Request cancelation of all predictions in flight, and return their number."""
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        return len(runs)

    def stop_waiting(self, reason: str) -> None:
        """End all runs that have not started.

        With a durable store they are left to the next server, unless a client waits on a connection. The
        others fail with `reason`.
        """
        # The latest first: a slot that becomes free goes to one that waits.
        for run in reversed(list(self._runs.values())):
            if not run.is_waiting:
                continue
            if self._resources.recorder.is_durable and run.is_detached:
                run.leave()
            else:
                run.stop(reason)

    def leave_running(self) -> None:
        """With a durable store, leave what runs to the next server, unless a client waits on a connection."""
        if self._resources.recorder.is_durable:
            for run in list(self._runs.values()):
                if run.is_detached:
                    run.leave()

    async def wait_empty(self) -> None:
        """Wait until no prediction is in flight."""
        await self._is_empty.wait()

    def leave_queue(self, run: PredictionRun) -> None:
        """See RunOwner. Before its end is written, because a slot that becomes free goes to the queue."""
        self._pool.queue.remove(run)

    def run_ended(self, run: PredictionRun) -> None:
        """See RunOwner."""
        prediction = run.prediction
        if prediction.status == "failed":
            self._log("Prediction failed", run, error=prediction.error)
        elif prediction.is_terminal:
            self._log(_ENDED[prediction.status], run)
        elif run.acceptance.is_granted:
            self._log("Prediction left to the next server", run)
        else:
            self._log("Prediction not accepted", run)
        if prediction.started_at is not None:
            self._durations_s.append(prediction.run_time_s)
        if prediction.is_terminal:
            self._ended_count += 1
        del self._runs[run.id]
        for on_ended in self._on_ended:
            on_ended(run)
        if not self._runs:
            self._is_empty.set()

    def _add(self, run: PredictionRun) -> None:
        self._runs[run.id] = run
        self._is_empty.clear()
        for on_created in self._on_created:
            on_created(run)

    def _check_room(self, prediction_id: str | None, input_bytes: int) -> None:
        """Raise a subclass of Refused if a new prediction can neither start nor wait."""
        if prediction_id is not None and prediction_id in self._runs:
            raise AlreadyRunning(prediction_id)
        if self._is_shutting_down():
            raise Draining
        if self._state() != "READY":
            raise NotReady
        queue = self._pool.queue
        if self._pool.free or queue.has_room(input_bytes):
            return
        if not queue.max_runs:
            raise AtCapacity
        raise QueueFull(len(queue), retry_after_s(self._durations_s, len(queue), self._pool.size))

    def _spec(self, request: NewPrediction, input_json: bytes | msgspec.Raw) -> PredictionSpec:
        training = request.kind == "training"
        return PredictionSpec(
            id=request.id if request.id is not None else new_prediction_id(),
            kind=request.kind,
            input=RunInput(input_json),
            context=self._resources.tracer.accepted(request.context),
            output_is_array=output_is_array(self.schema, training=training),
            is_streaming=request.keeps_events or (self.is_streaming and not training),
            ends_with_readers=request.ends_with_readers,
            priority=request.priority,
            webhook=request.webhook,
            is_detached=request.is_detached,
            deadline=request.deadline,
            hosted=request.hosted,
            files=request.files,
        )

    def _log(self, message: str, run: PredictionRun, **fields: object) -> None:
        self._server_log.event(run.id, message, **fields)


def _check_request(request: NewPrediction) -> None:
    if request.id is not None and not 1 <= len(request.id) <= MAX_ID_CHARS:
        raise BadRequest(f"id: has {len(request.id)} characters, must have 1 to {MAX_ID_CHARS}")
    size = sum(len(name) + len(value) for name, value in request.context.items())
    if size * 4 > MAX_CONTEXT_BYTES and len(msgspec.json.encode(request.context)) > MAX_CONTEXT_BYTES:
        raise BadRequest(f"context: is larger than {MAX_CONTEXT_BYTES} bytes")
