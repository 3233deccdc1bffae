"""hardening.md A4: however much is wrong with an input, the 422 is short and other clients are served."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import psutil
import pytest
from integration.conftest import Serve
from testing.client import JSON
from testing.model import Model, inputs
from testing.server import Server

pytestmark = pytest.mark.ours("hardening.md A4")

MANY: Final = 900_000
NUMBERS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "integer"}}
MODEL: Final = Model(
    "class Runner:\n    def run(self, **given) -> int:\n        return len(given)\n",
    inputs(
        {
            "numbers": NUMBERS,
            "rows": {"type": "array", "items": NUMBERS},
            "union": {"anyOf": [NUMBERS, {"type": "array", "items": {"type": "boolean"}}]},
            "text": {"type": "string", "maxLength": 5},
        }
    ),
    "predict.py:Runner",
)
LARGE: Final[dict[str, dict[str, Any]]] = {
    "unknown fields": {"input": {f"k{number}": 1 for number in range(MANY)}},
    "items": {"input": {"numbers": ["x"] * MANY}},
    "nested items": {"input": {"rows": [["x"] * 900] * 1_000}},
    "a union": {"input": {"union": ["x"] * MANY}},
    "context": {"context": {f"k{number}": "" for number in range(MANY)}},
    "a long name": {"input": {"k" * 1024 * 1024: 1}},
    "a long value": {"input": {"text": "x" * 1024 * 1024}},
    "a long event": {"webhook_events_filter": ["x" * 1024 * 1024]},
    "a long webhook": {"webhook": "x" * 1024 * 1024},
}


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve(MODEL) as server:
        yield server


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE)
def test_a_refusal_is_short_and_others_do_not_wait_for_it(server: Server, body: dict[str, Any]) -> None:
    content = json.dumps(body, separators=(",", ":")).encode()
    with ThreadPoolExecutor(1) as background:
        refusal = background.submit(server.address.request, "POST", "/predictions", content, JSON)
        waits = []
        while not refusal.done():
            started = processor_time(server)
            assert server.health()["status"] == "READY"
            waits.append(processor_time(server) - started)
    answer = refusal.result()
    assert answer.status == 422
    assert len(answer.body) < 64 * 1024
    assert max(waits, default=0) < 3  # it was 10 to 60 s; what remains is decoding 900,000 names


def processor_time(server: Server) -> float:
    """Return the seconds in which the server has computed: other programs do not add to them."""
    times = psutil.Process(server.process.pid).cpu_times()
    return float(times.user + times.system)


def test_it_says_how_much_more_is_wrong(server: Server) -> None:
    detail = server.predict({f"k{number}": 1 for number in range(2_000)}).json()["detail"]
    assert len(detail) == 101
    assert detail[-1] == {"loc": ["body", "input", "__root__"], "msg": "and 1900 more", "type": "value_error"}
