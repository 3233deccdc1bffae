"""A worker's children are found by what they inherit, whatever session and group they have moved to."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from coglet_protocol.cookie import COOKIE_VARIABLE, kill_all, processes_with

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")

# The kernel assigns pids from the one after this.
LAST_PID = Path("/proc/sys/kernel/ns_last_pid")

STORM = (
    "import subprocess\n"
    "print('up', flush=True)\n"
    "while True:\n"
    "    subprocess.Popen(['sleep', '3600'], start_new_session=True)\n"
)
# Each lives for as long as it takes to fork the next one.
RELAY = (
    "import os\n"
    "print('up', flush=True)\n"
    "while True:\n"
    "    if os.fork():\n"
    "        os._exit(0)\n"
    "    os.setsid()\n"
)
STARTS_WITHOUT_ENVIRONMENT = (
    "import subprocess, sys\n"
    "from coglet_protocol.cookie import tag_process\n"
    "tag_process(sys.argv[1])\n"
    "code = sys.argv[2]\n"
    "subprocess.Popen([sys.executable, '-c', code], env={}, start_new_session=True)\n"
)
WAITS = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def cookie() -> str:
    return secrets.token_hex(8)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `kill_all` go on: on a busy machine it takes longer than a second to catch what always escapes."""
    monkeypatch.setattr("coglet_protocol.cookie._KILL_S", 20.0)


@pytest.fixture
def child(cookie: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with the cookie that has left the process group."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS],
        env={**os.environ, COOKIE_VARIABLE: cookie},
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def test_a_child_that_has_left_the_group_is_found(cookie: str, child: "subprocess.Popen[bytes]") -> None:
    assert processes_with(cookie) == [child.pid]


def test_another_cookie_finds_nothing(cookie: str, child: "subprocess.Popen[bytes]") -> None:
    assert processes_with(cookie[:-1]) == []
    kill_all(cookie[:-1])
    assert child.poll() is None


def test_all_with_the_cookie_are_killed(cookie: str, child: "subprocess.Popen[bytes]") -> None:
    kill_all(cookie)
    assert child.wait() == -9
    assert processes_with(cookie) == []


def test_no_process_escapes_while_a_program_is_being_started(cookie: str) -> None:
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", STORM],
            env={**os.environ, COOKIE_VARIABLE: cookie},
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
        kill_all(cookie)
        # Checked again, long after any exec.
        assert not [each.pid for each in psutil.process_iter() if carries(each, cookie)]


def start_without_environment(code: str, cookie: str) -> None:
    """Run `code` in an orphan of a process that carries `cookie`."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_WITHOUT_ENVIRONMENT, cookie, code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"


def test_an_orphan_without_environment_is_found(cookie: str) -> None:
    start_without_environment("import time; print('up', flush=True); time.sleep(600)", cookie)
    (orphan,) = processes_with(cookie)
    assert psutil.Process(orphan).environ() == {}
    assert processes_with(cookie[:-1]) == []
    kill_all(cookie)
    assert processes_with(cookie) == []


def test_what_forks_and_ends_all_the_time_is_caught(cookie: str) -> None:
    for _ in range(5):
        start_without_environment(RELAY, cookie)
        kill_all(cookie)
        for _ in range(5):
            assert processes_with(cookie) == []


@pytest.mark.skipif(not os.access(LAST_PID, os.W_OK), reason="the numbers of processes cannot be set")
def test_it_is_caught_after_pids_have_wrapped_around(cookie: str) -> None:
    # Nearly all earlier processes have higher pids. No pid is assigned twice: tests that run beside this one
    # would take a new process for one of theirs that has ended.
    for last in range(400, 1400, 200):
        LAST_PID.write_text(str(last))
        start_without_environment(RELAY, cookie)
        kill_all(cookie)
        for _ in range(5):
            assert processes_with(cookie) == []


@pytest.mark.skipif(not os.access(LAST_PID, os.W_OK), reason="the numbers of processes cannot be set")
def test_the_youngest_comes_first_whatever_its_number(cookie: str) -> None:
    for last in ("20000", "2000"):
        LAST_PID.write_text(last)
        start_without_environment("import time; print('up', flush=True); time.sleep(600)", cookie)
    youngest, oldest = processes_with(cookie)
    assert youngest < oldest
    kill_all(cookie)


def carries(process: psutil.Process, cookie: str) -> bool:
    try:
        return process.environ().get(COOKIE_VARIABLE) == cookie
    except (psutil.Error, OSError):
        return False


def test_the_calling_process_is_not_killed(cookie: str) -> None:
    code = f"from coglet_protocol.cookie import kill_all; kill_all({cookie!r}); print('alive')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, COOKIE_VARIABLE: cookie},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "alive\n"


def test_without_a_descriptor_there_is_no_error(cookie: str, child: "subprocess.Popen[bytes]") -> None:
    code = (
        "import os, resource\n"
        "from coglet_protocol.cookie import kill_all\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        f"kill_all({cookie!r})\n"
        "os.write(1, b'returned')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "returned", done.stderr
