"""The running prediction as model code sees it: which code gets which scope, and until when."""

import asyncio
from collections.abc import Iterator
from contextvars import Context, copy_context
from functools import partial
from types import SimpleNamespace

import pytest

import cog
from coglet import _scope

Recorded = list[tuple[str, object, str]]


def collect(recorded: Recorded, name: str, value: object, mode: str) -> None:
    recorded.append((name, value, mode))


@pytest.fixture
def prediction() -> Iterator[SimpleNamespace]:
    """A running prediction: its scope, and what it has recorded."""
    recorded: Recorded = []
    scope = _scope.activate({"token": "t"}, partial(collect, recorded))
    yield SimpleNamespace(scope=scope, recorded=recorded)
    _scope.deactivate(scope)


def test_outside_a_prediction_everything_is_a_silent_no_op() -> None:
    scope = cog.current_scope()
    scope.record_metric("", object())  # type: ignore[arg-type]
    scope.metrics["a..b"] = 1
    del scope.metrics[""]
    assert scope.context == {}
    assert repr(scope) == "Scope(MetricRecorder(inactive))"


def test_an_invalid_mode_is_refused_even_outside_a_prediction() -> None:
    with pytest.raises(
        TypeError, match=r"^Invalid metric mode: 'add'\. Expected 'replace', 'incr', or 'append'\.$"
    ):
        cog.current_scope().record_metric("a", 1, "add")


def test_a_context_written_to_outside_a_prediction_stays_there() -> None:
    cog.current_scope().context["secret"] = "x"
    assert cog.current_scope().context == {}


def test_inside_a_prediction_the_scope_is_its_own(prediction: SimpleNamespace) -> None:
    scope = cog.current_scope()
    scope.record_metric("tokens", 3)
    assert scope is prediction.scope
    assert scope.context == {"token": "t"}
    assert scope.context is cog.current_scope().context
    assert scope.metrics is cog.current_scope().metrics
    assert prediction.recorded == [("tokens", 3, "replace")]
    assert repr(scope) == "Scope(MetricRecorder(keys=1))"


def test_the_base_class_reaches_the_scope(prediction: SimpleNamespace) -> None:
    runner = cog.BaseRunner()
    runner.record_metric("n", 1, mode="incr")
    assert runner.scope is prediction.scope
    assert prediction.recorded == [("n", 1, "increment")]


def test_the_old_spelling_records_too(prediction: SimpleNamespace) -> None:
    cog.emit_metric("n", 1.5)
    assert prediction.recorded == [("n", 1.5, "replace")]


@pytest.mark.parametrize("name", ["context", "metrics", "record_metric", "anything"])
def test_a_scope_cannot_be_assigned_to(prediction: SimpleNamespace, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(prediction.scope, name, {})


def test_scope_and_recorder_that_are_kept_become_inactive_with_their_prediction() -> None:
    recorded: Recorded = []
    scope = _scope.activate({}, partial(collect, recorded))
    recorder = scope.metrics
    _scope.deactivate(scope)
    scope.record_metric("late", 1)
    recorder.record("late", 1)
    assert recorded == []
    assert repr(scope) == "Scope(MetricRecorder(inactive))"
    assert cog.current_scope() is not scope


def test_a_scope_first_used_after_its_end_is_inactive() -> None:
    recorded: Recorded = []
    scope = _scope.activate({}, partial(collect, recorded))
    _scope.deactivate(scope)
    scope.metrics.record("late", 1)
    assert recorded == []


def test_predictions_that_run_at_once_never_see_each_other() -> None:
    recorded: dict[str, Recorded] = {"a": [], "b": []}
    contexts = {name: copy_context() for name in recorded}
    for name, context in contexts.items():
        context.run(_scope.activate, {"name": name}, partial(collect, recorded[name]))
    for name, context in contexts.items():
        scope = context.run(cog.current_scope)
        assert scope.context == {"name": name}
        scope.record_metric("of", name)
    assert recorded == {"a": [("of", "a", "replace")], "b": [("of", "b", "replace")]}


def test_a_thread_started_with_the_context_works_for_the_same_prediction() -> None:
    recorded: Recorded = []

    async def predict() -> None:
        scope = _scope.activate({}, partial(collect, recorded))
        await asyncio.to_thread(lambda: cog.current_scope().record_metric("thread", 1))
        _scope.deactivate(scope)

    asyncio.run(predict())
    assert recorded == [("thread", 1, "replace")]


def test_code_without_the_context_has_no_prediction(prediction: SimpleNamespace) -> None:
    scope = Context().run(cog.current_scope)
    scope.record_metric("stray", 1)
    assert scope.context == {}
    assert prediction.recorded == []
