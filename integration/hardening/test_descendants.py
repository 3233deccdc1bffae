"""hardening.md C3: nothing that a model started outlives its worker, even a daemon in another session."""

import inspect
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from integration.cli_process import run_cog
from integration.conftest import Serve
from integration.hardening.workers import worker_pids
from testing.processes import is_alive
from testing.script import returning, script
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md C3")


def start_daemons() -> list[int]:
    import os
    import subprocess
    import sys

    fork_twice = (
        "import os, subprocess, time\n"
        "if not os.fork():\n"
        "    os.setsid()\n"
        "    if not os.fork():\n"
        "        print(os.getpid(), flush=True)\n"
        "        os.closerange(0, 100)\n"
        "        time.sleep(3600)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    daemon = subprocess.run([sys.executable, "-c", fork_twice], env={}, capture_output=True, check=True)
    # Through an intermediate process that exits at once, so that the daemon has no parent here.
    orphan = subprocess.run(
        ["sh", "-c", "env -i setsid sleep 3600 >/dev/null 2>&1 & echo $!"], capture_output=True, check=True
    )
    empty = subprocess.Popen(["sleep", "3600"], env={}, start_new_session=True)
    os.environ.clear()
    cleared = subprocess.Popen(["sleep", "3600"], start_new_session=True)
    return [os.getpid(), int(daemon.stdout), int(orphan.stdout), empty.pid, cleared.pid]


def family_of(server: Server) -> list[psutil.Process]:
    """Return a worker and the daemons that its model started."""
    pids = server.predict(script(start_daemons)).json()["output"]
    return [psutil.Process(pid) for pid in pids]


def living(family: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in family if is_alive(each)]


def wait_end(family: list[psutil.Process]) -> None:
    try:
        wait_for(lambda: not living(family), "end of all that the model has started")
    finally:
        for each in living(family):
            each.kill()


def kill_worker(server: Server) -> None:
    (worker,) = worker_pids(server)
    os.kill(worker, signal.SIGKILL)


def crash_worker(server: Server) -> None:
    server.predict(returning("os.kill(os.getpid(), signal.SIGSEGV)", "os", "signal"))


def kill_supervisor_of_a_stopped_worker(server: Server) -> None:
    (worker,) = worker_pids(server)
    os.kill(worker, signal.SIGSTOP)
    server.signal(signal.SIGKILL)


def kill_both(server: Server) -> None:
    (worker,) = worker_pids(server)
    server.signal(signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)


ENDS = [
    pytest.param(lambda server: server.signal(signal.SIGTERM), id="SIGTERM"),
    pytest.param(lambda server: server.signal(signal.SIGHUP), id="reload"),
    pytest.param(kill_worker, id="worker killed"),
    pytest.param(crash_worker, id="worker crashed"),
    pytest.param(lambda server: server.signal(signal.SIGKILL), id="supervisor killed"),
    pytest.param(kill_supervisor_of_a_stopped_worker, id="supervisor of a stopped worker killed"),
    pytest.param(kill_both, id="both killed"),
]


@pytest.mark.parametrize("end", ENDS)
def test_daemons_without_environment_end_with_their_worker(
    serve: Serve, end: Callable[[Server], object]
) -> None:
    with serve("script") as server:
        family = family_of(server)
        assert living(family) == family
        end(server)
        wait_end(family)


def test_those_of_another_worker_go_on(serve: Serve) -> None:
    with serve("script", variables={"COG_WORKERS": "2"}) as server:
        wait_for(lambda: server.log.count("Server ready") == 2, "both workers")
        first, second = family_of(server), family_of(server)  # the slots take turns
        assert first[0] != second[0]
        first[0].kill()
        wait_end(first)
        assert living(second) == second


def test_those_of_a_command_end_with_it(tmp_path: Path) -> None:
    source = inspect.getsource(start_daemons)
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Runner\n")
    (tmp_path / "predict.py").write_text(
        f"{source}\nclass Runner:\n    def run(self) -> list[int]:\n        return start_daemons()\n"
    )
    done = run_cog(tmp_path, "predict", "--json", "{}")
    family = json.loads(done.stdout)["output"]
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in family), "end of all")
