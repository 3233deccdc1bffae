"""hardening.md R5-R7, R16: when memory runs out a worker is killed, the error says so, the server stays."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.conftest import Serve
from integration.hardening.memory_group import JOIN_AND_SERVE, memory_group
from integration.hardening.workers import worker_pids
from testing.model import Model, inputs
from testing.waiting import wait_for

pytestmark = pytest.mark.ours("hardening.md R5-R7, R16")

MIB: Final = 1024 * 1024
# Enough for one model of 100 MiB, not for two; the tests fill the rest.
LIMIT_BYTES: Final = 200 * MIB
MODEL: Final = Model(
    "import os\n"
    "class Runner:\n"
    "    def setup(self):\n"
    "        self.weights = bytearray(os.urandom(1)) * (100 * 1024 * 1024)\n"
    "    def run(self, act: str) -> str:\n"
    "        eaten = []\n"
    "        while act == 'eat':\n"
    "            eaten.append(b'x' * (1024 * 1024))\n"
    "        if act == 'die':\n"
    "            os.kill(os.getpid(), 9)\n"
    "        return act\n",
    inputs({"act": {"type": "string"}}, "act"),
    "predict.py:Runner",
)


@pytest.fixture
def group() -> Iterator[Path]:
    with memory_group(LIMIT_BYTES) as folder:
        if folder is None:
            pytest.skip("no control group can be made here, which needs root and a writable mount")
        yield folder


def test_the_kernel_takes_the_worker_and_the_server_goes_on(serve: Serve, group: Path) -> None:
    variables = {"TEST_GROUP": str(group)}
    with serve(MODEL, entry=("-c", JOIN_AND_SERVE), variables=variables) as server:
        for _ in range(2):
            body = server.predict({"act": "eat"}).json()
            assert body["status"] == "failed"
            assert body["error"] == "Worker crashed: it was killed by SIGKILL, out of memory"
            server.wait_status("READY")
            assert server.predict({"act": "say"}).json()["output"] == "say"
        # A kill by another process is not reported as the OOM killer.
        assert server.predict({"act": "die"}).json()["error"].endswith("killed by SIGKILL")


def test_no_second_model_is_loaded_where_only_one_fits(serve: Serve, group: Path) -> None:
    variables = {"TEST_GROUP": str(group), "COG_WORKER_MAX_PREDICTIONS": "1"}
    with serve(MODEL, entry=("-c", JOIN_AND_SERVE), variables=variables) as server:
        (worker,) = worker_pids(server)
        server.signal(signal.SIGHUP)
        server.wait_log(f"keeping worker {worker}: a second one needs about")
        assert server.predict({"act": "say"}).json()["output"] == "say"
        wait_for(
            lambda: server.log.count(f"keeping worker {worker}") == 2,
            "refusal to recycle a worker over its limit",
        )
        assert worker_pids(server) == {worker}


def test_what_has_killed_a_worker_is_never_run_again(serve: Serve) -> None:
    source = (
        "import os, pathlib\n"
        "class Runner:\n"
        "    def run(self, name: str) -> str:\n"
        "        with pathlib.Path('runs').open('a') as runs:\n"
        "            print(name, file=runs)\n"
        "        if name == 'poison':\n"
        "            os.kill(os.getpid(), 9)\n"
        "        return name\n"
    )
    with serve(Model(source, inputs({"name": {"type": "string"}}, "name"), "predict.py:Runner")) as server:
        assert server.predict({"name": "poison"}, id="poison").json()["status"] == "failed"
        server.wait_status("READY")
        for name in ("one", "two"):
            assert server.predict({"name": name}).json()["output"] == name
        assert server.folder.joinpath("runs").read_text().split() == ["poison", "one", "two"]
        # Only a client may request it again.
        server.predict({"name": "poison"}, id="poison")
        server.wait_status("READY")
        assert server.predict({"name": "three"}).json()["output"] == "three"
        assert server.folder.joinpath("runs").read_text().split().count("poison") == 2
