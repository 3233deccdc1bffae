"""Files of a model that are named like modules of the standard library."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from integration.conftest import Serve
from integration.hardening.workers import wait_workers, worker_pids
from testing.installation import Installation
from testing.model import Model, inputs
from testing.server import AS_COG

pytestmark = pytest.mark.ours("there, the worker finds the model's file in the place of the module")

SOURCE = """
from cog import BasePredictor, Path
for name in ("signal", "platform", "types", "json", "uuid", "shutil"):
    with open(name + ".py", "w") as file:
        file.write("raise ImportError('not the one of the standard library')")

class Predictor(BasePredictor):
    def predict(self, image: Path) -> str:
        return image.read_text()
"""


def test_they_do_not_break_the_worker(serve: Serve) -> None:
    """The first worker writes them, the second finds them."""
    with serve(Model(SOURCE)) as server:
        assert server.predict({"image": "data:,one"}).json()["output"] == "one"
        (old,) = worker_pids(server)
        server.signal(signal.SIGHUP)
        wait_workers(server, 1, without=old)
        assert server.predict({"image": "data:,two"}).json()["output"] == "two"


def test_warnings_that_are_errors_do_not_fail_the_setup(serve: Serve) -> None:
    with serve(Model(SOURCE), variables={"PYTHONWARNINGS": "error"}) as server:
        assert server.predict({"image": "data:,one"}).json()["output"] == "one"


# What `python -m` itself imports when it has put the folder on the path, in one version of Python or another:
# a file of that name ends every `python -m` there, whatever is to be run.
OF_PYTHON = "collections contextlib functools importlib keyword operator reprlib runpy types warnings".split()
ENTRIES = pytest.mark.parametrize("entry", [AS_COG, ("-m", "coglet_supervisor")], ids=lambda entry: entry[1])


@ENTRIES
def test_no_other_name_breaks_the_server(
    installation: Installation, tmp_path: Path, entry: tuple[str, ...]
) -> None:
    for name in sys.stdlib_module_names.difference(OF_PYTHON):
        if not name.startswith("_"):
            (tmp_path / f"{name}.py").write_text("raise ImportError('not the one of the standard library')")
    (tmp_path / "warnings.py").touch()  # imported before anything of ours, and so far it does no harm
    command = [str(installation.python), *entry, "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("pycoglet"), done.stderr


BESIDE_SOME = """
import os, sys
for name in ("argparse", "asyncio", "json", "logging", "platform", "signal", "socket", "uuid"):
    with open(name + ".py", "w") as file:
        file.write("raise ImportError('not the one of the standard library')")
os.execv(sys.executable, [sys.executable, *{entry}, *sys.argv[1:]])
"""


@ENTRIES
def test_a_model_beside_them_is_served(serve: Serve, entry: tuple[str, ...]) -> None:
    model = Model(
        "class Runner:\n    def run(self) -> int:\n        return 1", inputs({}), "predict.py:Runner"
    )
    with serve(model, entry=("-c", BESIDE_SOME.format(entry=entry))) as server:
        assert server.predict().json()["output"] == 1
