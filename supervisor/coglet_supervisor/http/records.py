"""HTTP routes that show, list and delete predictions and trainings, in flight or ended."""

import asyncio
import contextlib
import secrets
from typing import Final, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec

from coglet_supervisor.client_tasks import StartTask
from coglet_supervisor.http.events import NOT_KEPT, accepts_events, send_events
from coglet_supervisor.http.exchange import LARGE_BODY_BYTES
from coglet_supervisor.http.preference import Preference
from coglet_supervisor.http.public_url import PublicUrl
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
from coglet_supervisor.predictions.hosted_body import COLLECTIONS, timestamp
from coglet_supervisor.predictions.metrics import Metrics
from coglet_supervisor.predictions.prediction import TERMINAL, Kind, Status
from coglet_supervisor.predictions.record import Record
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.predictions.service import PredictionService
from coglet_supervisor.records.cancelation import cancel
from coglet_supervisor.records.lookup import find_record, with_data
from coglet_supervisor.records.none import NoRecords
from coglet_supervisor.records.restoring import HookSender
from coglet_supervisor.records.store import DEFAULT_PAGE, MAX_PAGE, Cursor, Expired, Query, Store

STATUSES: Final = get_args(Status)
DATA_FIELDS: Final = ("input", "logs", "output")
STILL_RUNNING: Final = "is still running; cancel it first"
LEFT: Final = "waits for the next start of the server; cancel it first"


class Urls(msgspec.Struct, omit_defaults=True):
    """The routes of one prediction."""

    cancel: str
    get: str
    stream: str | msgspec.UnsetType = msgspec.UNSET


class RecordBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A prediction as in other responses, with its times (RFC 3339) and URLs.

    `queue_position` is 1 for the one that gets the next free slot; those in a list come without it.
    """

    attempts: int
    completed_at: str | msgspec.UnsetType = msgspec.UNSET
    created_at: str
    data_removed: bool = False
    deadline: str | msgspec.UnsetType = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET
    id: str
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    logs: str | msgspec.UnsetType = msgspec.UNSET
    metrics: Metrics
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    queue_position: int | msgspec.UnsetType = msgspec.UNSET
    started_at: str | msgspec.UnsetType = msgspec.UNSET
    status: Status
    urls: Urls


class PageBody(msgspec.Struct):
    """One page of a list. `next` is the URL of older predictions, `previous` of newer ones."""

    results: list[RecordBody]
    next: str | None
    previous: str | None


class RecordRoutes:
    """GET and DELETE under /predictions and /trainings, and cancel."""

    def __init__(
        self,
        service: PredictionService,
        store: Store,
        webhooks: HookSender,
        public_url: PublicUrl,
        start_task: StartTask,
    ) -> None:
        self._service = service
        self._store = store
        self._webhooks = webhooks
        self._public_url = public_url
        self._start_task = start_task

    async def show(self, request: Request, send: Send, kind: Kind, prediction_id: str) -> None:
        """GET .../{id}: respond with the state, at the end if the client prefers to wait, or the events.

        Raises HttpError 404 or 410 if there is no record, and 422 for invalid parameters.
        """
        parameters = _parameters(request)
        fields = _fields(parameters.pop("fields", ",".join(DATA_FIELDS)))
        _check_empty(parameters)
        if accepts_events(request.header(b"accept")):
            await self._show_events(request, send, kind, prediction_id)
            return
        run = self._service.find(prediction_id)
        wait_s = Preference.parse(request.header(b"prefer")).wait_s
        if run is not None and run.kind == kind and wait_s is not None:
            await self._wait_terminal(run, request, wait_s)
        body = self._body(request, await self._find(kind, prediction_id), fields)
        position = self._service.queue_position(prediction_id)
        body.queue_position = position if position is not None else msgspec.UNSET
        await respond_in_pieces(send, 200, _pieces(body), JSON)

    async def list(self, request: Request, send: Send, kind: Kind) -> None:
        """GET /predictions: respond with a page of the list. Raises HttpError 422 for invalid parameters."""
        query, fields = _query(request, kind)
        page = await self._store.list(query)
        records = await with_data(self._store, page.records) if fields else page.records

        def url(cursor: Cursor | None) -> str | None:
            if cursor is None:
                return None
            parameters = {**_parameters(request), "cursor": str(cursor)}
            return self._public_url.of(request, COLLECTIONS[kind], query=urlencode(parameters))

        results = [self._body(request, record, fields) for record in records]
        body = PageBody(results, next=url(page.older), previous=url(page.newer))
        await respond(send, 200, encode_json(body), JSON)

    async def cancel(self, send: Send, prediction_id: str) -> None:
        """POST .../cancel: respond with 200, also if the prediction has ended; 404 if there is no record.

        Either of the two routes cancels predictions and trainings, as the peer does.
        """
        known = await cancel(self._service, self._store, self._webhooks, prediction_id)
        await respond(send, 200 if known else 404, b"{}", JSON)

    async def delete(self, send: Send, kind: Kind, prediction_id: str) -> None:
        """DELETE .../{id}: forget a terminal record. Raises HttpError 404, 409 or 410."""
        run = self._service.find(prediction_id)
        if run is not None and run.kind == kind:
            raise HttpError.json(409, {"detail": f"{kind} {prediction_id!r} {STILL_RUNNING}"})
        record = await self._find(kind, prediction_id)
        if record.status not in TERMINAL:
            raise HttpError.json(409, {"detail": f"{kind} {prediction_id!r} {LEFT}"})
        await self._store.delete(prediction_id)
        await respond(send, 204, b"")

    async def _wait_terminal(self, run: PredictionRun, request: Request, wait_s: float) -> None:
        """Wait for the end of the run, for `wait_s` seconds or until the client disconnects."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s) as limit:
                watch = DisconnectWatch(request, self._start_task, lambda: limit.reschedule(0.0))
                try:
                    await run.prediction.wait_terminal()
                finally:
                    watch.end()

    async def _find(self, kind: Kind, prediction_id: str) -> Record:
        found = await find_record(self._service, self._store, prediction_id)
        match found:
            case Record(kind=found_kind) if found_kind == kind:
                return found
            case Expired():
                raise HttpError.json(410, {"detail": f"{kind} {prediction_id!r} has expired"})
        raise unknown(kind, prediction_id, has_records=not isinstance(self._store, NoRecords))

    async def _show_events(self, request: Request, send: Send, kind: Kind, prediction_id: str) -> None:
        record = await self._find(kind, prediction_id)
        source = self._service.find(prediction_id) or await self._store.stream(prediction_id)
        if not record.is_streaming or source is None:
            raise HttpError.json(406, {"detail": NOT_KEPT})
        await send_events(source, request, send, self._start_task)

    def _body(self, request: Request, record: Record, fields: tuple[str, ...]) -> RecordBody:
        unset = msgspec.UNSET
        urls = [self._public_url.of(request, COLLECTIONS[record.kind], record.id)]
        urls.append(f"{urls[0]}/cancel")
        has_input = "input" in fields and record.input is not None
        return RecordBody(
            attempts=record.attempt,
            completed_at=timestamp(record.completed_at) if record.completed_at is not None else unset,
            created_at=timestamp(record.created_at),
            data_removed=record.is_data_removed,
            deadline=timestamp(record.deadline) if record.deadline is not None else unset,
            error=record.error if record.error is not None else unset,
            id=record.id,
            input=self._masked(record) if has_input else unset,
            logs=record.logs if "logs" in fields else unset,
            metrics=record.metrics,
            output=record.output if "output" in fields and record.output is not None else unset,
            started_at=timestamp(record.started_at) if record.started_at is not None else unset,
            status=record.status,
            urls=Urls(cancel=urls[1], get=urls[0], stream=urls[0] if record.is_streaming else unset),
        )

    def _masked(self, record: Record) -> msgspec.Raw:
        assert record.input is not None
        return self._service.validation.mask_secrets(record.input, training=record.kind == "training")


def _pieces(body: RecordBody) -> list[bytes | memoryview]:
    """Return the JSON text of a body: in one piece, or in three if the output is too large to copy."""
    output = body.output
    if output is msgspec.UNSET or len(memoryview(output)) <= LARGE_BODY_BYTES:
        return [encode_json(body)]
    mark = encode_json(secrets.token_hex(16))
    head, _, tail = encode_json(msgspec.structs.replace(body, output=msgspec.Raw(mark))).partition(mark)
    return [head, memoryview(output), tail]


def unknown(kind: Kind, prediction_id: str, *, has_records: bool) -> HttpError:
    """Return the error for an id without a record: 404."""
    reason = "" if has_records else ": the server keeps no records (COG_RECORDS=off)"
    return HttpError.json(404, {"detail": f"{kind} {prediction_id!r} is not known{reason}"})


def _parameters(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))


def _query(request: Request, kind: Kind) -> tuple[Query, tuple[str, ...]]:
    """Return the query and the data fields that the parameters ask for. Raises HttpError 422."""
    parameters = _parameters(request)
    status = parameters.pop("status", None)
    if status is not None and status not in STATUSES:
        raise _invalid("status", status, f"one of {', '.join(STATUSES)}")
    limit = parameters.pop("limit", str(DEFAULT_PAGE))
    if not (limit.isdecimal() and len(limit) <= 3 and 1 <= int(limit) <= MAX_PAGE):
        raise _invalid("limit", limit, f"a whole number from 1 to {MAX_PAGE}")
    cursor_text = parameters.pop("cursor", None)
    cursor = Cursor.parse(cursor_text) if cursor_text is not None else None
    if cursor_text is not None and cursor is None:
        raise _invalid("cursor", cursor_text, "taken from `next` or `previous` of another page")
    fields = _fields(parameters.pop("fields", ""))
    _check_empty(parameters)
    return (
        Query(kind=kind, status=status, limit=int(limit), cursor=cursor),  # type: ignore[arg-type]
        fields,
    )


def _fields(text: str) -> tuple[str, ...]:
    """Return the data fields in a comma-separated list. Raises HttpError 422."""
    fields = tuple(field for field in text.split(",") if field)
    if any(field not in DATA_FIELDS for field in fields):
        raise _invalid("fields", text, f"a list of {', '.join(DATA_FIELDS)}")
    return fields


def _check_empty(unknown: dict[str, str]) -> None:
    """Raise HttpError 422 if there are parameters left."""
    for name in unknown:
        raise HttpError.json(422, {"detail": f"{name}: is not a parameter of this route"})


def _invalid(name: str, value: str, wanted: str) -> HttpError:
    return HttpError.json(422, {"detail": f"{name}: is {value[:100]!r}, but must be {wanted}"})
