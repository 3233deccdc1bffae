"""The state of one prediction, and its representation for clients (runtime.md 1.7 and 6.2)."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.supervisor.running import end, new_prediction

from coglet_supervisor.predictions.events import Completed, Event, Logged, Measured, Produced, Started
from coglet_supervisor.predictions.prediction import IllegalTransition, Listener, Prediction


class Recorder:
    """A listener that records all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seen_at_end: str | None = None

    def on_event(self, prediction: Prediction, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Completed):
            self.seen_at_end = prediction.status


def running(*listeners: Listener, output_is_array: bool = False) -> Prediction:
    prediction = new_prediction(listeners, output_is_array=output_is_array)
    prediction.start()
    return prediction


def shown(prediction: Prediction) -> dict[str, Any]:
    state: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(prediction.snapshot()))
    return state


def test_listeners_receive_all_events_in_order() -> None:
    recorder = Recorder()
    prediction = running(recorder)
    prediction.log("stdout", "a\n")
    prediction.produce(b"1")
    prediction.measure("m", b"2", "replace")
    prediction.produce(b"3")
    end(prediction, "succeeded")
    assert recorder.events == [
        Started(),
        Logged("stdout", "a\n"),
        Produced(b"1", 0),
        Measured("m", b"2", "replace"),
        Produced(b"3", 1),
        Completed(),
    ]
    assert recorder.seen_at_end == "succeeded"


def test_it_starts_once() -> None:
    with pytest.raises(IllegalTransition, match="prediction p is processing and cannot take start"):
        running().start()


def test_an_end_is_final() -> None:
    prediction = running()
    end(prediction, "canceled")
    with pytest.raises(IllegalTransition, match="prediction p is canceled and cannot take succeeded"):
        end(prediction, "succeeded")
    with pytest.raises(IllegalTransition):
        prediction.start()
    assert prediction.status == "canceled"


def test_it_may_fail_before_it_starts() -> None:
    prediction = new_prediction()
    end(prediction, "failed", error="no worker")
    assert shown(prediction)["error"] == "no worker"


@pytest.mark.parametrize(
    "act",
    [
        lambda prediction: prediction.log("stdout", "late"),
        lambda prediction: prediction.produce(b"1"),
        lambda prediction: prediction.measure("m", b"1", "replace"),
    ],
    ids=["log", "produce", "measure"],
)
def test_nothing_changes_after_the_end(act: Callable[[Prediction], None]) -> None:
    recorder = Recorder()
    prediction = running(recorder)
    end(prediction, "succeeded")
    before, events = shown(prediction), list(recorder.events)
    act(prediction)
    assert (shown(prediction), recorder.events) == (before, events)


@pytest.mark.parametrize(
    ("items", "is_array", "is_stream", "output"),
    [
        ([], False, False, None),
        ([b"1"], False, False, 1),
        ([b"1", b"2"], False, False, [1, 2]),
        ([b"null"], False, False, None),
        ([], True, False, []),
        ([b"1"], True, False, [1]),
        ([], False, True, []),
        ([b"1"], False, True, [1]),
        ([b"[5]"], True, False, [[5]]),
    ],
)
def test_the_shape_of_the_output(items: list[bytes], is_array: bool, is_stream: bool, output: object) -> None:
    prediction = running(output_is_array=is_array)
    for item in items:
        prediction.produce(item)
    end(prediction, "succeeded", is_stream=is_stream)
    assert shown(prediction)["output"] == output


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_what_did_not_succeed_keeps_its_items_as_a_list(status: Any) -> None:
    prediction, empty = running(), running()
    prediction.produce(b"1")
    end(prediction, status)
    end(empty, status)
    assert shown(prediction)["output"] == [1]
    assert "output" not in shown(empty)


def test_a_snapshot_before_the_end() -> None:
    prediction = running()
    prediction.log("stdout", "a")
    prediction.log("stderr", "b")
    prediction.measure("m", b"1", "replace")
    assert shown(prediction) == {"id": "p", "logs": "ab", "metrics": {"m": 1}, "status": "processing"}
    prediction.produce(b"1")
    assert shown(prediction)["output"] == [1]


def test_a_snapshot_after_the_end_has_the_predict_time() -> None:
    prediction = running()
    prediction.measure("predict_time", b"-1", "replace")
    end(prediction, "succeeded")
    assert shown(prediction)["metrics"]["predict_time"] >= 0
    assert "error" not in shown(prediction)


def test_late_progress_shows_the_state_before_the_end() -> None:
    prediction = running()
    prediction.produce(b"1")
    end(prediction, "failed", error="broken")
    progress = msgspec.json.decode(msgspec.json.encode(prediction.progress()))
    assert progress == {"id": "p", "logs": "", "metrics": {}, "output": [1], "status": "processing"}


async def test_all_waiting_tasks_are_woken() -> None:
    prediction = running()
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(prediction.wait_terminal(3600.0)) for _ in range(3)]
        waiting.append(tasks.create_task(prediction.wait_terminal()))
        asyncio.get_running_loop().call_soon(lambda: end(prediction, "succeeded"))
    assert all(each.result() for each in waiting)
    assert await prediction.wait_terminal()


async def test_a_wait_can_time_out() -> None:
    prediction = running()
    assert not await prediction.wait_terminal(0.0)
    end(prediction, "succeeded")


def test_a_large_output_is_a_separate_piece_of_the_same_text() -> None:
    prediction = new_prediction()
    prediction.start()
    prediction.log("stdout", 'null,"status":"failed"}')
    prediction.produce(large := msgspec.json.encode('null,"status":' + "x" * 100_000))
    end(prediction, "succeeded")
    pieces = prediction.snapshot().pieces()
    assert large in pieces
    assert b"".join(pieces) == msgspec.json.encode(prediction.snapshot())
