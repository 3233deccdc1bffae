"""The ASGI application: routes each request, and responds to those that match no route."""

import logging
from typing import Final, Protocol

from coglet_supervisor.http.access import Access
from coglet_supervisor.http.connection import MAX_HEAD_BYTES
from coglet_supervisor.http.counted import NO_ROUTE, ROUTE
from coglet_supervisor.http.predictions import PredictionRoutes
from coglet_supervisor.http.records import RecordRoutes
from coglet_supervisor.http.request import (
    JSON,
    TEXT,
    Disconnected,
    HttpError,
    Receive,
    Request,
    Scope,
    Send,
    decode_segment,
    encode_json,
    respond,
)
from coglet_supervisor.predictions.prediction import Kind
from coglet_supervisor.predictions.record import NotRecorded
from coglet_supervisor.records.store import NotReadable

log = logging.getLogger(__name__)

_PROBES: Final = ([b"health-check"], [b"livez"], [b"readyz"])
_KINDS: Final[dict[bytes, Kind]] = {b"predictions": "prediction", b"trainings": "training"}
_PATTERNS: Final = {name: f"/{name.decode()}" for name in (*_KINDS, *(segments[0] for segments in _PROBES))}

# The limits of the peer.
MAX_URI_BYTES: Final = 65_534
MAX_HEADERS: Final = 100
_CLOSE: Final = (b"connection", b"close")


class HealthReporter(Protocol):
    """Reports the health of the server, for GET /health-check and GET /readyz."""

    async def health_body(self) -> object: ...

    def not_ready_because(self) -> str | None: ...


class Pages(Protocol):
    """The ASGI application of all other routes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class App:
    """Serves predictions, trainings and health; passes other requests to `pages`."""

    def __init__(
        self,
        access: Access,
        predictions: PredictionRoutes,
        records: RecordRoutes,
        health: HealthReporter,
        pages: Pages,
    ) -> None:
        self._access = access
        self._predictions = predictions
        self._records = records
        self._health = health
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if rejection := _rejection(scope):
            await respond(send, rejection, b"", _CLOSE)
            return
        request = Request(scope, receive)
        segments = request.path.split(b"/")[1:]
        try:
            self._access.check(request)
            if not segments:
                await _answer_asterisk(request, send)
                return
            if segments[0] not in _KINDS and segments not in _PROBES:
                await self._pages(scope, receive, send)
                return
            scope[ROUTE] = _pattern(segments)
            await self._route(request, send, segments)
        except HttpError as error:
            await respond(send, error.status, error.body, *error.headers)
        except NotRecorded as error:
            detail = f"The change was not recorded: {error}"
            await respond(send, 507, encode_json({"detail": detail}), JSON)
        except NotReadable as error:
            log.error("%s %r failed: the records cannot be read: %s", request.method, request.path, error)
            detail = f"The records cannot be read: {error}"
            await respond(send, 503, encode_json({"detail": detail}), JSON)
        except Disconnected:
            log.debug("a client disconnected before its request was complete")
        except Exception:  # logged here, where the request is known
            log.exception("%s %r failed; this is a bug in the server", request.method, request.path)
            raise

    async def _route(self, request: Request, send: Send, segments: list[bytes]) -> None:
        match segments:
            case [b"health-check"]:
                _allow(request, "GET", "HEAD")
                await respond(send, 200, encode_json(await self._health.health_body()), JSON)
            case [b"livez"]:
                _allow(request, "GET", "HEAD")
                await respond(send, 200, b"ok", TEXT)
            case [b"readyz"]:
                _allow(request, "GET", "HEAD")
                reason = self._health.not_ready_because()
                await respond(send, 503 if reason else 200, (reason or "ok").encode(), TEXT)
            case [collection]:
                _allow(request, "GET", "HEAD", "POST")
                if request.method == "POST":
                    await self._predictions.create(request, send, _KINDS[collection], None)
                else:
                    await self._records.list(request, send, _KINDS[collection])
            case [collection, segment] if segment:
                _allow(request, "DELETE", "GET", "HEAD", "PUT")
                await self._route_one(request, send, _KINDS[collection], decode_segment(segment, "id"))
            case [collection, segment, b"cancel"] if segment:
                _allow(request, "POST")
                await self._records.cancel(send, decode_segment(segment, "id"))
            case _:
                raise HttpError(404)

    async def _route_one(self, request: Request, send: Send, kind: Kind, prediction_id: str) -> None:
        match request.method:
            case "PUT":
                await self._predictions.create(request, send, kind, prediction_id)
            case "DELETE":
                await self._records.delete(send, kind, prediction_id)
            case _:
                await self._records.show(request, send, kind, prediction_id)


def _pattern(segments: list[bytes]) -> str:
    """Return the pattern of a route, for the counts of requests."""
    match segments:
        case [name]:
            return _PATTERNS[name]
        case [collection, _]:
            return _PATTERNS[collection] + "/{id}"
        case [collection, _, b"cancel"]:
            return _PATTERNS[collection] + "/{id}/cancel"
    return NO_ROUTE


def _rejection(scope: Scope) -> int | None:
    """Return the status with which to reject a request that is over the limits, or None."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URI_BYTES:
        return 414
    headers = scope["headers"]
    # The connection checks the size only of heads that arrive in several pieces.
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEAD_BYTES:
        return 431
    return None


async def _answer_asterisk(request: Request, send: Send) -> None:
    """Respond to `OPTIONS *` (RFC 9110, 9.3.7). Raises HttpError 400 for any other path without a slash."""
    if request.path != b"*" or request.method != "OPTIONS":
        raise HttpError(400)
    await respond(send, 200, b"", (b"allow", b"DELETE, GET, HEAD, POST, PUT"))


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise HttpError(405, b"", (b"allow", ",".join(methods).encode()))
