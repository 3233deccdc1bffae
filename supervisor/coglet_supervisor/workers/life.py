"""The state of one worker, as one value, and its transitions.

| state | BecameReady | Failing | StopAsked | Exited |
|---|---|---|---|---|
| Loading | Ready | Loading, with the reason | Retiring | Ended: SetupFailed |
| Ready | Ready | Ready, with the reason | Retiring | Ended: Died |
| Retiring | Retiring | Retiring | Retiring | Ended: Stopped |
| Ended | Ended | Ended | Ended | Ended |

Of several reasons the first is kept, because later ones are its consequences. Times are the event loop's, in
seconds.
"""

from dataclasses import dataclass, replace

from coglet_supervisor.workers.restart import Service


@dataclass(frozen=True)
class SetupFailed:
    """The process failed or exited before the model was ready. `reason` is for the author of the model."""

    reason: str


@dataclass(frozen=True)
class NotStarted:
    """No process could be started, for lack of a resource that may become available again."""

    reason: str


@dataclass(frozen=True)
class Died:
    """The process exited unexpectedly after it was ready. `reason` is for the clients of its predictions."""

    reason: str
    service: Service


@dataclass(frozen=True)
class Stopped:
    """The process exited because it was asked to."""


End = SetupFailed | NotStarted | Died | Stopped


@dataclass(frozen=True)
class Loading:
    """The model is being set up."""

    failure: str | None = None


@dataclass(frozen=True)
class Ready:
    """The model accepts predictions."""

    since: float
    failure: str | None = None


@dataclass(frozen=True)
class Retiring:
    """The process was asked to exit."""

    was_ready: bool


@dataclass(frozen=True)
class Ended:
    """The process has exited."""

    end: End


State = Loading | Ready | Retiring | Ended


@dataclass(frozen=True)
class BecameReady:
    """The setup has succeeded, and all slots are connected."""

    at: float


@dataclass(frozen=True)
class Failing:
    """The process is about to exit, or is being killed, because of `reason`."""

    reason: str


@dataclass(frozen=True)
class StopAsked:
    """The server has asked the process to exit."""


@dataclass(frozen=True, kw_only=True)
class Exited:
    """The process has exited. `how` continues the sentence 'it ...'."""

    how: str
    at: float
    ended_a_prediction: bool
    lost_a_prediction: bool


Event = BecameReady | Failing | StopAsked | Exited


def step(state: State, event: Event) -> State:
    """Return the state after `event`, according to the module's table."""
    match state, event:
        case Loading(), BecameReady(at):
            return Ready(since=at)
        case ((Loading(failure=None) | Ready(failure=None)), Failing(reason)):
            return replace(state, failure=reason)
        case ((Loading() | Ready()), StopAsked()):
            return Retiring(was_ready=isinstance(state, Ready))
        case Loading(failure), Exited(how=how):
            return Ended(SetupFailed(failure or _crash(how)))
        case Ready(since, failure), Exited():
            service = Service(
                lasted_s=event.at - since,
                ended_a_prediction=event.ended_a_prediction,
                lost_a_prediction=event.lost_a_prediction,
            )
            return Ended(Died(failure or _crash(event.how), service))
        case Retiring(), Exited():
            return Ended(Stopped())
    return state


def _crash(how: str) -> str:
    return f"Worker crashed: it {how}"
