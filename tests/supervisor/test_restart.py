"""hardening.md R3, R4 and A6: the restart policy."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coglet_supervisor.workers.restart import (
    FIRST_DELAY_S,
    LONGEST_DELAY_AFTER_PREDICTION_S,
    LONGEST_DELAY_S,
    STEADY_S,
    GiveUp,
    Restart,
    RestartPolicy,
    Service,
    Setbacks,
)

JITTER = st.floats(0, 1, exclude_max=True)
POLICY = RestartPolicy()
IDLE = Service(lasted_s=1, ended_a_prediction=False, lost_a_prediction=False)
BUSY = Service(lasted_s=1, ended_a_prediction=False, lost_a_prediction=True)
PROVEN = Service(lasted_s=1, ended_a_prediction=True, lost_a_prediction=True)
STEADY = Service(lasted_s=STEADY_S, ended_a_prediction=False, lost_a_prediction=False)


def after_crashes(*services: Service) -> Setbacks:
    setbacks = Setbacks()
    for service in services:
        setbacks.crashed(service)
    return setbacks


def delay_s(setbacks: Setbacks, jitter: float = 0.5) -> float:
    decision = POLICY.decide(setbacks, jitter=jitter)
    assert isinstance(decision, Restart)
    return decision.delay_s


@given(JITTER)
def test_the_first_crash_is_followed_by_a_restart_immediately(jitter: float) -> None:
    assert delay_s(after_crashes(IDLE), jitter) <= FIRST_DELAY_S


@given(st.integers(1, 1000), JITTER)
def test_crashes_are_restarted_without_limit(deaths: int, jitter: float) -> None:
    assert FIRST_DELAY_S / 2 <= delay_s(after_crashes(*[IDLE] * deaths), jitter) <= LONGEST_DELAY_S


@given(st.integers(1, 1000), JITTER)
def test_the_delay_after_a_crash_in_a_prediction_is_short(deaths: int, jitter: float) -> None:
    setbacks = after_crashes(*[BUSY] * deaths)
    assert FIRST_DELAY_S / 2 <= delay_s(setbacks, jitter) <= LONGEST_DELAY_AFTER_PREDICTION_S


@pytest.mark.parametrize("service", [IDLE, BUSY])
@given(st.integers(1, 4), JITTER)
def test_each_consecutive_crash_doubles_the_delay(service: Service, deaths: int, jitter: float) -> None:
    first, second = after_crashes(*[service] * deaths), after_crashes(*[service] * (deaths + 1))
    assert delay_s(second, jitter) == 2 * delay_s(first, jitter)


@pytest.mark.parametrize("service", [PROVEN, STEADY])
def test_a_worker_that_has_served_resets_the_count(service: Service) -> None:
    assert delay_s(after_crashes(IDLE, IDLE, IDLE, service)) == delay_s(after_crashes(IDLE))


def test_jitter_spreads_the_delays() -> None:
    assert delay_s(after_crashes(*[IDLE] * 5), 0.0) != delay_s(after_crashes(*[IDLE] * 5), 0.9)


def test_consecutive_failed_setups_end_the_restarts() -> None:
    policy, setbacks = RestartPolicy(max_failed_setups=3), after_crashes(BUSY)
    decisions = []
    for _ in range(4):
        setbacks.failed_setup()
        decisions.append(policy.decide(setbacks, jitter=0.5))
    assert [isinstance(decision, GiveUp) for decision in decisions] == [False, False, False, True]


def test_a_worker_that_was_ready_resets_the_count_of_failed_setups() -> None:
    policy, setbacks = RestartPolicy(max_failed_setups=1), Setbacks()
    for _ in range(5):
        setbacks.failed_setup()
        assert isinstance(policy.decide(setbacks, jitter=0.5), Restart)
        setbacks.crashed(BUSY)


@pytest.mark.parametrize("fails", [Setbacks.failed_setup, Setbacks.failed_start])
def test_after_many_crashes_a_failed_start_is_retried_soon(
    fails: Callable[[Setbacks], None],
) -> None:
    setbacks = after_crashes(*[BUSY] * 20)
    fails(setbacks)
    assert delay_s(setbacks) <= FIRST_DELAY_S


@given(st.integers(0, 3), st.integers(1, 10_000), JITTER)
def test_failed_starts_are_retried_without_limit(failed_setups: int, starts: int, jitter: float) -> None:
    setbacks = Setbacks(failed_setups=failed_setups)
    before_s = 0.0
    for _ in range(min(starts, 50)):
        setbacks.failed_start()
        assert before_s <= delay_s(setbacks, jitter) <= LONGEST_DELAY_S
        before_s = delay_s(setbacks, jitter)
    setbacks.failed_starts = starts
    assert delay_s(setbacks, jitter) <= LONGEST_DELAY_S


def test_with_restarts_off_the_first_crash_ends_the_service() -> None:
    decision = RestartPolicy(enabled=False).decide(after_crashes(PROVEN), jitter=0.5)
    assert isinstance(decision, GiveUp)
    assert "COG_WORKER_RESTARTS" in decision.reason
