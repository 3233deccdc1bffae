"""Predictions and trainings of the hosted API: created, shown, listed and canceled."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from coglet_supervisor.base32_ids import new_id
from coglet_supervisor.outgoing.client import UnusableUrl
from coglet_supervisor.pages.hosted.creation import Creation, IdempotencyKey
from coglet_supervisor.pages.hosted.parts import HostedParts
from coglet_supervisor.pages.hosted.problems import invalid_input, invalid_request, not_found, problem
from coglet_supervisor.pages.hosted.streams import counter_of, encoded_events
from coglet_supervisor.predictions import service as services
from coglet_supervisor.predictions.hook import Hook
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.hosted_body import COLLECTIONS, HostedBody, hosted_body
from coglet_supervisor.predictions.hosted_inputs import files_in
from coglet_supervisor.predictions.hosted_outputs import OutputUrls
from coglet_supervisor.predictions.prediction import JSON_NULL, Kind, Listener
from coglet_supervisor.predictions.problems import InvalidInput
from coglet_supervisor.predictions.record import NotRecorded, Record
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.service import NewPrediction
from coglet_supervisor.predictions.untrusted_json import NotJson
from coglet_supervisor.records.cancelation import cancel
from coglet_supervisor.records.lookup import find_record, with_data
from coglet_supervisor.records.store import MAX_PAGE, Cursor, Expired, Query

_BUSY: Final = "All prediction slots are busy, and the server has no queue (COG_QUEUE_SIZE)."
_DRAINING: Final = "The server is shutting down and accepts no new predictions."
_NOT_READY: Final = (
    "The model is not ready: its setup has not finished, or has failed. See GET /health-check."
)
_RETRY: Final = (b"retry-after", b"5")
# Of an idempotency key.
_DAY_S: Final = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class CreationOptions:
    """What the headers of a creation say. `lasts_s` is the time until it is canceled."""

    key: IdempotencyKey | None
    wait_s: float | None
    lasts_s: float | None
    trace: dict[str, str]


class PageBody(msgspec.Struct):
    """One page of a list. `next` is the URL of older predictions, `previous` of newer ones."""

    next: str | None
    previous: str | None
    results: list[HostedBody]


class HostedPredictions:
    """Creates and finds predictions for clients of the hosted API."""

    def __init__(self, parts: HostedParts) -> None:
        self._parts = parts
        self._service = parts.service
        self._store = parts.store

    async def create(
        self, kind: Kind, creation: Creation, options: CreationOptions
    ) -> tuple[HostedBody, int]:
        """Create a prediction, or find the one of the same idempotency key; return its state and the status.

        Raises HttpError if it is not accepted.
        """
        run = new_id() if options.key is None else await self._repeated(kind, options.key)
        if isinstance(run, Record):
            return self.body(run), 201
        if isinstance(run, str):
            run = self._start(kind, creation, options, run)
        try:
            await run.acceptance.wait()
        except NotRecorded as error:
            raise problem(507, "Insufficient storage", f"The prediction was not accepted: {error}") from None
        is_ended = options.wait_s is None or await run.prediction.wait_terminal(options.wait_s)
        body = self.body(run.recorded.record())
        if is_ended:
            return body, 201
        # The clients take any other status than this for the end of the prediction.
        unfinished = {"status": "starting", "output": JSON_NULL, "started_at": None}
        return msgspec.structs.replace(body, **unfinished), 202

    async def _repeated(self, kind: Kind, key: IdempotencyKey) -> PredictionRun | Record | str:
        """Return the prediction of a key, or the id for a new one. Older ones of the key keep theirs."""
        free_id = None
        for generation in itertools.count():
            prediction_id = key.prediction_id(generation)
            found = self._service.find(prediction_id) or await self._store.get(prediction_id)
            # It may have been created while the store was asked.
            found = self._service.find(prediction_id) or found
            if isinstance(found, PredictionRun):
                return found
            if isinstance(found, Record) and found.kind == kind and found.created_at > time.time() - _DAY_S:
                return found
            if found is None or isinstance(found, Expired):
                free_id = free_id or prediction_id
            if found is None:
                break
        assert free_id is not None
        return self._service.find(free_id) or free_id

    def _start(
        self, kind: Kind, creation: Creation, options: CreationOptions, prediction_id: str
    ) -> PredictionRun:
        identity = self._parts.identity
        call = HostedCall(
            self._parts.base_url(), identity.model, identity.version, destination=creation.destination
        )
        hook = None
        if creation.hook_url is not None:
            hook = Hook(creation.hook_url, creation.hook_events, options.trace)
        with _rejections():
            new = NewPrediction(
                id=prediction_id,
                kind=kind,
                input_json=creation.input,
                context={},
                webhook=hook,
                is_detached=True,
                keeps_events=creation.stream is True and kind == "prediction",
                deadline=None if options.lasts_s is None else time.time() + options.lasts_s,
                hosted=call,
                files=files_in(self._parts.files, prediction_id, creation.input),
            )
            return self._service.create(new, self._listeners(new, hook))

    def _listeners(self, new: NewPrediction, hook: Hook | None) -> list[Listener]:
        if hook is None or not hook.events:
            return []
        return [
            self._parts.webhooks.listener(
                hook, self._service.webhook_bodies(new.hosted, new.kind, new.input_json)
            )
        ]

    async def find(self, kind: Kind, prediction_id: str) -> Record:
        """Return the state of a prediction. Raises HttpError 404."""
        found = await find_record(self._service, self._store, prediction_id)
        match found:
            case Record(kind=found_kind) if found_kind == kind:
                return found
            case Expired():
                raise not_found(f"The {kind} {prediction_id!r} has expired.")
        raise not_found(f"There is no {kind} {prediction_id!r}.")

    async def stream(self, prediction_id: str, last_event_id: str | None) -> AsyncIterator[bytes]:
        """Return the encoded events of a prediction, after the last one that a reader has seen.

        Raises HttpError 404 if there are none.
        """
        record = await self.find("prediction", prediction_id)
        source = self._service.find(prediction_id) or await self._store.stream(prediction_id)
        if not record.is_streaming or source is None:
            raise not_found(f"The prediction {prediction_id!r} has no stream.")
        return encoded_events(source, record.created_at, counter_of(last_event_id), self._output_urls(record))

    async def cancel(self, kind: Kind, prediction_id: str) -> Record:
        """Cancel a prediction if it has not ended, and return its state. Raises HttpError 404."""
        await self.find(kind, prediction_id)
        await cancel(self._service, self._store, self._parts.webhooks, prediction_id)
        return await self.find(kind, prediction_id)

    async def list(self, kind: Kind, cursor_text: str | None) -> PageBody:
        """Return a page of predictions, the latest first; the first ones with their data.

        Raises HttpError 422 for an invalid cursor.
        """
        cursor = Cursor.parse(cursor_text) if cursor_text else None
        if cursor_text and cursor is None:
            raise invalid_request("cursor: must be taken from `next` or `previous` of another page")
        page = await self._store.list(Query(kind=kind, limit=MAX_PAGE, cursor=cursor))
        url = f"{self._parts.base_url()}/v1/{COLLECTIONS[kind]}?cursor="
        return PageBody(
            next=f"{url}{page.older}" if page.older is not None else None,
            previous=f"{url}{page.newer}" if page.newer is not None else None,
            results=[self.body(record) for record in await with_data(self._store, page.records)],
        )

    def body(self, record: Record) -> HostedBody:
        """Return the body of a record, with URLs for the client of the current request."""
        identity = self._parts.identity
        call = record.hosted or HostedCall("", identity.model, identity.version)
        call = msgspec.structs.replace(call, base_url=self._parts.base_url())
        shown = record.input
        if shown is not None:
            shown = self._service.validation.mask_secrets(shown, training=record.kind == "training")
        body = hosted_body(record, record.snapshot(), call, shown, self._parts.token)
        body.data_removed = record.is_data_removed
        body.output = self._output_urls(record).in_output(body.output)
        return body

    def _output_urls(self, record: Record) -> OutputUrls:
        base_url = self._parts.base_url()
        made_for = record.hosted.base_url if record.hosted is not None else base_url
        return OutputUrls(made_for, base_url, self._parts.token)


@contextlib.contextmanager
def _rejections() -> Iterator[None]:
    """Raise HttpError in place of the errors of `PredictionService.create` and of a webhook's URL."""
    try:
        yield
    except UnusableUrl as error:
        raise invalid_request(f"webhook: {error}") from None
    except InvalidInput as error:
        raise invalid_input(error) from None
    except NotJson as error:
        raise problem(400, "Bad Request", f"The input is not JSON: {error}") from None
    except services.Draining:
        raise problem(503, "Service unavailable", _DRAINING, _RETRY) from None
    except services.NotReady:
        raise problem(503, "Service unavailable", _NOT_READY, _RETRY) from None
    except services.AtCapacity:
        raise problem(429, "Too many requests", _BUSY, (b"retry-after", b"1")) from None
    except services.QueueFull as error:
        retry = (b"retry-after", b"%d" % error.retry_after_s)
        raise problem(429, "Too many requests", f"{error}.", retry) from None
    except services.Refused as error:
        raise invalid_request(str(error)) from None
