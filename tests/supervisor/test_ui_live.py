"""The events of the page: what a reader gets, and when."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.supervisor.running import Bench, new_store
from tests.supervisor.serving import Service
from tests.supervisor.stored import opened

from coglet_protocol import slot
from coglet_supervisor.health import QueueReport, Setup
from coglet_supervisor.pages.ui import live
from coglet_supervisor.pages.ui.live import LiveEvents, TooManyReaders
from coglet_supervisor.pages.ui.report import ServerReport, ServerView, SlotReport
from coglet_supervisor.server_log import ServerLog


class Sample(msgspec.Struct):
    """One of the last hour."""

    at: float


class State:
    """A server that the test changes."""

    def __init__(self) -> None:
        self.busy = 0
        self.logs = ""
        self.samples: list[Sample] = [Sample(at=10.0), Sample(at=20.0)]
        self.is_stopping = False

    def report(self) -> ServerReport:
        return ServerReport(
            status="READY",
            started_at="now",
            slots=SlotReport(1, self.busy),
            queue=QueueReport(0, 0, 0.0),
            memory_bytes=0,
            reload_error=None,
            workers=[],
        )

    @property
    def view(self) -> ServerView:
        return ServerView(
            report=self.report,
            setup=lambda: Setup(started_at="now", status="succeeded", logs=self.logs),
            samples=lambda: self.samples,
            measure=lambda: None,
            is_stopping=lambda: self.is_stopping,
        )


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setattr(live, "_STEP_S", 0.001)
    monkeypatch.setattr(live, "_PROGRESS_S", 0.001)
    return State()


async def received(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, Any]]:
    """Yield the events by name."""
    async for chunk in chunks:
        for event in chunk.decode().split("\n\n")[:-1]:
            name, _, data = event.partition("\ndata: ")
            yield name.removeprefix("event: "), json.loads(data)


async def test_the_state_comes_first_and_then_what_changes(served: Service, state: State) -> None:
    events = received(LiveEvents(served.service, served.bench.records, state.view).changes())
    assert await anext(events) == ("ready", {})
    name, data = await anext(events)
    assert (name, data["slots"]) == ("server", {"total": 1, "busy": 0})
    assert (await anext(events))[0] == "setup"
    assert await anext(events) == ("history", [{"at": 10.0}, {"at": 20.0}])
    state.busy = 1
    name, data = await anext(events)
    assert (name, data["slots"]["busy"]) == ("server", 1)
    state.logs = "more"
    assert (await anext(events))[1]["logs"] == "more"
    state.samples.append(Sample(at=30.0))
    assert await anext(events) == ("history", [{"at": 30.0}])
    state.is_stopping = True
    assert [event async for event in events] == []


async def test_a_prediction_is_sent_at_each_change(served: Service, state: State) -> None:
    served.create("earlier")
    served.end("earlier")
    events = received(LiveEvents(served.service, served.bench.records, state.view).changes())
    assert [(await anext(events))[0] for _ in range(4)] == ["ready", "server", "setup", "history"]
    served.create("p")
    name, data = await anext(events)
    assert name == "predictions"
    assert [(row["id"], row["status"]) for row in data["rows"]] == [("p", "processing")]
    assert "input" not in data["rows"][0]
    served.end("p")
    [row] = (await anext(events))[1]["rows"]
    assert row["status"] == "succeeded"
    assert list(row["metrics"]) == ["predict_time"]
    assert "completed_at" in row


async def test_more_changes_than_are_compared_are_partial(
    served: Service, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LATEST", 2)
    events = received(LiveEvents(served.service, served.bench.records, state.view).changes())
    assert [(await anext(events))[0] for _ in range(4)] == ["ready", "server", "setup", "history"]
    for number in range(3):
        served.create(str(number))
        served.end(str(number))
    _, data = await anext(events)
    assert data == {"rows": [], "is_partial": True}


async def test_the_end_of_an_older_one_is_partial(
    tmp_path: Path, server_log: ServerLog, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LATEST", 1)
    queued = Service(Bench(tmp_path, records=new_store(), queue_size=2), server_log)
    for name in ("oldest", "older", "latest"):
        queued.create(name)
    events = received(LiveEvents(queued.service, queued.bench.records, state.view).changes())
    assert [(await anext(events))[0] for _ in range(4)] == ["ready", "server", "setup", "history"]
    queued.end("oldest")
    assert await anext(events) == ("predictions", {"rows": [], "is_partial": True})
    queued.end("older")
    queued.end("latest")
    _, data = await anext(events)
    assert ([row["status"] for row in data["rows"]], data["is_partial"]) == (["succeeded"], True)


async def test_progress_has_what_is_printed_until_the_end(served: Service, state: State) -> None:
    served.create("p")
    events = received(LiveEvents(served.service, served.bench.records, state.view).progress("p"))
    assert await anext(events) == ("progress", {"status": "processing", "logs": "", "is_reset": False})
    served.bench.slot.receive(slot.Log(source="stdout", data="one\n"))
    assert (await anext(events))[1]["logs"] == "one\n"
    served.bench.slot.receive(slot.Log(source="stdout", data="two\n"))
    assert (await anext(events))[1]["logs"] == "two\n"
    served.end("p")
    assert [name async for name, _ in events] == ["progress", "completed"]


async def test_of_much_that_is_printed_progress_has_the_end(
    served: Service, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_MOST_CHARACTERS", 5)
    served.create("p")
    events = received(LiveEvents(served.service, served.bench.records, state.view).progress("p"))
    assert (await anext(events))[1]["logs"] == ""
    served.bench.slot.receive(slot.Log(source="stdout", data="one\n"))
    assert (await anext(events))[1] == {"status": "processing", "logs": "one\n", "is_reset": False}
    served.bench.slot.receive(slot.Log(source="stdout", data="two\n"))
    served.bench.slot.receive(slot.Log(source="stdout", data="three\n"))
    assert (await anext(events))[1] == {"status": "processing", "logs": "hree\n", "is_reset": True}
    served.bench.slot.receive(slot.Log(source="stdout", data="4\n"))
    assert (await anext(events))[1] == {"status": "processing", "logs": "4\n", "is_reset": False}
    served.end("p")


async def test_there_is_no_progress_without_a_run(served: Service, state: State) -> None:
    events = received(LiveEvents(served.service, served.bench.records, state.view).progress("none"))
    assert [event async for event in events] == [("completed", {})]


async def test_readers_are_limited(served: Service, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_READERS", 1)
    events = LiveEvents(served.service, served.bench.records, state.view)
    events.check_room()
    chunks = events.changes()
    await anext(chunks)
    with pytest.raises(TooManyReaders):
        events.check_room()
    await chunks.aclose()  # type: ignore[attr-defined]
    events.check_room()


async def test_a_store_that_cannot_be_read_does_not_end_the_events(
    served: Service, state: State, tmp_path: Path
) -> None:
    async with opened(tmp_path / "records.db") as store:
        store._database.writing.execute("ALTER TABLE predictions RENAME TO moved")
        events = received(LiveEvents(served.service, store, state.view).changes())
        assert [(await anext(events))[0] for _ in range(4)] == ["ready", "server", "setup", "history"]
        served.create("p")
        served.end("p")
        state.busy = 1
        assert (await anext(events))[0] == "server"
