"""runtime.md 2.1 and 2.2: what the health check reports."""

import datetime
import re

import msgspec
import pytest

from coglet_supervisor.health import HealthBody, Reported, Setup, State, report, timestamp
from coglet_supervisor.versions import versions


@pytest.mark.parametrize(
    ("state", "has_room", "user_error", "reported"),
    [
        ("READY", True, None, "READY"),
        ("READY", False, None, "BUSY"),
        ("READY", True, "ill", "UNHEALTHY"),
        ("READY", False, "ill", "UNHEALTHY"),
        ("UNKNOWN", False, None, "UNKNOWN"),
        ("STARTING", False, "ill", "STARTING"),
        ("SETUP_FAILED", False, None, "SETUP_FAILED"),
        ("DEFUNCT", True, "ill", "DEFUNCT"),
    ],
)
def test_the_reported_state(state: State, has_room: bool, user_error: str | None, reported: Reported) -> None:
    assert report(state, has_room=has_room, user_error=user_error) == reported


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
