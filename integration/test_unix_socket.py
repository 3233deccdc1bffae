"""`--unix PATH`: a server on a Unix socket, and what prevents it."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from integration.conftest import Serve
from testing.certificates import Authority
from testing.client import Address
from testing.ports import reserved_port
from testing.server import Server
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("docs/configuration.md, --unix")


@pytest.fixture
def path() -> Iterator[Path]:
    """A path for the socket. Not below pytest's folder: it has little room."""
    with tempfile.TemporaryDirectory(prefix="cog-") as folder:
        yield Path(folder) / "server.sock"


def curl(path: Path, *arguments: str) -> str:
    """Return the body of a response, empty while nothing listens."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = ["curl", "--silent", "--unix-socket", str(path), *arguments]
    return subprocess.run(command, capture_output=True, check=False, text=True).stdout


@contextmanager
def listening(serve: Serve, path: Path, *flags: str) -> Iterator[Server]:
    with serve("echo", flags=["--unix", str(path), *flags], until=None) as server:
        wait_for(lambda: '"READY"' in curl(path, "http://any.host/health-check"), "server on the socket")
        yield server


def refusal(serve: Serve, path: Path) -> str:
    """Return why a server does not start."""
    with serve("echo", flags=["--unix", str(path)], until=None) as server:
        assert server.wait_exit() == 1
        (error,) = [record for record in server.records if record["level"] == "ERROR"]
        prefix, text = error["fields"]["message"].split(f"{path}: ", 1)
        assert prefix == "cannot listen on the Unix socket "
        return str(text)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_predictions(serve: Serve, path: Path) -> None:
    with listening(serve, path):
        body = '{"input": {"code": "a"}}'
        for version in ("--http1.1", "--http2-prior-knowledge"):
            shown = curl(path, version, "http://localhost/predictions", "--json", body)
            assert '"status":"succeeded"' in shown
        assert mode(path) == 0o660
    assert not path.exists()


def test_https_with_another_mode(serve: Serve, path: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    flags = ["--unix", str(path), "--unix-mode", "666", *authority.issue("server").flags]
    with serve("echo", flags=flags, until=None):
        trust = ("--cacert", str(authority.file), "--http2")
        wait_for(lambda: curl(path, *trust, "https://localhost/livez") == "ok", "answer")
        assert mode(path) == 0o666


def test_one_that_a_killed_server_has_left_is_replaced(serve: Serve, path: Path) -> None:
    with listening(serve, path) as server:
        server.signal(signal.SIGKILL)
        server.wait_exit()
    assert path.exists()
    with listening(serve, path):
        pass
    assert not path.exists()


def test_one_that_is_in_use(serve: Serve, path: Path) -> None:
    with listening(serve, path):
        assert refusal(serve, path) == "another server listens on it"
        assert '"READY"' in curl(path, "http://localhost/health-check")


def test_one_that_is_in_use_by_a_server_that_accepts_nothing(serve: Serve, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert refusal(serve, path) == "another server listens on it"


def test_another_file(serve: Serve, path: Path) -> None:
    path.write_text("data")
    assert refusal(serve, path) == "a file that is not a socket has this name"
    assert path.read_text() == "data"


def test_a_folder_that_does_not_exist(serve: Serve, path: Path) -> None:
    inside = path / "server.sock"
    assert refusal(serve, inside) == f"the folder {path} does not exist"


def test_a_path_that_is_too_long(serve: Serve, path: Path) -> None:
    long = path.parent / ("x" * 120)
    length = len(os.fsencode(long))
    assert refusal(serve, long) == f"its path has {length} bytes, more than the system allows (107 on Linux)"


def test_a_folder_without_permission(serve: Serve) -> None:
    # Where not even root may create files.
    refused = ("Permission denied", "Operation not permitted", "Read-only file system")
    assert refusal(serve, Path("/sys/server.sock")) in refused


def test_a_metrics_port_is_not_open_to_the_network(serve: Serve, path: Path) -> None:
    with reserved_port() as port:
        variables = {"COG_METRICS": str(port)}
        with serve(
            "echo", flags=["--unix", str(path)], host="0.0.0.0", variables=variables, until=None
        ) as server:
            wait_for(lambda: '"READY"' in curl(path, "http://any.host/health-check"), "server on the socket")
            connections = psutil.Process(server.process.pid).net_connections("tcp")
            addresses = [each.laddr for each in connections if each.status == psutil.CONN_LISTEN]
            assert addresses == [("127.0.0.1", port)]
            assert Address("127.0.0.1", port).request("GET", "/metrics").status == 200
