"""hardening.md C4 and C5: an idle server ends soon, and a second signal ends it sooner."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import pytest
from integration.cli_process import run_cog
from integration.conftest import Serve
from integration.hardening.workers import wait_workers, worker_pids
from testing.model import Model, inputs
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md C4, C5")

IDLE_LIMIT_S: Final = 10.0
"""Well below the grace time of these servers, even on a busy machine; an idle one takes less than 2 s."""

SOURCE: Final = """
import atexit, multiprocessing, os, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

class Runner:
    def setup(self) -> None:
        {setup}

    def run(self) -> int:
        return os.getpid()
"""
PROCESS_POOL: Final = "self.kept = ProcessPoolExecutor(2); list(self.kept.map(abs, [-1, -2]))"
HOLDS: Final = {
    "a process pool": PROCESS_POOL,
    "a thread": "threading.Thread(target=time.sleep, args=[600]).start()",
    "an atexit hook": "atexit.register(time.sleep, 600)",
    "C code that holds the interpreter": "atexit.register(sum, range(10**12))",
}


def keeping(setup: str) -> Model:
    return Model(SOURCE.format(setup=setup), inputs({}), "predict.py:Runner")


def ended_within(server: Server) -> float:
    started = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    return time.monotonic() - started


@pytest.mark.parametrize("setup", HOLDS.values(), ids=HOLDS)
def test_an_idle_server_ends_soon_whatever_its_model_keeps(serve: Serve, setup: str) -> None:
    with serve(keeping(setup), variables={"COG_SHUTDOWN_GRACE": "60"}) as server:
        assert ended_within(server) < IDLE_LIMIT_S
        assert ("did not exit" in server.log) == ("sum" in setup)
        assert ("kept the worker from ending" in server.log) == ("time.sleep" in setup)


def test_an_idle_server_does_not_wait_for_a_stopped_worker(serve: Serve) -> None:
    with serve("script", variables={"COG_SHUTDOWN_GRACE": "60"}) as server:
        (worker,) = worker_pids(server)
        os.kill(worker, signal.SIGSTOP)
        assert ended_within(server) < IDLE_LIMIT_S


@pytest.mark.parametrize("setup", HOLDS.values(), ids=HOLDS)
def test_a_replaced_worker_ends_soon_whatever_its_model_keeps(serve: Serve, setup: str) -> None:
    with serve(keeping(setup), variables={"COG_SHUTDOWN_GRACE": "60"}) as server:
        (old,) = worker_pids(server)
        server.signal(signal.SIGHUP)
        (new,) = wait_workers(server, 2) - {old}
        assert wait_workers(server, 1, without=old) == {new}
        assert server.predict().json()["output"] == new


def test_a_command_lets_the_model_come_to_its_end(tmp_path: Path) -> None:
    # The first hook is called last, after that of `multiprocessing`.
    first = "import atexit; atexit.register(open, 'ended', 'w')\n"
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Runner\n")
    (tmp_path / "predict.py").write_text(first + SOURCE.format(setup=PROCESS_POOL))
    assert run_cog(tmp_path, "predict").returncode == 0
    assert (tmp_path / "ended").exists()


HANGING: Final = Model(
    """
import os, signal, subprocess, sys, time
from cog import BasePredictor

class Predictor(BasePredictor):
    def predict(self) -> str:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(sleep, env={}, start_new_session=True)
        print("x" * 1000)
        open("hanging", "w").close()
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass
""",
    inputs({}),
)


def test_a_second_signal_does_not_wait_for_a_model_that_ignores_its_cancel(serve: Serve) -> None:
    with serve(HANGING, variables={"COG_SHUTDOWN_GRACE": "600"}) as server:
        hanging = server.begin(id="hanging")
        wait_for((server.folder / "hanging").exists, "the model")
        server.signal(signal.SIGTERM)
        server.wait_log("Received SIGTERM")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert hanging.result().json()["status"] in {"canceled", "failed"}
