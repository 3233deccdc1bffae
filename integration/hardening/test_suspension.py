"""hardening.md D1: time in which the whole server was stopped, as by `docker pause`, does not count."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from integration.conftest import Serve
from integration.hardening.workers import SLOW_TO_SET_UP, START_WAITING, wait_workers, worker_pids
from testing.holding import holding
from testing.script import script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md D1")

LIMIT: Final = "4"
STOPPED_S: Final = 4.5


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Supervisor and worker are stopped within the block, which lasts longer than the limit."""
    ends = time.monotonic() + STOPPED_S
    processes = (server.process.pid, *worker_pids(server))
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
        wait_for(lambda: time.monotonic() > ends, "end of the pause")
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def test_a_worker_that_was_stopped_with_its_server_does_not_hang(serve: Serve) -> None:
    with serve("script", variables={"COG_HANG_TIMEOUT": LIMIT}) as server:
        before = worker_pids(server)
        with holding(server, "running") as answer, stopped(server):
            pass
        assert answer.result().json()["output"] == "let go"
        assert worker_pids(server) == before


def test_a_canceled_prediction_still_has_its_time(serve: Serve) -> None:
    def take_time_to_end() -> None:
        import pathlib
        import time

        from cog import CancelationException

        try:
            print("held", flush=True)
            time.sleep(60)
        except CancelationException:
            print("canceled", flush=True)
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
            raise

    with serve("script", variables={"COG_CANCEL_GRACE": LIMIT}) as server:
        before = worker_pids(server)
        answer = server.begin(script(take_time_to_end), id="slow")
        server.wait_logged("slow", "held")
        server.cancel("slow")
        server.wait_logged("slow", "canceled")
        with stopped(server):
            server.folder.joinpath("go").touch()
        assert answer.result().json()["status"] == "canceled"
        assert worker_pids(server) == before


def test_a_setup_still_has_its_time(serve: Serve) -> None:
    model = SLOW_TO_SET_UP
    limit = {"COG_SETUP_TIMEOUT": LIMIT}
    with serve(model, variables=limit, entry=START_WAITING, until="STARTING") as server:
        wait_workers(server, 1)
        with stopped(server):
            server.folder.joinpath("wait").unlink()
        server.wait_status("READY", "SETUP_FAILED")
        assert server.health()["status"] == "READY"
