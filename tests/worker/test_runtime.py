"""What both loops leave to the runtime: metrics of a prediction, and the texts of its errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.worker.parts import Parts, SlotEnd

from cog import current_scope
from coglet_protocol import control, slot
from coglet_protocol.limits import MAX_TEXT_CHARS
from coglet_worker.running import RunningPrediction
from coglet_worker.runtime import MAX_METRIC_BYTES, Runtime


class Bench:
    """A runtime with one slot."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.slot: SlotEnd = parts.add_slot()
        self.runtime: Runtime = parts.runtime(lambda: None)

    @contextmanager
    def running(self) -> Iterator[RunningPrediction]:
        """Run the block as the code of a prediction."""
        message = slot.Predict(id="p", output_dir="/nonexistent", input=b"{}", sequence=1)
        prediction = self.runtime.begin(message, self.slot.connection)
        yield prediction
        self.runtime.end(prediction, slot.Done(id="p", predict_time=0.0))


@pytest.fixture
def bench(parts: Parts) -> Bench:
    return Bench(parts)


def test_metrics_go_out_one_by_one(bench: Bench) -> None:
    with bench.running():
        current_scope().record_metric("a", 1)
        current_scope().record_metric("a", 2, "increment")
    assert bench.slot.said[:-1] == [
        slot.Metric(name="a", value=b"1", mode="replace"),
        slot.Metric(name="a", value=b"2", mode="increment"),
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_dropped(bench: Bench, value: float) -> None:
    with bench.running():
        current_scope().record_metric("a", value)
    assert len(bench.slot.said) == 1


def test_a_metric_has_a_limit(bench: Bench) -> None:
    with bench.running():
        with pytest.raises(ValueError, match="metric 'a' is 1048577 bytes, the limit is 1048576"):
            current_scope().record_metric("a", "x" * (MAX_METRIC_BYTES - 1))
    assert len(bench.slot.said) == 1


def test_after_the_end_nothing_is_recorded(bench: Bench) -> None:
    with bench.running():
        scope = current_scope()
    scope.record_metric("late", 1)
    assert len(bench.slot.said) == 1
    assert current_scope() is not scope


def test_a_long_error_is_cut(bench: Bench) -> None:
    with bench.running() as prediction:
        failed = bench.runtime.explain(prediction, ValueError("x" * 2 * MAX_TEXT_CHARS))
    assert len(failed.error) <= MAX_TEXT_CHARS


@pytest.mark.parametrize("is_canceled", [False, True])
def test_the_traceback_is_reported_unless_it_was_canceled(bench: Bench, is_canceled: bool) -> None:
    if is_canceled:
        bench.parts.gate.request(1)
    with bench.running() as prediction:
        bench.runtime.explain(prediction, ValueError("boom"))
    assert (bench.parts.reported == []) == is_canceled


def test_a_poisoned_slot_is_never_idle(parts: Parts) -> None:
    bench = Bench(parts)
    bench.runtime = parts.runtime(lambda: None, reports_idle=True)
    with bench.running():
        bench.runtime.poison(bench.slot.connection, "broken")
    assert parts.reported == [control.Failed(slot=bench.slot.connection.id, error="broken")]
