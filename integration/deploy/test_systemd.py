"""operations.md 6: the units for systemd, verified by it, and run as it would run them."""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from integration.deploy.checkers import DEPLOY, GRACE_S, MORE_S
from testing.client import Address
from testing.installation import Installation
from testing.model import Model
from testing.ports import HOST
from testing.script import returning
from testing.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.ours("operations.md 6")

UNITS: Final = DEPLOY / "systemd"
# /srv is the first argument, in this process and its children only. The process stays the same.
IN_SRV: Final = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /srv && cd "$1" && shift && exec "$@"')
# The process gets the socket, and the variables that name it.
PASS_SOCKET: Final = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)


LINES: Final = [
    line.split("=", 1)
    for line in (UNITS / "coglet.service").read_text().splitlines()
    if "=" in line and not line.startswith("#")
]
SERVICE: Final = {name: value for name, value in LINES if name != "Environment"}
ENVIRONMENT: Final = dict(value.split("=", 1) for name, value in LINES if name == "Environment")


@pytest.fixture
def srv(installation: Installation, tmp_path: Path) -> Path:
    """What is /srv: with a model, and an environment that has pycoglet."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not Path("/srv").is_dir():
        pytest.skip("needs root and unshare, to put a model into /srv")
    (tmp_path / "model").mkdir()
    Model.named("script").write_to(tmp_path / "model")
    (tmp_path / "model/.venv").symlink_to(installation.python.parents[1])
    return tmp_path


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_verifies_the_units(srv: Path) -> None:
    verify = ["systemd-analyze", "verify", *sorted(map(str, UNITS.iterdir()))]
    done = subprocess.run(
        [*IN_SRV, srv, "/", *verify], check=False, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_the_service_well_protected() -> None:
    """Its exposure, from 0 to 10, is below 2.5."""
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager"]
    done = subprocess.run([*security, UNITS / "coglet.service"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_waits_for_the_shutdown() -> None:
    assert float(ENVIRONMENT["COG_SHUTDOWN_GRACE"]) == GRACE_S
    assert GRACE_S + MORE_S <= int(SERVICE["TimeoutStopSec"])


class Manager:
    """Plays the part of systemd for one service."""

    def __init__(self, notices: socket.socket, process: "subprocess.Popen[bytes]", address: Address) -> None:
        self.process = process
        self.address = address
        self._notices = notices

    def wait_notice(self, expected: bytes) -> None:
        """Read notices until `expected`. Raises TimeoutError."""
        while self._notices.recv(100) != expected:
            pass


@contextlib.contextmanager
def started(srv: Path, variables: Mapping[str, str]) -> Iterator[Manager]:
    """Start the service with exactly its ExecStart; its log is `srv / "log"`."""
    path = srv / "notify"
    with contextlib.ExitStack() as stack:
        notices = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notices.bind(str(path))
        notices.settimeout(DEADLINE_S)
        listener = stack.enter_context(socket.create_server((HOST, 0)))
        log = stack.enter_context((srv / "log").open("wb"))
        pass_socket = [sys.executable, "-c", PASS_SOCKET, str(listener.fileno())]
        process = subprocess.Popen(
            [
                *pass_socket,
                *IN_SRV,
                str(srv),
                SERVICE["WorkingDirectory"],
                *shlex.split(SERVICE["ExecStart"]),
            ],
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(path), **ENVIRONMENT, **variables},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield Manager(notices, process, Address(HOST, listener.getsockname()[1]))
        finally:
            process.kill()
            process.wait()


def test_the_service_starts_serves_and_ends_as_systemd_expects(srv: Path) -> None:
    # One a second: the kernel keeps about ten notices; with so many unread, the server waits at the next.
    variables = {"WATCHDOG_USEC": "2000000", "COG_RECORDS": f"sqlite:{srv}/records.db"}
    with started(srv, variables) as manager:
        manager.wait_notice(b"READY=1")
        manager.wait_notice(b"WATCHDOG=1")
        answer = manager.address.request("POST", "/predictions", {"input": returning("1 + 1")})
        assert answer.json()["output"] == 2
        manager.process.send_signal(signal.SIGTERM)
        manager.wait_notice(b"STOPPING=1")
        assert manager.process.wait(MORE_S) == 0


def test_a_reload_replaces_the_worker(srv: Path) -> None:
    assert shlex.split(SERVICE["ExecReload"]) == ["/bin/kill", "-HUP", "$MAINPID"]
    with started(srv, {"COG_RECORDS": "memory"}) as manager:
        manager.wait_notice(b"READY=1")
        pid = manager.address.request("POST", "/predictions", {"input": returning("os.getpid()", "os")})
        manager.process.send_signal(signal.SIGHUP)
        log = srv / "log"
        wait_for(lambda: log.read_text().count("Server ready") == 2, "the new worker")
        again = manager.address.request("POST", "/predictions", {"input": returning("os.getpid()", "os")})
        assert again.json()["output"] != pid.json()["output"]
        manager.process.send_signal(signal.SIGTERM)
        assert manager.process.wait(MORE_S) == 0
