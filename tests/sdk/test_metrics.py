"""Names, values, modes and types of metrics: what is accepted, what is emitted, what the errors say."""

import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from types import SimpleNamespace

import pytest

from coglet import _scope
from coglet._metrics import MetricRecorder


@pytest.fixture
def recording() -> Iterator[SimpleNamespace]:
    emitted: list[tuple[str, object, str]] = []
    scope = _scope.activate({}, lambda *change: emitted.append(change))
    yield SimpleNamespace(metrics=scope.metrics, emitted=emitted)
    _scope.deactivate(scope)


@pytest.fixture
def metrics(recording: SimpleNamespace) -> MetricRecorder:
    recorder: MetricRecorder = recording.metrics
    return recorder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "metric name must not be empty"),
        ("a" * 129, "metric name must be 128 characters or fewer (got 129 characters)"),
        ("a.b.c.d.e", "metric name must have at most 4 dot-separated segments (got 5)"),
        ("." + "a.b.c.d", "metric name must have at most 4 dot-separated segments (got 5)"),
        (".a", "metric name must not start with a dot"),
        ("a.", "metric name must not end with a dot"),
        ("a..b", "metric name must not contain empty segments (consecutive dots)"),
        ("1a", "metric name segment '1a' must start with a letter"),
        ("_a", "metric name segment '_a' must start with a letter"),
        ("é", "metric name segment 'é' must start with a letter"),
        ("ok.2", "metric name segment '2' must start with a letter"),
        ("a-b", "metric name segment 'a-b' contains invalid character '-'"),
        ("aé", "metric name segment 'aé' contains invalid character 'é'"),
        ("a b", "metric name segment 'a b' contains invalid character ' '"),
        ("a__b", "metric name segment 'a__b' must not contain consecutive underscores"),
        ("a_", "metric name segment 'a_' must end with a letter or digit"),
        ("predict_time", "'predict_time' is reserved by the runtime"),
        ("cog.x", "the 'cog.' prefix is reserved for system metrics"),
        ("cog..x", "the 'cog.' prefix is reserved for system metrics"),
    ],
)
def test_bad_names(recording: SimpleNamespace, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        recording.metrics.record(name, 1)
    assert recording.emitted == []


@pytest.mark.parametrize(
    "name", ["a", "A9", "a_b", "cog", "cognitive", "predict_time.x", "a.b.c.d", "a" * 128]
)
def test_good_names(recording: SimpleNamespace, name: str) -> None:
    recording.metrics.record(name, 1)
    assert recording.emitted == [(name, 1, "replace")]


def test_a_name_that_is_not_text(metrics: MetricRecorder) -> None:
    with pytest.raises(TypeError, match="metric name must be str, got int"):
        metrics.record(5, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="metric name must be str, got int"):
        metrics.delete(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", [True, 1, 2**70, 1.5, "text", [1, "a", None], {"a": {"b": [None]}}, [], {}, ""]
)
def test_values_arrive_as_they_are(recording: SimpleNamespace, value: object) -> None:
    recording.metrics.record("m", value)
    assert recording.emitted == [("m", value, "replace")]
    assert type(recording.emitted[0][1]) is type(value)


@pytest.mark.parametrize("value", [(1,), {1}, object(), b"x", 1j])
def test_values_without_a_json_form(metrics: MetricRecorder, value: object) -> None:
    message = (
        f"Unsupported metric value type: {type(value).__name__}. "
        "Expected bool, int, float, str, list, or dict."
    )
    for nested in (value, [value], {"a": value}):
        with pytest.raises(TypeError) as caught:
            metrics.record("m", nested)  # type: ignore[arg-type]
        assert str(caught.value) == message


def test_keys_of_dicts_are_text(metrics: MetricRecorder) -> None:
    with pytest.raises(TypeError, match=r"^Unsupported metric key type: int\. Expected str\.$"):
        metrics.record("m", {1: 2})  # type: ignore[dict-item]


def test_later_changes_of_a_recorded_value_do_not_show(recording: SimpleNamespace) -> None:
    value = {"list": [1]}
    recording.metrics.record("m", value)
    value["list"].append(2)
    assert recording.emitted == [("m", {"list": [1]}, "replace")]


def test_subclasses_are_recorded_as_the_plain_types_they_extend(recording: SimpleNamespace) -> None:
    class Level(IntEnum):
        LOW = 1

    class Text(str):
        __slots__ = ()

    recording.metrics.record("m", [Level.LOW, Text("a"), {Text("k"): 1}])
    assert [type(item) for item in recording.emitted[0][1]] == [int, str, dict]
    assert type(next(iter(recording.emitted[0][1][2]))) is str


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_without_a_json_form_is_left_out(recording: SimpleNamespace, value: float) -> None:
    recording.metrics.record("loss", value)
    recording.metrics.record("list", [1.5, value])
    assert recording.emitted == [("list", [1.5, None], "replace")]


@pytest.mark.parametrize(
    ("mode", "wire"),
    [
        (None, "replace"),
        ("replace", "replace"),
        ("incr", "increment"),
        ("increment", "increment"),
        ("append", "append"),
    ],
)
def test_modes(recording: SimpleNamespace, mode: str | None, wire: str) -> None:
    recording.metrics.record("m", 1, mode)
    assert recording.emitted == [("m", 1, wire)]


def test_a_wrong_mode_is_found_before_anything_else(metrics: MetricRecorder) -> None:
    message = r"^Invalid metric mode: 'sum'\. Expected 'replace', 'incr', or 'append'\.$"
    with pytest.raises(TypeError, match=message):
        metrics.record("", object(), "sum")  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "kind"), [("a", "str"), (True, "bool"), ([1], "list")])
def test_only_numbers_increment(metrics: MetricRecorder, value: bool | str | list[int], kind: str) -> None:
    with pytest.raises(TypeError, match=f"^Increment mode requires int or float, got {kind}$"):
        metrics.record("m", value, "incr")


@pytest.mark.parametrize("mode", ["incr", "append"])
def test_none_means_deletion_in_replace_mode_alone(metrics: MetricRecorder, mode: str) -> None:
    with pytest.raises(TypeError, match="Unsupported metric value type: NoneType"):
        metrics.record("m", None, mode)


def test_a_metric_keeps_its_type(metrics: MetricRecorder) -> None:
    metrics.record("m", 1)
    for value, kind in ((1.5, "float"), (True, "bool"), ("a", "str"), ([1], "list")):
        message = f"^Metric 'm' has type int, cannot set to {kind} without deleting first$"
        with pytest.raises(TypeError, match=message):
            metrics.record("m", value)
    with pytest.raises(TypeError, match="has type int, cannot set to float"):
        metrics.record("m", 1.5, "incr")
    with pytest.raises(TypeError, match="has type int, cannot set to str"):
        metrics.record("m", "a", "append")


def test_a_refused_value_does_not_lock_the_type(recording: SimpleNamespace) -> None:
    with pytest.raises(TypeError):
        recording.metrics.record("m", "a", "incr")
    recording.metrics.record("m", 1)
    assert recording.emitted == [("m", 1, "replace")]


def test_a_list_takes_items_of_any_type(recording: SimpleNamespace) -> None:
    recording.metrics.record("m", [1])
    recording.metrics.record("m", "a", "append")
    recording.metrics.record("m", [2])
    with pytest.raises(TypeError, match="Metric 'm' has type list, cannot set to int without deleting first"):
        recording.metrics.record("m", 1)
    assert [change[1] for change in recording.emitted] == [[1], "a", [2]]


@pytest.mark.parametrize(
    "delete",
    [
        lambda metrics: metrics.delete("m"),
        lambda metrics: metrics.__delitem__("m"),
        lambda metrics: metrics.__setitem__("m", None),
        lambda metrics: metrics.record("m", None),
    ],
    ids=["delete", "del", "item = None", "record None"],
)
def test_every_way_to_delete_frees_the_type(
    recording: SimpleNamespace, delete: Callable[[MetricRecorder], None]
) -> None:
    recording.metrics["m"] = 1
    delete(recording.metrics)
    recording.metrics["m"] = "text"
    assert recording.emitted == [("m", 1, "replace"), ("m", None, "replace"), ("m", "text", "replace")]


def test_what_delete_accepts(recording: SimpleNamespace) -> None:
    recording.metrics.delete("never_recorded")
    recording.metrics.delete("predict_time")
    with pytest.raises(ValueError, match="must not be empty"):
        recording.metrics.delete("")
    assert [change[0] for change in recording.emitted] == ["never_recorded", "predict_time"]


def test_metrics_cannot_be_read(metrics: MetricRecorder) -> None:
    metrics["m"] = 1
    with pytest.raises(TypeError, match="not subscriptable"):
        metrics["m"]  # type: ignore[index]
    assert repr(metrics) == "MetricRecorder(keys=1)"
