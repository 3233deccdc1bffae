"""What a prediction costs, in units of what else the same server does in the same run.

Processor time and memory of the server's processes, never the time of day: a slow or busy machine changes
both sides of a ratio alike. Each limit is about twice of what was measured when it was set (2026-11, CPython
3.11), to find a fault of method: a hand-over to a thread, a copy more, items that are sent one by one.
"""

from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from integration.conftest import Serve
from integration.harness.client import exchange
from integration.harness.model import Model
from integration.harness.server import Server

HELLO = Model("""
from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, name: str) -> str:
        return f"hello {name}"
""")

MANY = Model("""
import cog
from cog import BasePredictor, ConcatenateIterator


class Predictor(BasePredictor):
    @cog.streaming
    def predict(self, items: int = 1, lines: int = 0) -> ConcatenateIterator[str]:
        for number in range(lines):
            print(f"line {number}")
        for number in range(items):
            yield f"item {number}"
""")

LARGE = Model("""
from cog import BasePredictor, Path


class Predictor(BasePredictor):
    def setup(self) -> None:
        self.text = "x" * (32 << 20)
        Path("large.bin").write_bytes(bytes(32 << 20))

    def predict(self, kind: str, text: str = "") -> str:
        if kind == "file":
            return Path("large.bin")
        return self.text if kind == "output" else "taken"
""")

MODULES = Model("""
import sys

from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self) -> list[str]:
        return sorted(sys.modules)
""")

LARGE_MIB = 32
BATCHES = 5
PARTS = 5000

pytestmark = pytest.mark.ours("issue 7: faster than the peer")


def processes(server: Server) -> list[psutil.Process]:
    supervisor = psutil.Process(server.process.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def processor_s(server: Server, work: Callable[[], None], times: int) -> float:
    """Processor time that all processes of the server take to do some work so many times."""
    # The kernel reports it in steps of 10 ms: the work measured must take many of them.
    before = _used_s(server)
    for _ in range(times):
        work()
    return _used_s(server) - before


def _used_s(server: Server) -> float:
    times = [process.cpu_times() for process in processes(server)]
    return sum(used.user + used.system for used in times)


def voluntary_switches(server: Server, work: Callable[[], None], times: int) -> int:
    """How often a thread of the server stops to wait. A busy machine does not make it more."""
    work()  # threads that start with the first work are there now
    before = _switches(server)
    for _ in range(times):
        work()
    return _switches(server) - before


def _switches(server: Server) -> int:
    return sum(
        int(line.split()[1])
        for process in processes(server)
        for status in Path(f"/proc/{process.pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches:")
    )


def predict(connection: HTTPConnection, accept: str = "application/json", **inputs: Any) -> None:
    headers = {"Accept": accept}
    answer = exchange(connection, "POST", "/predictions", {"input": inputs}, headers)
    assert b'"status":"succeeded"' in answer.body, answer.body[:300]


def test_a_prediction_costs_at_most_five_health_checks(serve: Serve) -> None:
    with serve(HELLO) as server, server.address.connect() as connection:
        health_s = prediction_s = 0.0
        for _ in range(BATCHES):
            health_s += processor_s(server, lambda: _check_health(connection), times=300)
            prediction_s += processor_s(server, lambda: predict(connection, name="world"), times=300)
    ratio = prediction_s / health_s
    assert ratio < 5


def test_a_prediction_waits_in_few_places(serve: Serve) -> None:
    # The supervisor waits for the request and for the worker, the worker for the next prediction. Each
    # hand-over to a thread adds two.
    with serve(HELLO) as server, server.address.connect() as connection:
        switches = voluntary_switches(server, lambda: predict(connection, name="world"), times=500)
    assert switches < 6 * 500


def _check_health(connection: HTTPConnection) -> None:
    assert exchange(connection, "GET", "/health-check").status == 200


@pytest.fixture(scope="module")
def many(serve: Serve) -> Iterator[Server]:
    with serve(MANY, variables={"COG_STREAM_HISTORY_CAPACITY": "8192"}) as server:
        yield server


@pytest.mark.parametrize(
    ("accept", "inputs"),
    [
        pytest.param("application/json", {"items": PARTS}, id="items-in-one-answer"),
        pytest.param("text/event-stream", {"items": PARTS}, id="items-as-events"),
        pytest.param("application/json", {"lines": PARTS}, id="log-lines"),
    ],
)
def test_fifty_small_parts_cost_at_most_a_prediction(
    many: Server, accept: str, inputs: dict[str, int]
) -> None:
    parts_s = prediction_s = 0.0
    with many.address.connect() as connection:
        for _ in range(BATCHES):
            parts_s += processor_s(many, lambda: predict(connection, accept, **inputs), times=2)
            prediction_s += processor_s(many, lambda: predict(connection), times=200)
    parts_for_a_prediction = (prediction_s / (BATCHES * 200)) / (parts_s / (BATCHES * 2 * PARTS))
    assert parts_for_a_prediction > 50


@pytest.mark.parametrize(
    ("inputs", "supervisor_limit", "worker_limit"),
    [
        pytest.param({"kind": "input", "text": "x" * (LARGE_MIB << 20)}, 5, 4, id="input"),
        pytest.param({"kind": "output"}, 5, 4, id="output"),
        pytest.param({"kind": "file"}, 5, 1, id="file"),
    ],
)
def test_a_large_value_is_held_only_a_few_times_at_once(
    serve: Serve, inputs: dict[str, str], supervisor_limit: float, worker_limit: float
) -> None:
    with serve(LARGE) as server, server.address.connect() as connection:
        before_mib = [_peak_mib(process) for process in processes(server)]
        predict(connection, **inputs)
        after_mib = [_peak_mib(process) for process in processes(server)]
    supervisor, worker = (
        (after - before) / LARGE_MIB for after, before in zip(after_mib, before_mib, strict=True)
    )
    assert supervisor < supervisor_limit
    assert worker < worker_limit


def _peak_mib(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def test_the_worker_loads_nothing_of_the_server(serve: Serve) -> None:
    with serve(MODULES) as server:
        loaded = {name.partition(".")[0] for name in server.predict().json()["output"]}
    for_the_server = {"coglet_supervisor", "coglet_schema", "hypercorn", "quart", "httpx", "anyio"}
    assert not loaded & (for_the_server | {"jsonschema_rs", "tree_sitter", "psutil", "requests", "pydantic"})
