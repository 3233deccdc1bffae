"""runtime.md 2.6 and 16.7: the worker's process dies, the server does not."""

import os
import signal
from collections.abc import Iterator

import pytest
from integration.conftest import Serve
from testing import processes
from testing.holding import hold_async
from testing.model import Model, inputs
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

RESPAWN = "decisions.md: a dead worker is respawned; the peer's server is lost with it"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def test_the_prediction_that_ran_has_failed(serve: Serve) -> None:
    with serve("script") as server:
        answer = server.predict(returning("os._exit(3)", "os"), id="deadly")
        body = answer.json()
        assert (answer.status, body["id"], body["status"]) == (200, "deadly", "failed")
        assert body["error"].startswith("Worker crashed")


@pytest.mark.ours("hardening.md R6: the cause of death is reported")
@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("os._exit(3)", "exited with code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.abort()", "SIGABRT"),
    ],
)
def test_the_error_says_how_it_died_and_the_next_prediction_succeeds(
    server: Server, expression: str, reason: str
) -> None:
    body = server.predict(returning(expression, "os", "signal")).json()
    assert (body["status"], reason in body["error"]) == ("failed", True)
    server.wait_status("READY")
    assert server.predict(returning("'alive'")).json()["output"] == "alive"


@pytest.mark.ours("the last lines before a crash explain it")
def test_what_was_printed_just_before_the_death_is_in_the_logs(server: Server) -> None:
    def predict() -> None:
        import os
        import signal

        for number in range(20):
            print("step", number)
        os.kill(os.getpid(), signal.SIGKILL)

    body = server.predict(script(predict)).json()
    assert (body["status"], body["logs"]) == ("failed", "".join(f"step {number}\n" for number in range(20)))
    server.wait_status("READY")


@pytest.mark.ours(RESPAWN)
def test_setup_runs_again(serve: Serve) -> None:
    source = (
        "import os, pathlib\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        with pathlib.Path('setups').open('a') as setups:\n"
        "            print('set up', file=setups)\n"
        "    def run(self, die: bool) -> str:\n"
        "        if die:\n"
        "            os.kill(os.getpid(), 9)\n"
        "        return 'alive'\n"
    )
    with serve(Model(source, inputs({"die": {"type": "boolean"}}, "die"))) as server:
        for _ in range(3):
            assert server.predict({"die": True}).json()["status"] == "failed"
            server.wait_status("READY")
            assert server.predict({"die": False}).json()["output"] == "alive"
        assert (server.folder / "setups").read_text() == "set up\n" * 4


@pytest.mark.ours(RESPAWN)
def test_all_that_ran_in_it_fail_and_nothing_else(serve: Serve) -> None:
    async def die() -> None:
        import os

        os.kill(os.getpid(), 9)

    with serve("async_script", variables={"COG_MAX_CONCURRENCY": "4"}) as server:
        answers = [server.begin(script(hold_async, until="never"), id=f"p{number}") for number in range(3)]
        for number in range(3):
            server.wait_logged(f"p{number}", "held")
        answers.append(server.begin(script(die), id="deadly"))
        bodies = [answer.result().json() for answer in answers]
        assert {body["status"] for body in bodies} == {"failed"}
        assert all("SIGKILL" in body["error"] for body in bodies)
        server.wait_status("READY")


@pytest.mark.ours("hardening.md: COG_WORKER_RESTARTS=0 makes a death final, health says DEFUNCT")
def test_without_restarts_a_death_is_final(serve: Serve) -> None:
    with serve("script", variables={"COG_WORKER_RESTARTS": "0"}) as server:
        assert server.predict(returning("os._exit(1)", "os")).json()["status"] == "failed"
        server.wait_status("DEFUNCT")
        assert server.predict(returning("1")).status == 503


@pytest.mark.ours("decisions.md: while no worker is ready, 503; in the peer 409 from then on")
def test_while_no_worker_is_ready_predictions_are_503(serve: Serve) -> None:
    source = (
        "import os, pathlib, time\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        while pathlib.Path('wait').exists():\n"
        "            time.sleep(0.01)\n"
        "    def run(self) -> None:\n"
        "        pathlib.Path('wait').touch()\n"
        "        os._exit(1)\n"
    )
    with serve(Model(source, inputs({}))) as server:
        server.predict()
        server.wait_status("STARTING")
        assert server.predict().status == 503
        (server.folder / "wait").unlink()
        server.wait_status("READY")


@pytest.mark.ours("runtime.md 16.7: the process itself is watched; in the peer a forked child hides its end")
def test_a_forked_child_does_not_hide_the_end(serve: Serve) -> None:
    source = (
        "import os, time\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        if os.fork() == 0:\n"
        "            time.sleep(3600)\n"
        "    def run(self) -> int:\n"
        "        return os.getpid()\n"
    )
    with serve(Model(source, inputs({}))) as server:
        first = server.predict().json()["output"]
        os.kill(first, signal.SIGKILL)
        # Its child lives on and holds every pipe and socket open; the end must be detected nevertheless.
        wait_for(lambda: server.predict().json().get("output", first) != first, "answer of another worker")


@pytest.mark.ours("hardening.md R9: what a model has started ends with its worker")
def test_children_end_with_their_worker(server: Server) -> None:
    def predict() -> int:
        import os
        import subprocess

        child = subprocess.Popen(["sleep", "3600"])
        print(child.pid, flush=True)
        os._exit(1)

    pid = int(server.predict(script(predict)).json()["logs"])
    wait_for(
        lambda: pid not in {process.pid for process in processes.marked(server.mark)}, "end of the child"
    )
