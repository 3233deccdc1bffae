"""hardening.md R3 and R4: when a dead worker is replaced, and when not any more."""

from hypothesis import given
from hypothesis import strategies as st

from coglet_supervisor.restart import FIRST_DELAY_S, LONGEST_DELAY_S, GiveUp, Restart, RestartPolicy

DICE = st.floats(0, 1, exclude_max=True)
PATIENT = RestartPolicy(max_in_a_row=1000)


@given(DICE)
def test_the_first_death_is_answered_at_once(dice: float) -> None:
    decision = PATIENT.decide(1, dice=dice)
    assert isinstance(decision, Restart)
    assert decision.delay_s <= FIRST_DELAY_S


@given(st.integers(1, 1000), DICE)
def test_no_delay_is_longer_than_the_cap(deaths: int, dice: float) -> None:
    decision = PATIENT.decide(deaths, dice=dice)
    assert isinstance(decision, Restart)
    assert FIRST_DELAY_S / 2 <= decision.delay_s <= LONGEST_DELAY_S


@given(st.integers(1, 7), DICE)
def test_each_death_in_a_row_doubles_the_delay(deaths: int, dice: float) -> None:
    first, second = PATIENT.decide(deaths, dice=dice), PATIENT.decide(deaths + 1, dice=dice)
    assert isinstance(first, Restart)
    assert isinstance(second, Restart)
    assert second.delay_s == 2 * first.delay_s


def test_the_dice_spread_the_delays() -> None:
    assert PATIENT.decide(5, dice=0.0) != PATIENT.decide(5, dice=0.9)


def test_a_crash_loop_ends() -> None:
    policy = RestartPolicy(max_in_a_row=3)
    decisions = [policy.decide(deaths, dice=0.5) for deaths in range(1, 5)]
    assert [isinstance(decision, GiveUp) for decision in decisions] == [False, False, False, True]


@given(st.integers(1, 3), st.integers(1, 10_000), DICE)
def test_what_cannot_be_started_is_tried_for_ever(deaths: int, failed_starts: int, dice: float) -> None:
    policy = RestartPolicy(max_in_a_row=3)
    before, after = (policy.decide(deaths, failed_starts + more, dice=dice) for more in (-1, 0))
    assert isinstance(before, Restart)
    assert isinstance(after, Restart)
    assert before.delay_s <= after.delay_s <= LONGEST_DELAY_S


def test_without_restarts_the_first_death_is_the_last() -> None:
    decision = RestartPolicy(enabled=False).decide(1, dice=0.5)
    assert isinstance(decision, GiveUp)
    assert "COG_WORKER_RESTARTS" in decision.reason
