"""The queue of ended spans: bounded, and what it drops is counted."""

import logging
import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from testing.waiting import wait_for

from coglet_supervisor.tracing.span_ids import SpanIds
from coglet_supervisor.tracing.span_queue import SpanQueue


class Blocked(SpanExporter):
    """Returns from `export` when the test opens it."""

    def __init__(self) -> None:
        self.exported: list[str] = []
        self.is_exporting = threading.Event()
        self.opened = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.is_exporting.set()
        self.opened.wait()
        self.exported += [span.name for span in spans]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """See SpanExporter."""


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")


@pytest.mark.usefixtures("small_batches")
async def test_it_drops_and_counts_what_it_has_no_room_for(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Blocked()
    queue = SpanQueue(exporter, max_spans=3)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("test")
    tracer.start_span("first").end()
    exporter.is_exporting.wait()
    for number in range(10):
        tracer.start_span(str(number)).end()
    exporter.opened.set()
    wait_for(lambda: len(exporter.exported) == 4, "the export of what was queued")
    with caplog.at_level(logging.WARNING, "coglet_supervisor"):
        await queue.close(5.0)
    assert exporter.exported == ["first", "0", "1", "2"]
    assert [record.getMessage() for record in caplog.records] == [
        "7 of 11 spans were not delivered to the collector"
    ]


class Unavailable(Blocked):
    """Raises, as some exporters do if the collector does not answer."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.is_exporting.set()
        raise ConnectionError("refused by http://collector.test/?key=secret")


@pytest.mark.usefixtures("small_batches")
async def test_an_exporter_that_raises_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    queue = SpanQueue(Unavailable(), max_spans=3)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    with caplog.at_level(logging.WARNING, "coglet_supervisor"):
        for _ in range(2):
            provider.get_tracer("test").start_span("lost").end()
        await queue.close(5.0)
    assert [record.getMessage() for record in caplog.records] == [
        "spans cannot be exported, they are dropped: ConnectionError: refused by http://collector.test/?...",
        "2 of 2 spans were not delivered to the collector",
    ]


@pytest.mark.usefixtures("small_batches")
async def test_closing_does_not_wait_longer_than_its_limit() -> None:
    exporter = Blocked()
    queue = SpanQueue(exporter, max_spans=3)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    provider.get_tracer("test").start_span("first").end()
    await queue.close(0.01)
    assert exporter.exported == []
    exporter.opened.set()


def test_a_chosen_span_id_is_used_once() -> None:
    ids = SpanIds()
    ids.use_next(7)
    assert ids.generate_span_id() == 7
    assert ids.generate_span_id() != 7
