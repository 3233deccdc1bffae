"""HTTP routes that create, attach to and cancel predictions and trainings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.http.body import CreateBody, not_parsable, read_create_body, wrong_shape
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
from coglet_supervisor.predictions.prediction import Kind, Listener, Prediction, Snapshot
from coglet_supervisor.predictions.problems import InvalidInput, Problem
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.service import NewPrediction, PredictionService
from coglet_supervisor.predictions.stream import Subscription, TooManySubscribers
from coglet_supervisor.predictions.untrusted_json import NotJson
from coglet_supervisor.webhooks.delivery import Webhooks

NOT_READY: Final = "Setup has not finished yet. Wait until it has finished, or GET /health-check for status."
DRAINING: Final = (
    "The server is shutting down and accepts no new predictions. Send the request to another server."
)
NOT_STREAMING: Final = (
    "This model does not support streaming responses. Add @cog.streaming to predict() to enable SSE."
)
NO_TRAINING_STREAM: Final = "Training endpoints do not support streaming responses."
EVENT_STREAM: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # without it, nginx and other proxies buffer the events
)
TRACE_HEADERS: Final = (b"traceparent", b"tracestate")
AT_CAPACITY: Final = "At capacity - all prediction slots busy"


@dataclass(frozen=True)
class Preference:
    """The parsed `Prefer` header. `wait_s` limits how long a response may take."""

    is_async: bool = False
    wait_s: float | None = None

    @classmethod
    def parse(cls, value: str | None) -> Preference:
        """Parse a comma-separated list, ignoring case and unknown preferences (RFC 7240)."""
        if value is None:
            return _NO_PREFERENCE
        parts = {part.split(";")[0].strip().lower() for part in value.split(",")}
        waits = [
            int(match[1]) for part in parts if (match := re.fullmatch(r'wait\s*=\s*"?(\d{1,9})"?', part))
        ]
        return cls("respond-async" in parts, float(min(waits)) if waits else None)


_NO_PREFERENCE: Final = Preference()


class PredictionRoutes:
    """The routes under /predictions and /trainings."""

    def __init__(
        self, service: PredictionService, webhooks: Webhooks, start_task: StartTask, max_body_bytes: int
    ) -> None:
        self._service = service
        self._webhooks = webhooks
        self._start_task = start_task
        self._max_body_bytes = max_body_bytes

    async def create(self, request: Request, send: Send, kind: Kind, path_id: str | None) -> None:
        """POST, or PUT with an id in the path: create a prediction, or attach to one in flight.

        Raises HttpError if the request is rejected, and Disconnected.
        """
        body = await read_create_body(request, self._max_body_bytes)
        wants_stream = accepts_events(request.header(b"accept"))
        if wants_stream and kind == "training":
            raise HttpError.json(406, {"error": NO_TRAINING_STREAM})
        if path_id is not None:
            if body.id not in (None, path_id):
                raise _id_mismatch(kind)
            running = self._service.find(path_id)
            if running is not None:
                await self._attach(running, request, send, wants_stream=wants_stream)
                return
        if wants_stream and not self._service.is_streaming:
            raise HttpError.json(406, {"error": NOT_STREAMING})
        prefer = Preference.parse(request.header(b"prefer"))
        new = NewPrediction(
            id=path_id if path_id is not None else body.id,
            kind=kind,
            input_json=body.input,
            context=body.context,
            ends_with_readers=wants_stream,
        )
        run = self._start(new, self._listeners(body, request))
        if wants_stream:
            await self._stream(run, request, send)
        elif prefer.is_async:
            await respond(send, 202, encode_json(Snapshot(id=run.id, status="starting")), JSON)
        else:
            await self._respond_when_done(run, request, send, prefer)

    async def cancel(self, send: Send, prediction_id: str) -> None:
        """POST .../cancel: respond with 200, or 404 if no prediction in flight has the id."""
        found = self._service.cancel(prediction_id)
        await respond(send, 200 if found else 404, b"{}", JSON)

    def _listeners(self, body: CreateBody, request: Request) -> list[Listener]:
        """Return the webhook listener of the new prediction, if any.

        Raises HttpError 422 if its URL is unusable.
        """
        if body.webhook is None:
            return []
        headers = ((name, request.header(name)) for name in TRACE_HEADERS)
        trace = {name: value.encode("latin-1") for name, value in headers if value is not None}
        try:
            listener = self._webhooks.listener(body.webhook, body.webhook_events_filter, trace)
        except UnusableUrl as error:
            raise wrong_shape(f"webhook: {error}") from None
        return [listener] if body.webhook_events_filter else []

    def _start(self, new: NewPrediction, listeners: list[Listener]) -> PredictionRun:
        """Create and start the prediction. Raises HttpError if it is not accepted."""
        try:
            return self._service.create(new, listeners)
        except InvalidInput as error:
            raise HttpError.json(422, {"detail": error.problems}) from None
        except NotJson as error:
            raise not_parsable(error) from None
        except services.Refused as error:
            raise _refusal(error) from None

    async def _respond_when_done(
        self, run: PredictionRun, request: Request, send: Send, prefer: Preference
    ) -> None:
        watch = DisconnectWatch(request, self._start_task, run.cancel)
        prediction = run.prediction
        try:
            done = await prediction.wait_terminal(prefer.wait_s)
        finally:
            watch.end()
        await respond_in_pieces(send, 200 if done else 202, prediction.snapshot().pieces(), JSON)

    async def _attach(self, run: PredictionRun, request: Request, send: Send, *, wants_stream: bool) -> None:
        """Respond to a PUT with the id of a prediction in flight; the body is ignored."""
        if not wants_stream:
            await respond(send, 202, self._attached(run.prediction), JSON)
        elif not run.is_streaming:
            raise HttpError.json(406, {"error": NOT_STREAMING})
        else:
            await self._stream(run, request, send)

    async def _stream(self, run: PredictionRun, request: Request, send: Send) -> None:
        try:
            subscriber = run.subscribe(_last_event_id(request))
        except TooManySubscribers:
            raise HttpError.json(429, {"error": "Too many stream subscribers"}) from None
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        # `Exchange` sends the head with the first piece of the body, and an EventSource is open once it has
        # the head.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        watch = self._start_task(_close_on_disconnect(request, subscriber))
        try:
            while (chunk := await subscriber.next_chunk()) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            watch.cancel()
            run.unsubscribe(subscriber)

    def _attached(self, prediction: Prediction) -> bytes:
        masked = self._service.validation.mask_secrets(
            prediction.input, training=prediction.kind == "training"
        )
        return encode_json(prediction.snapshot(input_json=masked))


def accepts_events(accept: str | None) -> bool:
    """True if `Accept` contains `text/event-stream`; a wildcard does not request a stream."""
    parts = (part.partition(";")[0].strip() for part in (accept or "").split(","))
    return "text/event-stream" in parts


def _last_event_id(request: Request) -> int | None:
    value = request.header(b"last-event-id") or ""
    return int(value) if value.isdecimal() else None


async def _close_on_disconnect(request: Request, subscriber: Subscription) -> None:
    await request.wait_disconnect()
    subscriber.close()


def _refusal(error: services.Refused) -> HttpError:
    match error:
        case services.Draining():
            body = {"error": DRAINING, "status": "failed"}
            return HttpError(503, encode_json(body), JSON, (b"retry-after", b"5"), (b"connection", b"close"))
        case services.NotReady():
            return HttpError.json(503, {"error": NOT_READY, "status": "failed"})
        case services.AtCapacity():
            return HttpError.json(409, {"error": AT_CAPACITY, "status": "failed"})
        case services.AlreadyRunning():
            return HttpError.json(409, {"error": str(error), "status": "failed"})
    return wrong_shape(str(error))


def _id_mismatch(kind: Kind) -> HttpError:
    problem = Problem(
        loc=["body", "id"], msg=f"{kind} ID must match the ID supplied in the URL", type="value_error"
    )
    return HttpError.json(422, {"detail": [problem]})
