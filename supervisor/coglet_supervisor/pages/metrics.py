"""GET /metrics, in the formats of Prometheus and OpenMetrics; on the server's port, or on one of its own."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from coglet_supervisor.http.access import Access
from coglet_supervisor.http.counted import ROUTE
from coglet_supervisor.http.request import HttpError, Receive, Request, Scope, Send, respond

log = logging.getLogger(__name__)

PATH: Final = b"/metrics"
_READING: Final = frozenset({"GET", "HEAD"})


class Source(Protocol):
    """The part of Exposition that the route uses."""

    async def encode(self, accept: str) -> tuple[bytes, str]: ...


class MetricsRoute:
    """The ASGI application of the route."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = PATH.decode()
        request = Request(scope, receive)
        if request.method not in _READING:
            raise HttpError(405, b"", (b"allow", b"GET,HEAD"))
        try:
            body, content_type = await self._source.encode(request.header(b"accept") or "")
        except RuntimeError as error:
            raise HttpError.text(503, f"The metrics cannot be read now: {error}") from error
        await respond(send, 200, body, (b"content-type", content_type.encode()))


class MetricsApp:
    """The application on a port of its own: the one route, without a token."""

    def __init__(self, route: MetricsRoute, access: Access) -> None:
        self._route = route
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            self._access.check(request)
            if request.path != PATH:
                raise HttpError(404)
            await self._route(scope, receive, send)
        except HttpError as error:
            await respond(send, error.status, error.body, *error.headers)
        except Exception:  # logged here, where the request is known
            log.exception("%s %r failed; this is a bug in the server", request.method, request.path)
            raise
