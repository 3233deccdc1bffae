"""hardening.md C5: the whole end takes the grace time and at most 6 s more, whatever hangs."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from integration.conftest import Serve
from testing.hung_disk import hung_disk
from testing.receiver import Receiver
from testing.script import script
from testing.server import OVERDUE, Server
from testing.stalling import Stalling
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md C5")

GRACE_S: Final = 0.5
GRACE: Final = {"COG_SHUTDOWN_GRACE": str(GRACE_S)}
WITHIN_S: Final = GRACE_S + 6 + 4
"""With some time for a busy machine; what hangs here does so for ten minutes."""

HOOK: Final[dict[str, Any]] = {"webhook_events_filter": ["start", "completed"]}


def ignore_signals() -> None:
    import pathlib
    import signal
    import time

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    pathlib.Path("hangs").touch()
    while True:
        time.sleep(600)


def hold_the_interpreter() -> None:
    import ctypes
    import pathlib

    pathlib.Path("hangs").touch()
    # Unlike CDLL, PyDLL keeps the interpreter's lock, and no signal ends the wait for a mutex.
    lock, mutex = ctypes.PyDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(128)
    lock(mutex)
    lock(mutex)


def leave_children() -> None:
    import pathlib
    import subprocess
    import sys
    import time

    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    for number in range(10):
        subprocess.Popen([sys.executable, "-c", child], start_new_session=number % 2 == 0, env={})
    pathlib.Path("hangs").touch()
    time.sleep(600)


def file_output() -> object:
    import cog

    path = cog.Path("output.txt")
    path.write_text("content")
    return path


def end(server: Server, exit_code: int = 0) -> None:
    server.signal(signal.SIGTERM)
    assert server.wait_exit(WITHIN_S) == exit_code


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """With records on disk."""
    return {**GRACE, "COG_RECORDS": f"sqlite:{tmp_path}/records.db"}


@pytest.mark.parametrize("act", [ignore_signals, hold_the_interpreter, leave_children])
def test_a_model_that_hangs(serve: Serve, variables: dict[str, str], act: Callable[[], Any]) -> None:
    """Beside it, the receiver of the last webhook hangs as well, and clients take and send nothing more."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve("script", variables=variables))
        receiver = stack.enter_context(Stalling().listening())
        running = server.begin(script(act), id="hangs", webhook=receiver.url, **HOOK)
        wait_for((server.folder / "hangs").exists, "the model")
        for data in (
            b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100,
            b"POST /predictions HTTP/1.1\r\nHo",
        ):
            stack.enter_context(server.address.socket()).sendall(data)
        end(server)
        assert running.result().json()["status"] in {"canceled", "failed"}


def test_a_receiver_that_hangs_does_not_keep_another_from_its_last_webhook(serve: Serve) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve("script", variables={**GRACE, "COG_WORKERS": "2"}))
        stalling = stack.enter_context(Stalling().listening())
        receiver = stack.enter_context(Receiver().listening())
        wait_for(lambda: server.log.count("Setup complete") == 2, "both workers")
        for name, url in (("stalls", stalling.url), ("reported", receiver.url)):
            server.begin(script(hold_the_interpreter), id=name, webhook=url, **HOOK)
        stalling.wait(requests=1)
        receiver.wait_count(1)
        end(server)
        assert receiver.wait_end("reported")[-1]["status"] in {"canceled", "failed"}


def test_an_upload_server_that_hangs(serve: Serve, variables: dict[str, str]) -> None:
    with Stalling().listening() as uploads:
        flags = ["--upload-url", f"http://127.0.0.1:{uploads.port}/"]
        with serve("script", variables=variables, flags=flags) as server:
            running = server.begin(script(file_output), id="uploads")
            uploads.wait(requests=1)
            end(server)
            assert running.result().json()["status"] == "canceled"


def test_records_that_another_program_has_locked(serve: Serve, variables: dict[str, str]) -> None:
    path = variables["COG_RECORDS"].removeprefix("sqlite:")
    with serve("script", variables=variables) as server:
        running = server.begin(script(hold_the_interpreter), id="unwritten")
        wait_for((server.folder / "hangs").exists, "the model")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            end(server, OVERDUE)
        assert "the store of records did not end in time" in server.log
        assert running.exception() is not None  # its connection was closed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root can mount a file system, through /dev/fuse")
    folder = tmp_path / "records"
    folder.mkdir()
    return folder


@pytest.mark.usefixtures("folder")
def test_a_hanging_file_system_with_the_temporary_files(serve: Serve) -> None:
    with serve("script", variables=GRACE) as server, hung_disk(server.temporary):
        end(server, OVERDUE)
        assert "ended by force" in server.log


def large_output() -> str:
    import pathlib

    pathlib.Path("hangs").touch()
    return "x" * 2_000_000


def test_a_hanging_file_system_with_the_records(serve: Serve, folder: Path) -> None:
    records = {"COG_RECORDS": f"sqlite:{folder}/records.db"}
    with serve("script", variables={**GRACE, **records}) as server, hung_disk(folder):
        # So large an output has a file of its own.
        running = server.begin(script(large_output), id="unwritten")
        wait_for((server.folder / "hangs").exists, "the model")
        server.wait_status("READY")
        assert not running.done()
        end(server, OVERDUE)
        assert "the store of records did not end in time" in server.log
        assert running.exception() is not None  # its connection was closed
