"""The process group and the session of the process in which the model runs."""

import os
import signal

import pytest
from integration.conftest import Serve
from testing.script import returning, script
from testing.server import AS_COG

LEAVES = pytest.mark.parametrize("leave", ["os.setsid()", "os.setpgrp()"])

# The server gets a terminal that its session controls, as in a shell or with `docker run --tty`.
WITH_TERMINAL = (
    "-c",
    "import fcntl, os, pty, sys, termios\n"
    "keyboard, terminal = pty.openpty()\n"
    "fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)\n"
    "os.set_inheritable(keyboard, True)\n"
    f"os.execv(sys.executable, [sys.executable, *{AS_COG}, *sys.argv[1:]])\n",
)


@LEAVES
def test_a_model_may_lead_a_group_and_a_session(serve: Serve, leave: str) -> None:
    with serve("script") as server:
        led = server.predict(returning(f"{leave} or os.getpgrp() == os.getpid()", "os")).json()
        assert led["output"] is True, led


def run_between_children(leave: str) -> list[int]:
    import os
    import subprocess

    before = subprocess.Popen(["sleep", "3600"])
    eval(leave)
    after = subprocess.Popen(["sleep", "3600"])
    return [os.getpgid(before.pid), os.getpgid(after.pid), os.getpid()]


@LEAVES
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.ours("the processes of a model outlive the peer")
def test_nothing_outlives_the_server_of_such_a_model(
    serve: Serve, leave: str, number: signal.Signals
) -> None:
    with serve("script") as server:
        old, new, worker = server.predict(script(run_between_children, leave=leave)).json()["output"]
        assert old != worker == new
        server.signal(number)
        server.wait_exit()
        # The harness fails when it finds a process that was left.


@pytest.mark.ours("the worker of the peer is in the group of its server")
def test_ctrl_c_reaches_the_server_and_not_the_model(serve: Serve) -> None:
    with serve("script", variables={"COG_SHUTDOWN_GRACE": "60"}) as server:
        os.mkfifo(server.folder / "fifo")
        typed = server.begin(returning("print('up', flush=True) or open('fifo').read()"), id="typed")
        server.wait_logged("typed", "up")
        os.killpg(server.process.pid, signal.SIGINT)  # as the terminal does
        server.wait_log("Received SIGINT")
        (server.folder / "fifo").write_text("read")
        assert typed.result().json()["output"] == "read"


@pytest.mark.ours("the worker of the peer has the terminal of its server")
def test_a_model_cannot_stop_at_the_terminal_of_the_server(serve: Serve) -> None:
    """A background process that reads from it is stopped, as `git clone` is when it asks for a password."""
    with serve("script", entry=WITH_TERMINAL) as server:
        answer = server.predict(returning("open('/dev/tty').read(1)")).json()
        assert "No such device or address" in answer["error"]
