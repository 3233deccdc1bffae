"""The span of a request. What the request starts becomes part of its trace."""

from typing import Final

from opentelemetry.context import attach, detach
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context

from coglet_supervisor.http.app import MAX_HEADERS
from coglet_supervisor.http.counted import NO_ROUTE, route_of
from coglet_supervisor.http.request import Application, Message, Receive, Scope, Send
from coglet_supervisor.tracing.propagation import context_in_headers, headers_of, is_trace_field

_SERVER_ERROR: Final = 500
# Not health checks and pages.
_TRACED: Final = frozenset({b"predictions", b"trainings", b"v1"})
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class TracedApp:
    """An ASGI application around `app`, which makes a span of each request.

    The request that `app` receives names this span as its parent, instead of what the client has sent. So do
    the webhooks that the application sends with these header fields.
    """

    def __init__(self, app: Application, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["raw_path"][1:].partition(b"/")[0] not in _TRACED:
            await self._app(scope, receive, send)
            return
        parent = context_in_headers(scope["headers"])
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"  # clients may send any word
        attributes = {"http.request.method": method, "url.scheme": scope["scheme"]}
        span = self._tracer.start_span(method, parent, SpanKind.SERVER, attributes)
        others = [field for field in scope["headers"] if not is_trace_field(field[0])]
        # Not beyond the limit of fields, for which the request would be rejected.
        scope["headers"] = [*others, *list(headers_of(span).items())[: max(MAX_HEADERS - len(others), 0)]]
        token = attach(set_span_in_context(span, parent))
        try:
            await self._app(scope, receive, _noting(span, send))
        except BaseException as error:  # a cancel, too; it is raised again
            span.set_attribute("error.type", type(error).__name__)
            if isinstance(error, Exception):
                span.set_status(StatusCode.ERROR)
            raise
        finally:
            detach(token)
            if (route := route_of(scope)) != NO_ROUTE:
                span.set_attribute("http.route", route)
                span.update_name(f"{method} {route}")
            span.end()


def _noting(span: Span, send: Send) -> Send:
    """Return `send`, which also notes the status of the response."""

    async def send_and_note(message: Message) -> None:
        if message["type"] == "http.response.start":
            span.set_attribute("http.response.status_code", message["status"])
            if message["status"] >= _SERVER_ERROR:
                span.set_status(StatusCode.ERROR)
        await send(message)

    return send_and_note
