"""hardening.md R26: fifty predictions a second with a megabyte each, and the server does not grow.

`PYCOGLET_STEADY=600 pytest integration/hardening/test_steady_load.py -s` runs for 600 seconds instead of ten.
"""

import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
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


def ask(server: Server, ends: float) -> int:
    """Run one client at a fixed rate until `ends`; return how many of its predictions succeeded."""
    pace = threading.Event()
    succeeded = asked = 0
    begins = time.monotonic()
    body = {"input": {"text": "x" * MIB}}
    with server.address.connect() as connection:
        while time.monotonic() < ends:
            pace.wait(max(0.0, begins + asked / PER_CLIENT_AND_S - time.monotonic()))
            asked += 1
            succeeded += exchange(connection, "POST", "/predictions", body).json()["status"] == "succeeded"
    return succeeded


def watch(server: Server, ends: float) -> dict[int, float]:
    """Return the resident MiB of the server between requests: the minimum in each second, by second."""
    pace = threading.Event()
    least: dict[int, float] = {}
    while (now := time.monotonic()) < ends:
        held = Use.of(server).resident_bytes / MIB
        least[int(now)] = min(held, least.get(int(now), held))
        pace.wait(0.05)
    return least


def test_memory_stays_flat(serve: Serve) -> None:
    # So few records that they are full of megabytes after the first second.
    variables = {"COG_MAX_CONCURRENCY": "8", "COG_LOG_LEVEL": "error", "COG_RECORDS_MAX": "20"}
    with serve(MODEL, variables=variables) as server:
        ends = time.monotonic() + SECONDS
        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(ask, server, ends) for _ in range(CLIENTS)]
            least = watch(server, ends)
        succeeded = sum(each.result() for each in asking)
        # The first third is warm-up: lazy imports and caches.
        seconds, mebibytes = zip(*list(least.items())[len(least) // 3 :], strict=True)
        slope = statistics.linear_regression(seconds, mebibytes).slope * 60
        held = f"{min(mebibytes):.2f} to {max(mebibytes):.2f} MiB"
        print(f"{succeeded} predictions; the server held {held}, {slope:+.3f} MiB a minute")
        print("each minute:", " ".join(f"{value:.1f}" for value in list(least.values())[::60]))
        assert succeeded > SECONDS * CLIENTS * PER_CLIENT_AND_S / 2
        assert max(mebibytes) - min(mebibytes) < 8
        assert slope < MAX_MIB_PER_MINUTE or SECONDS < 60
