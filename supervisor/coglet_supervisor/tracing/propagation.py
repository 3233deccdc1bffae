"""W3C Trace Context in header fields: of requests, of records, and of what the server itself sends."""

from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACE_FIELDS: Final = ("traceparent", "tracestate")
_ENCODED: Final = tuple(name.encode() for name in TRACE_FIELDS)
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def context_in(fields: Mapping[str, str]) -> Context:
    """Return the context that the fields name; one without a span if they are invalid or absent."""
    return _PROPAGATOR.extract(fields, Context())


def context_in_headers(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the context that a request names. Two `traceparent` fields are invalid."""
    fields: dict[str, str] = {}
    for name, value in headers:
        if name in _ENCODED:
            text, key = value.decode("latin-1"), name.decode()
            fields[key] = f"{fields[key]},{text}" if key in fields else text
    return context_in(fields)


def fields_of(span: Span) -> dict[str, str]:
    """Return the fields that make `span` the parent."""
    fields: dict[str, str] = {}
    _PROPAGATOR.inject(fields, set_span_in_context(span, Context()))
    return fields


def headers_of(span: Span) -> dict[bytes, bytes]:
    """Return the header fields that make `span` the parent."""
    return {name.encode(): value.encode("latin-1") for name, value in fields_of(span).items()}


def is_trace_field(name: bytes) -> bool:
    """True if a header field of this name belongs to a trace."""
    return name in _ENCODED
