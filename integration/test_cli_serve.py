"""`cog serve` as a process: where it listens, and all the ways in which it exits."""

import json
import signal
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from integration.cli_process import Cog, run_cog, start_cog
from testing.waiting import wait_for

from coglet_cli.local.model import LocalOptions
from coglet_cli.local.serve import ServeOptions, run_server
from coglet_cli.server import address
from coglet_cli.server.address import LOOPBACK, Address
from coglet_cli.terminal import Terminal

pytestmark = pytest.mark.ours("the command line is not part of the server")

MODEL: Final = """
import os, time
from cog import BaseRunner

class Runner(BaseRunner):
    def setup(self):
        if os.environ.get("SETUP") == "fails":
            raise ValueError("no weights")
        while os.environ.get("SETUP") == "hangs":
            time.sleep(0.01)

    def run(self, n: int) -> int:
        print("squaring", n)
        while n < 0:
            time.sleep(0.01)
        return n * n
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "cog.yaml").write_text("run: run.py:Runner\n")
    (tmp_path / "run.py").write_text(MODEL)
    return tmp_path


def url_of(cog: Cog) -> str:
    cog.wait_shown("Serving at ")
    return cog.err.partition("Serving at ")[2].split()[0]


def call(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    if url.endswith("/shutdown"):
        request.method = "POST"
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def test_it_serves_until_ctrl_c(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0") as cog:
        url = url_of(cog)
        cog.wait_shown("The model is ready")
        assert call(f"{url}/predictions", {"input": {"n": 4}})["output"] == 16
        cog.wait_shown("squaring 4")
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 0
    assert cog.out == ""
    assert cog.err.splitlines() == [
        "Starting run.py:Runner...",
        f"Serving at {url}",
        "The model is ready",
        "squaring 4",
        "Stopping the server... (Ctrl-C again to kill it)",
    ]


def test_it_validates_with_the_schema_of_the_source(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0") as cog:
        document = call(f"{url_of(cog)}/openapi.json")
    assert document["components"]["schemas"]["Input"]["required"] == ["n"]


def test_sigterm_is_in_the_exit_code(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0") as cog:
        url_of(cog)
        cog.signal(signal.SIGTERM)
        assert cog.wait_exit() == 143


def test_a_shutdown_request_stops_it_cleanly(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0") as cog:
        call(f"{url_of(cog)}/shutdown")
        assert cog.wait_exit() == 0


def test_ctrl_c_during_setup(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0", "-e", "SETUP=hangs") as cog:
        url_of(cog)
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 0


def test_the_health_check_reports_a_failed_setup(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0", "-e", "SETUP=fails") as cog:
        cog.wait_shown("error: Model setup failed\n")
        health = call(f"{url_of(cog)}/health-check")
        assert health["status"] == "SETUP_FAILED"
        assert "no weights" in health["setup"]["logs"]
        cog.signal(signal.SIGINT)
        assert cog.wait_exit() == 0
    assert "ValueError: no weights" in cog.err


def test_a_port_in_use(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0") as first:
        port = url_of(first).rpartition(":")[2]
        second = run_cog(project, "serve", "-p", port)
    assert second.returncode == 1
    assert second.stderr.startswith(f"error: port {port} on 127.0.0.1 is already in use\n\nhint: ")


def test_another_port_is_chosen_when_the_free_one_was_taken(
    project: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)

    def stop() -> None:
        wait_for(lambda: is_open(port), "server on the second port")
        call(f"http://{LOOPBACK}:{port}/shutdown")

    with socket.create_server((LOOPBACK, 0)) as other, ThreadPoolExecutor(1) as pool:
        chosen = iter([other.getsockname()[1], port])
        monkeypatch.setattr(address, "free_address", lambda host: Address(host, next(chosen)))
        stopped = pool.submit(stop)
        run_server(ServeOptions(LocalOptions("cog.yaml"), LOOPBACK, port=0), Terminal(color=False))
        stopped.result()


def is_open(port: int) -> bool:
    with suppress(ConnectionError), socket.create_connection((LOOPBACK, port)):
        return True
    return False


def test_it_can_be_open_to_the_network(project: Path) -> None:
    with start_cog(project, "serve", "-p", "0", "--host", "0.0.0.0") as cog:
        cog.wait_shown("(http://localhost:")
        own = url_of(cog)
        port = own.rpartition(":")[2]
        assert own == f"http://0.0.0.0:{port}"
        assert wait_for(lambda: call(f"http://127.0.0.1:{port}/health-check"), "answer")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        pytest.param(["serve", "-p", "0"], "The model is ready", id="serving"),
        pytest.param(["serve", "-p", "0", "-e", "SETUP=hangs"], "Serving at ", id="in-setup"),
        pytest.param(["predict", "-i", "n=-1"], "squaring -1", id="predicting"),
    ],
)
def test_no_process_outlives_a_command_that_is_killed(
    project: Path, arguments: list[str], shown: str
) -> None:
    with start_cog(project, *arguments) as cog:  # fails if a process is left running
        cog.wait_shown(shown)
        cog.signal(signal.SIGKILL)
        assert cog.wait_exit() == -signal.SIGKILL
