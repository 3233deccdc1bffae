"""The one owner of predictions: nobody else creates one or takes one from the table."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from coglet_protocol.errors import ProtocolError
from coglet_supervisor.health import State
from coglet_supervisor.predictions.identifiers import MAX_ID_CHARS, new_prediction_id
from coglet_supervisor.predictions.outputs import Delivery, OutputCollector
from coglet_supervisor.predictions.prediction import Completed, Event, Kind, Listener, Prediction
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.predictions.stream import PredictionStream
from coglet_supervisor.predictions.validation import Document, Validation, is_streaming, output_is_array
from coglet_supervisor.server_log import ServerLog

MAX_CONTEXT_BYTES = 1024 * 1024
_ENDED = {"succeeded": "Prediction succeeded", "canceled": "Prediction cancelled"}


class Refused(Exception):
    """A prediction that was not accepted; nothing of it remains."""


class NotReady(Refused):
    """No model is ready to take it."""


class Draining(Refused):
    """The server is about to end."""


class AtCapacity(Refused):
    """Every slot is busy."""


class AlreadyRunning(Refused):
    """The id belongs to a prediction in flight."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(f"Prediction '{prediction_id}' is already running")


class BadRequest(Refused):
    """A field of the request cannot be accepted; the text names it."""


@dataclass(frozen=True, kw_only=True)
class NewPrediction:
    """What a client asks for. `input_json` is the JSON text of the request's `input`."""

    id: str | None
    kind: Kind
    input_json: msgspec.Raw
    context: dict[str, str]


class PredictionService:
    """The table of predictions in flight, by id. Predictions and trainings share it."""

    def __init__(
        self,
        pool: SlotPool,
        server_log: ServerLog,
        delivery: Delivery,
        *,
        stream_history: int,
        timeout_s: float | None = None,
    ) -> None:
        self.state: Callable[[], State] = lambda: "UNKNOWN"
        self.schema: Document | None = None
        self.validation = Validation(None, ignore_unknown=False)
        self.is_streaming = False
        self.is_draining = False
        self._pool = pool
        self._server_log = server_log
        self._delivery = delivery
        self._stream_history = stream_history
        self._timeout_s = timeout_s
        self._predictions: dict[str, Prediction] = {}
        self._sequence = 0
        self._on_empty: list[Callable[[], None]] = []

    def use_schema(self, document: Document | None, *, ignore_unknown: bool) -> None:
        """From now on requests are checked against it. To be called before the model is ready."""
        self.schema = document
        self.is_streaming = is_streaming(document)
        self.validation = Validation(document, ignore_unknown=ignore_unknown)

    def find(self, prediction_id: str) -> Prediction | None:
        """The prediction in flight with that id."""
        return self._predictions.get(prediction_id)

    def create(self, request: NewPrediction, listeners: Sequence[Listener] = ()) -> Prediction:
        """Checks, accepts and starts a prediction, in one step that nothing else can interrupt.

        Raises InvalidInput, NotJson (its input), or one of Refused.
        """
        _check_request(request)
        training = request.kind == "training"
        input_json = self.validation.check(request.input_json, training=training)
        if request.id is not None and request.id in self._predictions:
            raise AlreadyRunning(request.id)
        if self.is_draining:
            raise Draining
        if self.state() != "READY":
            raise NotReady
        slot = self._pool.acquire()
        if slot is None:
            raise AtCapacity
        prediction = Prediction(
            request.id if request.id is not None else new_prediction_id(),
            request.kind,
            input_json,
            context=request.context,
            output_is_array=output_is_array(self.schema, training=training),
        )
        if self.is_streaming and not training:
            prediction.stream = PredictionStream(self._stream_history)
            prediction.listeners.append(prediction.stream)
        prediction.listeners.extend(listeners)
        self._sequence += 1
        outputs = OutputCollector(
            prediction,
            # Named by number: what a client calls its prediction never reaches the file system.
            self._delivery.folder / str(self._sequence),
            self._delivery,
            on_log=self._server_log.echo,
            on_end=self._forget,
        )
        self._record("Starting prediction", prediction)
        self._predictions[prediction.id] = prediction
        try:
            slot.run(outputs, self._sequence)
        except ProtocolError as error:
            outputs.failed(f"Failed to send request: {error}")
            return prediction
        if self._timeout_s is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._timeout_s, outputs.time_out, self._timeout_s)
            prediction.listeners.append(_StopTimer(timer))
        return prediction

    def cancel(self, prediction_id: str) -> bool:
        """Asks a prediction to stop; False when there is none with that id. Safe to repeat."""
        prediction = self._predictions.get(prediction_id)
        if prediction is None:
            return False
        self._record("Cancelling prediction", prediction)
        prediction.request_cancel()
        return True

    def cancel_all(self) -> None:
        """Asks everything in flight to stop."""
        for prediction in list(self._predictions.values()):
            prediction.request_cancel()

    @property
    def in_flight(self) -> int:
        return len(self._predictions)

    def when_empty(self, callback: Callable[[], None]) -> None:
        """Calls back when nothing is in flight, perhaps at once."""
        if self._predictions:
            self._on_empty.append(callback)
        else:
            callback()

    def _record(self, message: str, prediction: Prediction, **fields: object) -> None:
        self._server_log.record("info", "coglet::prediction", message, prediction_id=prediction.id, **fields)

    def _forget(self, prediction: Prediction) -> None:
        if prediction.status == "failed":
            self._record("Prediction failed", prediction, error=prediction.error)
        else:
            self._record(_ENDED[prediction.status], prediction)
        del self._predictions[prediction.id]
        if not self._predictions:
            callbacks, self._on_empty = self._on_empty, []
            for callback in callbacks:
                callback()


class _StopTimer:
    """Ends the time limit of a prediction with the prediction."""

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self._timer = timer

    def on_event(self, _prediction: Prediction, event: Event) -> None:
        if isinstance(event, Completed):
            self._timer.cancel()


def _check_request(request: NewPrediction) -> None:
    if request.id is not None and not 1 <= len(request.id) <= MAX_ID_CHARS:
        raise BadRequest(f"id: has {len(request.id)} characters, must have 1 to {MAX_ID_CHARS}")
    size = sum(len(name) + len(value) for name, value in request.context.items())
    if size * 4 > MAX_CONTEXT_BYTES and len(msgspec.json.encode(request.context)) > MAX_CONTEXT_BYTES:
        raise BadRequest(f"context: is larger than {MAX_CONTEXT_BYTES} bytes")
