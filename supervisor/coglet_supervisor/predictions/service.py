"""The predictions in flight, by id.

The only place that starts predictions and adds or removes table entries.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from coglet_supervisor.health import State
from coglet_supervisor.predictions.identifiers import MAX_ID_CHARS, new_prediction_id
from coglet_supervisor.predictions.prediction import Kind, Listener, PredictionSpec
from coglet_supervisor.predictions.resources import RunResources
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.slots import Slot, SlotPool
from coglet_supervisor.predictions.validation import Document, Validation, is_streaming, output_is_array
from coglet_supervisor.server_log import ServerLog

MAX_CONTEXT_BYTES = 1024 * 1024
_ENDED = {"succeeded": "Prediction succeeded", "canceled": "Prediction cancelled"}


class Refused(Exception):
    """The prediction was not accepted, and left no trace."""


class NotReady(Refused):
    """No worker is ready."""


class Draining(Refused):
    """The server is shutting down."""


class AtCapacity(Refused):
    """Every slot is busy."""


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
    canceled when the last reader of its events disconnects.
    """

    id: str | None
    kind: Kind
    input_json: msgspec.Raw
    context: dict[str, str]
    ends_with_readers: bool = False


class PredictionService:
    """The table of runs in flight, by id. Predictions and trainings share it.

    `state` returns the state of the model, `is_shutting_down` whether the server accepts no new predictions.
    """

    def __init__(
        self,
        pool: SlotPool,
        server_log: ServerLog,
        resources: RunResources,
        *,
        state: Callable[[], State],
        is_shutting_down: Callable[[], bool],
    ) -> None:
        self.schema: Document | None = None
        self.validation = Validation(None, ignore_unknown=False)
        self.is_streaming = False
        self._pool = pool
        self._server_log = server_log
        self._resources = resources
        self._state = state
        self._is_shutting_down = is_shutting_down
        self._runs: dict[str, PredictionRun] = {}
        self._sequence = 0
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def use_schema(self, document: Document | None, *, ignore_unknown: bool) -> None:
        """Check requests against this schema from now on. Must be called before the model is ready."""
        self.schema = document
        self.is_streaming = is_streaming(document)
        self.validation = Validation(document, ignore_unknown=ignore_unknown)

    def find(self, prediction_id: str) -> PredictionRun | None:
        """Return the run in flight with that id, or None."""
        return self._runs.get(prediction_id)

    def create(self, request: NewPrediction, listeners: Sequence[Listener] = ()) -> PredictionRun:
        """Validate, accept and start a prediction, atomically on the event loop.

        Raises InvalidInput if the input does not match the schema, NotJson if it is not JSON, and a subclass
        of Refused if the prediction is not accepted.
        """
        _check_request(request)
        input_json = self.validation.check(request.input_json, training=request.kind == "training")
        slot = self._acquire(request.id)
        self._sequence += 1
        run = PredictionRun(
            self._spec(request, input_json),
            self._sequence,
            self._resources,
            listeners=listeners,
            on_end=self._forget,
        )
        self._record("Starting prediction", run)
        self._runs[run.id] = run
        self._is_empty.clear()
        run.start(slot)
        return run

    def cancel(self, prediction_id: str) -> bool:
        """Request cancelation of a prediction. False if none with that id is in flight. Idempotent."""
        run = self._runs.get(prediction_id)
        if run is None:
            return False
        self._record("Cancelling prediction", run)
        run.cancel()
        return True

    def cancel_all(self) -> int:
        """Request cancelation of all predictions in flight, and return their number."""
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        return len(runs)

    async def wait_empty(self) -> None:
        """Wait until no prediction is in flight."""
        await self._is_empty.wait()

    def _acquire(self, prediction_id: str | None) -> Slot:
        """Acquire a slot for a new prediction. Raises a subclass of Refused if that is not possible."""
        if prediction_id is not None and prediction_id in self._runs:
            raise AlreadyRunning(prediction_id)
        if self._is_shutting_down():
            raise Draining
        if self._state() != "READY":
            raise NotReady
        slot = self._pool.acquire()
        if slot is None:
            raise AtCapacity
        return slot

    def _spec(self, request: NewPrediction, input_json: bytes | msgspec.Raw) -> PredictionSpec:
        training = request.kind == "training"
        return PredictionSpec(
            id=request.id if request.id is not None else new_prediction_id(),
            kind=request.kind,
            input_json=input_json,
            context=request.context,
            output_is_array=output_is_array(self.schema, training=training),
            is_streaming=self.is_streaming and not training,
            ends_with_readers=request.ends_with_readers,
        )

    def _record(self, message: str, run: PredictionRun, **fields: object) -> None:
        self._server_log.event(run.id, message, **fields)

    def _forget(self, run: PredictionRun) -> None:
        prediction = run.prediction
        if prediction.status == "failed":
            self._record("Prediction failed", run, error=prediction.error)
        else:
            self._record(_ENDED[prediction.status], run)
        del self._runs[run.id]
        if not self._runs:
            self._is_empty.set()


def _check_request(request: NewPrediction) -> None:
    if request.id is not None and not 1 <= len(request.id) <= MAX_ID_CHARS:
        raise BadRequest(f"id: has {len(request.id)} characters, must have 1 to {MAX_ID_CHARS}")
    size = sum(len(name) + len(value) for name, value in request.context.items())
    if size * 4 > MAX_CONTEXT_BYTES and len(msgspec.json.encode(request.context)) > MAX_CONTEXT_BYTES:
        raise BadRequest(f"context: is larger than {MAX_CONTEXT_BYTES} bytes")
