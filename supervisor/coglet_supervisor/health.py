"""The response of GET /health-check, and the states that it reports."""

import datetime
import time
from typing import Literal

import msgspec

from coglet_supervisor.versions import Versions

State = Literal["UNKNOWN", "STARTING", "READY", "SETUP_FAILED", "DEFUNCT"]
Reported = Literal["UNKNOWN", "STARTING", "READY", "BUSY", "SETUP_FAILED", "DEFUNCT", "UNHEALTHY"]


class Setup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of the latest setup. Times are RFC 3339 in UTC with nanoseconds."""

    started_at: str
    completed_at: str | None = None
    status: Literal["starting", "succeeded", "failed"]
    logs: str = ""


class QueueReport(msgspec.Struct, frozen=True):
    """The predictions that wait for a slot: how many, at most how many, and for how long the first one."""

    size: int
    capacity: int
    oldest_s: float


class WorkerEnd(msgspec.Struct, frozen=True):
    """When a worker died (RFC 3339), and why."""

    at: str
    reason: str


class HealthBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of GET /health-check, with the peer's fields in its order.

    The rest is our addition: `restarts`, `queue` of servers that have one, and in `reload_error` why the
    latest change of the model is not served.
    """

    status: Reported
    setup: Setup | None = None
    version: Versions
    user_healthcheck_error: str | None = None
    restarts: int = 0
    queue: QueueReport | None = None
    reload_error: str | None = None


def report(state: State, *, has_room: bool, user_error: str | None) -> Reported:
    """Return the status to report. A failing user health check takes precedence over `BUSY`.

    With `has_room`, a prediction could start, or wait for a slot.
    """
    if state != "READY":
        return state
    if user_error is not None:
        return "UNHEALTHY"
    return "READY" if has_room else "BUSY"


def timestamp() -> str:
    """Return the current time in the format of the health report: RFC 3339, UTC, nanoseconds."""
    nanoseconds = time.time_ns()
    moment = datetime.datetime.fromtimestamp(nanoseconds // 1_000_000_000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 1_000_000_000:09d}+00:00"
