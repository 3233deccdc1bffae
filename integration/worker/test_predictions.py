"""Every kind of model gives its output, and every failure its text (runtime.md 4.2, 6.1, 6.6)."""

import pytest
from integration.worker.conftest import StartWorker

SYNC_RUNNER = "class Runner:\n    def run(self, n: int):\n        return n * 2\n"

KINDS = {
    "class": SYNC_RUNNER,
    "class with predict": "class Runner:\n    def predict(self, n: int):\n        return n * 2\n",
    "function": "def Runner(n: int):\n    return n * 2\n",
    "async class": "class Runner:\n    async def run(self, n: int):\n        return n * 2\n",
    "async function": "async def Runner(n: int):\n    return n * 2\n",
}


@pytest.mark.parametrize("source", KINDS.values(), ids=KINDS)
def test_a_value_is_returned(start_worker: StartWorker, source: str) -> None:
    worker = start_worker(source)
    assert [worker.predict(n=n).result().output for n in range(3)] == [0, 2, 4]
