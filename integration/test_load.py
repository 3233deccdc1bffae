"""Issue-sized runs: many predictions in a row, and many cancels at random moments."""

import json
import random
import re
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from integration.conftest import Serve
from testing.client import Answer
from testing.model import Model, inputs
from testing.server import Server

CANCELS = 1000
# Long enough to be hit anywhere, short enough to end by itself about half of the time.
LONGEST_WORK_S = 0.008
NAMED = inputs({"name": {"type": "string"}, "seconds": {"type": "number"}}, "name", "seconds")
SYNC = """
import time
class Predictor:
    def run(self, name: str, seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.001)
        print(name)
        return name
"""
ASYNC = """
import asyncio
class Predictor:
    async def run(self, name: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        print(name)
        return name
"""


@pytest.mark.slow
@pytest.mark.ours("issue 2: 10,000 x 200; the peer answers 409 now and then (16.2)")
def test_ten_thousand_sequential_predictions_on_one_connection(serve: Serve) -> None:
    body = json.dumps({"input": {"name": "x", "seconds": 0}}).encode()
    head = b"POST /predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)
    source = "class Predictor:\n    def run(self, name: str, seconds: float) -> str:\n        return name\n"
    statuses = []
    with serve(Model(source, NAMED)) as server, server.address.socket() as sock:
        for _ in range(10_000):
            sock.sendall(request)
            statuses.append(read_status(sock))
    assert statuses == [200] * 10_000


def read_status(sock: socket.socket) -> int:
    """Read one response from the raw socket: an HTTP client is too slow to catch a slot that is not free."""
    data = sock.recv(65536)
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length, head
    while len(body) < int(length[1]):
        body += sock.recv(65536)
    return int(head.split(b" ", 2)[1])


class Canceler:
    """Runs named predictions one after the other, and cancels each at a random moment."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.seed = seed

    def run(self, count: int) -> list[str]:
        """The statuses. Between two cancels a prediction runs undisturbed."""
        statuses = []
        with ThreadPoolExecutor(1) as pool:
            for number in range(count):
                name = f"s{self.seed}-{number}"
                statuses.append(self.cancel_one(pool, name))
                undisturbed = self.predict(f"{name}-next", 0).json()
                assert (undisturbed["status"], undisturbed["output"]) == ("succeeded", f"{name}-next")
                assert undisturbed["logs"] == f"{name}-next\n"
        return statuses

    def predict(self, name: str, seconds: float) -> Answer:
        return self.server.predict({"name": name, "seconds": seconds}, id=name)

    def cancel_one(self, pool: ThreadPoolExecutor, name: str) -> str:
        work, moment = (self.random.uniform(0, LONGEST_WORK_S) for _ in range(2))
        answer: Future[Answer] = pool.submit(self.predict, name, work)
        time.sleep(moment)  # the random moment, not a wait for a condition
        assert self.server.cancel(name).status in {200, 404}
        body = answer.result().json()
        assert body["status"] in {"canceled", "succeeded"}, body
        if body["status"] == "succeeded":
            assert body["output"] == name
        return str(body["status"])


@pytest.fixture(params=[SYNC, ASYNC], ids=["sync", "async"])
def model(request: pytest.FixtureRequest) -> Model:
    return Model(request.param, NAMED)


@pytest.mark.slow
@pytest.mark.ours("issue 2: each ends canceled or succeeded; an async one of the peer may end failed")
def test_a_thousand_cancels_at_random_moments(serve: Serve, model: Model) -> None:
    with serve(model) as server:
        statuses = Canceler(server, seed=1).run(CANCELS)
        assert len(statuses) == CANCELS
        assert min(statuses.count("canceled"), statuses.count("succeeded")) > CANCELS // 10


@pytest.mark.slow
@pytest.mark.ours("issue 2: no cancel reaches another prediction; with several slots the peer's do")
def test_a_thousand_cancels_in_eight_slots_at_once(serve: Serve) -> None:
    with serve(Model(ASYNC, NAMED), variables={"COG_MAX_CONCURRENCY": "8"}) as server:
        with ThreadPoolExecutor(8) as pool:
            runs = [pool.submit(Canceler(server, seed).run, CANCELS // 8) for seed in range(8)]
            statuses = [status for run in runs for status in run.result()]
        assert len(statuses) == CANCELS
        assert server.health()["status"] == "READY"
