"""The spans of webhooks and uploads: one for each attempt, which is the parent of the receiver's spans."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import SpanKind, StatusCode, Tracer, get_current_span
from opentelemetry.util.types import AttributeValue

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.outgoing.client import Answer, Message, Outgoing
from coglet_supervisor.predictions.resources import FileStore
from coglet_supervisor.tracing.propagation import context_in_headers, headers_of, is_trace_field
from coglet_supervisor.tracing.runs import RunTraces, server_of

_CLIENT_ERROR: Final = 400


class TracedOutgoing(Outgoing):
    """Makes a span called `name` of each message.

    Its parent is the one that the message names in `traceparent`, else the current span.
    """

    def __init__(self, guard: UrlGuard, tracer: Tracer, name: str) -> None:
        super().__init__(guard)
        self._tracer = tracer
        self._name = name

    async def send(self, message: Message, *, limit_s: float) -> Answer:
        """See Outgoing."""
        parent = context_in_headers(message.headers.items())
        if not get_current_span(parent).get_span_context().is_valid:
            parent = get_current()
        # Without an end, because the task goes on: what it logs of a failure is part of the trace.
        attach(parent)
        attributes: dict[str, AttributeValue] = {
            **server_of(message.url),
            "http.request.method": message.method,
        }
        span = self._tracer.start_span(self._name, parent, SpanKind.CLIENT, attributes)
        others = {name: value for name, value in message.headers.items() if not is_trace_field(name)}
        traced = replace(message, headers={**others, **headers_of(span)})
        try:
            answer = await super().send(traced, limit_s=limit_s)
            span.set_attribute("http.response.status_code", answer.status)
            if answer.status >= _CLIENT_ERROR:
                span.set_attribute("error.type", str(answer.status))
                span.set_status(StatusCode.ERROR)
            return answer
        except BaseException as error:  # a cancel, too; it is raised again
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            span.end()


class TracedStore:
    """A FileStore whose uploads are part of the run."""

    def __init__(self, store: FileStore, runs: RunTraces) -> None:
        self._store = store
        self._runs = runs

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        """See FileStore."""
        token = attach(self._runs.context_of(prediction_id))
        try:
            return await self._store.deliver(file, name, prediction_id)
        finally:
            detach(token)
