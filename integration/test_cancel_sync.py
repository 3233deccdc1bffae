"""runtime.md 8: canceling predictions of sync models."""

from collections.abc import Callable, Iterator

import pytest
from integration.conftest import Serve
from testing.holding import holding
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

CANCELED = "canceled"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


@pytest.fixture(autouse=True)
def slot_works_afterwards(server: Server) -> Iterator[None]:
    """After each test the slot still serves: a cancel must not affect the next prediction."""
    yield
    assert server.predict(returning("'next'")).json()["output"] == "next"


def canceled(server: Server, prediction_id: str, act: Callable[..., object]) -> dict[str, object]:
    """Return the response of a prediction that is canceled once it has printed `held`."""
    answer = server.begin(script(act), id=prediction_id)
    server.wait_logged(prediction_id, "held")
    assert server.cancel(prediction_id).json() == {}
    body: dict[str, object] = answer.result().json()
    return body


# the route


def test_the_answer_of_the_route(server: Server) -> None:
    with holding(server, "repeated"):
        first, second = server.cancel("repeated"), server.cancel("repeated")
    assert (first.status, first.json()) == (200, {})
    assert second.status in {200, 404}  # it may have ended between the two
    answer = server.cancel("never")
    assert (answer.status, answer.json()) == (404, {})


def test_the_body_is_ignored(server: Server) -> None:
    with holding(server, "with-body") as answer:
        cancel = server.request("POST", "/predictions/with-body/cancel", b"not json", {"Content-Type": "x/y"})
        assert cancel.status == 200
        assert answer.result().json()["status"] == CANCELED


def test_an_id_in_the_path_is_decoded(server: Server) -> None:
    with holding(server, "a b/ü") as answer:
        assert server.request("POST", "/predictions/a%20b%2F%C3%BC/cancel").status == 200
        assert answer.result().json()["status"] == CANCELED


def test_delete_does_not_cancel(server: Server) -> None:
    with holding(server, "deleted") as answer:
        assert server.request("DELETE", "/predictions/deleted").status in {405, 409}
    assert answer.result().json()["status"] == "succeeded"


# the model


def test_a_busy_loop_ends(server: Server) -> None:
    def predict() -> None:
        print("held", flush=True)
        while True:
            pass

    body = canceled(server, "busy-loop", predict)
    assert body["status"] == CANCELED
    assert "error" not in body


@pytest.mark.ours("decisions.md: a blocking call ends at once; the peer waits for its end")
@pytest.mark.parametrize(
    "call",
    [
        "time.sleep(3600)",
        "os.read(os.pipe()[0], 1)",
        "subprocess.run(['sleep', '3600'])",
        "threading.Event().wait()",
        "socket.create_server(('127.0.0.1', 0)).accept()",
    ],
)
def test_a_blocking_call_ends(server: Server, call: str) -> None:
    modules = "import os, socket, subprocess, threading, time"
    code = f"{modules}\ndef predict():\n    print('held', flush=True)\n    {call}"
    answer = server.begin({"code": code}, id="blocked")
    server.wait_logged("blocked", "held")
    server.cancel("blocked")
    assert answer.result().json()["status"] == CANCELED


def test_except_exception_does_not_catch_it(server: Server) -> None:
    def predict() -> str:
        import time

        print("held", flush=True)
        try:
            while True:
                time.sleep(0.01)
        except Exception:  # noqa: BLE001 - what careless models do
            return "caught"

    assert canceled(server, "careless", predict)["status"] == CANCELED


def test_a_model_can_clean_up(server: Server) -> None:
    def predict() -> None:
        import pathlib
        import time

        from cog import CancelationException

        print("held", flush=True)
        try:
            while True:
                time.sleep(0.01)
        except CancelationException:
            pathlib.Path("cleaned-up").touch()
            raise

    assert canceled(server, "clean", predict)["status"] == CANCELED
    assert (server.folder / "cleaned-up").exists()


def test_another_exception_after_a_cancel_is_a_cancel(server: Server) -> None:
    def predict() -> None:
        import time

        print("held", flush=True)
        try:
            while True:
                time.sleep(0.01)
        except BaseException as error:
            raise RuntimeError("something else") from error

    body = canceled(server, "converted", predict)
    assert (body["status"], "error" in body) == (CANCELED, False)


def test_a_swallowed_cancel_is_a_cancel(server: Server) -> None:
    def predict() -> str:
        import time

        from cog import CancelationException

        print("held", flush=True)
        try:
            while True:
                time.sleep(0.01)
        except CancelationException:
            return "the model went on"

    assert canceled(server, "swallowed", predict)["status"] == CANCELED


def test_an_iterator_can_be_canceled(server: Server) -> None:
    def predict() -> Iterator[int]:
        import time

        yield 1
        print("held", flush=True)
        while True:
            time.sleep(0.01)
            yield 2

    assert canceled(server, "iterator", predict)["status"] == CANCELED


@pytest.mark.ours("runtime.md 8.2: one injection a prediction; in the peer a second one hits the clean-up")
def test_a_second_cancel_does_not_hit_the_clean_up(server: Server) -> None:
    def predict() -> None:
        import pathlib
        import time

        from cog import CancelationException

        print("held", flush=True)
        try:
            while True:
                time.sleep(0.01)
        except CancelationException:
            print("cleaning", flush=True)
            while not pathlib.Path("go-on").exists():
                time.sleep(0.01)
            pathlib.Path("all-clean").touch()
            raise

    answer = server.begin(script(predict), id="twice")
    server.wait_logged("twice", "held")
    server.cancel("twice")
    server.wait_logged("twice", "cleaning")
    for _ in range(5):
        assert server.cancel("twice").status == 200
    (server.folder / "go-on").touch()
    assert answer.result().json()["status"] == CANCELED
    assert (server.folder / "all-clean").exists()


# other moments


@pytest.mark.ours("runtime.md 8.4: between 202 and the start in the worker the peer loses 24 of 40 cancels")
@pytest.mark.parametrize(
    ("count", "padding"),
    [
        pytest.param(20, 0, id="small input"),
        # Takes a while to read: the cancel arrives before the model's code starts.
        pytest.param(4, 20_000_000, id="large input"),
    ],
)
def test_a_cancel_right_after_the_202_is_never_lost(server: Server, count: int, padding: int) -> None:
    def predict(padding: str) -> None:
        import time

        time.sleep(600)

    for number in range(count):
        name = f"early-{padding}-{number}"
        assert server.start(script(predict, padding="x" * padding), id=name).status == 202
        assert server.cancel(name).status == 200
        wait_for(lambda name=name: not server.peek(name), "end of the prediction")  # type: ignore[misc]


def test_a_training_can_be_canceled_by_either_route(server: Server) -> None:
    def predict() -> None:
        import time

        print("held", flush=True)
        while True:
            time.sleep(0.01)

    for route in ("predictions", "trainings"):
        name = f"by-{route}"
        body = {"id": name, "input": script(predict)}
        assert server.request("POST", "/trainings", body, {"Prefer": "respond-async"}).status == 202
        server.wait_logged(name, "held")
        assert server.request("POST", f"/{route}/{name}/cancel").json() == {}
        wait_for(lambda name=name: not server.peek(name), "end of the training")  # type: ignore[misc]
