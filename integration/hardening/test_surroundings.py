"""hardening.md D2 to D6: closed streams, unusual temporary folders, a deleted model folder."""

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import psutil
import pytest
from integration.conftest import Serve
from integration.hardening.workers import worker_pids
from testing.client import Address
from testing.model import Model
from testing.ports import HOST
from testing.script import returning
from testing.waiting import DEADLINE_S, wait_for

from coglet_supervisor.temporary_folder import NoTemporaryFolder, first_folder

pytestmark = pytest.mark.ours("hardening.md D2-D6")

CLOSED: Final = (
    "import os, sys\n"
    "for descriptor in {closed}:\n"
    "    os.close(descriptor)\n"
    "os.execv(sys.executable, [sys.executable, {entry} *sys.argv[1:]])\n"
)


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)], ids=["stderr", "all streams"])
@pytest.mark.parametrize(
    "entry",
    ["'-m', 'cog.server.http',", "'-m', 'coglet_supervisor', '--port', os.environ['PORT'],"],
    ids=["cog", "coglet_supervisor"],
)
def test_the_server_works_with_closed_streams(serve: Serve, closed: tuple[int, ...], entry: str) -> None:
    with serve("script", entry=("-c", CLOSED.format(closed=closed, entry=entry))) as server:
        (worker,) = worker_pids(server)
        for pid, descriptor in ((server.process.pid, number) for number in closed):
            assert os.readlink(f"/proc/{pid}/fd/{descriptor}") == "/dev/null"
        with server.address.socket() as client:
            loud = server.predict(returning("[print('a line') for _ in range(1000)]"))
            assert loud.json()["logs"] == "a line\n" * 1000
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert (answer.count(b"HTTP/1.1 "), b"a line" in answer) == (1, False)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: server.health().get("restarts") == 1, "restart")
        server.wait_status("READY")
        assert server.predict(returning("1")).json()["output"] == 1


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)], ids=["stderr", "all streams"])
def test_the_command_line_works_with_closed_streams(
    tmp_path: Path, port: int, closed: tuple[int, ...]
) -> None:
    Model.named("script").write_to(tmp_path)
    tmp_path.joinpath("cog.yaml").write_text("run: predict.py:Predictor\n")
    address = Address(HOST, port)
    code = CLOSED.format(closed=closed, entry="'-m', 'coglet_cli',")
    command = [sys.executable, "-c", code, "serve", "-p", str(address.port)]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        wait_for(lambda: process.poll() is not None or is_ready(address), "readiness")
        body = {"input": {**returning("1"), "arguments": {}}}
        assert address.request("POST", "/predictions", body).json()["output"] == 1
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE_S) == 0


def is_ready(address: Address) -> bool:
    try:
        return bool(address.request("GET", "/readyz").status == 200)
    except ConnectionError:
        return False


# temporary folders


def test_a_long_temporary_folder_works(serve: Serve, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 150)
    long.mkdir()
    with serve("script", variables={"TMPDIR": str(long)}) as server:
        assert server.predict(returning("1")).json()["output"] == 1
        (sockets,) = {os.path.dirname(path) for path in slot_paths(server.process.pid)}
        status = os.stat(sockets)
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, os.geteuid())
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert not os.path.exists(sockets)
    assert list(long.iterdir()) == []


def slot_paths(pid: int) -> list[str]:
    """The addresses of the sockets on which this process talks to its workers."""
    connections = psutil.Process(pid).net_connections("unix")
    return [path for each in connections if (path := str(each.laddr)).endswith("/slot-0.sock")]


def test_without_a_place_for_sockets_it_says_so() -> None:
    places = [f"/{'x' * 150}", "/nowhere"]
    with pytest.raises(NoTemporaryFolder, match=r"too long.*/nowhere: No such file.*set TMPDIR"):
        first_folder(places, ["slot-0.sock"])


def test_without_a_temporary_folder_it_says_so_and_ends(tmp_path: Path) -> None:
    Model.named("script").write_to(tmp_path)
    # The file size limit is 0, so that Python finds no usable temporary folder.
    code = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "server = ['-B', '-m', 'coglet_supervisor', '--port', '0', 'predict.py:Predictor']\n"
        "os.execv(sys.executable, [sys.executable, *server])\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=DEADLINE_S
    )
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "cannot create a temporary folder: No usable temporary directory" in last
    assert "set TMPDIR" in last


def test_folders_of_a_killed_server_are_removed_by_the_next(serve: Serve) -> None:
    with tempfile.TemporaryDirectory(prefix="cog-") as folder:
        shared = Path(folder)
        foreign = shared / "foreign"
        foreign.mkdir()
        foreign.joinpath("owner.lock").touch()
        shared.joinpath("pycoglet-link").symlink_to(foreign)
        shared.joinpath("pycoglet-without-lock").mkdir()
        before = set(shared.iterdir())
        with serve("script", variables={"TMPDIR": folder}) as living:
            of_living = set(shared.iterdir()) - before
            with serve("script", variables={"TMPDIR": folder}) as killed:
                killed.signal(signal.SIGKILL)
                killed.wait_exit()
            of_killed = set(shared.iterdir()) - before - of_living
            assert (len(of_living), len(of_killed)) == (2, 2)
            with serve("script", variables={"TMPDIR": folder}) as server:
                # Perhaps more than these two: killed servers of other tests may have some in /tmp.
                wait_for(lambda: re.search(r"removed \d+ temporary folders", server.log), "word of it")
                assert not of_killed & set(shared.iterdir())
                assert before | of_living < set(shared.iterdir())
                assert server.predict(returning("1")).json()["output"] == 1
            assert set(shared.iterdir()) == before | of_living
            assert living.predict(returning("1")).json()["output"] == 1
        assert set(shared.iterdir()) == before
        assert foreign.joinpath("owner.lock").exists()


# the folder of the model


def test_a_missing_folder_of_the_model_is_named(serve: Serve) -> None:
    with serve("script") as server:
        (worker,) = worker_pids(server)
        away = server.folder.rename(server.folder.with_name("away"))
        os.kill(worker, signal.SIGKILL)
        server.wait_log(f"failed to spawn worker: the model's folder {server.folder}: No such file")
        assert str(server.installation.python) not in server.log
        away.rename(server.folder)
        server.wait_status("READY")
        assert server.predict(returning("1")).json()["output"] == 1
