"""hardening.md R12: what hangs and what is busy."""

import os

from coglet_supervisor.liveness import Liveness, processor_seconds


def test_silence_without_work_is_a_hang() -> None:
    liveness = Liveness(10, now=0)
    assert not liveness.hangs(10, processor_s=0)
    assert liveness.hangs(10.1, processor_s=0)


def test_an_answer_is_a_sign_of_life() -> None:
    liveness = Liveness(10, now=0)
    liveness.answered(9)
    assert not liveness.hangs(19, processor_s=0)
    assert liveness.hangs(19.1, processor_s=0)


def test_who_computes_is_busy_however_long_it_is_silent() -> None:
    liveness = Liveness(10, now=0)
    assert not any(liveness.hangs(now, processor_s=now) for now in range(0, 1000, 9))


def test_work_of_the_past_is_no_sign_of_life() -> None:
    liveness = Liveness(10, now=0)
    assert not liveness.hangs(5, processor_s=3)
    assert liveness.hangs(15.1, processor_s=3)


def test_our_own_processor_time_is_known() -> None:
    assert processor_seconds(os.getpid(), os.sysconf("SC_CLK_TCK")) > 0


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    assert processor_seconds(2**30, 100) == 0.0
