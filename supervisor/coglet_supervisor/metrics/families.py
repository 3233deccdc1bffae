"""The metrics of docs/metrics.md in the formats of Prometheus. Imported at the first scrape, in a thread."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from coglet_supervisor.health import Setup
from coglet_supervisor.metric_names import exported_name
from coglet_supervisor.metrics.counts import Counts, Totals
from coglet_supervisor.metrics.histogram import Histogram
from coglet_supervisor.metrics.machine import ServerState, WorkerState
from coglet_supervisor.versions import versions
from coglet_supervisor.webhooks.outcomes import Event, Outcome
from coglet_supervisor.workers.report import REPLACEMENTS

K = TypeVar("K", bound=tuple[str, ...])

_KINDS: Final = ("prediction",)
_STATUSES: Final = ("succeeded", "failed", "canceled")
_WORKER_STATES: Final = ("STARTING", "READY", "SETUP_FAILED", "DEFUNCT")
_WEBHOOKS: Final[Sequence[tuple[Event, Outcome]]] = tuple(
    (event, outcome)
    for event in ("start", "progress", "completed")
    for outcome in ("delivered", "retried", "failed")
    if event == "completed" or outcome != "retried"  # only the end is retried
)


Outcomes = Mapping[tuple[Event, Outcome], int]


def collect(counts: Counts, state: ServerState, webhooks: Outcomes) -> list[Metric]:
    """Return all metrics as they are now. Called on the event loop, where nothing is counted meanwhile."""
    return [
        InfoMetricFamily(
            "coglet_build",
            "The release of the server, and its Python.",
            {"version": versions().coglet, "python": versions().python},
        ),
        *_of_predictions(counts.totals, state),
        *_of_server(state),
        *_of_workers(state.workers),
        _counter(
            "coglet_webhooks",
            "Webhooks by event and outcome.",
            ("event", "outcome"),
            dict.fromkeys(_WEBHOOKS, 0) | dict(webhooks),
        ),
        _counter(
            "coglet_http_requests",
            "Requests by route and status code, counted at the end of the response.",
            ("route", "code"),
            # An alert on the increase of errors does not see a series that begins with 1.
            {(route, "500"): 0 for route, _ in counts.requests}
            | {(route, str(status)): number for (route, status), number in counts.requests.items()},
        ),
        *_of_model(counts),
    ]


_OPEN_METRICS: Final = "application/openmetrics-text"


def encode(metrics: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Return metrics in the format that the `Accept` field asks for, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(metrics))
    ProcessCollector(registry=registry)
    # Not from `accept` itself: the library fails for versions that it does not know.
    is_open = _OPEN_METRICS in (part.partition(";")[0].strip().lower() for part in accept.split(","))
    encoder, content_type = choose_encoder(f"{_OPEN_METRICS}; version=1.0.0" if is_open else "")
    return encoder(registry), content_type


class _Collected(Collector):
    """Metrics that are collected already, as prometheus_client reads them."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        return self._metrics


def _of_predictions(totals: Totals, state: ServerState) -> Iterator[Metric]:
    yield _counter(
        "coglet_predictions",
        "Predictions and trainings that have ended, by status.",
        ("kind", "status"),
        {(kind, status): 0 for kind in _KINDS for status in _STATUSES} | dict(totals.by_kind_and_status),
    )
    yield _gauge(
        "coglet_predictions_in_progress",
        "Predictions and trainings that are accepted and have not ended, with those that wait.",
        state.in_progress,
    )
    yield _histogram("coglet_prediction_seconds", "From the start to the end.", totals.prediction_s)
    yield _histogram(
        "coglet_queue_seconds", "From the acceptance to the start, or to the end before it.", totals.queue_s
    )
    yield _histogram("coglet_input_bytes", "Size of the input, as JSON text.", totals.input_bytes)
    yield _histogram("coglet_output_bytes", "Size of the output, as JSON text.", totals.output_bytes)


def _of_server(state: ServerState) -> Iterator[Metric]:
    yield _gauge("coglet_queue_length", "Predictions that wait for a slot.", state.queue.length)
    yield _gauge("coglet_queue_capacity", "How many predictions may wait.", state.queue.capacity)
    slots = GaugeMetricFamily("coglet_slots", "Slots of all workers by state.", labels=("state",))
    slots.add_metric(("idle",), state.slots.idle)
    slots.add_metric(("busy",), state.slots.busy)
    yield slots
    yield _gauge(
        "coglet_streams_open", "Clients that read events of predictions in progress.", state.streams_open
    )
    yield _gauge(
        "coglet_webhook_backlog",
        "Predictions that have ended, and whose last webhook is not delivered yet.",
        state.webhook_backlog,
    )


def _of_workers(workers: Sequence[WorkerState]) -> Iterator[Metric]:
    states = Counter(worker.state for worker in workers)
    by_state = GaugeMetricFamily("coglet_workers", "Workers by state.", labels=("state",))
    for state in _WORKER_STATES:
        by_state.add_metric((state.lower(),), states[state])
    yield by_state
    replacements = {(reason,): 0 for reason in REPLACEMENTS}
    memory = GaugeMetricFamily(
        "coglet_worker_memory_bytes", "Resident memory of a worker process.", labels=("worker",)
    )
    for worker in workers:
        for reason, number in worker.replacements.items():
            replacements[reason,] += number
        memory.add_metric((str(worker.number),), worker.memory_bytes)
    yield _counter(
        "coglet_worker_restarts", "Workers that were replaced, by reason.", ("reason",), replacements
    )
    yield memory
    setups_s = [taken for worker in workers if (taken := _taken_s(worker.setup)) is not None]
    setup = GaugeMetricFamily("coglet_setup_seconds", "Duration of the longest setup of the current workers.")
    if setups_s:
        setup.add_metric((), max(setups_s))
    yield setup


def _of_model(counts: Counts) -> Iterator[Metric]:
    for name, summary in counts.exported.summaries.items():
        text = f"The model's metric {name}, over all predictions that recorded it."
        yield SummaryMetricFamily(exported_name(name), text, count_value=summary.count, sum_value=summary.sum)


def _taken_s(setup: Setup) -> float | None:
    if setup.completed_at is None or setup.status != "succeeded":
        return None
    started, completed = map(datetime.datetime.fromisoformat, (setup.started_at, setup.completed_at))
    return (completed - started).total_seconds()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counter(name: str, text: str, labels: Sequence[str], values: Mapping[K, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    buckets = [
        ("+Inf" if bound == float("inf") else str(bound), number) for bound, number in histogram.cumulative()
    ]
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.sum)
