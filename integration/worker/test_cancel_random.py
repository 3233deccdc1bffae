"""Cancels at random moments: each prediction ends canceled or succeeded, and none hits the wrong one."""

import random
import threading

import pytest
from integration.worker.conftest import StartWorker

from coglet_protocol import control

PREDICTIONS = 300
SEED = 20261120

SYNC = """
    import time

    class Runner:
        def run(self, n):
            print(f"begin {n}\\\\n", end="")
            end = time.perf_counter() + 0.002
            while time.perf_counter() < end:
                print(f"work {n}\\\\n", end="")
            time.sleep(0.001)
            return n
"""
ASYNC = SYNC.replace("def run", "async def run").replace("time.sleep", "await asyncio.sleep")
ASYNC = ASYNC.replace("import time", "import asyncio, time")


@pytest.mark.parametrize("source", [SYNC, ASYNC], ids=["sync", "async"])
def test_every_prediction_ends_and_none_is_canceled_for_another(
    start_worker: StartWorker, source: str
) -> None:
    worker = start_worker(source.replace("\\\\n", "\\n"))
    chance = random.Random(SEED)
    slot_id = worker.wait_ready().slots[0]
    outcomes = {True: 0, False: 0}
    for n in range(PREDICTIONS):
        prediction = worker.predict(n=n)
        message = prediction.message
        is_canceled = chance.random() < 0.8
        if is_canceled:
            cancel = control.Cancel(slot=slot_id, id=message.id, sequence=message.sequence)
            later = threading.Timer(chance.uniform(0, 0.004), worker.say, [cancel])
            later.start()
            later.join()
        result = prediction.result()
        if is_canceled and result.is_canceled:
            outcomes[True] += 1
        else:
            outcomes[False] += 1
            assert result.output == n
        assert set(result.logs.splitlines()) <= {f"begin {n}", f"work {n}"}
    assert all(outcomes.values()), outcomes
    assert worker.check_health().status == "healthy"
    assert [each for each in worker.said.messages if isinstance(each, control.Failed)] == []
    assert worker.records == []
