"""runtime.md 1.5 to 1.7: response modes, the order of checks, and the response bodies."""

from collections.abc import Iterator
from typing import Any

import pytest
from integration.conftest import Serve
from testing.holding import holding
from testing.model import Model, inputs
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

NOT_READY = {
    "error": "Setup has not finished yet. Wait until it has finished, or GET /health-check for status.",
    "status": "failed",
}
AT_CAPACITY = {"error": "At capacity - all prediction slots busy", "status": "failed"}
JSON = {"Content-Type": "application/json"}
ONE = returning("1")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def raise_value_error() -> None:
    print("before")
    raise ValueError("boom")


# mode


@pytest.mark.parametrize(
    "prefer",
    [
        "respond-async",
        *(
            pytest.param(value, marks=pytest.mark.ours("decisions.md: Prefer is a list, in any case"))
            for value in ("Respond-Async", "respond-async, wait=5", "handling=lenient, respond-async")
        ),
    ],
)
def test_prefer_respond_async_answers_at_once(server: Server, prefer: str) -> None:
    answer = server.request("POST", "/predictions", {"input": ONE}, {"Prefer": prefer})
    assert answer.status == 202
    body = answer.json()
    assert body.pop("id").startswith("pred_")
    assert body == {"status": "starting"}
    server.wait_status("READY")


@pytest.mark.parametrize("prefer", ["", "respond-sync", "respond-asynchronous", "return=minimal", "wait=20"])
def test_other_preferences_wait_for_the_end(server: Server, prefer: str) -> None:
    answer = server.request("POST", "/predictions", {"input": ONE}, {"Prefer": prefer})
    assert (answer.status, answer.json()["output"]) == (200, 1)


@pytest.mark.ours("decisions.md: `wait=N` bounds a synchronous wait, then 202 with the snapshot")
def test_prefer_wait_bounds_a_synchronous_wait(server: Server) -> None:
    def predict() -> None:
        import pathlib
        import time

        print("so far", flush=True)
        while not pathlib.Path("enough").exists():
            time.sleep(0.01)

    body = {"id": "bounded", "input": script(predict)}
    # On a busy machine, the model may print its first line after a second or two.
    answer = server.request("POST", "/predictions", body, {"Prefer": "wait=5"})
    assert answer.status == 202
    assert answer.json() == {"id": "bounded", "status": "processing", "logs": "so far\n", "metrics": {}}
    assert server.peek("bounded"), "the end of the wait must not end the prediction"
    (server.folder / "enough").touch()
    wait_for(lambda: not server.peek("bounded"), "end of the prediction")


# order of checks


def test_the_body_is_checked_before_the_id(server: Server) -> None:
    assert server.request("PUT", "/predictions/a", b"x", {"Content-Type": "text/plain"}).status == 415
    assert server.request("PUT", "/predictions/a", b"{", JSON).status == 400
    assert server.request("PUT", "/predictions/a", {"id": "b", "context": None}).text.startswith("Failed")


def test_the_id_is_checked_before_the_input(server: Server) -> None:
    answer = server.request("PUT", "/predictions/a", {"id": "b", "input": {"code": 5}})
    assert answer.json()["detail"][0]["loc"] == ["body", "id"]


def test_the_input_is_checked_before_capacity(server: Server) -> None:
    with holding(server, "only-slot"):
        assert server.predict({"code": 5}).status == 422
        assert server.predict(ONE).status == 409


def test_a_running_prediction_is_attached_to_before_the_input_is_checked(server: Server) -> None:
    with holding(server, "attached"):
        answer = server.request("PUT", "/predictions/attached", {"input": {"code": 5}})
        assert (answer.status, answer.json()["id"]) == (202, "attached")


# bodies


def test_success(server: Server) -> None:
    def predict() -> str:
        print("a line")
        return "done"

    answer = server.predict(script(predict), id="good")
    body = answer.json()
    assert answer.status == 200
    assert 0 <= body.pop("metrics").pop("predict_time") < 60
    assert body == {"id": "good", "status": "succeeded", "output": "done", "logs": "a line\n"}


def test_success_without_output_says_null(server: Server) -> None:
    body = server.predict(returning("None")).json()
    assert (body["status"], body["output"], body["logs"]) == ("succeeded", None, "")


def test_failure_is_a_200(server: Server) -> None:
    answer = server.predict(script(raise_value_error), id="bad")
    body = answer.json()
    assert answer.status == 200
    assert (body["id"], body["status"]) == ("bad", "failed")
    assert body["error"] == "Prediction failed: Prediction failed: ValueError: boom"
    assert list(body["metrics"]) == ["predict_time"]


@pytest.mark.ours("decisions.md: sync failure and cancel bodies carry logs and partial output (16.23)")
def test_failure_keeps_earlier_logs_and_output(server: Server) -> None:
    def predict() -> Iterator[int]:
        print("before")
        yield 1
        yield 2
        raise ValueError("boom")

    body = server.predict(script(predict)).json()
    assert (body["status"], body["output"]) == ("failed", [1, 2])
    assert body["logs"].startswith("before\n")


def test_cancel_is_a_200_without_error(server: Server) -> None:
    with holding(server, "stopped") as answer:
        assert server.cancel("stopped").json() == {}
        body = answer.result().json()
    assert answer.result().status == 200
    assert (body["id"], body["status"]) == ("stopped", "canceled")
    assert "error" not in body
    assert list(body["metrics"]) == ["predict_time"]


@pytest.mark.ours("decisions.md: sync failure and cancel bodies carry logs and partial output (16.23)")
def test_cancel_keeps_earlier_logs_and_output(server: Server) -> None:
    def predict() -> Iterator[int]:
        import time

        yield 1
        print("held", flush=True)
        while True:
            time.sleep(0.01)

    answer = server.begin(script(predict), id="partial")
    server.wait_logged("partial", "held")
    server.cancel("partial")
    body = answer.result().json()
    assert (body["status"], body["output"], body["logs"]) == ("canceled", [1], "held\n")


def test_no_capacity_is_409(server: Server) -> None:
    with holding(server, "busy"):
        answer = server.predict(ONE)
        assert (answer.status, answer.json()) == (409, AT_CAPACITY)
        assert server.start(ONE).status == 409
    assert server.predict(ONE).status == 200


def test_not_ready_is_503(serve: Serve) -> None:
    source = (
        "import pathlib, time\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        while not pathlib.Path('go').exists():\n"
        "            time.sleep(0.01)\n"
        "    def predict(self, number: int) -> int:\n"
        "        return number\n"
    )
    model = Model(source, inputs({"number": {"type": "integer"}}, "number"))
    with serve(model, until="STARTING") as server:
        for answer in (server.predict({"number": 1}), server.start({"number": 1})):
            assert (answer.status, answer.json()) == (503, NOT_READY)
        assert server.request("PUT", "/predictions/x", {"input": {"number": 1}}).status == 503
        (server.folder / "go").touch()
        server.wait_status("READY")
        assert server.predict({"number": 1}).json()["output"] == 1


def test_a_failed_setup_is_503_with_the_same_text(serve: Serve) -> None:
    model = Model("class Predictor:\n    def setup(self): 1 / 0\n    def predict(self) -> int: return 1\n")
    with serve(model, until="SETUP_FAILED") as server:
        answer = server.predict({})
        assert (answer.status, answer.json()) == (503, NOT_READY)


@pytest.mark.parametrize(("route", "noun"), [("predictions", "prediction"), ("trainings", "training")])
def test_an_id_that_differs_from_the_path_is_422(server: Server, route: str, noun: str) -> None:
    answer = server.request("PUT", f"/{route}/mine", {"id": "yours", "input": ONE})
    message = f"{noun} ID must match the ID supplied in the URL"
    assert answer.status == 422
    assert answer.json() == {"detail": [{"loc": ["body", "id"], "msg": message, "type": "value_error"}]}


def test_refusals_have_no_metrics(server: Server) -> None:
    with holding(server, "busy"):
        refused: list[dict[str, Any]] = [server.predict(ONE).json(), server.predict({}).json()]
    assert all("metrics" not in body for body in refused)


# state snapshot


def test_the_snapshot_of_a_running_prediction(server: Server) -> None:
    with holding(server, "looked-at"):
        state = server.peek("looked-at")
    assert state is not None
    code = state.pop("input")["code"]
    assert "def hold" in code
    assert state == {"id": "looked-at", "status": "processing", "logs": "held\n", "metrics": {}}


def test_the_snapshot_lists_the_chunks_so_far(server: Server) -> None:
    def predict() -> Iterator[str]:
        import pathlib
        import time

        yield "one"
        yield "two"
        print("held", flush=True)
        while not pathlib.Path("chunks-seen").exists():
            time.sleep(0.01)
        yield "three"

    answer = server.begin(script(predict), id="chunks")
    server.wait_logged("chunks", "held")
    state = server.peek("chunks")
    assert state is not None
    assert state["output"] == ["one", "two"]
    (server.folder / "chunks-seen").touch()
    assert answer.result().json()["output"] == ["one", "two", "three"]
