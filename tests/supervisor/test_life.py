"""The transition table of a worker's state, cell by cell."""

import pytest

from coglet_supervisor.workers.life import (
    BecameReady,
    Died,
    Ended,
    Event,
    Exited,
    Failing,
    Loading,
    Ready,
    Retiring,
    SetupFailed,
    State,
    StopAsked,
    Stopped,
    step,
)
from coglet_supervisor.workers.restart import Service

EXITED = Exited(how="exited with code 3", at=15.0, ended_a_prediction=True, lost_a_prediction=False)
SERVICE = Service(lasted_s=5.0, ended_a_prediction=True, lost_a_prediction=False)
CRASH = "Worker crashed: it exited with code 3"
ENDED = Ended(Stopped())


@pytest.mark.parametrize(
    ("state", "event", "following"),
    [
        (Loading(), BecameReady(10.0), Ready(since=10.0)),
        (Loading(), Failing("no GPU"), Loading("no GPU")),
        (Loading(), StopAsked(), Retiring(was_ready=False)),
        (Loading(), EXITED, Ended(SetupFailed(CRASH))),
        (Loading("no GPU"), EXITED, Ended(SetupFailed("no GPU"))),
        (Loading("first"), Failing("second"), Loading("first")),
        (Ready(10.0), BecameReady(12.0), Ready(10.0)),
        (Ready(10.0), Failing("it hangs"), Ready(10.0, "it hangs")),
        (Ready(10.0), StopAsked(), Retiring(was_ready=True)),
        (Ready(10.0), EXITED, Ended(Died(CRASH, SERVICE))),
        (Ready(10.0, "it hangs"), EXITED, Ended(Died("it hangs", SERVICE))),
        (Ready(10.0, "first"), Failing("second"), Ready(10.0, "first")),
        (Retiring(was_ready=False), BecameReady(10.0), Retiring(was_ready=False)),
        (Retiring(was_ready=True), Failing("late"), Retiring(was_ready=True)),
        (Retiring(was_ready=True), StopAsked(), Retiring(was_ready=True)),
        (Retiring(was_ready=True), EXITED, ENDED),
        (ENDED, BecameReady(10.0), ENDED),
        (ENDED, Failing("late"), ENDED),
        (ENDED, StopAsked(), ENDED),
        (ENDED, EXITED, ENDED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_event_in_each_state(state: State, event: Event, following: State) -> None:
    assert step(state, event) == following
