"""What the application gets of a request, and what the span of the request says."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer
from tests.supervisor.fakes import Caller

from coglet_supervisor.http.app import MAX_HEADERS
from coglet_supervisor.http.counted import ROUTE
from coglet_supervisor.http.request import Receive, Scope, Send, respond
from coglet_supervisor.tracing.requests import TracedApp

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


class Spans:
    """A tracer, and the spans that have ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = provider.get_tracer("test")

    @property
    def only(self) -> ReadableSpan:
        (span,) = self.all
        return span

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


@pytest.fixture
def spans() -> Spans:
    return Spans()


async def headers_at_the_app(spans: Spans, caller: Caller) -> list[tuple[bytes, bytes]]:
    """Return the header fields that an application behind the traces gets."""
    found: list[tuple[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.extend(scope["headers"])
        await respond(send, 200, b"")

    await TracedApp(app, spans.tracer)(caller.scope, caller.receive, caller.send)
    assert caller.status == 200
    return found


async def test_the_application_gets_the_span_of_the_request_as_its_parent(spans: Spans) -> None:
    caller = Caller("POST", "/predictions", traceparent=PARENT, tracestate="a=b", host="x")
    headers = dict(await headers_at_the_app(spans, caller))
    assert spans.only.context is not None
    span_id = f"{spans.only.context.span_id:016x}"
    assert headers == {
        b"host": b"x",
        b"traceparent": f"00-{TRACE_ID}-{span_id}-01".encode(),
        b"tracestate": b"a=b",
    }


async def test_two_parents_are_invalid(spans: Spans) -> None:
    caller = Caller("POST", "/predictions", traceparent=PARENT)
    caller.scope["headers"] *= 2
    [(_, traceparent)] = await headers_at_the_app(spans, caller)
    assert TRACE_ID.encode() not in traceparent
    assert spans.only.parent is None


@pytest.mark.parametrize("count", [MAX_HEADERS - 1, MAX_HEADERS, MAX_HEADERS + 1])
async def test_the_number_of_header_fields_does_not_exceed_the_limit(spans: Spans, count: int) -> None:
    caller = Caller("POST", "/predictions")
    caller.scope["headers"] = [(b"x", b"y")] * count
    assert len(await headers_at_the_app(spans, caller)) == max(count, MAX_HEADERS)


async def test_a_bug_of_the_application_is_an_error(spans: Spans) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = "/predictions/{id}"
        raise ZeroDivisionError

    caller = Caller("GET", "/predictions/a")
    with pytest.raises(ZeroDivisionError):
        await TracedApp(app, spans.tracer)(caller.scope, caller.receive, caller.send)
    assert (spans.only.name, spans.only.status.status_code) == ("GET /predictions/{id}", StatusCode.ERROR)
    assert spans.only.attributes is not None
    assert spans.only.attributes["error.type"] == "ZeroDivisionError"


@pytest.mark.parametrize("path", ["/predictions/a", "/trainings", "/v1/predictions/a/stream"])
async def test_a_request_that_matches_no_route_is_named_after_its_method(spans: Spans, path: str) -> None:
    """Nothing that a client chooses is part of the name."""
    await headers_at_the_app(spans, Caller("SECRET", path))
    assert spans.only.attributes is not None
    assert (spans.only.name, "http.route" in spans.only.attributes) == ("_OTHER", False)


@pytest.mark.parametrize("path", ["/health-check", "/readyz", "/ui/data/events", "/", "/predictionsx", "*"])
async def test_health_checks_and_pages_have_no_spans(spans: Spans, path: str) -> None:
    assert await headers_at_the_app(spans, Caller("GET", path)) == []
    assert spans.all == ()
