"""HTTP routes that create, attach to and cancel predictions and trainings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.http.body import CreateBody, not_parsable, read_create_body, wrong_shape
from coglet_supervisor.http.events import NOT_KEPT, accepts_events, send_events
from coglet_supervisor.http.preference import Preference
from coglet_supervisor.http.request import (
    JSON,
    DisconnectWatch,
    HttpError,
    Request,
    Send,
    encode_json,
    respond,
    respond_in_pieces,
)
from coglet_supervisor.outgoing.client import UnusableUrl
from coglet_supervisor.predictions import service as services
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.prediction import TERMINAL, Kind, Listener, Prediction, Snapshot
from coglet_supervisor.predictions.problems import InvalidInput, Problem
from coglet_supervisor.predictions.record import NotRecorded, Record
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.service import NewPrediction, PredictionService
from coglet_supervisor.predictions.untrusted_json import NotJson
from coglet_supervisor.records.lookup import find_without_run
from coglet_supervisor.records.store import Store
from coglet_supervisor.webhooks.delivery import Webhooks

NOT_READY: Final = "Setup has not finished yet. Wait until it has finished, or GET /health-check for status."
DRAINING: Final = (
    "The server is shutting down and accepts no new predictions. Send the request to another server."
)
NOT_STREAMING: Final = (
    "This model does not support streaming responses. Add @cog.streaming to predict() to enable SSE."
)
NO_TRAINING_STREAM: Final = "Training endpoints do not support streaming responses."
TRACE_HEADERS: Final = (b"traceparent", b"tracestate")
AT_CAPACITY: Final = "At capacity - all prediction slots busy"


class PredictionRoutes:
    """POST and PUT under /predictions and /trainings.

    With `repeats_from` a store, a PUT with the id and the input of a prediction that has ended gets its
    record, instead of another run.
    """

    def __init__(
        self,
        service: PredictionService,
        webhooks: Webhooks,
        start_task: StartTask,
        max_body_bytes: int,
        repeats_from: Store | None = None,
    ) -> None:
        self._service = service
        self._webhooks = webhooks
        self._start_task = start_task
        self._max_body_bytes = max_body_bytes
        self._repeats_from = repeats_from

    async def create(self, request: Request, send: Send, kind: Kind, path_id: str | None) -> None:
        """POST, or PUT with an id in the path: create a prediction, or respond with the one of that id.

        Raises HttpError if the request is rejected, and Disconnected.
        """
        body = await read_create_body(request, self._max_body_bytes)
        wants_stream = accepts_events(request.header(b"accept"))
        if wants_stream and kind == "training":
            raise HttpError.json(406, {"error": NO_TRAINING_STREAM})
        if path_id is not None:
            if body.id not in (None, path_id):
                raise _id_mismatch(kind)
            if await self._respond_existing(path_id, kind, body, request, send):
                return
        if wants_stream and not self._service.is_streaming:
            raise HttpError.json(406, {"error": NOT_STREAMING})
        prefer = Preference.parse(request.header(b"prefer"))
        hook = _hook_of(body, request)
        new = NewPrediction(
            id=path_id if path_id is not None else body.id,
            kind=kind,
            input_json=body.input,
            context=body.context,
            ends_with_readers=wants_stream,
            priority=body.priority,
            webhook=hook,
            is_detached=prefer.is_async and not wants_stream,
        )
        run = self._start(new, self._listeners(hook))
        if not run.acceptance.is_granted:
            await _wait_accepted(run)
        if wants_stream:
            await send_events(run, request, send, self._start_task)
        elif prefer.is_async:
            await respond(send, 202, encode_json(Snapshot(id=run.id, status="starting")), JSON)
        else:
            await self._respond_when_done(run, request, send, prefer)

    async def _respond_existing(
        self, prediction_id: str, kind: Kind, body: CreateBody, request: Request, send: Send
    ) -> bool:
        """Respond with the prediction of that id, if it is in flight, or may not run again. False if not."""
        wants_stream = accepts_events(request.header(b"accept"))
        if self._repeats_from is not None:
            record = await find_without_run(self._service, self._repeats_from, prediction_id)
            if record is not None and record.kind == kind and record.status in TERMINAL:
                self._check_repeated(record, body.input)
                if wants_stream:
                    await self._repeat_events(record, request, send)
                else:
                    await respond(send, 200, encode_json(record.snapshot()), JSON)
                return True
        running = self._service.find(prediction_id)
        if running is None:
            return False
        await self._attach(running, request, send, wants_stream=wants_stream)
        return True

    async def _repeat_events(self, record: Record, request: Request, send: Send) -> None:
        assert self._repeats_from is not None
        stream = await self._repeats_from.stream(record.id)
        if stream is None:
            raise HttpError.json(406, {"error": NOT_KEPT})
        await send_events(stream, request, send, self._start_task)

    def _check_repeated(self, record: Record, input_json: msgspec.Raw) -> None:
        """Raise HttpError 409 unless the recorded prediction had this input."""
        with _rejections():
            given = self._service.validation.check(input_json, training=record.kind == "training")
        if not record.was_accepted_with(given):
            text = f"{record.kind} '{record.id}' has ended, with another input"
            raise HttpError.json(409, {"error": text, "status": "failed"})

    def _listeners(self, hook: Hook | None) -> list[Listener]:
        """Return the webhook listener of the new prediction, if any.

        Raises HttpError 422 if its URL is unusable.
        """
        if hook is None:
            return []
        try:
            listener = self._webhooks.listener(hook)
        except UnusableUrl as error:
            raise wrong_shape(f"webhook: {error}") from None
        return [listener] if hook.events else []

    def _start(self, new: NewPrediction, listeners: list[Listener]) -> PredictionRun:
        """Create and start the prediction. Raises HttpError if it is not accepted."""
        with _rejections():
            return self._service.create(new, listeners)

    async def _respond_when_done(
        self, run: PredictionRun, request: Request, send: Send, prefer: Preference
    ) -> None:
        watch = DisconnectWatch(request, self._start_task, run.cancel)
        prediction = run.prediction
        try:
            done = await prediction.wait_terminal(prefer.wait_s)
        finally:
            watch.end()
        if run.is_overdue:
            raise _overdue(prediction)
        await respond_in_pieces(send, 200 if done else 202, prediction.snapshot().pieces(), JSON)

    async def _attach(self, run: PredictionRun, request: Request, send: Send, *, wants_stream: bool) -> None:
        """Respond to a PUT with the id of a prediction in flight; the body is ignored."""
        await _wait_accepted(run)
        if not wants_stream:
            await respond(send, 202, self._attached(run), JSON)
        elif run.stream is None:
            raise HttpError.json(406, {"error": NOT_STREAMING})
        else:
            await send_events(run, request, send, self._start_task)

    def _attached(self, run: PredictionRun) -> bytes:
        json = run.input.json
        if json is None:
            return encode_json(run.prediction.snapshot())
        masked = self._service.validation.mask_secrets(json, training=run.kind == "training")
        return encode_json(run.prediction.snapshot(input_json=masked))


def _hook_of(body: CreateBody, request: Request) -> Hook | None:
    if body.webhook is None:
        return None
    headers = ((name.decode(), request.header(name)) for name in TRACE_HEADERS)
    trace = {name: value for name, value in headers if value is not None}
    return Hook(body.webhook, body.webhook_events_filter, trace)


@contextlib.contextmanager
def _rejections() -> Iterator[None]:
    """Raise HttpError in place of the errors of `PredictionService.create`."""
    try:
        yield
    except InvalidInput as error:
        raise HttpError.json(422, {"detail": error.problems}) from None
    except NotJson as error:
        raise not_parsable(error) from None
    except services.Refused as error:
        raise _refusal(error) from None


def _refusal(error: services.Refused) -> HttpError:
    match error:
        case services.Draining():
            body = {"error": DRAINING, "status": "failed"}
            return HttpError(503, encode_json(body), JSON, (b"retry-after", b"5"), (b"connection", b"close"))
        case services.NotReady():
            return HttpError.json(503, {"error": NOT_READY, "status": "failed"})
        case services.AtCapacity():
            return HttpError.json(409, {"error": AT_CAPACITY, "status": "failed"})
        case services.QueueFull():
            body = {"error": str(error), "status": "failed"}
            return HttpError(429, encode_json(body), JSON, (b"retry-after", b"%d" % error.retry_after_s))
        case services.AlreadyRunning():
            return HttpError.json(409, {"error": str(error), "status": "failed"})
    return wrong_shape(str(error))


async def _wait_accepted(run: PredictionRun) -> None:
    try:
        await run.acceptance.wait()
    except NotRecorded as error:
        body = {"error": f"The prediction was not accepted: {error}", "status": "failed"}
        raise HttpError(507, encode_json(body), JSON) from None


def _overdue(prediction: Prediction) -> HttpError:
    body = {"error": prediction.error, "id": prediction.id, "status": prediction.status}
    return HttpError(503, encode_json(body), JSON, (b"retry-after", b"5"))


def _id_mismatch(kind: Kind) -> HttpError:
    problem = Problem(
        loc=["body", "id"], msg=f"{kind} ID must match the ID supplied in the URL", type="value_error"
    )
    return HttpError.json(422, {"detail": [problem]})
