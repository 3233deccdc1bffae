"""A model that uses SIGUSR1 itself is canceled as fast as others, and keeps its process and handler."""

import pytest
from integration.conftest import Serve
from testing.model import Model

USES = {
    "faulthandler": "faulthandler.register(signal.SIGUSR1)",
    "a handler": "signal.signal(signal.SIGUSR1, lambda *_: print('theirs'))",
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
}
MODEL = """
import faulthandler, os, signal, time

class Predictor:
    def setup(self) -> None:
        {use}

    def predict(self, wait: bool) -> int:
        if wait:
            print("up")
            time.sleep(600)
        return os.getpid()
"""


@pytest.mark.ours("the peer cancels without signals, and not before a blocking call returns")
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_it_is_canceled_and_its_worker_stays(serve: Serve, use: str) -> None:
    with serve(Model(MODEL.format(use=use))) as server:
        before = server.predict({"wait": False}).json()["output"]
        answer = server.begin({"wait": True}, id="waiting")
        server.wait_logged("waiting", "up")
        server.cancel("waiting")
        body = answer.result().json()
        assert (body["status"], body["logs"]) == ("canceled", "up\n")
        assert server.predict({"wait": False}).json()["output"] == before
        server.wait_log(" SIGUSR1; its predictions are canceled by signal ")
        assert "the model " in server.log
