"""hardening.md R22 and runtime.md 10.4: receivers that are down, and a server that shuts down meanwhile."""

import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from testing.holding import holding
from testing.ports import HOST, reserved_port
from testing.receiver import HANG_UP, Received, Receiver, Reply, redirect
from testing.script import returning
from testing.server import Server
from testing.waiting import wait_for

PREDICTIONS: Final = 200
MAX_GROWTH_BYTES: Final = 8 * 1024 * 1024
HELLO = returning("'hello'")

pytestmark = pytest.mark.ours("hardening.md R22, runtime.md 10.4")


class Trouble:
    """A receiver that is down at first; `accepted` are the ids whose end it has taken since it came back."""

    def __init__(self, while_away: Reply | None) -> None:
        self.accepted: Counter[str] = Counter()
        self._while_away = while_away
        self._back = threading.Event()
        self._lock = threading.Lock()

    def recover(self) -> None:
        self._back.set()

    def answer(self, received: Received) -> Reply:
        if self._while_away is None:
            self._back.wait(30)
        elif not self._back.is_set():
            return self._while_away
        body = received.json()
        if body["status"] == "succeeded":
            with self._lock:
                self.accepted[body["id"]] += 1
        return Reply()


def memory(server: Server, field: str) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    "while_away",
    [
        pytest.param(HANG_UP, id="hangs up"),
        pytest.param(None, id="slow"),
        pytest.param(Reply(503), id="unavailable"),
        pytest.param(redirect("/login", 302), id="redirects"),
        pytest.param(redirect("/hook", 307), id="redirects without end"),
    ],
)
def test_nothing_waits_for_a_receiver_in_trouble_and_each_end_arrives_once(
    serve: Serve, while_away: Reply | None
) -> None:
    trouble = Trouble(while_away)
    with serve("script") as server, Receiver().listening() as receiver:
        receiver.answer = trouble.answer
        run_predictions(server, receiver.url, ["warm-up"])
        receiver.wait_count(1)  # the HTTP client has been imported
        before = memory(server, "VmRSS")
        ids = [f"p{number}" for number in range(PREDICTIONS)]
        run_predictions(server, receiver.url, ids)
        assert memory(server, "VmRSS") - before < MAX_GROWTH_BYTES
        assert server.health()["status"] == "READY"
        assert not trouble.accepted
        trouble.recover()
        wait_for(lambda: set(ids) <= trouble.accepted.keys(), "end of each prediction")
        assert not {name for name, count in trouble.accepted.items() if count > 1}


def run_predictions(server: Server, receiver_url: str, ids: list[str]) -> None:
    for name in ids:
        answer = server.predict(HELLO, id=name, webhook=f"{receiver_url}/hook")
        assert answer.json()["status"] == "succeeded"


def test_a_closed_port_that_opens(serve: Serve) -> None:
    trouble = Trouble(HANG_UP)
    trouble.recover()
    with reserved_port() as port, serve("script") as server:
        ids = [f"p{number}" for number in range(PREDICTIONS)]
        run_predictions(server, f"http://{HOST}:{port}", ids)
        receiver = Receiver(port=port)
        receiver.answer = trouble.answer
        with receiver.listening():
            wait_for(lambda: set(ids) <= trouble.accepted.keys(), "end of each prediction")
    assert set(trouble.accepted.values()) == {1}


def test_a_cancel_does_not_wait_for_a_receiver(serve: Serve) -> None:
    trouble = Trouble(None)
    with serve("script") as server, Receiver().listening() as receiver:
        receiver.answer = trouble.answer
        with holding(server, "held", webhook=receiver.url) as held:
            receiver.wait_count(1)
            server.cancel("held")
            assert held.result().json()["status"] == "canceled"
        trouble.recover()
        receiver.wait_end("held")


# the end of the server


def test_a_webhook_that_waits_for_its_next_attempt_is_delivered_at_the_end(serve: Serve) -> None:
    trouble = Trouble(Reply(500))
    with serve("script") as server, Receiver().listening() as receiver:
        receiver.answer = trouble.answer
        server.predict(HELLO, id="late", webhook=receiver.url, webhook_events_filter=["completed"])
        wait_for(lambda: "trying again in 3.2 s" in server.log, "fifth attempt")
        trouble.recover()
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    assert trouble.accepted == {"late": 1}


def test_a_prediction_that_runs_at_the_end_is_reported(serve: Serve) -> None:
    long = {"COG_SHUTDOWN_GRACE": "60"}
    with serve("script", variables=long) as server, Receiver().listening() as receiver:
        with holding(server, "running", webhook=receiver.url):
            server.signal(signal.SIGTERM)
        (*_, end) = receiver.wait_end("running")
        assert server.wait_exit() == 0
    assert (end["status"], end["output"]) == ("succeeded", "let go")


def test_a_prediction_that_is_canceled_at_the_end_is_reported(serve: Serve) -> None:
    short = {"COG_SHUTDOWN_GRACE": "0.5"}
    with serve("script", variables=short) as server, Receiver().listening() as receiver:
        with holding(server, "endless", webhook=receiver.url):
            server.signal(signal.SIGTERM)
            (*_, end) = receiver.wait_end("endless")
            assert server.wait_exit() == 0
    assert end["status"] == "canceled"


def test_the_end_does_not_wait_without_limit(serve: Serve) -> None:
    trouble = Trouble(None)
    short = {"COG_SHUTDOWN_GRACE": "1"}
    with serve("script", variables=short) as server, Receiver().listening() as receiver:
        receiver.answer = trouble.answer
        url = f"{receiver.url}/path-token"
        server.predict(HELLO, id="lost", webhook=url, webhook_events_filter=["completed"])
        receiver.wait_count(1)
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        trouble.recover()
        loss = f"prediction lost: webhook to {receiver.url} was not delivered: the server is shutting down"
        assert loss in server.log
        assert "path-token" not in server.log


def test_a_second_signal_does_not_wait_at_all(serve: Serve) -> None:
    trouble = Trouble(None)
    long = {"COG_SHUTDOWN_GRACE": "3600"}
    with serve("script", variables=long) as server, Receiver().listening() as receiver:
        receiver.answer = trouble.answer
        server.predict(HELLO, webhook=receiver.url, webhook_events_filter=["completed"])
        receiver.wait_count(1)
        server.signal(signal.SIGTERM)
        wait_for(lambda: "Received SIGTERM" in server.log, "first signal")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        trouble.recover()
