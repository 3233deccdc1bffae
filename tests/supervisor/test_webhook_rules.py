"""runtime.md 10.3: classification of responses to webhooks, retries and the circuit breaker."""

import pytest

from coglet_supervisor.webhooks.retry import RETRY_DELAYS_S, CircuitBreaker, Verdict, judge


def test_twelve_retries_in_about_409_seconds() -> None:
    assert RETRY_DELAYS_S[:6] == pytest.approx((0.2, 0.4, 0.8, 1.6, 3.2, 6.4))
    assert max(RETRY_DELAYS_S) == pytest.approx(102.4)
    assert (len(RETRY_DELAYS_S), round(sum(RETRY_DELAYS_S))) == (12, 409)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "delivered"),
        (202, "delivered"),
        (204, "delivered"),
        (429, "failing"),
        (500, "failing"),
        (502, "unavailable"),
        (503, "unavailable"),
        (504, "unavailable"),
        (301, "refused"),
        (400, "refused"),
        (401, "refused"),
        (404, "refused"),
        (408, "refused"),
        (410, "refused"),
        (501, "refused"),
    ],
)
def test_the_verdict_of_a_status(status: int, verdict: Verdict) -> None:
    assert judge(status, redirects=False) == verdict


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_that_was_not_followed_means_unavailable(status: int) -> None:
    assert judge(status, redirects=True) == "unavailable"


def test_a_location_changes_nothing_else() -> None:
    assert judge(201, redirects=True) == "delivered"
    assert judge(404, redirects=True) == "refused"


def circuit_after(failures: int, at: float = 0.0) -> CircuitBreaker:
    circuit = CircuitBreaker()
    for _ in range(failures):
        circuit.failed(at)
    return circuit


def test_a_few_failures_do_not_open_the_circuit() -> None:
    assert not circuit_after(failures=4).is_open(0.0)
    assert not circuit_after(failures=4).reached()


def test_an_open_circuit_lets_spaced_attempts_through() -> None:
    circuit = circuit_after(failures=5, at=10.0)
    assert circuit.is_open(10.05)
    assert not circuit.is_open(10.15)


def test_the_first_response_closes_the_circuit() -> None:
    circuit = circuit_after(failures=50, at=10.0)
    assert circuit.reached()
    assert not circuit.is_open(10.0)
    assert not circuit.reached()


def test_the_attempts_of_one_prediction_are_never_skipped() -> None:
    circuit, now = CircuitBreaker(), 0.0
    for delay_s in RETRY_DELAYS_S:
        circuit.failed(now)
        now += delay_s
        assert not circuit.is_open(now)
