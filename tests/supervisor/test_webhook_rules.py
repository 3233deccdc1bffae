"""runtime.md 10.3: what an answer to a webhook means, and when to try again."""

import pytest

from coglet_supervisor.webhooks.retry import RETRY_DELAYS_S, Outage, Verdict, judge


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
        (502, "away"),
        (503, "away"),
        (504, "away"),
        (301, "refused"),
        (400, "refused"),
        (401, "refused"),
        (404, "refused"),
        (408, "refused"),
        (410, "refused"),
        (501, "refused"),
    ],
)
def test_what_a_status_says(status: int, verdict: Verdict) -> None:
    assert judge(status, redirects=False) == verdict


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_that_was_not_followed_may_end(status: int) -> None:
    assert judge(status, redirects=True) == "away"


def test_a_location_changes_nothing_else() -> None:
    assert judge(201, redirects=True) == "delivered"
    assert judge(404, redirects=True) == "refused"


def outage(failures: int, at: float = 0.0) -> Outage:
    outage = Outage()
    for _ in range(failures):
        outage.failed(at)
    return outage


def test_a_few_failures_are_no_outage() -> None:
    assert not outage(failures=4).spares(0.0)
    assert not outage(failures=4).reached()


def test_in_an_outage_attempts_keep_their_distance() -> None:
    away = outage(failures=5, at=10.0)
    assert away.spares(10.05)
    assert not away.spares(10.15)


def test_an_outage_ends_with_the_first_answer() -> None:
    away = outage(failures=50, at=10.0)
    assert away.reached()
    assert not away.spares(10.0)
    assert not away.reached()


def test_the_attempts_of_one_prediction_are_never_spared() -> None:
    away, now = Outage(), 0.0
    for delay_s in RETRY_DELAYS_S:
        away.failed(now)
        now += delay_s
        assert not away.spares(now)
