"""runtime.md 2.1, 2.2 and 2.8: the states of a server, and the body of the health check."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from integration.conftest import Serve
from testing.holding import hold_async, holding
from testing.model import Model
from testing.ports import HOST
from testing.script import returning
from testing.server import Server

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,9})?\+00:00")
READINESS_FILE = Path("/var/run/cog/ready")
SERVE = "import coglet, os; coglet.server.serve({}host='127.0.0.1', port=int(os.environ['PORT']))"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("script") as server:
        yield server


def test_ready(server: Server) -> None:
    health = server.health()
    assert list(health) == ["status", "setup", "version"]
    assert health["status"] == "READY"


def test_setup_has_its_start_and_end_times(server: Server) -> None:
    setup = server.health()["setup"]
    assert setup["status"] == "succeeded"
    started, completed = setup["started_at"], setup["completed_at"]
    assert TIMESTAMP.fullmatch(started)
    assert TIMESTAMP.fullmatch(completed)
    assert datetime.fromisoformat(started) <= datetime.fromisoformat(completed)


def test_the_versions_are_named(server: Server) -> None:
    version = server.health()["version"]
    assert (
        {"coglet", "python_sdk", "python"}
        <= version.keys()
        <= {
            "coglet",
            "git_sha",
            "build_time",
            "python_sdk",
            "python",
        }
    )
    assert re.fullmatch(r"3\.\d+\.\d+", version["python"])


def test_starting(serve: Serve) -> None:
    source = (
        "import pathlib, time\n"
        "class Predictor:\n"
        "    def setup(self):\n"
        "        while not pathlib.Path('go').exists():\n"
        "            time.sleep(0.01)\n"
        "    def predict(self) -> int:\n"
        "        return 1\n"
    )
    with serve(Model(source), until="STARTING") as server:
        setup = server.health()["setup"]
        assert setup["status"] == "starting"
        assert TIMESTAMP.fullmatch(setup["started_at"])
        assert "completed_at" not in setup
        (server.folder / "go").touch()
        assert server.wait_status("READY")["setup"]["started_at"] == setup["started_at"]


def test_busy_is_when_no_slot_is_free(server: Server) -> None:
    with holding(server, "in-the-way"):
        assert server.health()["status"] == "BUSY"
    assert server.wait_status("READY")


def test_busy_is_not_said_while_one_of_several_slots_is_free(serve: Serve) -> None:
    with (
        serve("async_script", variables={"COG_MAX_CONCURRENCY": "2"}) as server,
        holding(server, "first", hold_async),
    ):
        assert server.health()["status"] == "READY"
        with holding(server, "second", hold_async):
            assert server.health()["status"] == "BUSY"


def test_a_failed_setup(serve: Serve) -> None:
    source = (
        "class Predictor:\n    def setup(self): raise ValueError('boom')\n    def predict(self) -> int: ...\n"
    )
    with serve(Model(source), until="SETUP_FAILED") as server:
        setup = server.health()["setup"]
        assert setup["status"] == "failed"
        assert TIMESTAMP.fullmatch(setup["completed_at"])
        assert "ValueError: boom" in setup["logs"]


def test_without_a_model_the_status_is_unknown(serve: Serve) -> None:
    entry = ("-c", SERVE.format(""))
    with serve(Model(""), entry=entry, host=None, until="UNKNOWN") as server:
        assert "setup" not in server.health()
        assert server.predict({}).status == 503
        assert server.request("GET", "/openapi.json").status == 503


def test_a_model_can_be_served_from_python(serve: Serve) -> None:
    entry = ("-c", SERVE.format("'predict.py:Predictor', "))
    with serve("script", entry=entry, host=None) as server:
        assert server.predict(returning("1")).json()["output"] == 1


@pytest.fixture
def readiness_file() -> Iterator[Path]:
    """The file that Kubernetes probes; skipped where it cannot be created."""
    had_folder = READINESS_FILE.parent.exists()
    try:
        READINESS_FILE.unlink(missing_ok=True)
        READINESS_FILE.parent.mkdir(exist_ok=True)
    except PermissionError:
        pytest.skip(f"may not write {READINESS_FILE}")
    yield READINESS_FILE
    READINESS_FILE.unlink(missing_ok=True)
    if not had_folder:
        READINESS_FILE.parent.rmdir()


def test_a_health_request_makes_the_readiness_file_on_kubernetes(serve: Serve, readiness_file: Path) -> None:
    with serve("script", variables={"KUBERNETES_SERVICE_HOST": HOST}, until=None) as server:
        server.wait_status("READY")
        assert readiness_file.read_bytes() == b""


def test_elsewhere_there_is_no_readiness_file(serve: Serve, readiness_file: Path) -> None:
    with serve("script"):
        assert not readiness_file.exists()
