"""What is counted of a run, and how values fall into buckets."""

import math
from itertools import pairwise

import msgspec
import pytest
from tests.supervisor.serving import Service

from coglet_protocol import slot
from coglet_supervisor.metrics.counts import Counts
from coglet_supervisor.metrics.exported import ExportedMetrics
from coglet_supervisor.metrics.histogram import BYTES, SECONDS, Histogram


def test_a_value_is_counted_up_to_its_bound() -> None:
    histogram = Histogram((1.0, 10.0))
    histogram.observe((0.0, 1.0, 1.5))
    histogram.observe((10.0, 11.0, math.inf))
    assert histogram.cumulative() == [(1.0, 2), (10.0, 4), (math.inf, 6)]
    assert histogram.sum == math.inf


@pytest.mark.parametrize("bounds", [SECONDS, BYTES], ids=["seconds", "bytes"])
def test_the_bounds_ascend_in_steps_that_are_alike(bounds: tuple[float, ...]) -> None:
    steps = [after / before for before, after in pairwise(bounds)]
    assert all(1 < step <= 4 for step in steps)


async def test_a_run_is_counted_at_its_end(served: Service) -> None:
    counts = Counts()
    run = served.create(input_json=b'{"a":1}')
    assert counts.totals.ended == 0
    served.end()
    counts.run_ended(run)
    totals = counts.totals
    assert totals.ended == 1
    assert totals.by_kind_and_status == {("prediction", "succeeded"): 1}
    assert totals.input_bytes.sum == len('{"a":1}')
    assert totals.output_bytes.sum == len("1")
    assert totals.take_latest_s() == [run.prediction.run_time_s]
    assert totals.take_latest_s() == []


async def test_many_runs_are_all_counted(served: Service) -> None:
    counts = Counts()
    for _ in range(250):
        run = served.create()
        served.end()
        counts.run_ended(run)
    assert counts.totals.ended == 250
    assert counts.totals.prediction_s.cumulative()[-1] == (math.inf, 250)


async def test_a_run_that_never_started_has_no_run_time(served: Service) -> None:
    counts = Counts()
    run = served.bench.new_run(kind="training", created_at=1.0)
    run.accept()
    run.cancel()
    counts.run_ended(run)
    assert counts.totals.by_kind_and_status == {("training", "canceled"): 1}
    assert counts.totals.prediction_s.cumulative()[-1] == (math.inf, 0)
    assert counts.totals.queue_s.sum > 1e9  # since 1970


async def test_a_clock_that_is_set_back_counts_as_no_waiting(served: Service) -> None:
    counts = Counts()
    run = served.bench.run(created_at=1e12)
    run.receive(slot.Done(id="p", predict_time=0.0))
    counts.run_ended(run)
    assert counts.totals.queue_s.cumulative()[0] == (SECONDS[0], 1)
    assert counts.totals.queue_s.sum == 0


async def test_a_run_that_is_left_to_the_next_server_is_not_counted(served: Service) -> None:
    counts = Counts()
    run = served.bench.new_run()
    run.leave()
    counts.run_ended(run)
    assert counts.totals.ended == 0
    assert counts.totals.by_kind_and_status == {}


async def test_metrics_of_the_model_are_added_up(served: Service) -> None:
    counts = Counts(["tokens", "timing.load"])
    run = served.bench.run()
    for name, value in (("tokens", 3), ("timing.load", 0.5), ("other", 1)):
        run.receive(slot.Metric(name=name, value=msgspec.json.encode(value), mode="replace"))
    run.receive(slot.Done(id="p", predict_time=0.0))
    counts.run_ended(run)
    found = {name: (summary.count, summary.sum) for name, summary in counts.exported.summaries.items()}
    assert found == {"tokens": (1, 3.0), "timing.load": (1, 0.5)}


@pytest.mark.parametrize("value", ["text", True, None, [1], {"b": 1}, 10**400], ids=type)
def test_what_is_not_a_number_is_not_added(value: object) -> None:
    exported = ExportedMetrics(["a"])
    exported.add({"a": value})
    assert exported.summaries["a"].count == 0


def test_a_number_in_the_place_of_an_object_is_ignored() -> None:
    exported = ExportedMetrics(["a.b"])
    exported.add({"a": 1})
    assert exported.summaries["a.b"].count == 0
