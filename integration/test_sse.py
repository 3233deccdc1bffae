"""runtime.md 1.5, 1.6, 11.1 and 11.2: which requests get server-sent events, and their content."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from integration.conftest import Serve
from testing.events import WANTS_EVENTS, streaming
from testing.holding import holding
from testing.model import Model
from testing.script import returning, script
from testing.server import Server

STREAMING = replace(Model.named("script"), is_streaming=True)
NOT_STREAMING = (
    "This model does not support streaming responses. Add @cog.streaming to predict() to enable SSE."
)


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(STREAMING) as server:
        yield server


@pytest.fixture(scope="module")
def plain_server(serve: Serve) -> Iterator[Server]:
    """Its schema does not opt in."""
    with serve("script") as server:
        yield server


def produce_every_event() -> Iterator[str]:
    import sys

    from cog import current_scope

    print("to stdout", flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    yield "one"
    current_scope().record_metric("tokens", 1, mode="increment")
    yield "two"


def test_every_kind_of_event(server: Server) -> None:
    with streaming(server, script(produce_every_event)) as stream:
        events = [(event.name, event.data) for event in stream]
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["cache-control"] == "no-cache"
    prediction_id = events[0][1]["id"]
    assert prediction_id.startswith("pred_")
    assert events[0] == ("start", {"id": prediction_id, "status": "processing"})
    for event in [
        ("log", {"source": "stdout", "data": "to stdout\n"}),
        ("log", {"source": "stderr", "data": "to stderr\n"}),
        ("output", {"chunk": "one", "index": 0}),
        ("metric", {"name": "tokens", "value": 1, "mode": "increment"}),
        ("output", {"chunk": "two", "index": 1}),
    ]:
        assert event in events
    name, state = events[-1]
    assert (name, state["id"], state["status"]) == ("completed", prediction_id, "succeeded")
    assert (state["output"], state["logs"]) == (["one", "two"], "to stdout\nto stderr\n")
    assert state["metrics"].keys() == {"tokens", "predict_time"}
    assert len(events) == 7


@pytest.mark.ours("section 11: events carry ids, so that a client can say which one it has seen last")
def test_events_are_numbered(server: Server) -> None:
    with streaming(server, script(produce_every_event)) as stream:
        assert [event.number for event in stream] == list(range(7))


def test_items_arrive_before_the_model_ends(server: Server) -> None:
    def predict() -> Iterator[str]:
        import pathlib
        import time

        yield "one"
        while not pathlib.Path("first-was-seen").exists():
            time.sleep(0.01)
        yield "two"

    with streaming(server, script(predict)) as stream:
        assert stream.next_named("output").data == {"chunk": "one", "index": 0}
        (server.folder / "first-was-seen").touch()
        assert [event.name for event in stream] == ["output", "completed"]


def test_a_failure_keeps_what_was_streamed(server: Server) -> None:
    def predict() -> Iterator[str]:
        yield "one"
        raise ValueError("no more")

    with streaming(server, script(predict)) as stream:
        state = stream.rest()[-1].data
    assert (state["status"], state["output"]) == ("failed", ["one"])
    assert state["error"].endswith("no more")


def test_a_cancel_ends_the_stream(server: Server) -> None:
    def predict() -> Iterator[str]:
        import time

        yield "one"
        while True:
            time.sleep(0.01)

    with streaming(server, script(predict)) as stream:
        prediction_id = stream.next_named("start").data["id"]
        stream.next_named("output")
        server.cancel(prediction_id)
        assert stream.next_named("completed").data["status"] == "canceled"
        assert stream.rest() == []


def test_file_outputs_are_streamed_as_urls(server: Server) -> None:
    def predict() -> Iterator[object]:
        import pathlib

        from cog import Path

        pathlib.Path("out.txt").write_text("text")
        yield Path("out.txt")

    with streaming(server, script(predict)) as stream:
        assert stream.next_named("output").data == {"chunk": "data:text/plain;base64,dGV4dA==", "index": 0}
        stream.next_named("completed")  # the next test needs the slot


@pytest.mark.ours("16.2: the slot is free before the end is reported, also on a stream")
def test_the_end_of_a_stream_frees_the_slot(server: Server) -> None:
    for _ in range(50):
        with streaming(server, returning("1")) as stream:
            stream.next_named("completed")
        assert server.predict(returning("1")).status == 200


@pytest.mark.parametrize(
    "accept",
    ["text/event-stream", "application/json, text/event-stream;q=0.5", "  text/event-stream  , */*"],
)
def test_a_client_that_names_the_type_gets_events(server: Server, accept: str) -> None:
    answer = server.request("POST", "/predictions", {"input": returning("1")}, {"Accept": accept})
    assert answer.headers["content-type"] == "text/event-stream"
    assert b"event: completed\n" in answer.body


@pytest.mark.parametrize("accept", ["*/*", "text/*", "application/json", "TEXT/EVENT-STREAM", ""])
def test_a_client_that_does_not_name_it_gets_json(server: Server, accept: str) -> None:
    answer = server.request("POST", "/predictions", {"input": returning("1")}, {"Accept": accept})
    assert answer.json()["output"] == 1


def test_events_win_over_prefer(server: Server) -> None:
    headers = {**WANTS_EVENTS, "Prefer": "respond-async"}
    answer = server.request("POST", "/predictions", {"input": returning("1")}, headers)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")


@pytest.mark.parametrize("body", [{"input": returning("1")}, {}], ids=["valid", "invalid"])
def test_without_the_opt_in_it_is_406(plain_server: Server, body: object) -> None:
    for method, path in (("POST", "/predictions"), ("PUT", "/predictions/x")):
        answer = plain_server.request(method, path, body, WANTS_EVENTS)
        assert (answer.status, answer.json()) == (406, {"error": NOT_STREAMING})


def test_attaching_without_the_opt_in_is_406(plain_server: Server) -> None:
    with holding(plain_server, "held"):
        answer = plain_server.request("PUT", "/predictions/held", {}, WANTS_EVENTS)
    assert (answer.status, answer.json()) == (406, {"error": NOT_STREAMING})


def test_refusals_before_a_stream_are_json(server: Server) -> None:
    invalid = server.request("POST", "/predictions", {"input": {}}, WANTS_EVENTS)
    assert invalid.status == 422
    assert invalid.json()["detail"][0]["loc"] == ["body", "input", "code"]
    with holding(server, "held"):
        busy = server.request("POST", "/predictions", {"input": returning("1")}, WANTS_EVENTS)
    assert (busy.status, busy.json()["status"]) == (409, "failed")


@pytest.mark.parametrize(
    ("body", "content_type", "status"), [(b"{", "application/json", 400), (b"{}", "text/plain", 415)]
)
def test_the_body_is_checked_first(plain_server: Server, body: bytes, content_type: str, status: int) -> None:
    headers = {**WANTS_EVENTS, "Content-Type": content_type}
    assert plain_server.request("POST", "/predictions", body, headers).status == status
