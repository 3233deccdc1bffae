"""hardening.md R4, R7, R9, R10, R12-R14, R17, R28: start, hang, crash loop, drain, shutdown, and systemd."""

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest
from integration.conftest import Serve
from integration.hardening.workers import SLOW_TO_SET_UP, START_WAITING, wait_workers, worker_pids
from testing import processes
from testing.holding import holding
from testing.installation import Installation
from testing.model import Model, inputs
from testing.script import returning, script
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md R4-R28")

PID = returning("os.getpid()", "os")


@pytest.mark.slow
def test_setups_that_fail_in_a_row_end_in_a_clear_state_and_few_lines(serve: Serve) -> None:
    source = (
        "import os, pathlib, threading\n"
        "class Runner:\n"
        "    def setup(self):\n"
        "        if pathlib.Path('die').exists():\n"
        "            os._exit(1)\n"
        "    def run(self) -> None:\n"
        "        pathlib.Path('die').touch()\n"
        "        os._exit(1)\n"
    )
    with serve(Model(source, inputs({}), "predict.py:Runner")) as server:
        server.predict()
        wait_for(lambda: server.health()["status"] == "DEFUNCT", "end of the crash loop", deadline_s=60)
        wait_for(lambda: "giving up" in server.log, "word of the end in the log")
        assert server.log.count("\n") < 100
        assert server.request("GET", "/livez").status == 200
        assert server.request("GET", "/readyz").status == 503


def test_the_kernel_takes_a_worker_before_its_supervisor(serve: Serve) -> None:
    with serve("script") as server:
        (worker,) = worker_pids(server)
        scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (worker, server.process.pid)]
        assert scores[0] > scores[1]


def test_a_model_that_waits_for_all_its_children_does_not_wait_for_ours(serve: Serve) -> None:
    def predict() -> str:
        import os

        try:
            return f"waited for {os.wait()}"
        except ChildProcessError:
            return "no children"

    with serve("script") as server:
        assert server.predict(script(predict)).json()["output"] == "no children"


def test_a_memory_error_is_named_and_the_worker_stays(serve: Serve) -> None:
    with serve("script") as server:
        before = worker_pids(server)
        body = server.predict(returning("bytearray(2 ** 62)")).json()
        assert (body["status"], "MemoryError" in body["error"]) == ("failed", True)
        assert worker_pids(server) == before


def start_a_daemon() -> int:
    import subprocess

    return subprocess.Popen(["sleep", "3600"], start_new_session=True).pid


@pytest.mark.parametrize("victim", ["supervisor", "worker"])
def test_a_daemon_that_left_the_process_group_ends_too(serve: Serve, victim: str) -> None:
    with serve("script") as server:
        daemon = server.predict(script(start_a_daemon)).json()["output"]
        (worker,) = worker_pids(server)
        os.kill(worker if victim == "worker" else server.process.pid, signal.SIGKILL)
        wait_for(
            lambda: daemon not in {each.pid for each in processes.marked(server.mark)}, "end of the daemon"
        )


@pytest.mark.parametrize("stuck", ["stopped", "in C code that holds the interpreter"])
def test_a_killed_supervisor_leaves_nothing_even_of_a_stuck_worker(serve: Serve, stuck: str) -> None:
    with serve("script") as server:
        server.predict(script(start_a_daemon))
        (worker,) = worker_pids(server)
        if stuck == "stopped":
            os.kill(worker, signal.SIGSTOP)
        else:
            code = "def predict():\n    print('held', flush=True)\n    return sum(range(10 ** 12))\n"
            server.begin({"code": code}, id="stuck")
            server.wait_logged("stuck", "held")
        server.signal(signal.SIGKILL)
        wait_for(lambda: not processes.marked(server.mark), "end of all processes")


def test_a_worker_that_hangs_is_replaced(serve: Serve) -> None:
    with serve("script", variables={"COG_HANG_TIMEOUT": "1"}) as server:
        (worker,) = worker_pids(server)
        with holding(server, "stuck") as stuck:
            os.kill(worker, signal.SIGSTOP)
            body = stuck.result().json()
        assert (body["status"], "no pong and no CPU time" in body["error"]) == ("failed", True)
        wait_workers(server, 1, without=worker)
        server.wait_status("READY")
        assert server.predict(returning("'alive'")).json()["output"] == "alive"


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("len(str(3 ** 1_000_000))", id="C code that holds the interpreter"),
        pytest.param("time.sleep(3)", id="a call that waits"),
        pytest.param("sum(i for i in range(30_000_000))", id="Python"),
    ],
)
def test_a_busy_worker_is_not_replaced(serve: Serve, expression: str) -> None:
    code = (
        f"def predict():\n"
        f"    import sys, time\n"
        f"    sys.set_int_max_str_digits(0)\n"
        f"    return str({expression})\n"
    )
    with serve("script", variables={"COG_HANG_TIMEOUT": "1"}) as server:
        before = worker_pids(server)
        assert server.predict({"code": code}).json()["status"] == "succeeded"
        assert worker_pids(server) == before


def test_the_supervisor_answers_while_its_worker_hangs(serve: Serve) -> None:
    with serve("script") as server:
        (worker,) = worker_pids(server)
        with holding(server, "stuck"):
            os.kill(worker, signal.SIGSTOP)
            assert server.request("GET", "/livez").status == 200
            assert server.request("GET", "/readyz").status == 503
            os.kill(worker, signal.SIGCONT)


def test_readiness_is_a_status_code(serve: Serve) -> None:
    with serve("script") as server:
        assert server.request("GET", "/readyz").status == 200


def test_new_work_gets_503_with_retry_after_while_the_server_drains(serve: Serve) -> None:
    with serve("script") as server:
        with holding(server, "promised") as answer:
            server.signal(signal.SIGTERM)
            wait_for(lambda: server.request("GET", "/readyz").status == 503, "drain")
            refused = server.predict(returning("1"))
            assert (refused.status, refused.headers["Retry-After"] is not None) == (503, True)
            assert not answer.done()
        assert answer.result().json()["output"] == "let go"
        assert server.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_has_just_opened_its_port_ends_as_any_other(
    serve: Serve, number: signal.Signals
) -> None:
    with serve("script", until=None) as server:
        wait_for(lambda: is_open(server.address.port), "port")
        server.signal(number)
        assert server.wait_exit() == 0


# systemd, and running as PID 1


def test_systemd_is_notified_once_when_the_model_is_ready(serve: Serve, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        path = Path("/tmp") / f"cog-notify-{secrets.token_hex(8)}"
        notices.bind(str(path))
        notices.settimeout(20)
        variables = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"}
        try:
            # The setup waits for the test, which might otherwise come too late to see the status STARTING.
            with serve(SLOW_TO_SET_UP, variables=variables, entry=START_WAITING, until="STARTING") as server:
                assert select.select([notices], [], [], 0)[0] == []
                server.folder.joinpath("wait").unlink()
                server.wait_status("READY")
                received = [notices.recv(100) for _ in range(3)]
                assert received == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        finally:
            path.unlink()


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    Model.named("script").write_to(tmp_path)
    return tmp_path


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is missing")
def test_a_socket_of_systemd_is_served(installation: Installation, model_folder: Path, port: int) -> None:
    server = [str(installation.python), "-m", "cog.server.http"]
    variables = installation.variables({"COG_PREDICT_TYPE_STUB": "predict.py:Predictor", "PORT": "1"})
    process = subprocess.Popen(
        [
            "systemd-socket-activate",
            *(f"--setenv={name}" for name in ("COG_PREDICT_TYPE_STUB", "PORT", "PATH")),
            f"--listen=127.0.0.1:{port}",
            *server,
        ],
        cwd=model_folder,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: is_open(port), "socket of systemd")
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")
        # It is on loopback, although the server was started without --host.
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 403")
    finally:
        process.terminate()
        process.wait(20)


def is_open(port: int) -> bool:
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        for connection in psutil.net_connections("tcp4")
    )


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_as_the_first_process_it_reaps_what_others_leave_behind(serve: Serve) -> None:
    def orphan_many() -> None:
        import subprocess

        subprocess.run(["sh", "-c", "for n in $(seq 1000); do (true &); done"], check=True)

    entry = ("-c", UNSHARED)
    with serve("script", entry=entry) as server:
        assert server.predict(script(orphan_many)).json()["status"] == "succeeded"
        first = psutil.Process(server.process.pid).children(recursive=True)[0]
        wait_for(lambda: not zombies(first), "reaping of all orphans")
        server.request("POST", "/shutdown")  # unshare does not forward signals
        assert server.wait_exit() == 0


UNSHARED = (
    "import os, sys\n"
    "run = [sys.executable, '-m', 'cog.server.http', *sys.argv[1:]]\n"
    "os.execvp('unshare', ['unshare', '--pid', '--fork', '--kill-child=SIGTERM', '--mount-proc', *run])\n"
)


def zombies(parent: psutil.Process) -> list[int]:
    found = []
    for each in parent.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # reaped since it was listed
            if each.status() == psutil.STATUS_ZOMBIE:
                found.append(each.pid)
    return found
