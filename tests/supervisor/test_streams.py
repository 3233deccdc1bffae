"""runtime.md 11: which events a stream keeps, and which each of its readers gets."""

import asyncio
from typing import Any

import pytest
from testing.events import parse_events
from tests.supervisor.running import end, new_prediction

from coglet_supervisor.predictions.prediction import Prediction
from coglet_supervisor.predictions.stream import (
    KEEP_ALIVE,
    MAX_BACKLOG_BYTES,
    MAX_SUBSCRIBERS,
    PredictionStream,
    Subscription,
    TooManySubscribers,
)

MIB = 1024 * 1024


def streamed(history: int = 1024, keep_alive_s: float = 3600.0) -> tuple[Prediction, PredictionStream]:
    """Return a running prediction and its stream."""
    stream = PredictionStream(history, keep_alive_s)
    prediction = new_prediction([stream], output_is_array=True)
    prediction.start()
    return prediction, stream


def events_in(chunk: bytes) -> list[tuple[str, Any]]:
    return [(event.name, event.data) for event in parse_events(chunk)]


async def read_all(subscriber: Subscription) -> list[tuple[str, Any]]:
    """Read to the end of the stream; the prediction must have ended."""
    events: list[tuple[str, Any]] = []
    while (chunk := await subscriber.next_chunk()) is not None:
        events.extend(events_in(chunk))
    return events


def names(events: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in events]


async def test_a_reader_gets_every_event_and_the_end() -> None:
    prediction, stream = streamed()
    prediction.log("stderr", "a\n")
    prediction.produce(b'"one"')
    prediction.measure("m", b"2", "increment")
    end(prediction, "succeeded")
    events = await read_all(stream.subscribe())
    assert events[:4] == [
        ("start", {"id": "p", "status": "processing"}),
        ("log", {"source": "stderr", "data": "a\n"}),
        ("output", {"chunk": "one", "index": 0}),
        ("metric", {"name": "m", "value": 2, "mode": "increment"}),
    ]
    name, state = events[4]
    assert (name, state["status"], state["output"], state["logs"]) == (
        "completed",
        "succeeded",
        ["one"],
        "a\n",
    )
    assert len(events) == 5


async def test_a_waiting_reader_is_woken_by_an_event() -> None:
    prediction, stream = streamed()
    subscriber = stream.subscribe()
    await subscriber.next_chunk()
    asyncio.get_running_loop().call_soon(prediction.produce, b"1")
    chunk = await subscriber.next_chunk()
    assert chunk is not None
    assert names(events_in(chunk)) == ["output"]


async def test_closing_a_subscription_ends_its_wait() -> None:
    _, stream = streamed()
    subscriber = stream.subscribe()
    await subscriber.next_chunk()
    asyncio.get_running_loop().call_soon(subscriber.close)
    assert await subscriber.next_chunk() is None


async def test_a_comment_after_a_silence() -> None:
    _, stream = streamed(keep_alive_s=0.001)
    subscriber = stream.subscribe()
    await subscriber.next_chunk()
    assert await subscriber.next_chunk() == KEEP_ALIVE
    assert await subscriber.next_chunk() == KEEP_ALIVE


@pytest.mark.parametrize(("history", "replayed"), [(3, [7, 8, 9]), (0, []), (100, list(range(10)))])
async def test_a_late_reader_gets_the_history(history: int, replayed: list[int]) -> None:
    prediction, stream = streamed(history)
    for number in range(10):
        prediction.produce(b"%d" % number)
    subscriber = stream.subscribe()
    end(prediction, "succeeded")
    events = await read_all(subscriber)
    assert [data["chunk"] for name, data in events if name == "output"] == replayed
    assert events[-1][0] == "completed"
    gap = [data for name, data in events if name == "error"]
    missing = 11 - history  # with the start
    truncated = {"detail": "SSE stream replay truncated", "skipped": missing}
    assert gap == ([truncated] if missing > 0 else [])
    assert (events[0][0] == "error") == bool(gap)


@pytest.mark.parametrize(
    ("after", "replayed"),
    [(0, [0, 1, 2]), (2, [2]), (3, []), (99, [])],  # event 0 is the start
)
async def test_a_reader_that_reconnects_continues_where_it_was(after: int, replayed: list[int]) -> None:
    prediction, stream = streamed()
    for number in range(3):
        prediction.produce(b"%d" % number)
    subscriber = stream.subscribe(after)
    end(prediction, "succeeded")
    events = await read_all(subscriber)
    assert [data["chunk"] for name, data in events if name == "output"] == replayed
    assert events[-1][0] == "completed"


async def test_what_a_reader_still_needs_is_kept_beyond_the_history() -> None:
    prediction, stream = streamed(history=1)
    subscriber = stream.subscribe()
    for number in range(5000):
        prediction.produce(b"%d" % number)
    end(prediction, "succeeded")
    events = await read_all(subscriber)
    assert [data["chunk"] for name, data in events if name == "output"] == list(range(5000))


async def test_a_reader_that_lags_gets_the_number_of_lost_events() -> None:
    prediction, stream = streamed()
    subscriber = stream.subscribe()
    for _ in range(40):
        prediction.measure("m", b'"%s"' % (b"x" * MIB), "replace")
    end(prediction, "succeeded")
    (name, lost), *events = await read_all(subscriber)
    assert (name, lost["error"]) == ("error", "SSE stream lagged; events were dropped")
    assert lost["skipped"] + len(events) == 42  # with the start and the end
    assert sum(len(data["value"]) for name, data in events if name == "metric") <= MAX_BACKLOG_BYTES
    assert events[-1][0] == "completed"


async def test_memory_is_bounded_without_any_reader() -> None:
    prediction, stream = streamed(history=1024)
    for _ in range(40):
        prediction.measure("m", b'"%s"' % (b"x" * MIB), "replace")
    subscriber = stream.subscribe()
    end(prediction, "succeeded")
    values = [data["value"] for name, data in await read_all(subscriber) if name == "metric"]
    assert 0 < len(values) <= MAX_BACKLOG_BYTES // MIB


async def test_an_event_larger_than_the_backlog_reaches_a_reader() -> None:
    prediction, stream = streamed(history=0)
    subscriber = stream.subscribe()
    prediction.produce(b'"%s"' % (b"x" * (MAX_BACKLOG_BYTES + 1)))
    prediction.log("stdout", "and more")
    end(prediction, "succeeded")
    assert names(await read_all(subscriber)) == ["error", "output", "log", "completed"]


async def test_a_slow_reader_does_not_delay_a_fast_one() -> None:
    prediction, stream = streamed(history=0)
    slow, fast = stream.subscribe(), stream.subscribe()
    seen: list[str] = []
    for _ in range(40):
        prediction.measure("m", b'"%s"' % (b"x" * MIB), "replace")
        while fast.cursor != stream.end:
            chunk = await fast.next_chunk()
            assert chunk is not None
            seen += names(events_in(chunk))
    assert seen == ["error"] + ["metric"] * 40
    end(prediction, "succeeded")
    assert names(await read_all(slow))[0] == "error"


def test_the_number_of_readers_is_limited() -> None:
    _, stream = streamed()
    readers = [stream.subscribe() for _ in range(MAX_SUBSCRIBERS)]
    with pytest.raises(TooManySubscribers):
        stream.subscribe()
    stream.unsubscribe(readers[0])
    stream.subscribe()


async def test_the_first_reader_gets_all_events_if_the_stream_waits_for_it() -> None:
    stream = PredictionStream(history=0, awaits_reader=True)
    prediction = new_prediction([stream])
    prediction.start()
    prediction.produce(b"1")
    first = stream.subscribe()
    prediction.produce(b"2")
    late = stream.subscribe()
    end(prediction, "succeeded")
    assert names(await read_all(first)) == ["start", "output", "output", "completed"]
    assert names(await read_all(late)) == ["error", "completed"]


async def test_a_reader_that_comes_back_too_late_gets_a_gap() -> None:
    prediction, stream = streamed(history=2)
    for number in range(5):
        prediction.produce(b"%d" % number)
    reader = stream.subscribe(after=1)
    end(prediction, "succeeded")
    events = await read_all(reader)
    assert events[0] == ("error", {"detail": "SSE stream replay truncated", "skipped": 2})
    assert [data["index"] for name, data in events if name == "output"] == [3, 4]
