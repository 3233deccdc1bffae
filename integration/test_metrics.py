"""runtime.md 9: metrics, context and scope."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.holding import hold_async
from testing.script import script
from testing.server import Server

UNSUPPORTED = "Unsupported metric value type: {}. Expected bool, int, float, str, list, or dict."
ADVICE = "without deleting first"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def metrics(server: Server, act: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Return the metrics of a prediction without those that the server adds."""
    body = server.predict(script(act, **arguments)).json()
    assert body["status"] == "succeeded", body
    found: dict[str, Any] = body["metrics"]
    assert isinstance(found.pop("predict_time"), float)
    return found


def record(changes: list[list[Any]]) -> None:
    from cog import current_scope

    for change in changes:
        current_scope().record_metric(*change)


def delete(changes: list[list[Any]], names: list[str]) -> None:
    from cog import current_scope

    scope = current_scope()
    for change in changes:
        scope.record_metric(*change)
    for name in names:
        del scope.metrics[name]


@pytest.mark.parametrize(
    "value", [True, 5, -1.5, "text", [1, "a", None], {"a": {"b": [None]}}, "", 0, [], {}]
)
def test_a_value_is_reported_as_it_is(server: Server, value: Any) -> None:
    assert metrics(server, record, changes=[["m", value]]) == {"m": value}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([["m", 1], ["m", 2]], {"m": 2}),
        ([["m", 1, "replace"], ["m", 2, None]], {"m": 2}),
        ([["m", 1, "incr"], ["m", 2, "increment"]], {"m": 3}),
        ([["m", 5], ["m", -2, "incr"]], {"m": 3}),
        ([["m", 1.5, "incr"], ["m", 1.0, "incr"]], {"m": 2.5}),
        ([["m", 1, "append"], ["m", 2, "append"]], {"m": [1, 2]}),
        ([["m", 1], ["m", 2, "append"]], {"m": [1, 2]}),
        ([["a.b.c", 1], ["a.d", 2]], {"a": {"b": {"c": 1}, "d": 2}}),
        ([["a", 1], ["a.b", 2]], {"a": {"b": 2}}),
        ([["a.b", 1, "incr"], ["a.b", 2, "incr"]], {"a": {"b": 3}}),
        ([["cog", 1], ["cognitive", 2]], {"cog": 1, "cognitive": 2}),
    ],
)
def test_changes_are_merged(server: Server, changes: list[list[Any]], expected: dict[str, Any]) -> None:
    assert metrics(server, record, changes=changes) == expected


def test_deleting(server: Server) -> None:
    assert metrics(server, delete, changes=[["a", 1], ["b", 2]], names=["a"]) == {"b": 2}
    assert metrics(server, delete, changes=[["t.a", 1]], names=["t.a"]) == {"t": {}}
    assert metrics(server, delete, changes=[], names=["absent", "predict_time"]) == {}


def test_the_ways_to_write(server: Server) -> None:
    def predict() -> None:
        from cog import current_scope

        m = current_scope().metrics
        m.record("a", 1)
        m["b"] = 2
        m["c"] = 3
        m["c"] = None
        m["d"] = 4
        m.delete("d")
        m.record("e", 5, mode="append")

    assert metrics(server, predict) == {"a": 1, "b": 2, "e": [5]}


def test_the_predictors_own_method(serve: Serve) -> None:
    def predict() -> None:
        from cog import BasePredictor

        BasePredictor().record_metric("m", 1)
        BasePredictor().record_metric("m", 1, mode="increment")
        BasePredictor().scope.record_metric("n", 1)

    with serve("script") as server:
        assert metrics(server, predict) == {"m": 2, "n": 1}


@pytest.mark.ours("sdk.md: recording None deletes; the peer raises TypeError")
def test_recording_none_deletes(server: Server) -> None:
    assert metrics(server, record, changes=[["a", 1], ["b", 2], ["a", None]]) == {"b": 2}


def test_deleting_makes_another_type_possible(server: Server) -> None:
    def predict() -> None:
        from cog import current_scope

        m = current_scope().metrics
        m["x"] = 1
        del m["x"]
        m["x"] = "text"

    assert metrics(server, predict) == {"x": "text"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ([["", 1]], "ValueError: metric name must not be empty"),
        ([["a" * 129, 1]], "ValueError: metric name must be 128 characters or fewer (got 129 characters)"),
        ([["a.b.c.d.e", 1]], "ValueError: metric name must have at most 4 dot-separated segments (got 5)"),
        ([[".a", 1]], "ValueError: metric name must not start with a dot"),
        ([["a.", 1]], "ValueError: metric name must not end with a dot"),
        ([["a..b", 1]], "ValueError: metric name must not contain empty segments (consecutive dots)"),
        ([["1a", 1]], "ValueError: metric name segment '1a' must start with a letter"),
        ([["a-b", 1]], "ValueError: metric name segment 'a-b' contains invalid character '-'"),
        ([["a__b", 1]], "ValueError: metric name segment 'a__b' must not contain consecutive underscores"),
        ([["a_", 1]], "ValueError: metric name segment 'a_' must end with a letter or digit"),
        ([["predict_time", 1]], "ValueError: 'predict_time' is reserved by the runtime"),
        ([["cog.x", 1]], "ValueError: the 'cog.' prefix is reserved for system metrics"),
        ([["m", 1], ["m", 1.5]], f"TypeError: Metric 'm' has type int, cannot set to float {ADVICE}"),
        ([["m", True], ["m", 1]], f"TypeError: Metric 'm' has type bool, cannot set to int {ADVICE}"),
        (
            [["m", 1, "add"]],
            "TypeError: Invalid metric mode: 'add'. Expected 'replace', 'incr', or 'append'.",
        ),
        ([["m", "x", "incr"]], "TypeError: Increment mode requires int or float, got str"),
    ],
)
def test_what_is_refused(server: Server, changes: list[list[Any]], error: str) -> None:
    body = server.predict(script(record, changes=changes)).json()
    assert body["error"] == f"Prediction failed: Prediction failed: {error}"


def test_values_of_other_types_are_refused(server: Server) -> None:
    def predict() -> None:
        from cog import current_scope

        value: Any = {1}
        current_scope().metrics["m"] = value

    body = server.predict(script(predict)).json()
    assert body["error"].endswith(UNSUPPORTED.format("set"))


def test_metrics_before_a_failure_are_reported(server: Server) -> None:
    def predict() -> None:
        from cog import current_scope

        current_scope().record_metric("before", 1)
        raise ValueError("boom")

    body = server.predict(script(predict)).json()
    assert (body["status"], body["metrics"]["before"]) == ("failed", 1)


def test_metrics_are_seen_while_the_prediction_runs(server: Server) -> None:
    def predict() -> None:
        import pathlib
        import time

        from cog import current_scope

        current_scope().record_metric("progress", 0.5)
        print("held", flush=True)
        while not pathlib.Path("seen").exists():
            time.sleep(0.01)

    answer = server.begin(script(predict), id="watched")
    server.wait_logged("watched", "held")
    state = server.peek("watched")
    (server.folder / "seen").touch()
    assert state is not None
    assert state["metrics"] == {"progress": 0.5}
    answer.result()


def test_metrics_start_anew_with_each_prediction(server: Server) -> None:
    assert metrics(server, record, changes=[["x", 1]]) == {"x": 1}
    assert metrics(server, record, changes=[["x", "text"]]) == {"x": "text"}


# scope


def test_outside_a_prediction_a_scope_does_nothing(server: Server) -> None:
    def predict() -> list[Any]:
        import contextvars
        import threading

        from cog import current_scope

        seen: list[Any] = []

        def outside() -> None:
            scope = current_scope()
            scope.record_metric("lost", 1)
            seen.extend([repr(scope), scope.context])

        memory = globals()["memory"]
        kept = memory.setdefault("kept", current_scope())
        thread = threading.Thread(target=contextvars.Context().run, args=(outside,))
        thread.start()
        thread.join()
        return [repr(kept), *seen]

    server.predict(script(predict))
    body = server.predict(script(predict)).json()
    assert body["output"][0] == "Scope(MetricRecorder(inactive))"
    if server.installation.is_ours:  # 16.4: the peer falls back to the running prediction
        assert body["output"][1:] == ["Scope(MetricRecorder(inactive))", {}]
        assert "lost" not in body["metrics"]


def test_the_repr_of_a_scope_counts_its_metrics(server: Server) -> None:
    def predict() -> str:
        from cog import current_scope

        current_scope().record_metric("a", 1)
        current_scope().record_metric("b", 1)
        return repr(current_scope())

    assert server.predict(script(predict)).json()["output"] == "Scope(MetricRecorder(keys=2))"


def test_a_scope_cannot_be_changed_nor_a_metric_read(server: Server) -> None:
    def predict() -> list[str]:
        from cog import current_scope

        scope: Any = current_scope()
        errors = []
        for act in (lambda: setattr(scope, "context", {}), lambda: scope.metrics["a"]):
            try:
                act()
            except (AttributeError, TypeError) as error:
                errors.append(type(error).__name__)
        return errors

    assert server.predict(script(predict)).json()["output"] == ["AttributeError", "TypeError"]


@pytest.mark.ours("runtime.md 16.4: in the peer context and metrics cross predictions")
def test_context_and_metrics_never_cross_predictions(serve: Serve) -> None:
    async def predict(gate: str) -> list[Any]:
        import asyncio
        import os

        from cog import current_scope

        def in_executor() -> Any:
            current_scope().record_metric("from_executor", 1)
            return dict(current_scope().context)

        print("held", flush=True)
        while not os.access(gate, os.F_OK):  # noqa: ASYNC110 - the file is the test's signal
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        return [dict(current_scope().context), await loop.run_in_executor(None, in_executor)]

    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "2"}) as server:
        first = server.begin(script(predict, gate="one"), id="a", context={"tenant": "a"})
        server.wait_logged("a", "held")
        other = server.begin(script(hold_async, until="two"), id="b", context={"tenant": "b"})
        server.wait_logged("b", "held")
        (server.folder / "one").touch()
        context, in_executor = first.result().json()["output"]
        (server.folder / "two").touch()
        assert context == {"tenant": "a"}
        assert in_executor in ({"tenant": "a"}, {})
        assert list(other.result().json()["metrics"]) == ["predict_time"]
