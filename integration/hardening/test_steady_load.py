"""hardening.md R26: fifty predictions a second with a megabyte each, and the server does not grow.

`PYCOGLET_STEADY=600 pytest integration/hardening/test_steady_load.py -s` runs for 600 seconds instead of ten.
"""

import contextlib
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Final

import pytest
from integration.chaos.supervisor_use import Use
from integration.conftest import Serve
from testing.client import exchange
from testing.model import Model, inputs
from testing.server import Server

SECONDS: Final = float(os.environ.get("PYCOGLET_STEADY", "10"))
CLIENTS: Final = 5
PER_CLIENT_AND_S: Final = 10
BETWEEN_RESTS: Final = 2
MIB: Final = 1024 * 1024
# A MiB more or less is the allocator; one per minute would be a leak of 350 bytes per prediction.
MAX_MIB_PER_MINUTE: Final = 1.0

pytestmark = [
    pytest.mark.ours("hardening.md R26"),
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 120),
]

MODEL: Final = Model(
    "class Runner:\n    async def run(self, text: str) -> str:\n        return text[:100_000]\n",
    inputs({"text": {"type": "string"}}, "text"),
    "predict.py:Runner",
)


def ask(connection: HTTPConnection) -> None:
    """Run a few predictions of one client at a fixed rate, which a busy machine makes slower."""
    pace = threading.Event()
    begins = time.monotonic()
    body = {"input": {"text": "x" * MIB}}
    for number in range(BETWEEN_RESTS):
        pace.wait(max(0.0, begins + number / PER_CLIENT_AND_S - time.monotonic()))
        answer = exchange(connection, "POST", "/predictions", body)
        assert answer.json()["status"] == "succeeded"


def least_at_rest(server: Server) -> dict[int, float]:
    """Return the resident MiB of the server between requests: the minimum in each second of load, by second.

    Never during a request, whose megabytes the server rightly holds: all clients rest while it is measured.
    """
    least: dict[int, float] = {}
    ends = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS) as pool, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.address.connect()) for _ in range(CLIENTS)]
        while (now := time.monotonic()) < ends:
            list(pool.map(ask, connections))
            held = Use.of(server).resident_bytes / MIB
            least[int(now)] = min(held, least.get(int(now), held))
    return least


def test_memory_stays_flat(serve: Serve) -> None:
    # So few records that they are full of megabytes after the first second.
    variables = {"COG_MAX_CONCURRENCY": "8", "COG_LOG_LEVEL": "error", "COG_RECORDS_MAX": "20"}
    with serve(MODEL, variables=variables) as server:
        least = least_at_rest(server)
        # The first third is warm-up: lazy imports and caches.
        seconds, mebibytes = zip(*list(least.items())[len(least) // 3 :], strict=True)
        slope = statistics.linear_regression(seconds, mebibytes).slope * 60 if len(seconds) > 1 else 0.0
        held = f"{min(mebibytes):.2f} to {max(mebibytes):.2f} MiB"
        print(f"the server held {held}, {slope:+.3f} MiB a minute")
        print("each minute:", " ".join(f"{value:.1f}" for value in list(least.values())[::60]))
        # The least of each half: a leak raises it, and what the allocator keeps for a moment does not.
        half = len(mebibytes) // 2
        growth = min(mebibytes[half:]) - min(mebibytes[:half] or mebibytes)
        print(f"{growth:+.2f} MiB from one half to the other")
        assert growth < 4
        assert slope < MAX_MIB_PER_MINUTE or SECONDS < 60
