"""Creating, attaching to and canceling predictions and trainings over HTTP."""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from coglet_supervisor import service as services
from coglet_supervisor.http.asgi import (
    JSON,
    DisconnectWatch,
    HttpError,
    Request,
    Send,
    encode_json,
    respond,
)
from coglet_supervisor.http.body import CreateBody, not_parsable, read_create_body
from coglet_supervisor.outputs import StartTask
from coglet_supervisor.prediction import Kind, Prediction, Snapshot
from coglet_supervisor.service import NewPrediction, PredictionService
from coglet_supervisor.validation import InvalidInput, Problem

NOT_READY: Final = "Setup has not finished yet. Wait until it has finished, or GET /health-check for status."
AT_CAPACITY: Final = "At capacity - all prediction slots busy"


@dataclass(frozen=True)
class Preference:
    """What `Prefer` asks for. `wait_s` bounds how long a response may take."""

    is_async: bool = False
    wait_s: float | None = None

    @classmethod
    def parse(cls, value: str | None) -> "Preference":
        """A comma-separated list, whatever its case; what is not understood is not asked for (RFC 7240)."""
        if value is None:
            return _NO_PREFERENCE
        parts = {part.split(";")[0].strip().lower() for part in value.split(",")}
        waits = [
            int(match[1]) for part in parts if (match := re.fullmatch(r'wait\s*=\s*"?(\d{1,9})"?', part))
        ]
        return cls("respond-async" in parts, float(min(waits)) if waits else None)


_NO_PREFERENCE: Final = Preference()


class PredictionRoutes:
    """The routes below /predictions and /trainings."""

    def __init__(self, service: PredictionService, start_task: StartTask, max_body_bytes: int) -> None:
        self._service = service
        self._start_task = start_task
        self._max_body_bytes = max_body_bytes

    async def create(self, request: Request, send: Send, kind: Kind, path_id: str | None) -> None:
        """POST without, PUT with an id in the path. Raises HttpError and Disconnected."""
        body = await read_create_body(request, self._max_body_bytes)
        if path_id is not None:
            if body.id not in (None, path_id):
                raise _id_mismatch(kind)
            running = self._service.find(path_id)
            if running is not None:
                await respond(send, 202, self._attached(running), JSON)
                return
        prefer = Preference.parse(request.header(b"prefer"))
        prediction = self._create(body, kind, path_id if path_id is not None else body.id)
        if prefer.is_async:
            await respond(send, 202, encode_json(Snapshot(id=prediction.id, status="starting")), JSON)
        else:
            await self._respond_when_done(prediction, request, send, prefer)

    async def cancel(self, send: Send, prediction_id: str) -> None:
        """POST .../cancel."""
        found = self._service.cancel(prediction_id)
        await respond(send, 200 if found else 404, b"{}", JSON)

    def _create(self, body: CreateBody, kind: Kind, prediction_id: str | None) -> Prediction:
        try:
            return self._service.create(
                NewPrediction(id=prediction_id, kind=kind, input_json=body.input, context=body.context)
            )
        except InvalidInput as error:
            raise HttpError.json(422, {"detail": error.problems}) from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise not_parsable(error) from None
        except services.Refused as error:
            raise _refusal(error) from None

    async def _respond_when_done(
        self, prediction: Prediction, request: Request, send: Send, prefer: Preference
    ) -> None:
        watch = DisconnectWatch(request, self._start_task, prediction.request_cancel)
        try:
            done = await prediction.wait_terminal(prefer.wait_s)
        finally:
            watch.end()
        if done:
            await respond(send, 200, encode_json(prediction.snapshot()), JSON)
        else:
            await respond(send, 202, encode_json(prediction.snapshot()), JSON)

    def _attached(self, prediction: Prediction) -> bytes:
        masked = self._service.validation.mask_secrets(
            prediction.input, training=prediction.kind == "training"
        )
        return encode_json(prediction.snapshot(input_json=masked))


def _refusal(error: services.Refused) -> HttpError:
    match error:
        case services.NotReady():
            return HttpError.json(503, {"error": NOT_READY, "status": "failed"})
        case services.AtCapacity():
            return HttpError.json(409, {"error": AT_CAPACITY, "status": "failed"})
        case services.AlreadyRunning():
            return HttpError.json(409, {"error": str(error), "status": "failed"})
    return HttpError.text(422, f"Failed to deserialize the JSON body into the target type: {error}")


def _id_mismatch(kind: Kind) -> HttpError:
    problem = Problem(
        loc=["body", "id"], msg=f"{kind} ID must match the ID supplied in the URL", type="value_error"
    )
    return HttpError.json(422, {"detail": [problem]})
