"""records.md 3: the order of the queue, its limits, and the waiting time in a rejection."""

import random
from dataclasses import dataclass

import pytest

from coglet_supervisor.predictions.queue import SECONDS_PER_PRIORITY, RunQueue, retry_after_s


@dataclass(frozen=True)
class Input:
    size_bytes: int = 1


@dataclass(frozen=True)
class Waiting:
    sequence: int
    priority: int = 0
    input: Input = Input()


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def new_queue(max_runs: int = 10, max_bytes: int = 100) -> tuple[RunQueue[Waiting], Clock]:
    clock = Clock()
    return RunQueue(max_runs, max_bytes, clock=clock), clock


def popped_runs(queue: RunQueue[Waiting]) -> list[Waiting]:
    return [queue.pop() for _ in range(len(queue))]


def popped(queue: RunQueue[Waiting]) -> list[int]:
    return [run.sequence for run in popped_runs(queue)]


def test_first_in_first_out() -> None:
    queue, clock = new_queue()
    for sequence in (1, 2, 3):
        queue.add(Waiting(sequence))
        clock.now_s += 1
    assert popped(queue) == [1, 2, 3]


def test_those_of_one_moment_keep_their_order() -> None:
    queue, _ = new_queue()
    for sequence in (1, 2, 3):
        queue.add(Waiting(sequence))
    assert popped(queue) == [1, 2, 3]


def test_a_higher_priority_goes_first() -> None:
    queue, _ = new_queue()
    for sequence, priority in ((1, 0), (2, -10), (3, 10), (4, 1)):
        queue.add(Waiting(sequence, priority))
    assert popped(queue) == [3, 4, 1, 2]


@pytest.mark.parametrize(
    ("waited_s", "first"), [(SECONDS_PER_PRIORITY - 1, 2), (SECONDS_PER_PRIORITY + 1, 1)]
)
def test_a_minute_of_waiting_is_worth_one_step(waited_s: float, first: int) -> None:
    queue, clock = new_queue()
    queue.add(Waiting(1))
    clock.now_s += waited_s
    queue.add(Waiting(2, priority=1))
    assert queue.pop().sequence == first


def test_no_run_waits_longer_than_the_whole_range_of_priorities() -> None:
    """However many of the highest priority arrive, the lowest has its turn after 20 minutes."""
    queue, clock = new_queue()
    queue.add(Waiting(1, priority=-10))
    for sequence in range(2, 100):
        clock.now_s += 30
        queue.add(Waiting(sequence, priority=10))
        if queue.pop().sequence == 1:
            break
    assert clock.now_s - 1000 == pytest.approx(20 * SECONDS_PER_PRIORITY, abs=30)


def test_runs_that_leave_do_not_change_the_order_of_the_others() -> None:
    rng = random.Random(1)
    arrivals = [(Waiting(number, rng.randint(-10, 10)), rng.random() * 30) for number in range(200)]
    leaving = set(rng.sample([run for run, _ in arrivals], 80))
    orders = []
    for leave in (False, True):
        queue, clock = new_queue(max_runs=1000, max_bytes=1000)
        for run, pause_s in arrivals:
            queue.add(run)
            clock.now_s += pause_s
        for run in leaving if leave else ():
            queue.remove(run)
            queue.remove(run)
        orders.append([run for run in popped_runs(queue) if run not in leaving])
    assert orders[0] == orders[1]


def test_its_limits_are_runs_and_bytes() -> None:
    queue, _ = new_queue(max_runs=2, max_bytes=10)
    assert queue.has_room(10)
    assert not queue.has_room(11)
    queue.add(Waiting(1, input=Input(6)))
    assert (queue.has_room(4), queue.has_room(5), queue.is_full) == (True, False, False)
    queue.add(Waiting(2, input=Input(1)))
    assert (queue.has_room(1), queue.is_full) == (False, True)
    queue.remove(Waiting(1, input=Input(6)))
    assert queue.has_room(9)
    queue.pop()
    assert queue.has_room(10)


def test_without_places_nothing_fits() -> None:
    queue, _ = new_queue(max_runs=0)
    assert (queue.has_room(0), queue.is_full) == (False, True)


def test_the_oldest_is_the_one_that_arrived_first() -> None:
    queue, clock = new_queue()
    assert queue.oldest_s == 0
    queue.add(Waiting(1, priority=-5))
    clock.now_s += 7
    queue.add(Waiting(2, priority=5))
    assert queue.oldest_s == 7
    assert [run.sequence for run in queue.runs] == [1, 2]
    queue.remove(Waiting(1, priority=-5))
    assert queue.oldest_s == 0


@pytest.mark.parametrize(
    ("durations_s", "waiting", "slots", "expected"),
    [
        ([], 5, 1, 1),
        ([2.0], 5, 0, 1),
        ([2.0], 5, 1, 10),
        ([2.0], 5, 2, 5),
        ([1.0, 2.0, 900.0], 5, 1, 10),
        ([0.001], 5, 1, 1),
        ([60.0], 100, 1, 300),
    ],
)
def test_the_estimate_of_a_rejected_client(
    durations_s: list[float], waiting: int, slots: int, expected: int
) -> None:
    assert retry_after_s(durations_s, waiting, slots) == expected
