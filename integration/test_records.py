"""records.md: predictions that wait, and that can be asked for after their end, with real processes."""

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from integration.conftest import Serve
from testing.events import parse_events
from testing.model import Model
from testing.receiver import Receiver
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("records.md: predictions outlive their request")

QUEUE = {"COG_QUEUE_SIZE": "3"}


def shown(server: Server, prediction_id: str) -> dict[str, Any]:
    answer = server.request("GET", f"/predictions/{prediction_id}")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.json()
    return body


def wait_ended(server: Server, prediction_id: str) -> dict[str, Any]:
    answer = server.request("GET", f"/predictions/{prediction_id}", headers={"Prefer": "wait=20"})
    body: dict[str, Any] = answer.json()
    assert body["status"] in {"succeeded", "failed", "canceled"}, body
    return body


def wait_file(name: str) -> str:
    """The prediction ends once there is a file of that name in the model's folder."""
    import os
    import time

    while not os.path.exists(name):
        time.sleep(0.01)
    return name


def die_after_file(name: str) -> None:
    import os
    import time

    while not os.path.exists(name):
        time.sleep(0.01)
    os.kill(os.getpid(), 9)


def length_of(text: str) -> int:
    return len(text)


STREAMING = replace(Model.named("script"), is_streaming=True)
WAIT = script(wait_file, name="go")


def test_the_state_can_be_asked_for_while_it_runs_and_after_its_end(serve: Serve) -> None:
    with serve("script") as server:
        server.start(WAIT, id="p")
        wait_for(lambda: shown(server, "p")["status"] == "processing", "start")
        server.folder.joinpath("go").touch()
        body = wait_ended(server, "p")
        assert (body["status"], body["output"]) == ("succeeded", "go")
        assert body["urls"]["get"] == f"http://{server.address.host}:{server.address.port}/predictions/p"
        listed = server.request("GET", "/predictions").json()["results"]
        assert [each["id"] for each in listed] == ["p"]
        assert server.request("DELETE", "/predictions/p").status == 204
        assert server.request("GET", "/predictions/p").status == 404


def test_without_a_queue_a_full_server_answers_409(serve: Serve) -> None:
    with serve("script") as server:
        server.start(WAIT, id="a")
        assert server.predict(returning("1")).status == 409
        assert "queue" not in server.health()
        server.folder.joinpath("go").touch()
        wait_ended(server, "a")


def test_predictions_wait_for_their_turn(serve: Serve) -> None:
    with serve("script", variables=QUEUE) as server:
        server.start(WAIT, id="a")
        for name in ("b", "c"):
            assert server.start(returning(repr(name)), id=name).status == 202
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(server.predict, returning("'d'"), id="d")
            wait_for(lambda: server.health()["queue"]["size"] == 3, "queue of three")
            health = server.health()
            assert (health["status"], health["queue"]["capacity"]) == ("BUSY", 3)
            assert health["queue"]["oldest_s"] > 0
            assert server.request("GET", "/readyz").status == 503
            refused = server.predict(returning("1"), id="e")
            assert (refused.status, refused.headers["retry-after"]) == (429, "1")
            server.folder.joinpath("go").touch()
            assert waiting.result().json()["output"] == "d"
        for name in ("b", "c"):
            assert wait_ended(server, name)["output"] == name
        assert server.health()["queue"]["size"] == 0


def test_those_that_wait_survive_a_worker_that_dies(serve: Serve) -> None:
    with serve("script", variables=QUEUE) as server:
        server.start(script(die_after_file, name="go"), id="a")
        server.start(returning("1"), id="b")
        server.folder.joinpath("go").touch()
        assert wait_ended(server, "a")["status"] == "failed"
        assert wait_ended(server, "b")["output"] == 1


def test_a_large_input_waits_in_a_file(serve: Serve) -> None:
    with serve("script", variables=QUEUE) as server:
        server.start(WAIT, id="a")
        server.start(script(length_of, text="x" * 8_000_000), id="b")
        wait_for(lambda: "input" not in shown(server, "b"), "file")
        server.folder.joinpath("go").touch()
        assert wait_ended(server, "b")["output"] == 8_000_000


def test_at_shutdown_those_that_wait_fail_and_their_webhooks_say_so(serve: Serve) -> None:
    with Receiver().listening() as receiver, serve("script", variables=QUEUE) as server:
        server.start(WAIT, id="a")
        server.start(returning("1"), id="b", webhook=receiver.url, webhook_events_filter=["completed"])
        server.signal(signal.SIGTERM)
        (hook,) = receiver.wait_end("b")
        assert (hook["status"], hook["error"]) == (
            "failed",
            "Prediction was not run: the server was stopped",
        )
        server.folder.joinpath("go").touch()


def test_the_events_can_be_read_after_the_end_and_a_gap_is_reported(serve: Serve) -> None:
    def predict() -> Any:
        yield from range(5)

    with serve(STREAMING, variables={"COG_STREAM_HISTORY_CAPACITY": "2"}) as server:
        server.start(script(predict), id="p")
        wait_ended(server, "p")
        answer = server.request("GET", "/predictions/p", headers={"Accept": "text/event-stream"})
        events = parse_events(answer.body)
        assert [event.name for event in events] == ["error", "output", "completed"]
        assert events[0].data == {"detail": "SSE stream replay truncated", "skipped": 5}


def test_large_inputs_that_wait_are_bounded_in_bytes(serve: Serve) -> None:
    with serve("script", variables={**QUEUE, "COG_QUEUE_MAX_BYTES": "10000000"}) as server:
        server.start(WAIT, id="a")
        large = script(length_of, text="x" * 8_000_000)
        assert server.start(large, id="b").status == 202
        assert server.start(large, id="c").status == 429
        assert server.start(returning("1"), id="d").status == 202
        server.folder.joinpath("go").touch()
        assert wait_ended(server, "b")["output"] == 8_000_000
        assert wait_ended(server, "d")["output"] == 1
