"""The spans of runs: the wait in the queue, the run itself, and its downloads.

The times are those of the prediction, so a span begins and ends when the record says so. What is needed
earlier, and is there from the start of the run, is the span's number.
"""

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from coglet_protocol.slot import Downloaded
from coglet_supervisor.predictions.run import PredictionRun
from coglet_supervisor.tracing.propagation import TRACE_FIELDS, context_in, fields_of
from coglet_supervisor.tracing.span_ids import SpanIds

PREDICTION_ID: Final = "coglet.prediction.id"
_STATUS: Final = "coglet.prediction.status"


@dataclass
class _RunTrace:
    """The spans of one run. `own_root` is the root of a run that no traced request has created."""

    run: PredictionRun
    parent: Context
    own_root: Span | None = None
    queue: Span | None = None
    running: Span | None = None

    @property
    def latest(self) -> Context:
        """The context of what the run does now."""
        span = self.running or self.queue
        return self.parent if span is None else set_span_in_context(span, Context())


class RunTraces:
    """A RunObserver and RunTracer that makes spans with `tracer`, whose numbers come from `ids`.

    The error texts of predictions are not in the spans: they may quote inputs and URLs. The log has them,
    with the number of the span.
    """

    def __init__(self, tracer: Tracer, ids: SpanIds) -> None:
        self._tracer = tracer
        self._ids = ids
        self._traces: dict[str, _RunTrace] = {}

    # RunObserver

    def run_created(self, run: PredictionRun) -> None:
        """See RunObserver."""
        request = get_current_span()
        if request.get_span_context().is_valid:
            request.set_attribute(PREDICTION_ID, run.id)
            trace = _RunTrace(run, set_span_in_context(request, Context()))
        else:  # of an earlier server, which may have had traces
            trace = _RunTrace(run, context_in(run.recorded.record(with_data=False).context))
        if not get_current_span(trace.parent).get_span_context().is_valid:
            trace.own_root = self._start(run.kind, trace, _ns(run.prediction.created_at))
            trace.parent = set_span_in_context(trace.own_root, Context())
        self._traces[run.id] = trace

    def run_ended(self, run: PredictionRun) -> None:
        """See RunObserver."""
        trace = self._traces.pop(run.id)
        prediction = run.prediction
        at_ns = _ns(prediction.completed_at)
        for span in (trace.queue, trace.running, trace.own_root):
            if span is None:
                continue
            if prediction.is_terminal:
                span.set_attribute(_STATUS, prediction.status)
            if prediction.status == "failed":
                span.set_status(StatusCode.ERROR)
            span.end(at_ns)

    # RunTracer

    def accepted(self, context: dict[str, str]) -> dict[str, str]:
        """See RunTracer."""
        others = {name: value for name, value in context.items() if name not in TRACE_FIELDS}
        return {**others, **fields_of(get_current_span())}

    def waits(self, prediction_id: str) -> None:
        """See RunTracer."""
        trace = self._traces[prediction_id]
        trace.queue = self._start("queue", trace, time.time_ns())

    def started(self, prediction_id: str) -> dict[str, str]:
        """See RunTracer."""
        trace = self._traces[prediction_id]
        at_ns = _ns(trace.run.prediction.started_at)
        if trace.queue is not None:
            trace.queue.end(at_ns)
            trace.queue = None
        trace.running = self._start("run", trace, at_ns)
        return fields_of(trace.running)

    def downloaded(self, message: Downloaded) -> None:
        """See RunTracer. Ignores what is reported of a run that has ended."""
        trace = self._traces.get(message.id)
        if trace is None or trace.running is None:
            return
        attributes: dict[str, AttributeValue] = {
            **server_of(message.origin),
            "http.request.method": "GET",
            "http.response.body.size": message.size_bytes,
        }
        if message.error is not None:
            attributes["error.type"] = message.error
        self._ids.use_next(message.span_id)
        span = self._tracer.start_span(
            "download", trace.latest, SpanKind.CLIENT, attributes, start_time=message.started_ns
        )
        if message.error is not None:
            span.set_status(StatusCode.ERROR)
        span.end(message.ended_ns)

    # for uploads and the log

    def context_of(self, prediction_id: str) -> Context:
        """Return the context of what a run does now; an empty one if it has ended."""
        trace = self._traces.get(prediction_id)
        return Context() if trace is None else trace.latest

    def log_fields(self, prediction_id: str | None) -> dict[str, object]:
        """Return trace and span of a prediction, else of the request that this code serves. Thread-safe."""
        trace = None if prediction_id is None else self._traces.get(prediction_id)
        span: SpanContext = get_current_span(None if trace is None else trace.latest).get_span_context()
        if not span.is_valid:
            return {}
        return {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}

    def _start(self, name: str, trace: _RunTrace, at_ns: int) -> Span:
        attributes = {PREDICTION_ID: trace.run.id, "coglet.prediction.kind": trace.run.kind}
        return self._tracer.start_span(name, trace.parent, attributes=attributes, start_time=at_ns)


def server_of(url: str) -> dict[str, AttributeValue]:
    """Return the attributes of the server in a URL: scheme, host and port, because the rest may be secret."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:  # from a worker; the URLs of requests were checked
        return {}
    return {"url.scheme": parts.scheme, "server.address": parts.hostname or "", "server.port": port}


def _ns(seconds: float | None) -> int:
    return time.time_ns() if seconds is None else int(seconds * 1e9)
