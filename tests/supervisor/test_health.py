"""runtime.md 2.1 and 2.2: what the health check reports."""

import datetime
import re

import msgspec
import pytest

from coglet_supervisor.health import HealthBody, Reported, Setup, State, report, timestamp
from coglet_supervisor.versions import versions


@pytest.mark.parametrize(
    ("state", "free_slots", "user_error", "reported"),
    [
        ("READY", 1, None, "READY"),
        ("READY", 0, None, "BUSY"),
        ("READY", 1, "ill", "UNHEALTHY"),
        ("READY", 0, "ill", "UNHEALTHY"),
        ("UNKNOWN", 0, None, "UNKNOWN"),
        ("STARTING", 0, "ill", "STARTING"),
        ("SETUP_FAILED", 0, None, "SETUP_FAILED"),
        ("DEFUNCT", 1, "ill", "DEFUNCT"),
    ],
)
def test_the_reported_state(
    state: State, free_slots: int, user_error: str | None, reported: Reported
) -> None:
    assert report(state, free_slots=free_slots, user_error=user_error) == reported


def test_a_timestamp_is_rfc_3339_in_utc_with_nanoseconds() -> None:
    before = datetime.datetime.now(datetime.UTC)
    text = timestamp()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00", text)
    assert datetime.datetime.fromisoformat(text) >= before.replace(microsecond=0)


def test_unknown_values_are_omitted() -> None:
    body = HealthBody(
        status="STARTING", setup=Setup(started_at="then", status="starting"), version=versions()
    )
    shown = msgspec.json.decode(msgspec.json.encode(body))
    assert list(shown) == ["status", "setup", "version"]
    assert shown["setup"].keys() >= {"started_at", "status"}
    assert "completed_at" not in shown["setup"]
