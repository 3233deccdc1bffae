"""Files of a model that are named like modules of the standard library."""

import signal

import pytest
from integration.conftest import Serve
from integration.hardening.workers import wait_workers, worker_pids
from integration.harness.model import Model

pytestmark = pytest.mark.ours("there, the worker finds the model's file in the place of the module")

SOURCE = """
from cog import BasePredictor, Path
for name in ("signal", "platform", "types", "json", "uuid"):
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
