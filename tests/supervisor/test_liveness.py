"""hardening.md R12 and D1: distinguishing hanging workers from busy ones."""

from coglet_supervisor.time_limits import PARTS
from coglet_supervisor.workers.liveness import Liveness


def looks(liveness: Liveness, number: int, processor_s: float = 0.0) -> list[bool]:
    return [liveness.hangs(processor_s) for _ in range(number)]


def test_silence_without_work_is_a_hang() -> None:
    assert looks(Liveness(), PARTS + 1) == [False] * PARTS + [True]


def test_an_answer_is_a_sign_of_life() -> None:
    liveness = Liveness()
    looks(liveness, PARTS)
    liveness.answered()
    assert looks(liveness, PARTS + 1) == [False] * PARTS + [True]


def test_a_worker_that_uses_cpu_time_is_busy() -> None:
    liveness = Liveness()
    assert not any(liveness.hangs(processor_s) for processor_s in range(1, 1000))


def test_earlier_cpu_time_does_not_count() -> None:
    liveness = Liveness()
    assert not liveness.hangs(3)
    assert looks(liveness, PARTS + 1, 3) == [False] * PARTS + [True]
