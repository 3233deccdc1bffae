"""runtime.md 1.10 and 11.3: attaching to a stream, coming back to it, and leaving it."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from integration.conftest import Serve
from testing.events import ServerEvent, streaming
from testing.model import Model
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

STREAMING = replace(Model.named("script"), is_streaming=True)


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(STREAMING) as server:
        yield server


def count(items: int, until: str) -> Iterator[int]:
    """Yield `items` numbers, print a line, and yield one more once the file `until` exists."""
    import pathlib
    import time

    yield from range(items)
    print("held", flush=True)
    while not pathlib.Path(until).exists():
        time.sleep(0.01)
    yield items


def outputs(events: list[ServerEvent]) -> list[object]:
    return [event.data["chunk"] for event in events if event.name == "output"]


@pytest.fixture
def gate(server: Server) -> Iterator[str]:
    """The name of the file that lets a prediction of the test go on."""
    name = f"gate-{secrets.token_hex(4)}"
    yield name
    (server.folder / name).touch()


def test_a_client_that_attaches_gets_past_and_later_events(server: Server, gate: str) -> None:
    answer = server.begin(script(count, items=3, until=gate), id="attach")
    server.wait_logged("attach", "held")
    with streaming(server, id="attach") as stream:
        stream.next_named("log")  # the last of the past
        (server.folder / gate).touch()
        assert [event.name for event in stream] == ["output", "completed"]
    assert answer.result().json()["output"] == [0, 1, 2, 3]


def test_all_readers_get_the_same(server: Server, gate: str) -> None:
    server.begin(script(count, items=3, until=gate), id="many")
    server.wait_logged("many", "held")
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(streaming(server, id="many")) for _ in range(5)]
        (server.folder / gate).touch()
        read = [stream.rest() for stream in streams]
    assert outputs(read[0]) == [0, 1, 2, 3]
    assert read[0][0].name == "start"
    assert all(each == read[0] for each in read)


def test_a_creator_may_come_back(server: Server, gate: str) -> None:
    """The prediction runs as long as its stream has a reader."""
    body = script(count, items=3, until=gate)
    with contextlib.ExitStack() as second:
        with streaming(server, body) as first:
            prediction_id = first.next_named("start").data["id"]
            first.next_named("log")
            stream = second.enter_context(streaming(server, id=prediction_id))
        (server.folder / gate).touch()
        assert outputs(stream.rest()) == [0, 1, 2, 3]


@pytest.mark.ours("issue 3: Last-Event-ID; the peer ignores it")
@pytest.mark.parametrize(
    ("last_seen", "expected"), [("0", [0, 1, 2, 3]), ("2", [2, 3]), ("99", [3]), ("bad", [0, 1, 2, 3])]
)
def test_last_event_id_goes_on_behind_it(
    server: Server, gate: str, last_seen: str, expected: list[int]
) -> None:
    prediction_id = f"came-back-{last_seen}"
    server.begin(script(count, items=3, until=gate), id=prediction_id)
    server.wait_logged(prediction_id, "held")
    with streaming(server, id=prediction_id, headers={"Last-Event-ID": last_seen}) as stream:
        (server.folder / gate).touch()
        assert outputs(stream.rest()) == expected


@pytest.mark.ours("11.3: ours replays from the oldest retained event; the peer gives an error and no more")
@pytest.mark.parametrize(("capacity", "expected"), [("3", [8, 9, 10]), ("0", [10])])
def test_the_history_is_as_long_as_configured(serve: Serve, capacity: str, expected: list[int]) -> None:
    with serve(STREAMING, variables={"COG_STREAM_HISTORY_CAPACITY": capacity}) as server:
        answer = server.begin(script(count, items=10, until="go"), id="long")
        server.wait_logged("long", "held")
        with streaming(server, id="long") as stream:
            (server.folder / "go").touch()
            events = stream.rest()
        assert (outputs(events), events[-1].name) == (expected, "completed")
        assert answer.result().json()["output"] == list(range(11))


def test_a_bad_capacity_is_the_default(serve: Serve) -> None:
    with serve(STREAMING, variables={"COG_STREAM_HISTORY_CAPACITY": "many"}) as server:
        with streaming(server, returning("1")) as stream:
            assert stream.rest()[-1].name == "completed"
        server.wait_log("COG_STREAM_HISTORY_CAPACITY")


def test_the_prediction_is_canceled_when_its_last_reader_leaves(server: Server, gate: str) -> None:
    body = script(count, items=3, until=gate)
    with streaming(server, body) as first:
        prediction_id = first.next_named("start").data["id"]
        first.next_named("log")
        with streaming(server, id=prediction_id) as second:
            second.next_named("log")
        state = server.peek(prediction_id)
        assert state is not None
        assert state["status"] == "processing"
    wait_for(lambda: not server.peek(prediction_id), "end of the abandoned prediction")
    assert server.predict(returning("1")).status == 200


def test_a_client_that_attached_cancels_nothing_when_it_leaves(server: Server, gate: str) -> None:
    answer = server.begin(script(count, items=3, until=gate), id="json")
    server.wait_logged("json", "held")
    with streaming(server, id="json") as stream:
        stream.next_named("log")
    (server.folder / gate).touch()
    assert answer.result().json()["status"] == "succeeded"


def test_one_reader_too_many_is_429(server: Server, gate: str) -> None:
    answer = server.begin(script(count, items=1, until=gate), id="crowd")
    server.wait_logged("crowd", "held")
    with contextlib.ExitStack() as stack:
        for _ in range(1024):
            stack.enter_context(streaming(server, id="crowd"))
        refused = server.request("PUT", "/predictions/crowd", {}, {"Accept": "text/event-stream"})
        assert (refused.status, refused.json()) == (429, {"error": "Too many stream subscribers"})
    (server.folder / gate).touch()
    assert answer.result().json()["output"] == [0, 1]
