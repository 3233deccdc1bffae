"""runtime.md 9.4: how the metrics of a prediction merge."""

from typing import Any

import pytest

from coglet_supervisor.predictions.metrics import Metrics, Mode, merge_metric

Change = tuple[str, Any, Mode]


@pytest.mark.parametrize(
    ("changes", "merged"),
    [
        pytest.param([("a", 1, "replace"), ("a", 2, "replace")], {"a": 2}, id="the-last-replaces"),
        pytest.param([("a", 1, "replace"), ("a", None, "replace")], {}, id="null-deletes"),
        pytest.param([("a", None, "replace")], {}, id="deleting-nothing"),
        pytest.param([("n", 2, "increment"), ("n", 3, "increment")], {"n": 5}, id="increment"),
        pytest.param([("n", 1, "replace"), ("n", 0.5, "increment")], {"n": 1.5}, id="increment-mixed"),
        pytest.param([("n", "x", "replace"), ("n", 1, "increment")], {"n": "x"}, id="text-stays"),
        pytest.param([("n", True, "replace"), ("n", 1, "increment")], {"n": True}, id="true-is-not-a-number"),
        pytest.param([("l", 1, "append")], {"l": [1]}, id="append-to-nothing"),
        pytest.param([("l", [1], "replace"), ("l", 2, "append")], {"l": [1, 2]}, id="append-to-a-list"),
        pytest.param([("l", 1, "replace"), ("l", 2, "append")], {"l": [1, 2]}, id="append-to-a-value"),
        pytest.param([("l", [1], "append")], {"l": [[1]]}, id="append-a-list"),
        pytest.param([("t.a", 1, "replace"), ("t.b", 2, "replace")], {"t": {"a": 1, "b": 2}}, id="dots-nest"),
        pytest.param([("t.a.b", 1, "increment")], {"t": {"a": {"b": 1}}}, id="dots-nest-deeper"),
        pytest.param([("t", 1, "replace"), ("t.a", 2, "replace")], {"t": {"a": 2}}, id="scalar-is-replaced"),
        pytest.param([("t.a", 1, "replace"), ("t.a", None, "replace")], {"t": {}}, id="the-parent-remains"),
        pytest.param(
            [("t", 1, "replace"), ("t.a", None, "replace")], {"t": 1}, id="deleting-inside-a-scalar"
        ),
        pytest.param([("t.a", None, "replace")], {}, id="deleting-makes-no-parent"),
        pytest.param([("t.a", 1, "replace"), ("t", 2, "replace")], {"t": 2}, id="object-is-replaced"),
    ],
)
def test_changes_merge_in_order(changes: list[Change], merged: Metrics) -> None:
    metrics: Metrics = {}
    for name, value, mode in changes:
        merge_metric(metrics, name, value, mode)
    assert metrics == merged
