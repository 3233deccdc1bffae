"""The queue of ended spans, and the thread that exports them. It never blocks the server.

Spans are dropped, and counted, when the collector is too slow or unavailable.
"""

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from coglet_supervisor.own_thread import in_own_thread

log = logging.getLogger(__name__)

_LIBRARY: Final = "opentelemetry"
_MAX_REASON_CHARS: Final = 500


class SpanQueue(BatchSpanProcessor):
    """Passes at most `max_spans` at a time to `exporter`. `on_end` is called on the event loop alone."""

    def __init__(self, exporter: SpanExporter, max_spans: int) -> None:
        self._exported = _CountingExporter(exporter)
        super().__init__(self._exported, max_queue_size=max_spans)
        self._max_spans = max_spans
        self._queued = 0
        self._dropped = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, or drop it."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._queued - self._exported.taken >= self._max_spans:
            self._dropped += 1
            return
        self._queued += 1
        super().on_end(span)

    async def close(self, limit_s: float) -> None:
        """Export what is queued, for at most `limit_s` seconds."""
        with contextlib.suppress(TimeoutError, RuntimeError):  # the latter: the system has no thread left
            async with asyncio.timeout(limit_s):
                await in_own_thread(self.shutdown, "span-flush")
        ended = self._queued + self._dropped
        if lost := ended - self._exported.delivered:
            log.warning("%d of %d spans were not delivered to the collector", lost, ended)


class _CountingExporter(SpanExporter):
    """Counts what `exporter` delivers, and logs when the collector becomes unavailable, and available.

    Its methods run in the thread of the queue.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._reasons = _Reasons()
        self._lost = 0  # since the collector became unavailable
        self.taken = 0
        self.delivered = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - some raise if the collector does not answer
            self._reasons.add(f"{type(error).__name__}: {error}")
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self.delivered += len(spans)
            if self._lost:
                log.info("the collector receives spans again; %d were lost", self._lost)
            self._lost = 0
        else:
            if not self._lost:
                log.warning("spans cannot be exported, they are dropped: %s", self._reasons.text)
            self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._exporter.shutdown()


class _Reasons(logging.Handler):
    """Takes what the library logs, which it does at each attempt, and keeps the latest of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._latest: deque[str] = deque(maxlen=2)
        library = logging.getLogger(_LIBRARY)
        library.handlers = [self]
        library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        self.add(record.getMessage())

    def add(self, text: str) -> None:
        """Keep a reason, without the query of a URL, which may be a key."""
        self._latest.append(re.sub(r"\?\S+", "?...", text))

    @property
    def text(self) -> str:
        """The latest reasons."""
        return "; ".join(self._latest)[:_MAX_REASON_CHARS]
