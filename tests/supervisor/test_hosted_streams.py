"""replicate-api.md 6: the events of the hosted API."""

from typing import Any

import pytest
from testing.waiting import settle
from tests.supervisor.running import end, new_prediction

from coglet_supervisor.pages.hosted.streams import counter_of, encoded_events
from coglet_supervisor.predictions.prediction import Prediction, Terminal
from coglet_supervisor.predictions.stream import PredictionStream

CREATED_AT = 1000.5


def streamed(history: int = 100) -> tuple[Prediction, PredictionStream]:
    stream = PredictionStream(history, 3600.0)
    prediction = new_prediction([stream], output_is_array=True, is_streaming=True)
    prediction.start()
    return prediction, stream


async def read(stream: PredictionStream, last_event_id: str | None = None) -> list[dict[str, str]]:
    """Return all events of a prediction that has ended."""
    seen = counter_of(last_event_id)
    text = "".join([chunk.decode() async for chunk in encoded_events(stream, CREATED_AT, seen)])
    events = []
    for block in text.split("\n\n")[:-1]:
        fields: dict[str, Any] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        events.append(fields)
    return events


def names_and_data(events: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(event["event"], event["data"]) for event in events]


async def test_a_prediction_that_succeeds() -> None:
    prediction, stream = streamed()
    prediction.log("stdout", "said\n")
    prediction.produce(b'"a\\nb\\rc"')
    prediction.measure("n", b"1", "replace")
    prediction.produce(b'{"x":1}')
    end(prediction, "succeeded")
    events = await read(stream)
    assert names_and_data(events) == [
        ("logs", "said\n"),
        ("output", "a\nb\nc"),
        ("output", '{"x":1}'),
        ("done", "{}"),
    ]
    counters = [counter_of(event["id"]) or 0 for event in events]
    assert counters == sorted(set(counters))
    assert all(event["id"].startswith("1000500:") for event in events)


@pytest.mark.parametrize(
    ("status", "events"),
    [
        ("canceled", [("done", '{"reason":"canceled"}')]),
        ("failed", [("error", '{"detail":"no"}'), ("done", '{"reason":"error"}')]),
    ],
)
async def test_other_ends(status: Terminal, events: list[tuple[str, str]]) -> None:
    prediction, stream = streamed()
    end(prediction, status, error="no" if status == "failed" else None)
    assert names_and_data(await read(stream)) == events


async def test_every_event_can_be_the_last_that_was_seen() -> None:
    prediction, stream = streamed()
    for number in range(5):
        prediction.produce(b"%d" % number)
    end(prediction, "failed", error="no")
    events = await read(stream)
    assert len(events) == 7
    for index, event in enumerate(events):
        assert await read(stream, event["id"]) == events[index + 1 :]


@pytest.mark.parametrize("text", [None, "", "x", "5", "1:", ":1", "1:-1", "1:1x"])
def test_ids_that_are_not_ours_are_ignored(text: str | None) -> None:
    assert counter_of(text) is None


async def test_a_gap_is_an_error_with_an_id() -> None:
    prediction, stream = streamed(history=2)
    for number in range(5):
        prediction.produce(b"%d" % number)
    end(prediction, "succeeded")
    first, *others = await read(stream)
    assert first["event"] == "error"
    assert "5 events are missing" in first["data"]
    assert names_and_data(others) == [("output", "4"), ("done", "{}")]
    assert await read(stream, first["id"]) == others


async def test_a_reader_that_lags_gets_an_error_in_place_of_what_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coglet_supervisor.predictions.stream.MAX_BACKLOG_BYTES", 200)
    prediction, stream = streamed(history=1)
    prediction.log("stdout", "x")
    events = encoded_events(stream, CREATED_AT, 1)
    assert b"event: logs" in await anext(events)
    for number in range(20):
        prediction.produce(b"%d" % number)
    chunk = (await anext(events)).decode()
    assert chunk.startswith("event: error\n")
    assert "data: 19\n" in chunk
    await events.aclose()  # type: ignore[attr-defined]
    assert not stream.subscribers


async def test_too_many_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coglet_supervisor.predictions.stream.MAX_SUBSCRIBERS", 0)
    _, stream = streamed()
    [(name, data)] = names_and_data(await read(stream))
    assert (name, "Too many clients" in data) == ("error", True)


async def test_keep_alives_are_passed_on() -> None:
    stream = PredictionStream(10, 0.001)
    prediction = new_prediction([stream], is_streaming=True)
    events = encoded_events(stream, CREATED_AT, None)
    assert await anext(events) == b": keep-alive\n\n"
    prediction.log("stdout", "x")
    await settle()
    assert b"event: logs" in await anext(events)
