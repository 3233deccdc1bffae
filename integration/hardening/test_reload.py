"""hardening.md R16 and R27: workers are replaced without losing a request."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from integration.conftest import Serve
from integration.hardening.workers import SLOW_TO_SET_UP, wait_workers, worker_pids
from testing.client import exchange
from testing.holding import holding
from testing.script import returning
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md R16, R27")

PID = returning("os.getpid()", "os")


def test_what_runs_ends_in_the_old_worker(serve: Serve) -> None:
    with serve("script") as server:
        old = server.predict(PID).json()["output"]
        with holding(server, "promised") as answer:
            server.signal(signal.SIGHUP)
            wait_for(lambda: server.predict(PID).json().get("output", old) != old, "answer of the new worker")
            assert old in worker_pids(server)
        assert answer.result().json()["output"] == "let go"
        wait_workers(server, 1, without=old)


def test_a_new_worker_that_fails_leaves_the_old_one(serve: Serve) -> None:
    with serve(SLOW_TO_SET_UP) as server:
        (old,) = worker_pids(server)
        server.folder.joinpath("wait").touch()
        server.signal(signal.SIGHUP)
        (new,) = wait_workers(server, 2) - {old}
        os.kill(new, signal.SIGKILL)
        wait_for(lambda: f"keeping worker {old}" in server.log, "notice")
        assert server.predict({"until": "predict.py"}).json()["output"] == old


def test_an_old_worker_that_dies_meanwhile_leaves_its_place_to_the_new_one(serve: Serve) -> None:
    with serve(SLOW_TO_SET_UP) as server:
        (old,) = worker_pids(server)
        server.folder.joinpath("wait").touch()
        server.signal(signal.SIGHUP)
        (new,) = wait_workers(server, 2) - {old}
        os.kill(old, signal.SIGKILL)
        server.wait_status("STARTING")
        server.folder.joinpath("wait").unlink()
        server.wait_status("READY")
        held = server.begin({"until": "go"}, id="held")
        server.wait_logged("held", "held")
        assert server.predict({"until": "go"}).status == 409  # not one slot more than before
        server.folder.joinpath("go").touch()
        assert held.result().json()["output"] == new
        assert worker_pids(server) == {new}


def test_a_reload_in_the_moment_of_a_death_makes_no_second_worker(serve: Serve) -> None:
    with serve("script") as server:
        for _ in range(30):
            wait_for(lambda: server.predict(PID).status == 200, "answer")
            assert server.predict(returning("os._exit(1)", "os")).json()["status"] == "failed"
            server.signal(signal.SIGHUP)
        server.wait_status("READY")
        wait_workers(server, 1)


def test_an_old_worker_that_dies_before_there_is_a_new_one_is_replaced_once(
    serve: Serve, tmp_path: Path
) -> None:
    # A reload needs to know how much memory a worker takes, which psutil reports.
    gate = tmp_path / "gate"
    psutil = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nraise ImportError"
    tmp_path.joinpath("psutil.py").write_text(psutil)
    with serve("script", variables={"PYTHONPATH": str(tmp_path)}) as server:
        (old,) = worker_pids(server)
        server.signal(signal.SIGHUP)
        server.wait_log("replacing the workers")
        os.kill(old, signal.SIGKILL)
        (second,) = wait_workers(server, 1, without=old)
        server.wait_status("READY")
        gate.touch()
        server.signal(signal.SIGHUP)  # waits for the first one
        wait_workers(server, 1, without=second)


def test_a_new_worker_that_dies_while_the_old_one_drains_is_replaced(serve: Serve) -> None:
    with serve(SLOW_TO_SET_UP) as server:
        held = server.begin({"until": "go"}, id="held")
        server.wait_logged("held", "held")
        (old,) = worker_pids(server)
        server.signal(signal.SIGHUP)
        new = wait_for(lambda: served_by(server), "answer of the new worker")
        os.kill(new, signal.SIGKILL)
        third = wait_for(lambda: served_by(server, without=new), "answer of a third worker")
        assert worker_pids(server) == {old, third}
        server.folder.joinpath("go").touch()
        assert held.result().json()["output"] == old


def test_a_worker_that_is_still_loading_the_model_is_replaced_too(serve: Serve) -> None:
    source = SLOW_TO_SET_UP.source.replace("pathlib.Path('wait').exists()", "not pathlib.Path('go').exists()")
    with serve(replace(SLOW_TO_SET_UP, source=source), until="STARTING") as server:
        (first,) = wait_workers(server, 1)
        server.signal(signal.SIGHUP)
        server.wait_log("Received SIGHUP")
        server.folder.joinpath("go").touch()
        wait_workers(server, 1, without=first)
        assert served_by(server) != first


def served_by(server: Server, *, without: int | None = None) -> int | None:
    """Return the pid of the worker that serves now; None while there is none."""
    pid: int | None = server.predict({"until": "predict.py"}).json().get("output")
    return None if pid == without else pid


def ask_for_pids(server: Server, count: int) -> set[int]:
    """Run predictions on one connection, none of which may fail; return the pids of their workers."""
    pids = set()
    with server.address.connect() as connection:
        for _ in range(count):
            answer = exchange(connection, "POST", "/predictions", {"input": PID})
            assert answer.status == 200, answer
            pids.add(answer.json()["output"])
    return pids


def wait_all_replaced(server: Server, pids: set[int]) -> None:
    wait_for(lambda: not pids & worker_pids(server), "new workers alone")


def test_twenty_reloads_under_load_lose_nothing(serve: Serve) -> None:
    with serve("script", variables={"COG_WORKERS": "2"}) as server, ThreadPoolExecutor(1) as pool:
        seen: set[int] = set()
        for _ in range(20):
            asking = pool.submit(ask_for_pids, server, 50)
            before = worker_pids(server)
            server.signal(signal.SIGHUP)
            wait_all_replaced(server, before)
            seen |= asking.result()
        assert len(seen) >= 20


def test_a_worker_is_replaced_after_its_limit_of_predictions(serve: Serve) -> None:
    with serve("script", variables={"COG_WORKER_MAX_PREDICTIONS": "20"}) as server:
        first = worker_pids(server)
        wait_for(lambda: ask_for_pids(server, 20).isdisjoint(first), "answers of another worker alone")


def test_a_worker_that_has_grown_is_replaced(serve: Serve) -> None:
    code = (
        "def predict():\n"
        "    import os\n"
        "    memory['kept'] = b'x' * (300 * 1024 * 1024)\n"
        "    return os.getpid()\n"
    )
    with serve("script", variables={"COG_WORKER_MAX_RSS_BYTES": str(256 * 1024 * 1024)}) as server:
        large = server.predict({"code": code}).json()["output"]
        wait_workers(server, 1, without=large)
        assert server.predict(PID).json()["output"] != large
