"""Which prediction a cancel names if the supervisor sends no numbers."""

from coglet_protocol import control, slot
from coglet_worker.numbering import Numbering


def predict(prediction_id: str) -> slot.Predict:
    return slot.Predict(id=prediction_id, output_dir="/tmp/out")


def cancel(prediction_id: str) -> control.Cancel:
    return control.Cancel(slot="s", id=prediction_id)


def test_each_has_a_number_of_its_own() -> None:
    numbering = Numbering(lambda number: False)
    numbers = [numbering.number(name, predict("same")).sequence for name in ("s", "t", "s")]
    assert numbers == [1, 2, 3]


def test_a_cancel_names_the_one_that_runs() -> None:
    numbering = Numbering(lambda number: True)
    numbering.number("t", predict("a"))
    assert numbering.of_cancel(cancel("a")) != 1
    number = numbering.number("s", predict("b")).sequence
    assert numbering.of_cancel(cancel("b")) == number


def test_a_cancel_may_come_before_its_prediction() -> None:
    numbering = Numbering(lambda number: False)
    number = numbering.of_cancel(cancel("a"))
    assert numbering.number("s", predict("a")).sequence == number
    assert numbering.number("s", predict("a")).sequence != number


def test_one_that_comes_too_late_names_nothing_that_is_to_come() -> None:
    running: set[int] = set()
    numbering = Numbering(running.__contains__)
    first = numbering.number("s", predict("a")).sequence
    assert numbering.of_cancel(cancel("a")) == first
    second = numbering.number("s", predict("b")).sequence
    assert second != first
    running.add(second)
    assert numbering.of_cancel(cancel("a")) == 0


def test_one_for_another_prediction_is_forgotten() -> None:
    numbering = Numbering(lambda number: False)
    early = numbering.of_cancel(cancel("a"))
    assert numbering.number("s", predict("b")).sequence != early
    assert numbering.number("s", predict("a")).sequence != early
