"""hardening.md S19: sockets and files are accessible to their owner alone, whatever was planted before."""

import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from testing.holding import holding
from testing.script import returning

from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.spec import WorkerSpec

pytestmark = pytest.mark.ours("hardening.md S19")

OPEN_UMASK: Final = (
    "import os, sys\n"
    "os.umask(0)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'cog.server.http', *sys.argv[1:]])\n"
)


def test_folders_are_private_whatever_the_umask(serve: Serve) -> None:
    with serve("script", entry=("-c", OPEN_UMASK)) as server:
        large = server.begin({"code": HOLD_LARGE, "arguments": {"text": "x" * 8_000_000}}, id="large")
        server.wait_logged("large", "held")
        folders = list(server.temporary.iterdir())
        assert sorted(path.name.rpartition("-")[0] for path in folders) == ["pycoglet", "pycoglet-slots"]
        for folder in folders:
            status = folder.stat()
            assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, os.geteuid())
        server.folder.joinpath("go").touch()
        assert large.result().json()["output"] == 8_000_000


HOLD_LARGE: Final = (
    "import pathlib, time\n"
    "def predict(text):\n"
    "    print('held', flush=True)\n"
    "    while not pathlib.Path('go').exists():\n"
    "        time.sleep(0.01)\n"
    "    return len(text)\n"
)


def test_another_process_cannot_connect_to_a_slot_socket(serve: Serve) -> None:
    with serve("script") as server, holding(server, "busy") as answer:
        (path,) = server.temporary.glob("pycoglet-slots-*/slot-0.sock")
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
            client.connect(str(path))
        assert not answer.done()


def test_files_of_a_killed_server_do_not_block_the_next(serve: Serve, tmp_path: Path) -> None:
    shared = {"TMPDIR": tempfile.mkdtemp(prefix="cog-")}
    try:
        with serve("script", variables=shared) as killed:
            killed.signal(signal.SIGKILL)
            killed.wait_exit()
        assert list(Path(shared["TMPDIR"]).iterdir())
        with serve("script", variables=shared) as server:
            assert server.predict(returning("1")).json()["output"] == 1
    finally:
        shutil.rmtree(shared["TMPDIR"])


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An attacker has predicted the name of the next folder, and put a symlink to their own there."""
    with tempfile.TemporaryDirectory(prefix="cog-") as shared:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        Path(shared, "pycoglet-slots-guessed").symlink_to(foreign)
        monkeypatch.setattr(tempfile, "tempdir", shared)
        monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: iter(["guessed", "fresh"]))
        yield foreign


def test_a_link_that_was_planted_is_not_followed(planted: Path) -> None:
    spec = WorkerSpec(
        python=sys.executable,
        predictor_ref="predict.py:Runner",
        is_train=False,
        num_slots=1,
        directory=planted,
        environment=os.environ,
    )
    worker = WorkerProcess.spawn(spec)
    try:
        assert list(planted.iterdir()) == []
        assert Path(tempfile.gettempdir(), "pycoglet-slots-fresh", "slot-0.sock").is_socket()
    finally:
        worker.kill()
