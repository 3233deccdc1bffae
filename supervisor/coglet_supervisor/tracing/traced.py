"""The parts of a server with traces."""

from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from coglet_protocol.url_guard import UrlGuard
from coglet_supervisor.http.request import Application
from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.predictions.resources import FileStore
from coglet_supervisor.settings import Settings
from coglet_supervisor.tracing.outgoing import TracedOutgoing, TracedStore
from coglet_supervisor.tracing.requests import TracedApp
from coglet_supervisor.tracing.runs import RunTraces
from coglet_supervisor.tracing.span_ids import SpanIds
from coglet_supervisor.tracing.span_queue import SpanQueue
from coglet_supervisor.versions import versions

_UNNAMED: Final = "unknown_service"


class Traced:
    """Makes spans, as the environment configures the library. Raises ValueError for an invalid setting."""

    def __init__(self, settings: Settings) -> None:
        ids = SpanIds()
        # Without the library's own hook at exit, which could wait for the collector.
        provider = TracerProvider(
            resource=_resource(settings.model_name), id_generator=ids, shutdown_on_exit=False
        )
        self._queue = SpanQueue(_exporter(settings), settings.max_queued_spans)
        provider.add_span_processor(self._queue)
        self._tracer = provider.get_tracer("coglet", versions().coglet)
        self.runs: Final = RunTraces(self._tracer, ids)
        self.observers: Final = (self.runs,)

    def app(self, app: Application) -> Application:
        """Return `app` with a span for each request."""
        return TracedApp(app, self._tracer)

    def outgoing(self, guard: UrlGuard, name: str) -> Outgoing:
        """Return a client that makes a span of this name for each message."""
        return TracedOutgoing(guard, self._tracer, name)

    def store(self, store: FileStore) -> FileStore:
        """Return `store` with its uploads as parts of runs."""
        return TracedStore(store, self.runs)

    async def close(self, limit_s: float) -> None:
        """Export the last spans, for at most `limit_s` seconds."""
        await self._queue.close(limit_s)


def _exporter(settings: Settings) -> SpanExporter:
    return ConsoleSpanExporter() if settings.traces == "console" else OTLPSpanExporter()


def _resource(model_name: str | None) -> Resource:
    """Return what the environment says about this server, and its name if it says none."""
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        resource = resource.merge(Resource({SERVICE_NAME: model_name or "coglet"}))
    return resource
