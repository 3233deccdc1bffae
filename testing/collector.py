"""An OpenTelemetry collector: receives OTLP over HTTP, and decodes the spans."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from testing.receiver import Received, Receiver
from testing.waiting import wait_for

TRACES_PATH: Final = "/v1/traces"


@dataclass(frozen=True)
class Span:
    """One span as it arrived. `parent_id` is empty for a root; `kind` and `status` are the names in OTLP."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    status: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    trace_state: str

    @property
    def traceparent(self) -> str:
        """The header field that names this span as the parent."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class Collector:
    """What has arrived at `receiver`."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a server that exports to this collector, soon after a span has ended."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        return [span for request in list(self.receiver.received) for span in _spans_in(request)]

    def named(self, name: str, trace_id: str | None = None) -> list[Span]:
        """Return the spans of that name, of one trace or of all."""
        return [span for span in self.spans if span.name == name and trace_id in (None, span.trace_id)]

    def wait_spans(self, *names: str, trace_id: str | None = None) -> list[Span]:
        """Wait for a span of each of these names, and return them. There must be only one of each."""

        def arrived() -> list[Span] | None:
            found = [self.named(name, trace_id) for name in names]
            return [span for (span,) in found] if all(map(len, found)) else None

        return wait_for(arrived, f"spans {names}")

    def wait_until(self, holds: Callable[[Sequence[Span]], object], what: str) -> list[Span]:
        """Wait until the spans satisfy the condition, and return all of them."""
        return wait_for(lambda: self.spans if holds(self.spans) else None, what)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector within the block."""
    with Receiver().listening() as receiver:
        yield Collector(receiver)


def _spans_in(request: Received) -> Iterator[Span]:
    assert (request.method, request.path) == ("POST", TRACES_PATH)
    assert request.headers["content-type"] == "application/x-protobuf"
    assert len(request.body) == request.size, "the receiver keeps only the beginning of large bodies"
    for group in ExportTraceServiceRequest.FromString(request.body).resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                yield _span(span, _attributes(group.resource.attributes))


def _span(span: trace_pb2.Span, resource: Mapping[str, Any]) -> Span:
    return Span(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        status=trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        resource=resource,
        trace_state=span.trace_state,
    )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
