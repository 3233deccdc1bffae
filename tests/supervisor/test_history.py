"""The last hour: what a sample is made of, and which samples are kept."""

import msgspec
import pytest
from tests.supervisor.serving import Service

from coglet_supervisor.health import Setup
from coglet_supervisor.metrics.counts import Counts
from coglet_supervisor.metrics.history import INTERVAL_S, KEPT_S, History, percentile
from coglet_supervisor.metrics.machine import Queue, ServerState, Slots, WorkerState

STATE = ServerState(
    status="READY",
    in_progress=4,
    streams_open=0,
    webhook_backlog=0,
    slots=Slots(idle=0, busy=1),
    queue=Queue(length=3, capacity=10, oldest_s=1.5),
    workers=[
        WorkerState(
            number=0,
            state="READY",
            pid=1,
            replacements={},
            setup=Setup(started_at="", status="succeeded"),
            memory_bytes=200,
        )
    ],
    memory_bytes=100,
)


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_sample_covers_the_time_since_the_last_one(served: Service, clock: Clock) -> None:
    counts = Counts()
    history = History(counts, clock=clock, wall_clock=clock)
    for _ in range(5):
        run = served.create()
        served.end()
        counts.run_ended(run)
    clock.now += INTERVAL_S
    history.add(STATE)
    clock.now += INTERVAL_S
    history.add(STATE)
    first, second = history.samples
    assert (first.at, second.at) == (1010.0, 1020.0)
    assert (first.predictions_per_s, second.predictions_per_s) == (0.5, 0.0)
    assert first.p50_s is not None
    assert first.p99_s is not None
    assert first.p50_s <= first.p99_s
    assert (second.p50_s, second.p95_s, second.p99_s) == (None, None, None)
    assert (first.queue_length, first.in_progress) == (3, 4)
    assert (first.memory_bytes, first.worker_memory_bytes) == (100, [200])


async def test_an_hour_is_kept(clock: Clock) -> None:
    history = History(Counts(), clock=clock, wall_clock=clock)
    for _ in range(400):
        clock.now += INTERVAL_S
        history.add(STATE)
    samples = history.samples
    assert len(samples) * INTERVAL_S == KEPT_S
    assert samples[-1].at == clock.now
    assert samples[-1].at - samples[0].at == KEPT_S - INTERVAL_S


async def test_samples_and_state_can_be_encoded_as_json() -> None:
    history = History(Counts())
    history.add(STATE)
    (sample,) = msgspec.json.decode(msgspec.json.encode(history.samples))
    assert sample["queue_length"] == 3
    assert msgspec.json.decode(msgspec.json.encode(STATE))["workers"][0]["memory_bytes"] == 200


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_a_percentile_is_one_of_the_values(fraction: float, expected: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], fraction) == expected


def test_percentiles_of_few_values() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.99) == 7.0
