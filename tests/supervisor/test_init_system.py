"""What a service manager and a container expect of the process that they have started."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from coglet_supervisor.init_system import Notifier, passed_socket, watchdog_interval_s

ME = str(os.getpid())


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": ME}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_the_interval_of_the_watchdog(environment: dict[str, str], interval_s: float | None) -> None:
    assert watchdog_interval_s(environment) == interval_s


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The value of NOTIFY_SOCKET."""
    return str(tmp_path / "notify") if request.param == "path" else f"@pycoglet-test-{ME}-{tmp_path.name}"


def test_states_reach_the_service_manager(manager: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(manager.replace("@", "\0", 1) if manager.startswith("@") else manager)
        notices.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": manager})
        notifier.notify("READY=1")
        notifier.notify("STOPPING=1")
        assert [notices.recv(100), notices.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_a_service_manager_that_has_exited_or_never_existed_changes_nothing(manager: str) -> None:
    Notifier({"NOTIFY_SOCKET": manager}).notify("READY=1")
    Notifier({}).notify("READY=1")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_PID": ME},
        {"LISTEN_PID": ME, "LISTEN_FDS": "0"},
    ],
)
def test_no_socket_was_passed_to_this_process(environment: dict[str, str]) -> None:
    assert passed_socket(environment) is None


def run_alone(code: str) -> str:
    """What the code prints, in a process that has no descriptors and no children but its own."""
    lines = ["import os, socket, signal", "from coglet_supervisor.init_system import *", code]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_socket_that_was_passed_is_taken_over_and_kept_from_children() -> None:
    assert (
        run_alone("""
listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3)
taken = passed_socket({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
print(taken.getsockname() == listener.getsockname(), os.get_inheritable(3))
""")
        == "True False\n"
    )


def test_orphans_are_reaped_and_own_children_are_left() -> None:
    """An own child that has ended is in front, and only who waits for it lets the others be reaped."""
    assert (
        run_alone("""
def ended():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped
    return pid

print(reap_orphans([]))
orphans = [ended(), ended()]
print(reap_orphans([]), reap_orphans([]))
own = ended()
print(reap_orphans([own]), os.waitpid(own, 0)[0] == own)
running = os.fork() or signal.pause()
print(reap_orphans([]))
os.kill(running, signal.SIGKILL)
""")
        == "0\n2 0\n0 True\n0\n"
    )
