"""The gate: when a cancel may interrupt the main thread, and what a shielded block postpones."""

import threading
from collections.abc import Iterator

import pytest

from coglet import CancelationException
from coglet_worker.cancelation import CancelationGate


@pytest.fixture
def gate() -> Iterator[CancelationGate]:
    gate = CancelationGate()
    gate.install()
    yield gate
    gate.uninstall()


def test_the_running_prediction_is_interrupted(gate: CancelationGate) -> None:
    with pytest.raises(CancelationException), gate.region(1):
        gate.request(1)
    assert gate.requested(1)


def test_outside_of_the_region_nothing_is(gate: CancelationGate) -> None:
    gate.request(1)
    with gate.region(2):
        pass
    gate.request(2)
    assert gate.requested(2)


def test_one_that_is_due_is_raised_at_the_start(gate: CancelationGate) -> None:
    gate.request(1)
    entered = False
    with pytest.raises(CancelationException), gate.region(1):
        entered = True
    assert not entered


def test_a_cancel_of_another_prediction_has_no_effect(gate: CancelationGate) -> None:
    with gate.region(2):
        gate.request(1)
    assert not gate.requested(2)


def test_only_the_first_one_interrupts(gate: CancelationGate) -> None:
    reached = 0
    with gate.region(1):
        try:
            gate.request(1)
        except CancelationException:
            for _ in range(3):
                gate.request(1)
                reached += 1
    assert reached == 3


def test_each_prediction_is_interrupted_anew(gate: CancelationGate) -> None:
    for sequence in (1, 2):
        with pytest.raises(CancelationException), gate.region(sequence):
            gate.request(sequence)


def test_a_late_cancel_does_not_replace_a_newer_one(gate: CancelationGate) -> None:
    gate.request(2)
    gate.request(1)
    with pytest.raises(CancelationException), gate.region(2):
        pass


def test_it_waits_for_the_end_of_a_shielded_block(gate: CancelationGate) -> None:
    done = []

    def run() -> None:
        with gate.shielded():
            with gate.shielded():
                gate.request(1)
                done.append("inner")
            done.append("outer")
        done.append("after")

    with pytest.raises(CancelationException), gate.region(1):
        run()
    assert done == ["inner", "outer"]


def test_an_error_inside_a_shielded_block_is_not_hidden(gate: CancelationGate) -> None:
    def run() -> None:
        with gate.shielded():
            gate.request(1)
            raise ValueError("inside")

    with pytest.raises(CancelationException) as caught, gate.region(1):
        run()
    assert isinstance(caught.value.__context__, ValueError)


def test_another_thread_is_never_interrupted(gate: CancelationGate) -> None:
    done = []

    def work() -> None:
        with gate.shielded():
            gate.request(1)
        done.append("work")

    thread = threading.Thread(target=work)

    def run() -> None:
        thread.start()
        threading.Event().wait()

    with pytest.raises(CancelationException), gate.region(1):
        run()
    thread.join()
    assert done == ["work"]


@pytest.mark.parametrize("in_thread", [False, True], ids=["main thread", "other thread"])
def test_what_is_postponed_is_done_at_the_end_in_order(gate: CancelationGate, in_thread: bool) -> None:
    done: list[str] = []

    def work() -> None:
        shield = gate.shielded()
        with shield, gate.shielded():
            shield.postpone(lambda: done.append("first"))
            shield.postpone(second)
            done.append("block")
        done.append("after")

    def second() -> None:
        done.append("second")
        with gate.shielded():
            gate.shielded().postpone(lambda: done.append("third"))

    if in_thread:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
    assert done == ["block", "first", "second", "third", "after"]
    assert gate.shielded().depth == 0
